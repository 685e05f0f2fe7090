//! What SQLite's errors mean: the only place that knows its codes.

use sqlx::error::DatabaseError;
use togglebox_core::StoreErrorKind;

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

/// What an error of SQLite's means for the caller.
pub(super) fn kind(error: &dyn DatabaseError) -> StoreErrorKind {
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
