//! A database of an earlier version of the program, which knew of no other tenants.

use std::sync::Arc;

use sqlx::migrate::Migrator;
use togglebox_core::{StoreErrorKind, TenantId};
use togglebox_multitenancy::store::TenantDirectory;
use togglebox_multitenancy::testkit::{TenancyStores, a_created_tenant_reads_back_with_its_owner};
use togglebox_toggles::store::DirectoryStore;

use super::super::Postgres;
use super::super::migrations::migrations;
use super::server::{Database, Opened};
use crate::sql::upgrade;

/// A database of an earlier schema with something in it.
async fn of_schema(schema: i64, rows: &str) -> Option<Database> {
    let database = Database::empty().await?;
    let steps = migrations().into_iter().filter(|step| step.version <= schema).collect();
    Migrator::with_migrations(steps).run_direct(None, &mut database.connect().await, false).await.unwrap();
    database.run(rows).await;
    Some(database)
}

#[tokio::test]
async fn a_database_of_before_keeps_what_it_holds_and_takes_tenants_in() {
    let tenant = TenantId::DEFAULT;
    let rows = format!(
        "INSERT INTO tenant_revisions (tenant, directory) VALUES ('{tenant}', 7);
        INSERT INTO platforms (tenant, name, id, created_at, revision) VALUES ('{tenant}', 'web', '{tenant}', 0, 7)"
    );
    let Some(database) = of_schema(2, &rows).await else { return };
    let store = Postgres::open(&database.options()).await.unwrap();
    let directory = store.directory(tenant).await.unwrap();
    assert_eq!((directory.revision.get(), directory.platforms.len()), (7, 1));
    // The role may use the new tables, too.
    a_created_tenant_reads_back_with_its_owner(&TenancyStores::over(&Arc::new(store.clone()))).await;
    assert_eq!(store.directory(tenant).await.unwrap(), directory);
    store.close().await.unwrap();
}

#[tokio::test]
async fn tenants_of_schema_3_are_brought_along() {
    let literal = |bytes: &[u8]| bytes.iter().fold("'\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")) + "'";
    let rows = upgrade::rows(|id| format!("'{id}'"), literal);
    let Some(database) = of_schema(3, &rows).await else { return };
    let store = Postgres::open(&database.options()).await.unwrap();
    upgrade::is_brought_along(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_counter_that_is_lost_is_told() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    database.run("DELETE FROM register").await;
    let error = TenantDirectory::revision(&store).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::Corrupt);
}

/// A table that the end of a tenant does not know of would keep what the tenant had.
#[tokio::test]
async fn the_end_of_a_tenant_knows_every_table() {
    let Some(Opened { store: _store, database }) = Opened::fresh().await else { return };
    let mut connection = database.connect().await;
    let named = "SELECT table_name::text FROM information_schema.columns
        WHERE column_name = 'tenant' AND table_schema = 'public' ORDER BY table_name COLLATE \"C\"";
    let tables: Vec<String> = sqlx::query_scalar(named).fetch_all(&mut connection).await.unwrap();
    assert_eq!(tables, crate::sql::statements::tables_of_tenants());
}
