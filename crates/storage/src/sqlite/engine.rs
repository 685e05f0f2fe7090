//! SQLite under the stores.

use std::num::NonZeroUsize;
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::pool::PoolConnection;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite as Driver, SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Transaction, ValueRef};
use togglebox_core::{StoreErrorKind, TenantId};
use tokio::time::timeout;
use uuid::Uuid;

use super::error;
use crate::hex::hex;
use crate::sql::{self, Access, Argument, Kind, Statement};

/// Rows of a statement that is given them as values.
const BOUND: NonZeroUsize = NonZeroUsize::new(50).unwrap();

/// The connections to one database: one that writes, a few that read.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    /// How long a write waits for its turn: for the writing connection and for the file's lock together.
    pub(super) patience: Duration,
}

impl sql::Engine for Engine {
    type Session = Session;

    const NAME: &'static str = "sqlite";

    const HEX: &'static str = "";

    #[cfg(feature = "tenancy")]
    const TABLES_OF_TENANTS: &'static str = "-- remains.tables
SELECT tables.name AS name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
WHERE tables.type = 'table' AND columns.name = 'tenant' ORDER BY tables.name";

    /// Every write waits for the writing connection and for the file's write lock, whatever tenant it is of.
    async fn begin(&self, _tenant: TenantId, access: Access) -> sqlx::Result<Session> {
        match access {
            Access::Read => self.readers.acquire().await.map(Session::Statement),
            Access::Moment => self.readers.begin().await.map(Session::Transaction),
            _ => {
                let begun = timeout(self.patience, self.writer.begin_with("BEGIN IMMEDIATE")).await;
                begun.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(Session::Transaction)
            }
        }
    }

    async fn begin_together(&self, tenants: &[TenantId]) -> sqlx::Result<(Session, usize)> {
        Ok((self.begin(TenantId::DEFAULT, Access::Count).await?, tenants.len()))
    }

    async fn begin_watch(&self) -> sqlx::Result<Session> {
        // Every session reaches the whole file: what keeps tenants apart here is the statements.
        self.begin(TenantId::DEFAULT, Access::Read).await
    }

    #[cfg(feature = "tenancy")]
    async fn begin_register(&self, access: Access) -> sqlx::Result<Session> {
        self.begin(TenantId::DEFAULT, access).await
    }

    #[cfg(feature = "metering")]
    async fn begin_ledger(&self, access: Access) -> sqlx::Result<Session> {
        self.begin(TenantId::DEFAULT, access).await
    }

    #[cfg(feature = "billing")]
    async fn begin_billing(&self, access: Access, _locks: &[i64]) -> sqlx::Result<Session> {
        self.begin(TenantId::DEFAULT, access).await
    }

    fn given(parameter: u8, columns: &[(&str, Kind)]) -> String {
        let columns = columns.iter().map(|(name, kind)| match kind {
            Kind::Uuid | Kind::Blob => format!("unhex(value ->> '{name}') AS {name}"),
            Kind::AnyText => format!("CAST(unhex(value ->> '{name}') AS TEXT) AS {name}"),
            Kind::Int | Kind::Text | Kind::Float => format!("value ->> '{name}' AS {name}"),
        });
        let columns: Vec<_> = columns.collect();
        format!("(SELECT {} FROM json_each(${parameter})) AS given", columns.join(", "))
    }

    /// As hexadecimal digits: a text out of JSON would end with its first U+0000.
    fn listed(text: &str) -> String {
        hex(text.as_bytes())
    }

    /// A third faster or more than a list, whose columns are looked up in it one by one.
    fn bound(columns: usize) -> Option<(NonZeroUsize, String)> {
        // Without a number: one is looked for in a list of all of them, each time that it is bound.
        let row = format!("({})", vec!["?"; columns].join(", "));
        Some((BOUND, format!("VALUES {}", vec![row; BOUND.get()].join(", "))))
    }

    fn kind(error: &dyn DatabaseError) -> StoreErrorKind {
        error::kind(error)
    }

    /// Never: whoever writes waited for its turn before.
    fn made_way(_error: &dyn DatabaseError) -> bool {
        false
    }
}

/// A connection in use.
#[derive(Debug)]
pub enum Session {
    /// Each statement for itself.
    Statement(PoolConnection<Driver>),
    /// All statements together.
    Transaction(Transaction<'static, Driver>),
}

impl Session {
    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Statement(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }
}

pub(super) fn query(statement: Statement) -> Query<'static, Driver, SqliteArguments> {
    statement.arguments.into_iter().fold(sqlx::query(AssertSqlSafe(statement.sql)), |query, argument| match argument {
        Argument::Int(value) => query.bind(value),
        Argument::Float(value) => query.bind(value),
        Argument::Text(value) => query.bind(value),
        Argument::Blob(value) => query.bind(value),
        Argument::Uuid(value) => query.bind(value),
    })
}

impl sql::Session for Session {
    type Row = SqliteRow;

    async fn execute(&mut self, statement: Statement) -> sqlx::Result<u64> {
        Ok(query(statement).execute(self.connection()).await?.rows_affected())
    }

    async fn optional(&mut self, statement: Statement) -> sqlx::Result<Option<SqliteRow>> {
        query(statement).fetch_optional(self.connection()).await
    }

    async fn rows(&mut self, statement: Statement) -> sqlx::Result<Vec<SqliteRow>> {
        query(statement).fetch_all(self.connection()).await
    }

    #[cfg(feature = "tenancy")]
    async fn look_beyond(&mut self, _beyond: bool) -> sqlx::Result<()> {
        Ok(())
    }

    async fn commit(self) -> sqlx::Result<()> {
        match self {
            Self::Statement(_) => Ok(()),
            Self::Transaction(transaction) => transaction.commit().await,
        }
    }
}

impl sql::Row for SqliteRow {
    fn is_null(&self, column: &str) -> sqlx::Result<bool> {
        Ok(self.try_get_raw(column)?.is_null())
    }

    fn int(&self, column: &str) -> sqlx::Result<i64> {
        self.try_get(column)
    }

    fn float(&self, column: &str) -> sqlx::Result<f64> {
        self.try_get(column)
    }

    fn text(&self, column: &str) -> sqlx::Result<String> {
        self.try_get(column)
    }

    fn blob(&self, column: &str) -> sqlx::Result<&[u8]> {
        self.try_get(column)
    }

    fn uuid(&self, column: &str) -> sqlx::Result<Uuid> {
        self.try_get(column)
    }
}
