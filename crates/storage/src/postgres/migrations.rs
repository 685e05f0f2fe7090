//! The schema's history, inside the program.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, SqlSafeStr};
use tokio::time::timeout;

use super::{OpenError, PostgresOptions, role};

/// Held by whoever brings a schema up to date, within its database. Any number that nobody else takes for the same.
const LOCK: i64 = 0x746f_6767_6c65_626f;

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
        step(6, "watch", include_str!("migrations/0006_watch.sql")),
        step(7, "usage of all", include_str!("migrations/0007_usage_of_all.sql")),
        step(8, "billing", include_str!("migrations/0008_billing.sql")),
        step(9, "unpaid", include_str!("migrations/0009_unpaid.sql")),
        step(10, "usage pools", include_str!("migrations/0010_usage_pools.sql")),
        step(11, "usage period", include_str!("migrations/0011_usage_period.sql")),
        step(12, "counting together", include_str!("migrations/0012_counting_together.sql")),
    ]
}

/// Brings the schema up to date, or refuses a schema that a newer program has made; provides the role that statements run as.
///
/// Everything happens in one transaction that holds a lock from its start: of several processes that start at once, the others wait and
/// find nothing left to do.
pub(super) async fn run(options: &PostgresOptions) -> Result<(), OpenError> {
    let migrations = migrations();
    let known = migrations.iter().map(|migration| migration.version).max().unwrap_or_default();
    let connection = timeout(options.acquire_timeout(), PgConnection::connect_with(options.connect())).await;
    let mut connection = connection.map_err(|_| OpenError::Silent)?.map_err(OpenError::Database)?;
    let mut tx = connection.begin().await.map_err(OpenError::Database)?;
    // A pool in between may hand out a connection that has taken on the role.
    sqlx::raw_sql("SET LOCAL ROLE NONE; SET LOCAL statement_timeout = 0").execute(&mut *tx).await.map_err(OpenError::Database)?;
    let encoding: String =
        sqlx::query_scalar("SELECT current_setting('server_encoding')").fetch_one(&mut *tx).await.map_err(OpenError::Database)?;
    if encoding != "UTF8" {
        return Err(OpenError::Encoding { found: encoding });
    }
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *tx).await.map_err(OpenError::Database)?;
    role::provide(&mut tx, options.role()).await?;
    let mut migrator = Migrator::with_migrations(migrations);
    // The driver's own lock would outlive a transaction that fails.
    migrator.set_locking(false);
    migrator.run_direct(None, &mut *tx, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => OpenError::FromTheFuture { found, known },
        error => OpenError::Migration(error),
    })?;
    role::grant(&mut tx, options.role()).await?;
    tx.commit().await.map_err(OpenError::Database)?;
    connection.close().await.map_err(OpenError::Database)
}

/// Tells schemas apart: 16 hexadecimal digits of what the steps say. A name of the server's has 63 bytes, however many steps there are.
#[cfg(test)]
pub(super) fn fingerprint() -> String {
    use std::fmt::Write as _;

    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for migration in migrations() {
        hash.update(&migration.checksum);
    }
    hash.finalize()[..8].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
