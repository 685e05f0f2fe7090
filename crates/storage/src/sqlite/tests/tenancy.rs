//! A file of an earlier version of the program, which knew of no other tenants.

use std::path::Path;
use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use togglebox_multitenancy::testkit::{
    TenancyStores, a_created_tenant_reads_back_with_its_owner, versions_rise_from_one_holder_of_a_subdomain_to_the_next,
};
use togglebox_toggles::store::DirectoryStore;

use super::super::Sqlite;
use super::super::migrations::migrations;
use super::{TENANT, open};
use crate::sql::upgrade;

/// A file of an earlier schema with something in it.
async fn of_schema(schema: i64, rows: String, folder: &Path) {
    let options = SqliteConnectOptions::new().filename(folder.join("togglebox.db")).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let steps = migrations().into_iter().filter(|step| step.version <= schema).collect();
    Migrator::with_migrations(steps).run_direct(None, &mut connection, false).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(rows)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// One of before there were tenants.
async fn earlier(folder: &Path) {
    let rows = "INSERT INTO tenant_revisions (tenant, directory) VALUES (zeroblob(16), 7);
        INSERT INTO platforms (tenant, name, id, created_at, revision) VALUES (zeroblob(16), 'web', zeroblob(16), 0, 7)";
    of_schema(2, rows.to_owned(), folder).await;
}

#[tokio::test]
async fn a_file_of_before_keeps_what_it_holds_and_takes_tenants_in() {
    let folder = tempfile::tempdir().unwrap();
    earlier(folder.path()).await;
    let store = open(folder.path()).await;
    let directory = store.directory(TENANT).await.unwrap();
    assert_eq!((directory.revision.get(), directory.platforms.len()), (7, 1));
    a_created_tenant_reads_back_with_its_owner(&TenancyStores::over(&Arc::new(store.clone()))).await;
    store.close().await.unwrap();
    let again = open(folder.path()).await;
    assert_eq!(again.directory(TENANT).await.unwrap(), directory);

    let other = tempfile::tempdir().unwrap();
    earlier(other.path()).await;
    let stores = TenancyStores::over(&Arc::new(open(other.path()).await));
    versions_rise_from_one_holder_of_a_subdomain_to_the_next(&stores).await;
}

#[tokio::test]
async fn tenants_of_schema_3_are_brought_along() {
    let folder = tempfile::tempdir().unwrap();
    let literal = |bytes: &[u8]| bytes.iter().fold("x'".to_owned(), |text, byte| format!("{text}{byte:02x}")) + "'";
    of_schema(3, upgrade::rows(|id| literal(id.as_bytes()), literal), folder.path()).await;
    upgrade::is_brought_along(&open(folder.path()).await).await;
}

/// A table that the end of a tenant does not know of would keep what the tenant had.
#[tokio::test]
async fn the_end_of_a_tenant_knows_every_table() {
    let store = Sqlite::in_memory().await.unwrap();
    let mut connection = store.engine.writer.acquire().await.unwrap();
    let named = "SELECT name FROM pragma_table_list AS list WHERE schema = 'main'
        AND EXISTS (SELECT 1 FROM pragma_table_info(list.name) AS columns WHERE columns.name = 'tenant') ORDER BY name";
    let rows = sqlx::query(named).fetch_all(&mut *connection).await.unwrap();
    let tables: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    assert_eq!(tables, crate::sql::statements::tables_of_tenants());
}
