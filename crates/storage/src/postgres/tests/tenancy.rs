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

#[tokio::test]
async fn a_database_of_before_keeps_what_it_holds_and_takes_tenants_in() {
    let Some(database) = Database::empty().await else { return };
    let steps = migrations().into_iter().filter(|step| step.version <= 2).collect();
    Migrator::with_migrations(steps).run_direct(None, &mut database.connect().await, false).await.unwrap();
    let tenant = TenantId::DEFAULT;
    database
        .run(&format!(
            "INSERT INTO tenant_revisions (tenant, directory) VALUES ('{tenant}', 7);
            INSERT INTO platforms (tenant, name, id, created_at, revision) VALUES ('{tenant}', 'web', '{tenant}', 0, 7)"
        ))
        .await;
    let store = Postgres::open(&database.options()).await.unwrap();
    let directory = store.directory(tenant).await.unwrap();
    assert_eq!((directory.revision.get(), directory.platforms.len()), (7, 1));
    // The role may use the new tables, too.
    a_created_tenant_reads_back_with_its_owner(&TenancyStores::over(&Arc::new(store.clone()))).await;
    assert_eq!(store.directory(tenant).await.unwrap(), directory);
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
