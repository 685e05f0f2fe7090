//! Between SQLite and PostgreSQL. `TOGGLEBOX_TEST_POSTGRES` names the server.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use togglebox_core::{EntropyExt as _, OsEntropy, StoreErrorKind};
use togglebox_storage::transfer::{Kind, Record, Restored, Transfer as _};
use togglebox_storage::{Postgres, PostgresOptions, Sqlite};

use super::data::tenant;
use super::identity::{LARGE, SMALL, contents, fill};
use super::{TENANT, copy, dump, file};
#[cfg(feature = "dynamodb")]
use crate::dynamodb::server::DYNOXIDE;
use crate::told::variable;

/// A store in a database of its own, dropped at the end of the test.
pub(crate) struct Database {
    pub(crate) store: Postgres,
    server: String,
    name: String,
}

impl Database {
    /// `None` without a server. A run in CI has to have it.
    pub(crate) async fn fresh() -> Option<Self> {
        let server = variable("TOGGLEBOX_TEST_POSTGRES")?;
        let name = format!("togglebox_move_{}", OsEntropy.hex::<8>());
        run(&server, &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")).await;
        let options = PostgresOptions::new(&format!("{server}/{name}")).unwrap();
        Some(Self { store: Postgres::open(&options).await.unwrap(), server, name })
    }

    async fn close(self) {
        self.store.close().await.unwrap();
        run(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

async fn run(server: &str, sql: &str) {
    let options: PgConnectOptions = format!("{server}/postgres").parse().unwrap();
    let mut connection: PgConnection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn there_and_back_again_writes_the_same_lines() {
    let Some(database) = Database::fresh().await else { return };
    let given = tenant(21, SMALL);
    let (first, last) = (Sqlite::in_memory().await.unwrap(), Sqlite::in_memory().await.unwrap());
    fill(&first, &given, 1000).await;
    fill(&database.store, &dump(&first, 1000).await, 100).await;
    assert_eq!(file(&dump(&database.store, 33).await), file(&dump(&first, 1000).await));
    fill(&last, &dump(&database.store, 1000).await, 1000).await;
    assert_eq!(file(&dump(&last, 1000).await), file(&dump(&first, 1000).await));
    assert_eq!(database.store.restore(TENANT, &given).await.unwrap(), Restored { new: 0, old: given.len() });
    database.close().await;
}

#[cfg(feature = "dynamodb")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_sqlite_by_postgres_and_dynamodb_and_back_writes_the_same_lines() {
    let Some(database) = Database::fresh().await else { return };
    if !DYNOXIDE.is_there() {
        return;
    }
    let (first, last) = (Sqlite::in_memory().await.unwrap(), Sqlite::in_memory().await.unwrap());
    fill(&first, &tenant(22, SMALL), 1000).await;
    fill(&database.store, &dump(&first, 1000).await, 100).await;
    let (table, _) = DYNOXIDE.table().await;
    fill(&table, &dump(&database.store, 33).await, 50).await;
    fill(&last, &dump(&table, 70).await, 1000).await;
    assert_eq!(file(&dump(&last, 1000).await), file(&dump(&first, 1000).await));
    database.close().await;
}

#[tokio::test]
async fn a_hundred_thousand_records_move_from_sqlite_to_postgres_and_back() {
    let Some(database) = Database::fresh().await else { return };
    let given = tenant(2, LARGE);
    let expected = contents(&given);
    assert!(expected.total() > 100_000);
    let (first, last) = (Sqlite::in_memory().await.unwrap(), Sqlite::in_memory().await.unwrap());
    fill(&first, &given, 1000).await;
    drop(given);
    assert_eq!(copy(&first, &database.store).await, expected);
    assert_eq!(copy(&database.store, &last).await, expected);
    let lines = super::lines(&first).await;
    assert_eq!(super::lines(&last).await, lines);
    assert_eq!(super::lines(&database.store).await, lines);
    database.close().await;
}

#[tokio::test]
async fn a_batch_that_breaks_a_rule_writes_nothing() {
    let Some(database) = Database::fresh().await else { return };
    let orphans: Vec<Record> = tenant(5, SMALL).into_iter().filter(|record| record.kind() != Kind::Environment).collect();
    let error = database.store.restore(TENANT, &orphans).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::NotFound);
    assert!(database.store.is_empty(TENANT).await.unwrap());
    database.close().await;
}
