//! The engines that are at hand, each over an empty database.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use togglebox_auth::store::{ApiKeyStore, UserStore};
use togglebox_metering::testkit::UsageStores;
use togglebox_toggles::testkit::ToggleStores;

/// What becomes of the database at the end.
type Closing = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>>>;

/// The ports over one database.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) toggles: ToggleStores,
    pub(crate) users: Arc<dyn UserStore>,
    pub(crate) keys: Arc<dyn ApiKeyStore>,
    pub(crate) usage: UsageStores,
    /// Where the database is, of one that other clients can connect to.
    pub(crate) database: Option<String>,
    /// What was paid so far, in units of reading and of writing, where calls have a price.
    pub(crate) spent: Box<dyn Fn() -> Option<[f64; 2]>>,
    closing: Closing,
}

impl Engine {
    pub(crate) async fn close(self) {
        (self.closing)().await;
    }
}

/// An engine whose ports are all on one type.
macro_rules! engine {
    ($name:expr, $store:expr, $closing:expr) => {{
        let store = Arc::new($store);
        let (toggles, usage) = (ToggleStores::over(&store), UsageStores::over(&store));
        let (users, keys, spent) = (store.clone(), store, Box::new(|| None));
        Engine { name: $name, toggles, users, keys, usage, database: None, spent, closing: Box::new($closing) }
    }};
}

/// Every engine that is built in and whose server is named; says which are left out.
pub(crate) async fn all() -> Vec<Engine> {
    let mut engines = Vec::new();
    #[cfg(feature = "sqlite")]
    engines.extend(sqlite::all().await);
    #[cfg(feature = "postgres")]
    engines.extend(postgres::open().await);
    #[cfg(feature = "dynamodb")]
    engines.extend(dynamodb::open().await);
    engines
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::sync::Arc;

    use togglebox_metering::testkit::UsageStores;
    use togglebox_storage::{Durability, Sqlite, SqliteOptions};
    use togglebox_toggles::testkit::ToggleStores;

    use super::Engine;

    /// A file that waits for the disk, and one that does not.
    pub(super) async fn all() -> [Engine; 2] {
        [open("SQLite", Durability::PowerLoss).await, open("SQLite, no disk wait", Durability::ProcessEnd).await]
    }

    async fn open(name: &'static str, durability: Durability) -> Engine {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("togglebox.db")).with_durability(durability);
        let store = Sqlite::open(&options).await.unwrap();
        let closing = store.clone();
        engine!(name, store, || Box::pin(async move {
            closing.close().await.unwrap();
            folder.close().unwrap();
        }))
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::Arc;

    use sqlx::postgres::PgConnection;
    use sqlx::{AssertSqlSafe, Connection};
    use togglebox_core::{EntropyExt, OsEntropy};
    use togglebox_metering::testkit::UsageStores;
    use togglebox_storage::{Postgres, PostgresOptions};
    use togglebox_toggles::testkit::ToggleStores;

    use super::Engine;

    const VARIABLE: &str = "TOGGLEBOX_TEST_POSTGRES";

    /// A database of its own on the server that the environment names.
    pub(super) async fn open() -> Option<Engine> {
        let Some(server) = std::env::var_os(VARIABLE) else {
            println!("PostgreSQL: left out, {VARIABLE} names no server");
            return None;
        };
        let (server, name) = (server.into_string().unwrap(), format!("togglebox_bench_{}", OsEntropy.hex::<8>()));
        administer(&server, format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        let options = PostgresOptions::new(&format!("{server}/{name}")).unwrap();
        let store = Postgres::open(&options).await.unwrap();
        let (closing, database) = (store.clone(), Some(format!("{server}/{name}")));
        let engine = engine!("PostgreSQL", store, || Box::pin(async move {
            closing.close().await.unwrap();
            administer(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }));
        Some(Engine { database, ..engine })
    }

    async fn administer(server: &str, sql: String) {
        let mut connection = PgConnection::connect(&format!("{server}/postgres")).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[cfg(feature = "dynamodb")]
mod dynamodb {
    use std::sync::Arc;

    use togglebox_core::{EntropyExt, OsEntropy};
    use togglebox_metering::testkit::UsageStores;
    use togglebox_storage::dynamodb::{TableOptions, create_table};
    use togglebox_storage::{DynamoDb, DynamoDbOptions};
    use togglebox_toggles::testkit::ToggleStores;

    use super::Engine;

    const VARIABLE: &str = "TOGGLEBOX_TEST_DYNAMODB";

    /// A table of its own on the server that the environment names, which forgets it at its end.
    pub(super) async fn open() -> Option<Engine> {
        let Some(endpoint) = std::env::var_os(VARIABLE) else {
            println!("DynamoDB: left out, {VARIABLE} names no server");
            return None;
        };
        let table = format!("togglebox-bench-{}", OsEntropy.hex::<8>());
        let options = DynamoDbOptions::new(&table).with_endpoint(endpoint.to_str().unwrap()).with_credentials("bench", "bench");
        create_table(&options, &TableOptions::default().tolerant(true)).await.unwrap();
        let store = DynamoDb::open(&options).await.unwrap();
        let meter = store.clone();
        let engine = engine!("DynamoDB (dynoxide)", store, || Box::pin(async {}));
        let spent = move || {
            let capacity = meter.capacity();
            Some([capacity.read, capacity.write])
        };
        Some(Engine { spent: Box::new(spent), ..engine })
    }
}
