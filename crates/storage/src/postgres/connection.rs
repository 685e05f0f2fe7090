//! Opening and closing.

use std::sync::Arc;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;
use togglebox_core::StoreResult;

use super::engine::Engine;
use super::{PostgresOptions, migrations, role};
use crate::home::Home;
use crate::sql::Database;

/// How much longer than the server's own limit its answer is waited for.
const MARGIN: Duration = Duration::from_secs(1);

/// Every store port over one PostgreSQL database. A clone is another handle on the same connections.
///
/// A call that is dropped before it returns has either done all of its work or nothing.
pub type Postgres = Database<Engine>;

/// Why a database could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It could not be reached, or refused a statement.
    #[error("the database could not be opened")]
    Database(#[source] sqlx::Error),
    /// It took the connection, and then said nothing in the time that a connection may take.
    #[error("the database does not answer")]
    Silent,
    /// It keeps texts in another encoding than UTF-8, so that some could not be stored.
    #[error("the database has encoding {found}: create it with ENCODING 'UTF8'")]
    Encoding {
        /// The encoding found.
        found: String,
    },
    /// A newer version of the program has been at work here. Start that one, or restore a backup from before it.
    #[error("the database has schema {found}, but this version of the program knows only up to {known}: start the newer version")]
    FromTheFuture {
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// The schema could not be brought up to date. Nothing was changed.
    #[error("the database's schema could not be brought up to date")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The role that statements run as is not there, or the user may not take it on; and the user may not change that.
    #[error("the role {role} cannot be used: let an administrator of the database run {remedy}")]
    Role {
        /// Which.
        role: String,
        /// What to run.
        remedy: String,
    },
    /// The role is a superuser's, or has BYPASSRLS: nothing would keep tenants apart.
    #[error("the role {role} is above row-level security: choose one that is neither SUPERUSER nor BYPASSRLS")]
    RoleIsUnbound {
        /// Which.
        role: String,
    },
}

impl Postgres {
    /// Opens a database, and brings its schema up to date. The database must be there. Its user makes the tables and owns them; see
    /// [the module](crate::postgres) for the rights that it needs.
    ///
    /// Connections live on the tokio runtime that this is called on, whichever the calls come from.
    ///
    /// # Errors
    /// [`OpenError`]. Nothing was changed then, apart from a role that may have been made.
    pub async fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        migrations::run(options).await?;
        let role = role::quoted(options.role());
        let take_on: Arc<str> = format!("SET ROLE {role}").into();
        let pool = PgPoolOptions::new()
            .max_connections(options.max_connections())
            .acquire_timeout(options.acquire_timeout())
            // A dead connection is noticed by the first statement, which can be repeated, without a question before each.
            .test_before_acquire(false)
            // Each transaction takes the role on by itself; this is for what would run outside of one.
            .after_connect(move |connection, _| {
                let take_on = AssertSqlSafe(take_on.to_string());
                Box::pin(async move { sqlx::raw_sql(take_on).execute(connection).await.map(drop) })
            })
            .connect_with(options.connect().clone())
            .await
            .map_err(OpenError::Database)?;
        let limit = options.statement_timeout();
        let (patience, home) = (limit.saturating_add(MARGIN), Home::here());
        let ms = |time: std::time::Duration| time.as_millis().min(i32::MAX as u128);
        // The second: a node whose machine or network is gone closes nothing, and would keep its tenant's lock until TCP notices.
        let settings = format!(
            "SET LOCAL ROLE {role}; SET LOCAL statement_timeout = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
            ms(limit),
            ms(patience)
        );
        Ok(Self { engine: Engine { pool, settings: settings.into(), patience, home, asking: Arc::default() } })
    }

    /// Closes every connection, of all clones, once the calls under way are done. Calls that come later answer `Unavailable`.
    ///
    /// # Errors
    /// None yet.
    pub async fn close(&self) -> StoreResult<()> {
        self.engine.pool.close().await;
        Ok(())
    }
}
