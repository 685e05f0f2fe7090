//! The schema's history, inside the program.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection, SqlSafeStr};

use super::OpenError;

/// Every step, oldest first. A step that was released is never edited: its checksum is stored with the database.
pub(super) fn migrations() -> Vec<Migration> {
    let step = |version, description: &'static str, sql: &'static str| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    vec![
        step(1, "start", include_str!("migrations/0001_start.sql")),
        step(2, "audit lists", include_str!("migrations/0002_audit_lists.sql")),
        step(3, "tenancy", include_str!("migrations/0003_tenancy.sql")),
        step(4, "names and people", include_str!("migrations/0004_names_and_people.sql")),
        step(5, "usage", include_str!("migrations/0005_usage.sql")),
        step(6, "billing", include_str!("migrations/0006_billing.sql")),
        step(7, "unpaid", include_str!("migrations/0007_unpaid.sql")),
        step(8, "usage pools", include_str!("migrations/0008_usage_pools.sql")),
        step(9, "usage period", include_str!("migrations/0009_usage_period.sql")),
    ]
}

/// Brings the schema up to date, or refuses a schema that a newer program has made.
///
/// The driver takes no lock for SQLite, so everything happens in one transaction that holds the write lock from its start: of two
/// processes that start at once, the second waits and finds nothing left to do.
pub(super) async fn run(writer: &SqlitePool) -> Result<(), OpenError> {
    let migrations = migrations();
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or_default();
    let mut connection = writer.acquire().await.map_err(OpenError::Database)?;
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(OpenError::Database)?;
    let migrator = Migrator::with_migrations(migrations);
    // What `run` does with the connection. The future of `run` itself, generic
    // over connections, cannot be sent to another thread.
    migrator.run_direct(None, &mut *tx, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => OpenError::FromTheFuture { found, known },
        error => OpenError::Migration(error),
    })?;
    tx.commit().await.map_err(OpenError::Database)
}
