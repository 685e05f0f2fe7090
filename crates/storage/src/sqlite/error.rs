//! From the driver's errors to those of the ports: the only place that knows SQLite's codes and the schema's constraints.

use sqlx::error::DatabaseError;
use togglebox_core::{StoreError, StoreErrorKind};

/// Primary result codes: <https://www.sqlite.org/rescode.html>. The low byte of an extended code is its primary code.
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const NOT_A_DATABASE: i32 = 26;
    pub(super) const FOREIGN_KEY: i32 = 787;
    pub(super) const PRIMARY_KEY: i32 = 1555;
    pub(super) const UNIQUE: i32 = 2067;
}

/// Names the port call in which the driver failed.
pub(super) fn failed(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError + Copy {
    move |error| StoreError::new(kind(&error), operation).caused_by(error)
}

fn kind(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::Database(error) => database_kind(&**error),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::RowNotFound => StoreErrorKind::Corrupt,
        // No connection, or none in time, or it went away: the outcome is unknown.
        _ => StoreErrorKind::Unavailable,
    }
}

fn database_kind(error: &dyn DatabaseError) -> StoreErrorKind {
    let extended = extended(error);
    match extended & 0xff {
        code::CONSTRAINT => constraint_kind(extended, error.message()),
        code::CORRUPT | code::NOT_A_DATABASE | code::MISMATCH => StoreErrorKind::Corrupt,
        // Busy, locked, full, no permission, no memory, an error of the disk: another time it may work.
        _ => StoreErrorKind::Unavailable,
    }
}

fn extended(error: &dyn DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// Whether someone else holds a lock that is needed.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| extended(error) & 0xff == code::BUSY)
}

/// SQLite names the columns of a broken key, not the key; and it says of a broken foreign key only that there is one. The one row
/// that a statement of ours can find missing is the parent of what it adds.
fn constraint_kind(extended: i32, message: &str) -> StoreErrorKind {
    match extended {
        code::UNIQUE | code::PRIMARY_KEY if !message.contains("audit_log") => StoreErrorKind::AlreadyExists,
        code::FOREIGN_KEY => StoreErrorKind::NotFound,
        _ => StoreErrorKind::Refused("schema"),
    }
}

/// A stored value that cannot be understood: the source of `Corrupt`.
#[derive(Debug, thiserror::Error)]
#[error("column {column} of table {table} at {key} cannot be read")]
pub(super) struct Unreadable {
    pub(super) table: &'static str,
    pub(super) key: String,
    pub(super) column: &'static str,
    pub(super) source: Box<dyn std::error::Error + Send + Sync>,
}
