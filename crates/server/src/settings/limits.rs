//! How often requests may come.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use togglebox_ratelimit::address::Ipv6Prefix;
use togglebox_ratelimit::headers::Dialect;
use togglebox_ratelimit::{Mode, Quota};
use uuid::Uuid;

use super::read::{Texts, number, word};
use super::secret_url::SecretUrl;

/// Where limits are kept.
#[derive(Clone, Debug)]
pub enum LimitStoreSettings {
    /// In this process, each node for itself.
    Memory,
    /// In one Redis.
    Redis(SecretUrl),
    /// In the table of DynamoDB that the settings of the database name.
    DynamoDb,
}

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRule {
    /// How much may pass.
    pub quota: Quota,
    /// What is done about the rest.
    pub mode: Mode,
}

/// Rules by what they are for; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRules {
    /// Signing in, by network address.
    pub login: Option<LimitRule>,
    /// Making an account, by network address.
    pub register: Option<LimitRule>,
    /// Asking for a mail that resets a password, by network address and by mailbox.
    pub password_reset: Option<LimitRule>,
    /// Everything else, by network address, of those who come without a valid credential.
    pub general: Option<LimitRule>,
    /// Evaluating, likewise.
    pub evaluation: Option<LimitRule>,
    /// Requests with an API key, by key.
    pub key: Option<LimitRule>,
}

/// An exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitException {
    /// Whom it is for.
    pub who: LimitHolder,
    /// What counts for them; `None`: no limit.
    pub quota: Option<Quota>,
}

/// Whom an exception is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitHolder {
    /// The API key of this id, under the rule for keys.
    Key(Uuid),
    /// This address, under the rules for everything else and for evaluating.
    Address(IpAddr),
}

/// How often requests may come.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// Where limits are kept.
    pub store: LimitStoreSettings,
    /// The rules.
    pub rules: LimitRules,
    /// Exceptions from them.
    pub exceptions: Vec<LimitException>,
    /// How clients are told of their limits.
    pub dialect: Dialect,
    /// How many nodes share the store.
    pub nodes: u32,
    /// How long the store may take; `None`: as is usual for its kind.
    pub deadline: Option<Duration>,
    /// Which part of an IPv6 address is one subscriber's.
    pub ipv6_prefix: Ipv6Prefix,
    /// How many proxies of ours stand in front.
    pub proxies: usize,
}

/// What holds where a rule is not named.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Preset {
    /// Signing in, registering and resetting.
    Auth,
    /// That, and what the original intended for everything else.
    Original,
    /// Nothing.
    Off,
}

const MINUTE: Duration = Duration::from_mins(1);

pub(super) fn limits(texts: &mut Texts) -> LimitSettings {
    let store = texts.read("RATE_LIMIT_STORE", LimitStoreSettings::Memory, store);
    let nodes = texts.read("RATE_LIMIT_NODES", 1, number(1..=10_000));
    let deadline = texts.read("RATE_LIMIT_DEADLINE_MS", None, |text| number(1..=10_000)(text).map(Some));
    LimitSettings {
        store,
        rules: rules(texts),
        exceptions: texts.read("RATE_LIMIT_EXCEPTIONS", Vec::new(), exceptions),
        dialect: texts.read("RATE_LIMIT_HEADERS", Dialect::default(), |text| {
            word(&[("draft", Dialect::Draft), ("legacy", Dialect::Legacy), ("none", Dialect::None)])(text)
        }),
        nodes: u32::try_from(nodes).unwrap_or(1),
        deadline: deadline.map(Duration::from_millis),
        ipv6_prefix: texts.read("RATE_LIMIT_IPV6_PREFIX", Ipv6Prefix::default(), |text| {
            word(&[("48", Ipv6Prefix::Site48), ("56", Ipv6Prefix::Home56), ("64", Ipv6Prefix::Network64)])(text)
        }),
        proxies: usize::try_from(texts.read("TRUSTED_PROXIES", 0, number(0..=16))).unwrap_or(0),
    }
}

fn rules(texts: &mut Texts) -> LimitRules {
    let presets = [("auth", Preset::Auth), ("original", Preset::Original), ("off", Preset::Off)];
    let preset = texts.read("RATE_LIMITS", Preset::Auth, word(&presets));
    let original = legacy(texts);
    let each = |texts: &mut Texts, name, least, limit, period| {
        let default = (preset as u8 >= least && preset != Preset::Off).then(|| rule_of(limit, period)).flatten();
        texts.read(name, default, rule)
    };
    let (auth, original_too) = (Preset::Auth as u8, Preset::Original as u8);
    let rules = LimitRules {
        login: each(texts, "RATE_LIMIT_LOGIN", auth, 5, MINUTE),
        register: each(texts, "RATE_LIMIT_REGISTER", auth, 3, MINUTE),
        password_reset: each(texts, "RATE_LIMIT_PASSWORD_RESET", auth, 3, Duration::from_hours(1)),
        general: each(texts, "RATE_LIMIT_GENERAL", original_too, 100, MINUTE),
        evaluation: each(texts, "RATE_LIMIT_EVALUATION", original_too, 200, MINUTE),
        key: texts.read("RATE_LIMIT_KEY", None, rule),
    };
    match original {
        Some(rule) if texts.get("RATE_LIMIT_GENERAL").is_none() => LimitRules { general: Some(rule), ..rules },
        _ => rules,
    }
}

/// The two settings that the original knew and did not heed.
fn legacy(texts: &mut Texts) -> Option<LimitRule> {
    let window = texts.read("RATE_LIMIT_WINDOW_MS", 60_000, number(1..=86_400_000));
    let most = texts.read("RATE_LIMIT_MAX_REQUESTS", None, |text| number(1..=1_000_000)(text).map(Some))?;
    rule_of(u32::try_from(most).ok()?, Duration::from_millis(window))
}

pub(super) fn rule_of(limit: u32, period: Duration) -> Option<LimitRule> {
    let quota = Quota::rate(limit, period).full_burst().ok()?;
    Some(LimitRule { quota, mode: Mode::Enforce })
}

fn store(text: &str) -> Result<LimitStoreSettings, String> {
    let allowed = || {
        "memory, redis://HOST:PORT, rediss://…, redis-cluster://HOST:PORT,HOST:PORT, rediss-cluster://… or dynamodb".to_owned()
    };
    match text {
        "memory" => Ok(LimitStoreSettings::Memory),
        "dynamodb" => Ok(LimitStoreSettings::DynamoDb),
        _ => {
            let url = SecretUrl::parse(text, &["redis", "rediss", "redis-cluster", "rediss-cluster"]).ok_or_else(allowed)?;
            // Does not repeat the addresses. That Redis is not in a build is told elsewhere.
            #[cfg(feature = "redis")]
            togglebox_ratelimit::RedisOptions::parse(url.expose()).map_err(|why| format!("{}: {why}", allowed()))?;
            Ok(LimitStoreSettings::Redis(url))
        }
    }
}

/// `off`, or as `100/1m burst=20 mode=shadow`.
pub(super) fn rule(text: &str) -> Result<Option<LimitRule>, String> {
    if text == "off" {
        return Ok(None);
    }
    let mut words = text.split_whitespace();
    let (limit, period) = rate(words.next().unwrap_or_default())?;
    let (mut burst, mut mode) = (limit, Mode::Enforce);
    for more in words {
        match more.split_once('=') {
            Some(("burst", units)) => burst = units.parse().map_err(|_| form())?,
            Some(("mode", name)) => mode = modes(name)?,
            _ => return Err(form()),
        }
    }
    let quota = Quota::rate(limit, period).burst(burst).map_err(|error| format!("possible: {error}"))?;
    Ok(Some(LimitRule { quota, mode }))
}

fn form() -> String {
    "off, or a rate such as 100/1m (a number, and a time in ms, s, m, h or d), with burst=N and mode=enforce, warn or shadow after it"
        .to_owned()
}

fn rate(text: &str) -> Result<(u32, Duration), String> {
    let (limit, period) = text.split_once('/').ok_or_else(form)?;
    let end = period.find(|c: char| !c.is_ascii_digit()).unwrap_or(period.len());
    let unit_ms = match &period[end..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(form()),
    };
    // As `100/m`.
    let count = if end == 0 { Some(1) } else { period[..end].parse::<u64>().ok() };
    let ms = count.and_then(|count| count.checked_mul(unit_ms)).ok_or_else(form)?;
    Ok((limit.parse().map_err(|_| form())?, Duration::from_millis(ms)))
}

fn modes(text: &str) -> Result<Mode, String> {
    word(&[("enforce", Mode::Enforce), ("warn", Mode::Warn), ("shadow", Mode::Shadow)])(text).map_err(|_| form())
}

/// As `key:ID=1000/1m, address:192.0.2.1=off`.
fn exceptions(text: &str) -> Result<Vec<LimitException>, String> {
    let allowed = || {
        "exceptions separated by commas, each key:ID or address:IP, and after = a rate such as 1000/1m, with burst=N after it, or off"
            .to_owned()
    };
    let exception = |text: &str| {
        let (who, what) = text.trim().split_once('=').ok_or_else(allowed)?;
        let who = match who.split_once(':').ok_or_else(allowed)? {
            ("key", id) => LimitHolder::Key(id.parse().map_err(|_| allowed())?),
            ("address", address) => LimitHolder::Address(address.parse().map_err(|_| allowed())?),
            _ => return Err(allowed()),
        };
        let rule = rule(what).map_err(|_| allowed())?;
        if rule.is_some_and(|rule| rule.mode != Mode::Enforce) {
            return Err(allowed());
        }
        Ok(LimitException { who, quota: rule.map(|rule| rule.quota) })
    };
    text.split(',').map(exception).collect()
}

impl LimitSettings {
    /// Whether anything is limited.
    pub fn is_any(&self) -> bool {
        let LimitRules { login, register, password_reset, general, evaluation, key } = &self.rules;
        [login, register, password_reset, general, evaluation, key].into_iter().any(Option::is_some)
    }
}

/// For people; shows no secret.
impl fmt::Display for LimitStoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("in memory, each node for itself"),
            Self::Redis(url) => write!(f, "{url}"),
            Self::DynamoDb => f.write_str("in DynamoDB"),
        }
    }
}

/// As `5 at once, then 1 every 12s`.
impl fmt::Display for LimitRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.quota)?;
        match self.mode {
            Mode::Enforce => Ok(()),
            Mode::Warn => f.write_str(" (warns only)"),
            Mode::Shadow => f.write_str(" (counts only)"),
            Mode::Off => f.write_str(" (off)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn read(pairs: &[(&str, &str)]) -> LimitSettings {
        Settings::read(&pairs.iter().copied().collect()).unwrap().limits
    }

    fn problem(pairs: &[(&str, &str)]) -> String {
        Settings::read(&pairs.iter().copied().collect()).unwrap_err().to_string()
    }

    fn per_minute(limit: u32, burst: u32, mode: Mode) -> LimitRule {
        LimitRule { quota: Quota::rate(limit, MINUTE).burst(burst).unwrap(), mode }
    }

    #[test]
    fn guessing_is_limited_by_default_and_nothing_else() {
        let rules = read(&[]).rules;
        assert_eq!(rules.login, Some(per_minute(5, 5, Mode::Enforce)));
        assert_eq!(rules.register, Some(per_minute(3, 3, Mode::Enforce)));
        let hourly = Quota::rate(3, Duration::from_hours(1)).full_burst().unwrap();
        assert_eq!(rules.password_reset.unwrap().quota, hourly);
        assert_eq!((rules.general, rules.evaluation, rules.key), (None, None, None));
    }

    #[test]
    fn presets_and_single_rules() {
        let original = read(&[("RATE_LIMITS", "original")]).rules;
        assert_eq!(original.general, Some(per_minute(100, 100, Mode::Enforce)));
        assert_eq!(original.evaluation, Some(per_minute(200, 200, Mode::Enforce)));
        assert!(original.login.is_some());
        assert!(!read(&[("RATE_LIMITS", "off")]).is_any());
        let mixed = read(&[("RATE_LIMITS", "off"), ("RATE_LIMIT_GENERAL", "100/m burst=20 mode=shadow")]).rules;
        assert_eq!(mixed, LimitRules { general: Some(per_minute(100, 20, Mode::Shadow)), ..LimitRules::default() });
        let without = read(&[("RATE_LIMITS", "original"), ("RATE_LIMIT_EVALUATION", "off")]).rules;
        assert!(without.evaluation.is_none() && without.general.is_some());
    }

    #[test]
    fn what_the_original_ignored_is_heeded() {
        let rules = read(&[("RATE_LIMIT_WINDOW_MS", "30000"), ("RATE_LIMIT_MAX_REQUESTS", "50")]).rules;
        assert_eq!(rules.general.unwrap().quota, Quota::rate(50, Duration::from_secs(30)).full_burst().unwrap());
        let named = read(&[("RATE_LIMIT_MAX_REQUESTS", "50"), ("RATE_LIMIT_GENERAL", "7/1m")]).rules;
        assert_eq!(named.general, Some(per_minute(7, 7, Mode::Enforce)));
    }

    #[test]
    fn exceptions_name_a_key_or_an_address() {
        let id = "9f0c2c2a-8a1e-4c55-8ed7-5a2b3c4d5e6f";
        let text = format!("key:{id}=1000/1s burst=2000, address:2001:db8::1=off");
        let exceptions = read(&[("RATE_LIMIT_EXCEPTIONS", &text)]).exceptions;
        let quota = Quota::rate(1000, Duration::from_secs(1)).burst(2000).unwrap();
        let key = LimitException { who: LimitHolder::Key(id.parse().unwrap()), quota: Some(quota) };
        let address = LimitException { who: LimitHolder::Address("2001:db8::1".parse().unwrap()), quota: None };
        assert_eq!(exceptions, [key, address]);
    }

    #[cfg(feature = "redis")]
    #[test]
    fn an_address_of_redis_that_is_none_is_found_before_it_is_used_and_not_shown() {
        for (value, expected) in [
            ("redis://:hunter2@host:port", "or dynamodb: address 1 is none"),
            ("redis://:hunter2@a:1,b:2", "or dynamodb: there is more than one address"),
            ("redis-cluster://:hunter2@a:1,b:2/3", "or dynamodb: a cluster has database 0 only"),
        ] {
            let problem = problem(&[("RATE_LIMIT_STORE", value)]);
            assert!(problem.contains("RATE_LIMIT_STORE must be memory") && problem.contains(expected), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn problems_name_the_setting_and_what_is_allowed() {
        for (name, value, expected) in [
            ("RATE_LIMIT_LOGIN", "5", "RATE_LIMIT_LOGIN must be off, or a rate such as 100/1m"),
            ("RATE_LIMIT_LOGIN", "5/1y", "RATE_LIMIT_LOGIN must be off, or a rate such as 100/1m"),
            ("RATE_LIMIT_LOGIN", "0/1m", "RATE_LIMIT_LOGIN must be possible: limit: must be at least 1"),
            ("RATE_LIMIT_LOGIN", "5/1m burst=0", "RATE_LIMIT_LOGIN must be possible: burst: must be at least 1"),
            ("RATE_LIMIT_LOGIN", "5/1m mode=on", "RATE_LIMIT_LOGIN must be off, or a rate such as 100/1m"),
            ("RATE_LIMITS", "on", "RATE_LIMITS must be one of auth, original, off"),
            ("RATE_LIMIT_STORE", "mysql://x", "RATE_LIMIT_STORE must be memory, redis://HOST:PORT"),
            ("RATE_LIMIT_NODES", "0", "RATE_LIMIT_NODES must be a whole number from 1 to 10000"),
            ("RATE_LIMIT_EXCEPTIONS", "key:x=1/1m", "RATE_LIMIT_EXCEPTIONS must be exceptions separated by commas"),
            ("RATE_LIMIT_HEADERS", "new", "RATE_LIMIT_HEADERS must be one of draft, legacy, none"),
            ("RATE_LIMIT_IPV6_PREFIX", "32", "RATE_LIMIT_IPV6_PREFIX must be one of 48, 56, 64"),
            ("TRUSTED_PROXIES", "-1", "TRUSTED_PROXIES must be a whole number from 0 to 16"),
        ] {
            let problem = problem(&[(name, value)]);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
