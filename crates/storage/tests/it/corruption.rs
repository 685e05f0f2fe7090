//! Stored data that cannot be understood.

use std::error::Error;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use togglebox_auth::store::UserStore;
use togglebox_auth::testkit::AuthStores;
use togglebox_core::{AuditFilter, PageRequest, StoreError, StoreErrorKind, TenantId};
use togglebox_toggles::{EnvironmentName, PlatformName, Scope};

use crate::database::{Database, audit, auth_stores, filled, toggle_stores};

const TENANT: TenantId = TenantId::DEFAULT;

/// A database with one of everything, damaged by a statement.
async fn damaged(sql: &'static str) -> Database {
    let database = Database::fresh().await;
    filled(&database.store).await;
    let options = SqliteConnectOptions::new().filename(database.path()).foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let result = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    assert_eq!(result.rows_affected(), 1, "{sql}");
    database
}

fn assert_corrupt(error: &StoreError, expected: &str) {
    assert_eq!(*error.kind(), StoreErrorKind::Corrupt, "{error}");
    assert_eq!(error.source().unwrap().to_string(), expected);
    assert!(error.source().unwrap().source().is_some(), "the cause behind it is kept");
}

fn place() -> Scope {
    Scope::new(PlatformName::new("web").unwrap(), EnvironmentName::new("production").unwrap())
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_told_with_table_and_key() {
    let cases = [
        ("UPDATE parameter_versions SET document = '{'", "document", "parameter_versions", "p"),
        ("UPDATE parameter_versions SET document = '{\"valueType\":\"colour\"}'", "document", "parameter_versions", "p"),
        ("UPDATE parameter_versions SET schema = 99", "schema", "parameter_versions", "p"),
        ("UPDATE flag_versions SET document = '[]'", "document", "flag_versions", "f"),
        ("UPDATE experiments SET document = ''", "document", "experiments", "x"),
        ("UPDATE experiments SET status = 'dancing'", "status", "experiments", "x"),
        ("UPDATE experiments SET winner = 'Not A Key'", "winner", "experiments", "x"),
        ("UPDATE experiments SET revision = -1", "revision", "experiments", "x"),
    ];
    for (sql, column, table, key) in cases {
        let database = damaged(sql).await;
        let stores = toggle_stores(&database.store);
        let error = stores.environments.load(TENANT, &place()).await.unwrap_err();
        assert_corrupt(&error, &format!("column {column} of table {table} at {key} cannot be read"));
        assert_eq!(error.to_string(), "environments.load: the stored data cannot be read");
    }
}

#[tokio::test]
async fn damage_to_one_thing_leaves_the_others_readable() {
    let database = damaged("UPDATE parameter_versions SET document = 'null'").await;
    let stores = toggle_stores(&database.store);
    let error = stores.parameters.find(TENANT, &place(), &"p".parse().unwrap()).await.unwrap_err();
    assert_corrupt(&error, "column document of table parameter_versions at p cannot be read");
    assert!(stores.flags.find(TENANT, &place(), &"f".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_directory_or_log_is_told() {
    let database = damaged("UPDATE platforms SET name = 'no/name', created_by = '7'").await;
    let stores = toggle_stores(&database.store);
    let error = stores.directory.directory(TENANT).await.unwrap_err();
    assert_corrupt(&error, "column name of table platforms at no/name cannot be read");
    let database = damaged("UPDATE audit_log SET actor = '{}' WHERE action = 'platform.create'").await;
    let stores = toggle_stores(&database.store);
    let error = stores.audit.list(TENANT, &AuditFilter::default(), &PageRequest::first(100)).await.unwrap_err();
    assert_corrupt(&error, "column actor of table audit_log at 00000000000000000000000000000001 cannot be read");
}

#[tokio::test]
async fn a_damaged_account_is_told_without_its_secrets() {
    for (sql, column) in [
        ("UPDATE users SET email = 'nonsense'", "email"),
        ("UPDATE users SET role = 'king'", "role"),
        ("UPDATE users SET created_at = -1, revision = -5", "revision"),
    ] {
        let database = damaged(sql).await;
        let AuthStores { users, .. } = auth_stores(&database.store);
        let error = users.list(TENANT, None, 0, 10).await.unwrap_err();
        assert_corrupt(&error, &format!("column {column} of table users at {:032x} cannot be read", 9));
        assert!(!format!("{error:?}").contains("argon2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_write_to_a_damaged_record_changes_nothing() {
    let database = damaged("UPDATE users SET role = 'king'").await;
    let before = UserStore::revision(&database.store, TENANT).await.unwrap();
    let error = UserStore::delete(&database.store, TENANT, uuid::Uuid::from_u128(9), before, &audit(50)).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Corrupt);
    assert_eq!(UserStore::revision(&database.store, TENANT).await.unwrap(), before);
}
