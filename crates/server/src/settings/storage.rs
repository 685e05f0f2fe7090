//! Where everything is kept, and how nodes tell each other of changes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use togglebox_storage::sqlite::Durability;

use super::read::{Texts, duration, number, word};
use super::secret_url::SecretUrl;

/// Where everything is kept.
#[derive(Clone, Debug)]
pub enum DatabaseSettings {
    /// A file, or memory.
    Sqlite(SqliteSettings),
    /// A Postgres server.
    Postgres(PostgresSettings),
    /// A table of Amazon DynamoDB.
    DynamoDb(DynamoDbSettings),
}

/// A database inside the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// The file; `None` for memory.
    pub path: Option<PathBuf>,
    /// What an acknowledged write survives.
    pub durability: Durability,
}

/// A Postgres server.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Where it is, and as whom to sign in.
    pub url: SecretUrl,
    /// The most connections at once.
    pub connections: u32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long the server works on one statement.
    pub statement_timeout: Duration,
}

/// A table of Amazon DynamoDB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamoDbSettings {
    /// Its whole name.
    pub table: String,
    /// What of it is the prefix: the original's tables have the same.
    pub prefix: String,
    /// The region; `None`: as AWS's own configuration says.
    pub region: Option<String>,
    /// Another server that speaks the protocol.
    pub endpoint: Option<String>,
}

/// How nodes tell each other of changes. Behind each of them, nodes also ask the store.
#[derive(Clone, Debug)]
pub enum BusSettings {
    /// Not at all: this process only.
    Local,
    /// LISTEN and NOTIFY of the database.
    Postgres,
    /// Publish and subscribe of this Redis.
    Redis(SecretUrl),
}

impl DatabaseSettings {
    /// The database file, where there is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(sqlite) => sqlite.path.as_deref(),
            Self::Postgres(_) | Self::DynamoDb(_) => None,
        }
    }

    /// Whether it is this process's alone to sign with a secret that it makes itself: what others share, others must be able to read.
    pub const fn is_embedded(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }
}

/// For people; shows no secret.
impl std::fmt::Display for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(SqliteSettings { path: Some(path), .. }) => write!(f, "{}", path.display()),
            Self::Sqlite(_) => f.write_str("in memory"),
            Self::Postgres(postgres) => write!(f, "{}", postgres.url),
            Self::DynamoDb(DynamoDbSettings { table, endpoint: None, .. }) => write!(f, "DynamoDB table {table}"),
            Self::DynamoDb(DynamoDbSettings { table, endpoint: Some(endpoint), .. }) => {
                write!(f, "DynamoDB table {table} at {endpoint}")
            }
        }
    }
}

/// For people; shows no secret.
impl std::fmt::Display for BusSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Postgres => f.write_str("postgres"),
            Self::Redis(url) => write!(f, "{url}"),
        }
    }
}

/// What a URL or `DB_TYPE` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
    DynamoDb,
}

/// A database URL.
#[derive(Clone, Debug)]
enum Location {
    File(PathBuf),
    Memory,
    Server(SecretUrl),
}

impl Location {
    const fn engine(&self) -> Engine {
        match self {
            Self::File(_) | Self::Memory => Engine::Sqlite,
            Self::Server(_) => Engine::Postgres,
        }
    }
}

const TYPES: [(&str, Engine); 4] = [
    ("sqlite", Engine::Sqlite),
    ("postgresql", Engine::Postgres),
    ("postgres", Engine::Postgres),
    ("dynamodb", Engine::DynamoDb),
];

/// The file when nothing names one.
const DEFAULT_FILE: &str = "./togglebox.db";
/// The table when nothing names one.
const DEFAULT_TABLE: &str = "togglebox";

/// The database that is chosen, and how DynamoDB is reached whatever is.
pub(super) fn database(texts: &mut Texts) -> (DatabaseSettings, DynamoDbSettings) {
    let url = texts.read("DATABASE_URL", None, |text| location(text).map(Some));
    let named = texts.read("DB_TYPE", None, |text| word(&TYPES)(text).map(Some));
    let engine = match (named, url.as_ref().map(Location::engine)) {
        (Some(named), Some(meant)) if named != meant => {
            let problem = match named {
                Engine::DynamoDb => "DB_TYPE is dynamodb, which has no URL: leave DATABASE_URL out",
                Engine::Sqlite => "DB_TYPE is sqlite, but DATABASE_URL is not",
                Engine::Postgres => "DB_TYPE is postgresql, but DATABASE_URL is not",
            };
            texts.problems.add(problem);
            named
        }
        (Some(engine), _) | (None, Some(engine)) => engine,
        (None, None) => Engine::Sqlite,
    };
    // All are read, so that what is wrong with a setting is told even where it has no effect.
    let (sqlite, postgres, dynamodb) = (sqlite(texts, url.as_ref()), postgres(texts, url, engine), dynamodb(texts));
    let database = match engine {
        Engine::Sqlite => DatabaseSettings::Sqlite(sqlite),
        Engine::DynamoDb => DatabaseSettings::DynamoDb(dynamodb.clone()),
        // Without a URL there is a problem, so that nothing is opened.
        Engine::Postgres => postgres.map_or(DatabaseSettings::Sqlite(sqlite), DatabaseSettings::Postgres),
    };
    (database, dynamodb)
}

/// The order of `auto`: what is there to be used.
pub(super) fn bus(texts: &mut Texts, database: &DatabaseSettings) -> BusSettings {
    #[derive(Clone, Copy)]
    enum Choice {
        Auto,
        Local,
        Postgres,
        Redis,
    }
    let redis = texts.read("REDIS_URL", None, |text| {
        let url = SecretUrl::parse(text, &["redis", "rediss"]);
        url.map(Some).ok_or_else(|| "redis://HOST:PORT/NUMBER, or rediss:// for TLS".to_owned())
    });
    let words = [("auto", Choice::Auto), ("local", Choice::Local), ("postgres", Choice::Postgres), ("redis", Choice::Redis)];
    let choice = texts.read("CHANGE_BUS", Choice::Auto, word(&words));
    let is_postgres = matches!(database, DatabaseSettings::Postgres(_));
    match (choice, redis) {
        (Choice::Redis | Choice::Auto, Some(url)) => BusSettings::Redis(url),
        (Choice::Redis, None) => {
            if texts.get("REDIS_URL").is_none() {
                texts.problems.add("CHANGE_BUS is redis, but REDIS_URL is not set");
            }
            BusSettings::Local
        }
        (Choice::Postgres, _) if !is_postgres => {
            texts.problems.add("CHANGE_BUS is postgres, but DATABASE_URL is not");
            BusSettings::Local
        }
        (Choice::Postgres, _) => BusSettings::Postgres,
        (Choice::Auto, None) if is_postgres => BusSettings::Postgres,
        (Choice::Auto | Choice::Local, _) => BusSettings::Local,
    }
}

fn location(text: &str) -> Result<Location, String> {
    if let Some(rest) = text.strip_prefix("sqlite:") {
        match rest.strip_prefix("//").unwrap_or(rest) {
            ":memory:" => return Ok(Location::Memory),
            path if !path.is_empty() && !path.contains('?') => return Ok(Location::File(PathBuf::from(path))),
            _ => {}
        }
    }
    let server = SecretUrl::parse(text, &["postgres", "postgresql"]).map(Location::Server);
    server.ok_or_else(|| "sqlite:PATH, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE".to_owned())
}

/// What is written survives this.
pub(super) const DURABILITY: [(&str, Durability); 2] =
    [("power-loss", Durability::PowerLoss), ("process-end", Durability::ProcessEnd)];

fn sqlite(texts: &mut Texts, url: Option<&Location>) -> SqliteSettings {
    let (path, name) = match (url, texts.get("SQLITE_FILE")) {
        (Some(Location::File(path)), _) => (Some(path.clone()), "DATABASE_URL"),
        (Some(_), _) => (None, "DATABASE_URL"),
        (None, Some(file)) => (Some(PathBuf::from(file)), "SQLITE_FILE"),
        (None, None) => (Some(PathBuf::from(DEFAULT_FILE)), "DATABASE_URL"),
    };
    if let Some(folder) = path.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty())
        && !folder.is_dir()
    {
        texts.problems.add(format!("{name}: there is no folder {}", folder.display()));
    }
    SqliteSettings { path, durability: texts.read("SQLITE_DURABILITY", Durability::PowerLoss, word(&DURABILITY)) }
}

fn postgres(texts: &mut Texts, url: Option<Location>, engine: Engine) -> Option<PostgresSettings> {
    let of_the_original = texts.read("POSTGRES_URL", None, |text| {
        let url = SecretUrl::parse(text, &["postgres", "postgresql"]);
        url.map(Some).ok_or_else(|| "postgres://USER:PASSWORD@HOST/DATABASE".to_owned())
    });
    let connections = texts.read("DATABASE_CONNECTION_LIMIT", 10, number(1..=1000));
    let acquire_timeout = texts.read("DATABASE_POOL_TIMEOUT", 5, number(1..=60));
    let limits = duration(Duration::from_secs(1), Duration::from_mins(10));
    let statement_timeout = texts.read("DATABASE_STATEMENT_TIMEOUT", Duration::from_secs(5), limits);
    let url = match url {
        Some(Location::Server(url)) => Some(url),
        Some(_) => None,
        None => of_the_original,
    };
    if url.is_none() && engine == Engine::Postgres && texts.get("DATABASE_URL").or(texts.get("POSTGRES_URL")).is_none() {
        texts.problems.add("DB_TYPE is postgresql, but DATABASE_URL is not set");
    }
    Some(PostgresSettings {
        url: url?,
        connections: u32::try_from(connections).unwrap_or(u32::MAX),
        acquire_timeout: Duration::from_secs(acquire_timeout),
        statement_timeout,
    })
}

/// The original has a table for each kind of thing, here there is one. So its prefix goes before the one name.
fn dynamodb(texts: &mut Texts) -> DynamoDbSettings {
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let name = |text: &str| {
        let name = is_name(text).then(|| text.to_owned());
        name.ok_or_else(|| "letters, digits and _ - . only".to_owned())
    };
    let prefix = texts.read("TABLE_PREFIX", String::new(), name);
    let table = prefix.clone() + &texts.read("DYNAMODB_TABLE", DEFAULT_TABLE.to_owned(), name);
    if !(3..=255).contains(&table.len()) {
        texts.problems.add("TABLE_PREFIX and DYNAMODB_TABLE must be 3 to 255 characters together");
    }
    let region = texts.read("AWS_REGION", None, |text| {
        let sound = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        sound.then(|| Some(text.to_owned())).ok_or_else(|| "the name of a region, as eu-central-1".to_owned())
    });
    let endpoint = texts.read("DYNAMODB_ENDPOINT", None, |text| super::values::url(text).map(Some));
    DynamoDbSettings { table, prefix, region, endpoint }
}

#[cfg(test)]
mod tests;
