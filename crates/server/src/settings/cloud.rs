//! What only a service of many workspaces has to be told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use togglebox_multitenancy::{AccessPolicy, Allowed, HostRules, Locating, PlanCatalogue};
use togglebox_ratelimit::Mode;
use togglebox_storage::sqlite::Durability;

use super::billing::{BILLING, BillingSettings};
use super::environment::Environment;
use super::limits::{LimitRule, rule, rule_of};
use super::names::{Setting, plain};
use super::read::{Problems, Texts, boolean, duration, number, word};
use super::storage::DURABILITY;
use super::values::{Settings, url};

/// How long a token is good, unless a setting says otherwise: what it was made for may be over at any time, and of many workspaces.
const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// `docs/CLOUD_CONFIG.md` is made from this table.
const CLOUD: &[Setting] = &[
    plain(
        "BASE_DOMAIN",
        "none: it must be set",
        "Workspaces are reached at `<subdomain>.BASE_DOMAIN`, the central API at `api.BASE_DOMAIN`.",
    ),
    plain("CENTRAL_HOSTS", "", "Other hosts that mean the central API, separated by commas: names or addresses, without ports."),
    plain("CUSTOM_DOMAINS", "`true`", "Whether workspaces may have domains of their own."),
    plain(
        "TRUSTED_HOST_PROXIES",
        "`0`",
        "How many proxies of yours append the host that they were asked for to `X-Forwarded-Host`, 0 to 16. 0: `Host` is what counts.",
    ),
    plain(
        "TENANT_HEADER",
        "`false`",
        "`true`: on the central host, `X-Tenant: <subdomain>` leads to a workspace, where there is no wildcard DNS.",
    ),
    plain("TENANT_PATH", "`false`", "`true`: on the central host, paths that begin with `/t/<subdomain>/` lead to a workspace."),
    plain(
        "WORKSPACE_URL",
        "`https://{subdomain}.BASE_DOMAIN`",
        "How the address of a workspace is shown; `{subdomain}` stands for its subdomain.",
    ),
    plain("UPGRADE_URL", "`APP_URL/plans`", "Where people change their plan."),
    plain("PLANS_FILE", "the built-in plans", "A TOML file of plans and what each allows."),
    plain(
        "PLAN_RATES",
        "`enforce`",
        "What becomes of requests that come faster than the workspace's plan allows: `enforce` refuses them, `warn` and `shadow` let \
         them through and say so to the client or only in the log, `off` does not count.",
    ),
    plain(
        "RATE_LIMIT_EXPORT",
        "`10/1h`; none with `RATE_LIMITS=off`",
        "How often somebody may begin to export a workspace, for each person; `off`, or as the other limits are written.",
    ),
    plain(
        "RATE_LIMIT_BILLING",
        "`30/1m`; none with `RATE_LIMITS=off`",
        "How often somebody may ask for what has to do with money in a workspace (subscription, previews, changes, portal, bills), for each person \
         and workspace: each costs a call or more to Stripe. `off`, or as the other limits are written.",
    ),
    plain(
        "SUSPENDED_EVALUATION",
        "`true`",
        "Whether clients of a suspended workspace still read and evaluate. Its people manage nothing in any case.",
    ),
    plain(
        "UNPAID_EVALUATION",
        "`true`",
        "Whether clients of a workspace that is read-only, because a payment was overdue for too long, still read and evaluate: `true`, `false`, \
         or for how long from then on, `1s` to `3650d`.",
    ),
    plain(
        "CLOSED_EVALUATION",
        "`true`",
        "Whether clients of a workspace that is closed, because its subscription has ended, still read and evaluate: `true`, `false`, or for how \
         long since people could first no longer manage it, `1s` to `3650d`.",
    ),
    plain("PAST_DUE_MANAGEMENT", "`true`", "Whether a workspace whose payment is overdue is still managed."),
    plain(
        "WORKSPACE_GRACE_DAYS",
        "`30`",
        "For how many days a deleted workspace can be restored, 0 to 3650; then it is purged for good. 0: within minutes, and nobody can restore it.",
    ),
    plain(
        "SERVERLESS",
        "`true` on AWS Lambda, Netlify, Vercel and Cloudflare Pages, `false` elsewhere",
        "Whether the platform may stop the process between requests, so that nothing runs then. `true`: a request that comes more than a \
         second after the store was last asked what has changed asks first.",
    ),
    plain(
        "METERING",
        "`true`",
        "Whether the requests of workspaces are counted, for `/api/v1/usage`. With `SERVERLESS`, each answer waits until the store has it.",
    ),
    plain(
        "USAGE_DIR",
        "beside a database file (`togglebox.db.usage`); otherwise `togglebox-usage-` and a number that is the database's",
        "The folder where requests are counted until the store has them, on a disk that outlasts the process. Processes of one database may \
         share it; those of different databases must not.",
    ),
    plain(
        "USAGE_DURABILITY",
        "`process-end`",
        "What a request that was answered and counted survives: `process-end`, or `power-loss` (each answer waits for the disk, several \
         together). The store has what was counted a second ago in any case.",
    ),
    plain(
        "USAGE_MAPPED",
        "`true`",
        "Whether requests are counted in memory that is the file, where the file system keeps the space that a file was given (ext4, XFS, tmpfs). \
         `false`, and elsewhere: by a call of the system for each, which takes about a microsecond more.",
    ),
    plain(
        "USAGE_QUEUE",
        "none: usage goes to the database",
        "URL of a queue of Amazon SQS, FIFO at best, as `https://sqs.eu-central-1.amazonaws.com/123456789012/usage.fifo`: nodes put in what they \
         have counted, and take it out to bring it to the database.",
    ),
    plain("SQS_ENDPOINT", "Amazon's", "URL of another server that speaks the protocol of SQS."),
    plain("DNS_SERVER", "the system's", "`IP:PORT` of the name server that is asked for records that show whose a domain is."),
];

/// Those, and what a service that charges needs besides.
const ALL: &[Setting] = &{
    let mut all = [CLOUD[0]; CLOUD.len() + BILLING.len()];
    let mut place = 0;
    while place < all.len() {
        all[place] = if place < CLOUD.len() { CLOUD[place] } else { BILLING[place - CLOUD.len()] };
        place += 1;
    }
    all
};

/// Settings of a service of many workspaces, in the order of the reference.
pub const fn cloud() -> &'static [Setting] {
    ALL
}

/// Checked values.
#[derive(Clone, Debug)]
pub struct CloudSettings {
    /// Which hosts there are.
    pub rules: HostRules,
    /// Where else a request may say whom it is for.
    pub locating: Locating,
    /// How the address of a workspace is shown.
    pub workspace_url: String,
    /// Where people change their plan.
    pub upgrade_url: String,
    /// The plans.
    pub plans: Arc<PlanCatalogue>,
    /// What becomes of requests that come faster than the plan allows.
    pub plan_rates: Mode,
    /// How often one person may begin to export a workspace.
    pub exports: Option<LimitRule>,
    /// How often one person may ask for what has to do with money.
    pub money: Option<LimitRule>,
    /// What each status allows.
    pub access: AccessPolicy,
    /// How long a deleted workspace can be restored.
    pub grace: Duration,
    /// Whether nothing runs between requests.
    pub serverless: bool,
    /// Whether requests are counted.
    pub metering: bool,
    /// Where they are counted until the store has them; `None`: beside the database.
    pub usage: Option<PathBuf>,
    /// What such a count survives.
    pub usage_durability: Durability,
    /// Whether they are counted in memory that is a file, where that is safe.
    pub usage_mapped: bool,
    /// The URL of the queue through which counts go to the store, if they do.
    pub usage_queue: Option<String>,
    /// Another server of queues than Amazon's.
    pub sqs_endpoint: Option<String>,
    /// The name server to be asked; `None`: the system's.
    pub dns: Option<SocketAddr>,
    /// How workspaces are charged; `None`: not at all.
    pub billing: Option<BillingSettings>,
}

impl CloudSettings {
    /// Reads all settings of such a service. Everybody has to say who they are there, whatever the settings say.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(environment: &Environment) -> Result<(Settings, Self), Problems> {
        let mut texts = Texts::gather_with(environment, ALL);
        let mut settings = Settings::from_texts(&mut texts, environment);
        settings.api.authentication = true;
        if texts.get("JWT_EXPIRES_IN").is_none() {
            settings.tokens.life = TOKEN_LIFE;
        }
        let cloud = Self::from_texts(&mut texts, &settings);
        match cloud {
            Some(cloud) => texts.problems.finish((settings, cloud)),
            None => Err(texts.problems),
        }
    }

    /// `None` where a problem was found without which nothing can be said.
    fn from_texts(texts: &mut Texts, settings: &Settings) -> Option<Self> {
        let Some(base) = texts.get("BASE_DOMAIN").map(str::to_owned) else {
            texts.problems.add("BASE_DOMAIN must be set: workspaces are reached below it");
            return None;
        };
        let rules = match HostRules::new(&base) {
            Ok(rules) => rules,
            Err(error) => {
                texts.problems.add(format!("BASE_DOMAIN must be a domain such as example.com: {error}"));
                return None;
            }
        };
        let custom_domains = texts.read("CUSTOM_DOMAINS", true, boolean);
        let rules = texts.read("CENTRAL_HOSTS", rules.clone(), |text| {
            text.split(',').map(str::trim).filter(|host| !host.is_empty()).try_fold(rules, |rules, host| {
                rules.central(host).map_err(|error| format!("hosts, separated by commas: {error}"))
            })
        });
        let proxies = texts.read("TRUSTED_HOST_PROXIES", 0, number(0..=16));
        let mut locating = Locating::by_host().behind(usize::try_from(proxies).unwrap_or_default());
        if texts.read("TENANT_HEADER", false, boolean) {
            locating = locating.by_header();
        }
        if texts.read("TENANT_PATH", false, boolean) {
            locating = locating.by_path();
        }
        let workspace_url = texts.read("WORKSPACE_URL", format!("https://{{subdomain}}.{}", rules.base()), |text| {
            if text.contains("{subdomain}") { url(text) } else { Err("an http or https URL with {subdomain} in it".to_owned()) }
        });
        let is_limited = texts.get("RATE_LIMITS") != Some("off");
        let exports = is_limited.then(|| rule_of(10, Duration::from_hours(1))).flatten();
        let money = is_limited.then(|| rule_of(30, Duration::from_mins(1))).flatten();
        let plans = texts.read("PLANS_FILE", Arc::default(), plans);
        let mut access = AccessPolicy::default();
        access.suspended.evaluation = texts.read("SUSPENDED_EVALUATION", access.suspended.evaluation, boolean);
        let managed = texts.read("PAST_DUE_MANAGEMENT", true, boolean);
        access.past_due = Allowed { management: managed, reading: managed, ..access.past_due };
        let unpaid = texts.read("UNPAID_EVALUATION", (access.unpaid.evaluation, None), going_on);
        let closed = texts.read("CLOSED_EVALUATION", (access.closed.evaluation, None), going_on);
        (access.unpaid.evaluation, access.unpaid_evaluation) = unpaid;
        (access.closed.evaluation, access.closed_evaluation) = closed;
        let serverless = texts.read("SERVERLESS", settings.edge.is_some(), boolean);
        let metering = texts.read("METERING", true, boolean);
        let billing = BillingSettings::from_texts(texts, &settings.app_url, &plans, metering);
        Some(Self {
            rules: rules.custom_domains(custom_domains),
            locating,
            workspace_url,
            upgrade_url: texts.read("UPGRADE_URL", format!("{}/plans", settings.app_url), url),
            plans,
            plan_rates: texts.read("PLAN_RATES", Mode::Enforce, word(&PLAN_RATES)),
            exports: texts.read("RATE_LIMIT_EXPORT", exports, rule),
            money: texts.read("RATE_LIMIT_BILLING", money, rule),
            access,
            grace: Duration::from_hours(24 * texts.read("WORKSPACE_GRACE_DAYS", 30, number(0..=3650))),
            serverless,
            metering,
            usage: texts.get("USAGE_DIR").map(PathBuf::from),
            usage_durability: texts.read("USAGE_DURABILITY", Durability::ProcessEnd, word(&DURABILITY)),
            usage_mapped: texts.read("USAGE_MAPPED", true, boolean),
            usage_queue: texts.read("USAGE_QUEUE", None, |text| url(text).map(Some)),
            sqs_endpoint: texts.read("SQS_ENDPOINT", None, |text| url(text).map(Some)),
            dns: texts.read("DNS_SERVER", None, |text| {
                text.parse().map(Some).map_err(|_| "an address with a port, such as 127.0.0.1:53".to_owned())
            }),
            billing,
        })
    }
}

const PLAN_RATES: [(&str, Mode); 4] =
    [("enforce", Mode::Enforce), ("warn", Mode::Warn), ("shadow", Mode::Shadow), ("off", Mode::Off)];

/// Whether clients go on, and for how long if that has an end: `true`, `false`, or a time.
fn going_on(text: &str) -> Result<(bool, Option<Duration>), String> {
    if let Ok(whether) = boolean(text) {
        return Ok((whether, None));
    }
    let time = duration(Duration::from_secs(1), Duration::from_hours(3650 * 24))(text);
    time.map(|time| (true, Some(time))).map_err(|allowed| format!("true, false, or {allowed}"))
}

fn plans(path: &str) -> Result<Arc<PlanCatalogue>, String> {
    let text = std::fs::read_to_string(Path::new(path)).map_err(|error| format!("a file that can be read: {error}"))?;
    PlanCatalogue::from_toml(&text).map(Arc::new).map_err(|error| format!("a file of plans: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::storage::DatabaseSettings;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<(Settings, CloudSettings), Problems> {
        CloudSettings::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn a_base_domain_is_a_whole_configuration() {
        let (settings, cloud) = read(&[("BASE_DOMAIN", "Example.com")]).unwrap();
        assert!(settings.api.authentication && settings.registration);
        assert_eq!(settings.tokens.life, TOKEN_LIFE);
        assert_eq!(cloud.workspace_url, "https://{subdomain}.example.com");
        assert_eq!(cloud.upgrade_url, "http://localhost:3000/plans");
        assert!(cloud.rules.allows_custom_domains() && cloud.dns.is_none());
        assert_eq!(cloud.grace, Duration::from_hours(720));
        assert!(!cloud.serverless);
        assert!(cloud.rules.read(b"api.example.com").unwrap().key().is_none());
    }

    #[test]
    fn a_platform_that_stops_processes_is_recognised() {
        let serverless = |pairs: &[(&'static str, &'static str)]| {
            let pairs = [&[("BASE_DOMAIN", "example.com")], pairs].concat();
            read(&pairs).unwrap().1.serverless
        };
        assert!(serverless(&[("AWS_LAMBDA_FUNCTION_NAME", "boxes")]) && serverless(&[("SERVERLESS", "true")]));
        assert!(!serverless(&[("AWS_LAMBDA_FUNCTION_NAME", "boxes"), ("SERVERLESS", "false")]));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let problems = read(&[
            ("BASE_DOMAIN", "example.com"),
            ("CENTRAL_HOSTS", "a b"),
            ("WORKSPACE_URL", "https://example.com"),
            ("PLANS_FILE", "/nowhere.toml"),
            ("DNS_SERVER", "dns"),
            ("WORKSPACE_GRACE_DAYS", "a month"),
            ("TENANT_PATH", "yes"),
            ("RATE_LIMIT_EXPORT", "often"),
            ("PORT", "99999"),
        ]);
        let problems = problems.unwrap_err().to_string();
        for name in [
            "CENTRAL_HOSTS",
            "WORKSPACE_URL",
            "PLANS_FILE",
            "DNS_SERVER",
            "WORKSPACE_GRACE_DAYS",
            "TENANT_PATH",
            "RATE_LIMIT_EXPORT",
            "PORT",
        ] {
            assert!(problems.contains(name), "{name} is missing in {problems}");
        }
        assert!(read(&[]).unwrap_err().to_string().contains("BASE_DOMAIN must be set"));
        assert!(read(&[("BASE_DOMAIN", "10.0.0.1")]).unwrap_err().to_string().contains("BASE_DOMAIN must be a domain"));
    }

    #[test]
    fn clients_go_on_for_ever_not_at_all_or_for_a_time() {
        let access = |pair| read(&[("BASE_DOMAIN", "example.com"), pair]).map(|(_, cloud)| cloud.access);
        let free = access(("UNPAID_EVALUATION", "true")).unwrap();
        assert_eq!((free.unpaid.evaluation, free.unpaid_evaluation, free), (true, None, AccessPolicy::default()));
        assert!(!access(("UNPAID_EVALUATION", "false")).unwrap().unpaid.evaluation);
        let limited = access(("UNPAID_EVALUATION", "30d")).unwrap();
        assert_eq!((limited.unpaid.evaluation, limited.unpaid_evaluation), (true, Some(Duration::from_hours(720))));
        assert_eq!(access(("CLOSED_EVALUATION", "2w")).unwrap().closed_evaluation, Some(Duration::from_hours(336)));
        for wrong in ["yes", "0s", "30", "4000d"] {
            let told = access(("CLOSED_EVALUATION", wrong)).unwrap_err().to_string();
            assert!(told.contains("CLOSED_EVALUATION must be true, false, or a whole number with a unit"), "{told}");
        }
    }

    #[test]
    fn exports_are_limited_unless_nothing_is() {
        let rule = |pairs: &[(&str, &str)]| {
            let base = [("BASE_DOMAIN", "example.com")];
            read(&[&base, pairs].concat()).unwrap().1.exports.map(|rule| rule.to_string())
        };
        assert_eq!(rule(&[]), Some("10 at once, then 1 every 360s".to_owned()));
        assert_eq!(rule(&[("RATE_LIMITS", "off")]), None);
        assert_eq!(rule(&[("RATE_LIMIT_EXPORT", "off")]), None);
        let money = |pair| read(&[("BASE_DOMAIN", "example.com"), pair]).unwrap().1.money.map(|rule| rule.to_string());
        assert_eq!(money(("PORT", "1")), Some("30 at once, then 1 every 2s".to_owned()));
        assert_eq!((money(("RATE_LIMITS", "off")), money(("RATE_LIMIT_BILLING", "off"))), (None, None));
        assert_eq!(money(("RATE_LIMIT_BILLING", "5/1m")), Some("5 at once, then 1 every 12s".to_owned()));
        assert_eq!(
            rule(&[("RATE_LIMITS", "off"), ("RATE_LIMIT_EXPORT", "2/1d")]),
            Some("2 at once, then 1 every 43200s".to_owned())
        );
    }

    #[test]
    fn workspaces_are_kept_in_each_database_of_the_server() {
        let over = |pair| read(&[("BASE_DOMAIN", "example.com"), ("JWT_SECRET", "0f9c2b7a5d8e4613a7b9c0d1e2f345a6"), pair]);
        let (settings, _) = over(("DB_TYPE", "dynamodb")).unwrap();
        assert!(matches!(settings.database, DatabaseSettings::DynamoDb(_)));
        let (settings, _) = over(("DATABASE_URL", "postgres://db/boxes")).unwrap();
        assert!(matches!(settings.database, DatabaseSettings::Postgres(_)));
        let refused = over(("DB_TYPE", "d1")).unwrap_err().to_string();
        assert!(refused.contains("DB_TYPE must be one of sqlite, postgresql, postgres, dynamodb"), "{refused}");
    }

    #[test]
    fn nobody_gets_the_subdomain_of_a_central_host() {
        let hosts = ("CENTRAL_HOSTS", "Eu-Api.example.com, example.com, 10.0.0.1, a.b.example.com, elsewhere.test");
        let (_, cloud) = read(&[("BASE_DOMAIN", "example.com"), hosts]).unwrap();
        assert_eq!(cloud.rules.central_labels().collect::<Vec<_>>(), ["api", "eu-api"]);
        assert!(cloud.rules.read(b"eu-api.example.com").unwrap().key().is_none());
    }

    #[test]
    fn the_open_source_server_has_none_of_these() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        std::fs::write(&path, "base_domain = \"example.com\"\n").unwrap();
        let file = [("TOGGLEBOX_CONFIG", path.to_str().unwrap())];
        let problems = Settings::read(&file.iter().copied().collect()).unwrap_err().to_string();
        assert!(problems.contains("there is no setting base_domain"), "{problems}");
        assert!(read(&file).is_ok());
    }
}
