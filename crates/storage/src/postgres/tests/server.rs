//! A database per test.

use std::env;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use togglebox_core::{EntropyExt, OsEntropy};
use togglebox_ratelimit::testkit::Proxy;

use super::super::{Postgres, PostgresOptions};

/// Held while the template is looked for and made, by all tests of the server.
const TEMPLATE_LOCK: i64 = 0x7465_6d70_6c61_7465;

/// The address of the server, without a database. A run in CI has to have it.
fn server() -> Option<String> {
    let server = env::var_os("TOGGLEBOX_TEST_POSTGRES").map(|value| value.into_string().expect("text"));
    if server.is_none() {
        assert!(env::var_os("CI").is_none(), "no PostgreSQL: run the tests with `cargo xtask test`");
        println!("no PostgreSQL: skipped; `cargo xtask test` brings one");
    }
    server
}

/// An empty database with a name of its own, dropped at the end of the test.
#[derive(Debug)]
pub(super) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Without tables; `None` without a server.
    pub(super) async fn empty() -> Option<Self> {
        Some(Self::make(server()?, "template0").await)
    }

    /// With the schema; `None` without a server. Copied from one that was made once, which is quicker.
    pub(super) async fn migrated() -> Option<Self> {
        let server = server()?;
        let template = template(&server).await;
        Some(Self::make(server, &template).await)
    }

    async fn make(server: String, template: &str) -> Self {
        let name = format!("togglebox_test_{}", OsEntropy.hex::<8>());
        administer(&server, &format!("CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")).await;
        Self { server, name }
    }

    /// How the database is opened.
    pub(super) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.url()).unwrap()
    }

    /// As someone else than the superuser.
    pub(super) fn options_of(&self, login: &str) -> PostgresOptions {
        PostgresOptions::new(&self.url().replace("postgres@", &format!("{login}@"))).unwrap()
    }

    /// Of another database of the server.
    pub(super) fn options_in(&self, name: &str) -> PostgresOptions {
        PostgresOptions::new(&format!("{}/{name}", self.server)).unwrap()
    }

    /// Through what lies between: a proxy before the server, and how the database is opened there.
    pub(super) async fn behind(&self, seed: u64) -> (Proxy, PostgresOptions) {
        let connect: PgConnectOptions = self.url().parse().unwrap();
        let address = tokio::net::lookup_host((connect.get_host(), connect.get_port())).await.unwrap().next().unwrap();
        let proxy = Proxy::before(address, seed).await.unwrap();
        let url = format!("postgres://{}@{}/{}", connect.get_username(), proxy.address(), self.name);
        (proxy, PostgresOptions::new(&url).unwrap())
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// A connection past the store, as superuser.
    pub(super) async fn connect(&self) -> PgConnection {
        let options: PgConnectOptions = self.url().parse().unwrap();
        options.connect().await.unwrap()
    }

    /// Runs statements as superuser.
    pub(super) async fn run(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connect().await).await.unwrap();
    }

    /// Runs a statement outside of any database's tables: roles, databases.
    pub(super) async fn administer(&self, sql: &str) {
        administer(&self.server, sql).await;
    }
}

impl Drop for Database {
    /// On a thread of its own, since the test's runtime is busy dropping this.
    fn drop(&mut self) {
        let (server, sql) = (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(administer(&server, &sql));
        });
        let dropped = dropping.join().is_ok();
        assert!(dropped || std::thread::panicking(), "the database {} could not be dropped", self.name);
    }
}

/// A store, and the database that it is in for as long.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) store: Postgres,
    pub(super) database: Database,
}

impl Opened {
    /// Over a database of its own; `None` without a server.
    pub(super) async fn fresh() -> Option<Self> {
        let database = Database::migrated().await?;
        let store = Postgres::open(&database.options()).await.unwrap();
        Some(Self { store, database })
    }
}

async fn maintenance(server: &str) -> PgConnection {
    let options: PgConnectOptions = format!("{server}/postgres").parse().unwrap();
    options.connect().await.unwrap()
}

async fn administer(server: &str, sql: &str) {
    let mut connection = maintenance(server).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// The name of a database with the schema of today. Tests may run in processes of their own: the first one makes it.
async fn template(server: &str) -> String {
    let name = format!("togglebox_template_{}", super::super::migrations::fingerprint());
    let mut connection = maintenance(server).await;
    // Ends with the connection.
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TEMPLATE_LOCK).execute(&mut connection).await.unwrap();
    let made = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(&name);
    if made.fetch_optional(&mut connection).await.unwrap().is_none() {
        let making = Database::make(server.to_owned(), "template0").await;
        Postgres::open(&making.options()).await.unwrap().close().await.unwrap();
        // Under its name only when it is whole.
        let rename = format!("ALTER DATABASE {} RENAME TO {name}", making.name);
        sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut connection).await.unwrap();
        std::mem::forget(making);
    }
    connection.close().await.unwrap();
    name
}
