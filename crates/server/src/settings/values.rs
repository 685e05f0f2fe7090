//! The checked values.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use togglebox_auth::{TokenParties, weakness};
use togglebox_core::input::is_email;
use togglebox_http::{ApiConfig, BodyMemory, Origins};

use super::environment::Environment;
use super::limits::{LimitSettings, limits};
use super::names::EDGES;
use super::read::{Problems, Texts, boolean, duration, number, word};
use super::storage::{BusSettings, DatabaseSettings, DynamoDbSettings, bus, database};
use crate::stores;

/// How tokens and keys are made.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// Signs tokens. `None`: made at the first start and kept beside the database.
    pub secret: Option<SecretString>,
    /// A secret that is being replaced.
    pub previous: Option<SecretString>,
    /// Hashes API keys. `None`: derived from the other.
    pub api_key_secret: Option<SecretString>,
    /// Life of a token.
    pub life: Duration,
    /// `iss` and `aud`.
    pub parties: TokenParties,
}

/// How mail is sent.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// The mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection must be encrypted.
    pub tls: bool,
    /// Name and password, if it wants them.
    pub login: Option<(String, SecretString)>,
    /// Sender's address.
    pub from_email: String,
    /// Sender's name.
    pub from_name: String,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that was read besides the environment, if any.
    pub file: Option<PathBuf>,
    /// Where to listen.
    pub address: SocketAddr,
    /// Threads that serve requests.
    pub workers: NonZero<usize>,
    /// How long requests under way may take after a signal to stop.
    pub shutdown_grace: Duration,
    /// Where everything is kept.
    pub database: DatabaseSettings,
    /// How DynamoDB is reached, whatever the database is: the tables of the original may be there.
    pub dynamodb: DynamoDbSettings,
    /// How nodes tell each other of changes.
    pub bus: BusSettings,
    /// How often requests may come.
    pub limits: LimitSettings,
    /// How long audit records are kept; `None`: for ever.
    pub audit_retention: Option<Duration>,
    /// How the API behaves.
    pub api: ApiConfig,
    /// Whether strangers may make accounts.
    pub registration: bool,
    /// How tokens and keys are made.
    pub tokens: TokenSettings,
    /// How mail is sent; `None`: not at all.
    pub mail: Option<MailSettings>,
    /// Where the links in mails lead, without a slash at the end.
    pub app_url: String,
    /// Which log lines are written.
    pub log_filter: String,
    /// How they are written; `None`: pretty on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// The platform in front, if one was recognised.
    pub edge: Option<&'static str>,
    /// Settings of the original that were given and have no effect.
    pub ignored: Vec<&'static str>,
}

impl Settings {
    /// Reads the settings from `environment` and the file that it names (`togglebox.toml` without).
    ///
    /// # Errors
    /// Every problem.
    pub fn read(environment: &Environment) -> Result<Self, Problems> {
        let mut texts = Texts::gather(environment);
        let settings = Self::from_texts(&mut texts, environment);
        texts.problems.finish(settings)
    }

    /// The values; what is wrong is among the problems of `texts`.
    pub(super) fn from_texts(texts: &mut Texts, environment: &Environment) -> Self {
        let edge = EDGES.iter().find(|(name, _)| environment.get(name).is_some() || environment.is_garbled(name));
        let edge = edge.map(|(_, platform)| *platform);
        let (database, dynamodb) = database(texts);
        let bus = bus(texts, &database);
        let limits = limits(texts);
        for problem in stores::missing(&database, &bus, &limits.store) {
            texts.problems.add(problem);
        }
        Self {
            file: texts.file.clone(),
            address: address(texts),
            workers: workers(texts),
            shutdown_grace: texts.read(
                "SHUTDOWN_GRACE",
                Duration::from_secs(30),
                duration(Duration::from_secs(1), Duration::from_mins(10)),
            ),
            limits,
            audit_retention: audit_retention(texts),
            api: api(texts, edge),
            registration: texts.read("ENABLE_REGISTRATION", true, boolean),
            tokens: tokens(texts, &database),
            mail: mail(texts),
            app_url: texts.read("APP_URL", "http://localhost:3000".to_owned(), url),
            log_filter: texts.read("LOG_LEVEL", "info".to_owned(), log_filter),
            log_format: log_format(texts),
            edge,
            ignored: std::mem::take(&mut texts.ignored),
            database,
            dynamodb,
            bus,
        }
    }
}

fn address(texts: &mut Texts) -> SocketAddr {
    let host = texts.read("HOST", IpAddr::from([127, 0, 0, 1]), |text| match text {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        _ => text.parse().map_err(|_| "an IP address, such as 127.0.0.1, 0.0.0.0 or ::".to_owned()),
    });
    let port = texts.read("PORT", 3000, number(0..=65_535));
    SocketAddr::new(host, u16::try_from(port).unwrap_or(0))
}

fn workers(texts: &mut Texts) -> NonZero<usize> {
    let cores = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let workers = texts.read("WORKERS", cores.get() as u64, number(1..=1024));
    usize::try_from(workers).ok().and_then(NonZero::new).unwrap_or(cores)
}

fn api(texts: &mut Texts, edge: Option<&'static str>) -> ApiConfig {
    // What an edge in front does already is not done twice.
    let unless_edge = |texts: &mut Texts, name| {
        let choice = texts.read(name, None, word(&[("on", Some(true)), ("off", Some(false)), ("auto", None)]));
        choice.unwrap_or(edge.is_none())
    };
    let seconds = |texts: &mut Texts, name| {
        let value = texts.read(name, 0, number(0..=31_536_000));
        u32::try_from(value).unwrap_or(0)
    };
    ApiConfig {
        authentication: texts.read("ENABLE_AUTHENTICATION", false, boolean),
        origins: texts.read("CORS_ORIGIN", Origins::Any, origins),
        security_headers: unless_edge(texts, "SECURITY_HEADERS"),
        compression: unless_edge(texts, "COMPRESSION"),
        browser_max_age_s: seconds(texts, "CACHE_TTL"),
        shared_max_age_s: seconds(texts, "CACHE_MAX_AGE"),
        body_memory: texts.read("BODY_MEMORY", BodyMemory::default(), body_memory),
    }
}

fn body_memory(text: &str) -> Result<BodyMemory, String> {
    let memory = text.parse().ok().and_then(BodyMemory::of_mib);
    memory.ok_or_else(|| format!("a whole number of MiB from {} to {}", BodyMemory::LEAST_MIB, BodyMemory::MOST_MIB))
}

fn origins(text: &str) -> Result<Origins, String> {
    if text == "*" {
        return Ok(Origins::Any);
    }
    let origins: Vec<String> = text.split(',').map(|origin| origin.trim().trim_end_matches('/').to_owned()).collect();
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| {
            !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'*' | b'"'))
        })
    };
    if origins.iter().all(is_origin) {
        Ok(Origins::Only(origins))
    } else {
        Err("* or origins such as https://app.example.com, separated by commas".to_owned())
    }
}

/// A record is what tells a repeated write from a new one. Clients and nodes repeat within seconds; a day is far beyond that.
fn audit_retention(texts: &mut Texts) -> Option<Duration> {
    let days = texts.read("AUDIT_RETENTION_DAYS", None, |text| {
        let days = number(1..=36_500)(text).map(Some);
        days.map_err(|allowed| format!("{allowed}: a day at the least, within which a write that is sent again is recognised"))
    });
    days.map(|days| Duration::from_secs(days * 86_400))
}

fn tokens(texts: &mut Texts, database: &DatabaseSettings) -> TokenSettings {
    let secret = |texts: &mut Texts, name: &'static str| {
        let text = texts.get(name)?;
        match weakness(text) {
            None => Some(SecretString::from(text.to_owned())),
            Some(problem) => {
                texts.problems.add(format!("{name} {problem}"));
                None
            }
        }
    };
    let default = TokenParties::default();
    let (secret_now, previous, api_key_secret) =
        (secret(texts, "JWT_SECRET"), secret(texts, "JWT_SECRET_PREVIOUS"), secret(texts, "API_KEY_SECRET"));
    if let (Some(now), Some(key)) = (&secret_now, &api_key_secret)
        && now.expose_secret() == key.expose_secret()
    {
        texts.problems.add("API_KEY_SECRET must differ from JWT_SECRET");
    }
    if !database.is_embedded() && texts.get("JWT_SECRET").is_none() {
        texts.problems.add("JWT_SECRET must be set: every node over this store signs with the same");
    }
    TokenSettings {
        secret: secret_now,
        previous,
        api_key_secret,
        life: texts.read(
            "JWT_EXPIRES_IN",
            Duration::from_hours(24),
            duration(Duration::from_mins(1), Duration::from_hours(365 * 24)),
        ),
        parties: TokenParties {
            issuer: texts.get("JWT_ISSUER").map_or(default.issuer, str::to_owned),
            audience: texts.get("JWT_AUDIENCE").map_or(default.audience, str::to_owned),
        },
    }
}

fn mail(texts: &mut Texts) -> Option<MailSettings> {
    let port = texts.read("SMTP_PORT", 587, number(1..=65_535));
    let tls = texts.read("SMTP_TLS", true, word(&[("required", true), ("none", false)]));
    let from_email = texts.read("FROM_EMAIL", "noreply@togglebox.com".to_owned(), |text| {
        if is_email(text) { Ok(text.to_owned()) } else { Err("an e-mail address".to_owned()) }
    });
    let login = match (texts.get("SMTP_USER").map(str::to_owned), texts.get("SMTP_PASS").map(str::to_owned)) {
        (Some(user), Some(password)) => Some((user, SecretString::from(password))),
        (None, None) => None,
        _ => {
            texts.problems.add("SMTP_USER and SMTP_PASS must be given together");
            None
        }
    };
    Some(MailSettings {
        host: texts.get("SMTP_HOST")?.to_owned(),
        port: u16::try_from(port).unwrap_or(0),
        tls,
        login,
        from_email,
        from_name: texts.get("FROM_NAME").unwrap_or("ToggleBox").to_owned(),
    })
}

pub(super) fn url(text: &str) -> Result<String, String> {
    let sound = ["https://", "http://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    if sound && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("an http or https URL".to_owned())
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    let text = if text == "fatal" { "error" } else { text };
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("trace, debug, info, warn, error, fatal, off or a filter such as info,togglebox_http=debug".to_owned()),
    }
}

fn log_format(texts: &mut Texts) -> Option<LogFormat> {
    let named = texts.read("LOG_FORMAT", None, word(&[("pretty", Some(LogFormat::Pretty)), ("json", Some(LogFormat::Json))]));
    let pretty = texts.read("LOG_PRETTY", None, |text| boolean(text).map(Some));
    let modes = [("development", true), ("staging", false), ("production", false), ("test", false)];
    let development = texts.read("NODE_ENV", false, word(&modes));
    named
        .or(pretty.map(|pretty| if pretty { LogFormat::Pretty } else { LogFormat::Json }))
        .or(development.then_some(LogFormat::Pretty))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Problems> {
        Settings::read(&pairs.iter().copied().collect())
    }

    #[test]
    fn nothing_set_is_a_whole_configuration() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.address.to_string(), "127.0.0.1:3000");
        assert_eq!(settings.database.file(), Some(Path::new("./togglebox.db")));
        assert!(settings.audit_retention.is_none() && settings.ignored.is_empty());
        assert!(!settings.api.authentication && settings.registration && settings.tokens.secret.is_none());
        assert!(settings.api.security_headers && settings.api.compression);
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_secret_is() {
        let problems = read(&[
            ("PORT", "99999"),
            ("HOST", "nowhere"),
            ("JWT_SECRET", "hunter2"),
            ("ENABLE_AUTHENTICATION", "yes"),
            ("DATABASE_URL", "mysql://root:hunter3@db"),
            ("CORS_ORIGIN", "example.com"),
            ("JWT_EXPIRES_IN", "3600"),
            ("SMTP_USER", "ann"),
            ("LOG_LEVEL", "lo=ud=er"),
            ("BODY_MEMORY", "19"),
        ])
        .unwrap_err()
        .to_string();
        for name in [
            "PORT",
            "HOST",
            "JWT_SECRET",
            "ENABLE_AUTHENTICATION",
            "DATABASE_URL",
            "CORS_ORIGIN",
            "JWT_EXPIRES_IN",
            "SMTP_USER",
            "LOG_LEVEL",
            "BODY_MEMORY",
        ] {
            assert!(problems.contains(name), "{name} is missing in {problems}");
        }
        assert!(!problems.contains("hunter"), "{problems}");
    }

    #[test]
    fn an_edge_takes_over_what_it_does_itself() {
        let settings = read(&[("NETLIFY", "true"), ("COMPRESSION", "on")]).unwrap();
        assert_eq!(settings.edge, Some("Netlify"));
        assert!(!settings.api.security_headers && settings.api.compression);
    }

    #[test]
    fn a_file_is_read_and_the_environment_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        std::fs::write(&path, "port = 4000\nenable_registration = false\nhost = \"0.0.0.0\"\n").unwrap();
        let file = path.to_str().unwrap();
        let settings = read(&[("TOGGLEBOX_CONFIG", file), ("HOST", "::1")]).unwrap();
        assert_eq!((settings.address.to_string().as_str(), settings.registration), ("[::1]:4000", false));
        assert_eq!(settings.file, Some(path.clone()));
        std::fs::write(&path, "prot = 4000\n").unwrap();
        assert!(read(&[("TOGGLEBOX_CONFIG", file)]).unwrap_err().to_string().contains("there is no setting prot"));
        assert!(read(&[("TOGGLEBOX_CONFIG", "/nowhere.toml")]).is_err());
    }

    #[test]
    fn a_broken_file_is_pointed_at_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        for line in
            ["jwt_secret = \"hunter2", "jwt_secret = hunter2", "smtp_pass = \"hunter2\" hunter3", "smtp_pass = [\"hunter2\"]"]
        {
            std::fs::write(&path, format!("port = 4000\n{line}\n")).unwrap();
            let problems = read(&[("TOGGLEBOX_CONFIG", path.to_str().unwrap())]).unwrap_err().to_string();
            assert!(problems.contains("line 2") || problems.contains("smtp_pass must be"), "{problems}");
            assert!(!problems.contains("hunter"), "{problems}");
        }
    }

    #[test]
    fn origins_are_a_list() {
        let settings = read(&[("CORS_ORIGIN", "https://a.test, http://localhost:5173/")]).unwrap();
        let expected = vec!["https://a.test".to_owned(), "http://localhost:5173".to_owned()];
        assert_eq!(settings.api.origins, Origins::Only(expected));
    }

    #[test]
    fn audit_records_are_kept_for_a_day_at_the_least() {
        let days = |days: &str| read(&[("AUDIT_RETENTION_DAYS", days)]);
        assert_eq!(days("1").unwrap().audit_retention, Some(Duration::from_hours(24)));
        assert_eq!(days("90").unwrap().audit_retention, Some(Duration::from_hours(90 * 24)));
        for bad in ["0", "-1", "0.5", "12h", "36501"] {
            let problems = days(bad).unwrap_err().to_string();
            assert!(problems.contains("AUDIT_RETENTION_DAYS must be") && problems.contains("a day at the least"), "{problems}");
        }
    }

    #[test]
    fn settings_without_effect_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("box.toml");
        std::fs::write(&path, "dynamodb_users_table = \"u\"\n").unwrap();
        let settings = read(&[("TOGGLEBOX_CONFIG", path.to_str().unwrap()), ("DYNAMODB_STATS_TABLE", "s")]).unwrap();
        assert_eq!(settings.ignored, ["DYNAMODB_USERS_TABLE", "DYNAMODB_STATS_TABLE"]);
    }

    #[test]
    fn a_secret_that_nobody_could_share_is_a_problem() {
        let problems = read(&[("DB_TYPE", "dynamodb")]).unwrap_err().to_string();
        assert!(problems.contains("JWT_SECRET must be set"), "{problems}");
    }

    #[cfg(not(all(feature = "dynamodb", feature = "postgres", feature = "redis")))]
    #[test]
    fn what_was_not_built_in_is_a_problem() {
        for (name, value, what, is_built) in [
            ("DB_TYPE", "dynamodb", "dynamodb", cfg!(feature = "dynamodb")),
            ("DATABASE_URL", "postgres://db/t", "postgresql", cfg!(feature = "postgres")),
            ("REDIS_URL", "redis://cache", "redis", cfg!(feature = "redis")),
        ] {
            let problems = read(&[(name, value)]).map_or_else(|problems| problems.to_string(), |_| String::new());
            assert_eq!(problems.contains(&format!("{what} is not in this build")), !is_built, "{problems}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_a_problem_where_it_is_ours() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt as _;
        let bad = || OsString::from_vec(b"hunter2\xff".to_vec());
        let read = |names: &[&str]| Settings::read(&names.iter().map(|name| (*name, bad())).collect());
        assert!(read(&["PATH", "LESSOPEN", "port"]).is_ok());
        let problems = read(&["PORT", "PATH", "JWT_SECRET", "TOGGLEBOX_CONFIG"]).unwrap_err().to_string();
        for name in ["PORT", "JWT_SECRET", "TOGGLEBOX_CONFIG"] {
            assert!(problems.contains(&format!("{name} is not UTF-8 text")), "{problems}");
        }
        assert!(problems.contains("has 3 problems") && !problems.contains("hunter"), "{problems}");
        assert_eq!(read(&["NETLIFY"]).unwrap().edge, Some("Netlify"));
    }
}
