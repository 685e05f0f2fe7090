//! The store that this run of the tests is over.
//!
//! `TOGGLEBOX_TEST_ENGINE` chooses: `sqlite` (when it is not set), `postgres` or `dynamodb`. `cargo xtask test` runs the tests once over
//! each: what they expect is the same.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A store for one test: what the binary is told of it. What a server holds of it is dropped with this.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) settings: Vec<(&'static str, String)>,
    _database: Option<Database>,
}

/// A database of a Postgres server.
#[derive(Debug)]
struct Database {
    name: String,
    server: String,
    psql: PathBuf,
}

/// Nodes that share a store must share the secret, so that it cannot be made.
const SHARED_SECRET: &str = "Yq3sVd8Kf1Lz6Xw0Rb5Tn9Hc2Mj7Gp4U";

impl Store {
    /// An empty one. Files of it are in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        match variable("TOGGLEBOX_TEST_ENGINE").as_deref() {
            None | Some("sqlite") => Self::sqlite(folder),
            Some("postgres") => Self::postgres(),
            Some("dynamodb") => Self::dynamodb(folder),
            Some(other) => panic!("TOGGLEBOX_TEST_ENGINE must be sqlite, postgres or dynamodb, not {other}"),
        }
    }

    /// One that nodes of several machines can share: of the kind that this run is over, or of PostgreSQL's where that is a file or
    /// `postgres` is asked for. `None` where the test is to be skipped.
    pub(crate) fn shared(postgres: bool) -> Option<fn(&Path) -> Self> {
        if !postgres && !matches!(variable("TOGGLEBOX_TEST_ENGINE").as_deref(), None | Some("sqlite")) {
            return Some(Self::new);
        }
        variable_or_skip("TOGGLEBOX_TEST_POSTGRES")?;
        Some(|_| Self::postgres())
    }

    /// A table of DynamoDB's, which nodes of several machines can share, too. `None` where the test is to be skipped.
    pub(crate) fn shared_table() -> Option<fn(&Path) -> Self> {
        variable_or_skip("TOGGLEBOX_TEST_DYNAMODB")?;
        Some(Self::dynamodb)
    }

    /// A database file, whatever the run is over.
    pub(crate) fn sqlite(folder: &Path) -> Self {
        let settings = vec![
            ("DATABASE_URL", format!("sqlite:{}", folder.join("t.db").display())),
            // A machine that goes down is not tested here, and waiting for the disk is most of a write's time.
            ("SQLITE_DURABILITY", "process-end".to_owned()),
        ];
        Self { settings, _database: None }
    }

    /// A database of the Postgres server that all tests share.
    fn postgres() -> Self {
        let server = needed("TOGGLEBOX_TEST_POSTGRES");
        let psql = Path::new(&needed("TOGGLEBOX_TEST_POSTGRES_BIN")).join("psql");
        let database = Database { name: unique().replace('-', "_"), server, psql };
        database.tell(&format!("CREATE DATABASE {}", database.name));
        let store = Self::at(&format!("{}/{}", database.server, database.name));
        Self { _database: Some(database), ..store }
    }

    /// The database at a Postgres URL, which somebody else keeps.
    pub(crate) fn at(url: &str) -> Self {
        // Many tests run at once, and the server takes a hundred connections.
        let (connections, secret) = ("4".to_owned(), SHARED_SECRET.to_owned());
        let settings = vec![("DATABASE_URL", url.to_owned()), ("DATABASE_CONNECTION_LIMIT", connections), ("JWT_SECRET", secret)];
        Self { settings, _database: None }
    }

    /// A table of the DynamoDB server that all tests share.
    fn dynamodb(folder: &Path) -> Self {
        // The table stays: the server keeps it in memory, and ends with the run.
        Self::table_at(&needed("TOGGLEBOX_TEST_DYNAMODB"), folder)
    }

    /// A new table at a DynamoDB endpoint, which somebody else keeps.
    pub(crate) fn table_at(endpoint: &str, folder: &Path) -> Self {
        let store = Self::no_table_at(endpoint);
        let mut command = Command::new(crate::BINARY);
        command.args(["table", "create"]).env_clear().envs(crate::SETTINGS.iter().copied()).envs(store.settings.iter().cloned());
        command.current_dir(folder);
        succeeded(&command.stdin(Stdio::null()).output().expect("the binary starts"));
        store
    }

    /// A table at a DynamoDB endpoint that nobody has made.
    pub(crate) fn no_table_at(endpoint: &str) -> Self {
        let settings = vec![
            ("DB_TYPE", "dynamodb".to_owned()),
            ("DYNAMODB_ENDPOINT", endpoint.to_owned()),
            ("DYNAMODB_TABLE", unique()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("JWT_SECRET", SHARED_SECRET.to_owned()),
        ];
        Self { settings, _database: None }
    }
}

impl Database {
    fn tell(&self, statement: &str) {
        let mut command = Command::new(&self.psql);
        command.arg(format!("{}/postgres", self.server)).args(["--no-psqlrc", "--quiet", "--command", statement]);
        succeeded(&command.stdin(Stdio::null()).output().expect("psql starts"));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failed test has more to say than this.
        if !std::thread::panicking() {
            self.tell(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Whether the store is one whose server does one thing after the other, for all tests at once. Behind it, an answer may come too late for
/// the server, which says so: a read that may be stale, a write that found the store too busy. Over other stores that is a fault.
pub(crate) fn is_slow() -> bool {
    variable("TOGGLEBOX_TEST_ENGINE").as_deref() == Some("dynamodb")
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Tests run in processes of their own, and several in one.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("togglebox-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What the tests were told under this name. `None` means that the test is to be skipped, and says so; but not where `CI` is set.
pub(crate) fn variable_or_skip(name: &str) -> Option<String> {
    let value = variable(name);
    if value.is_none() {
        assert!(variable("CI").is_none(), "{name} is not set: run the tests with cargo xtask test");
        eprintln!("skipped: {name} is not set; run the tests with cargo xtask test");
    }
    value
}

#[expect(clippy::disallowed_methods, reason = "tests are told of servers through the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn needed(name: &str) -> String {
    variable(name).unwrap_or_else(|| panic!("{name} is not set: run the tests with cargo xtask test"))
}
