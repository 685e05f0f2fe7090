//! What PostgreSQL's errors mean: the only place that knows its codes. <https://www.postgresql.org/docs/15/errcodes-appendix.html>

use sqlx::error::DatabaseError;
use togglebox_core::StoreErrorKind;

const FOREIGN_KEY_VIOLATION: &str = "23503";
const UNIQUE_VIOLATION: &str = "23505";
const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const DATA_CORRUPTED: &str = "XX001";
const INDEX_CORRUPTED: &str = "XX002";

/// What an error of the server's means for the caller.
pub(super) fn kind(error: &dyn DatabaseError) -> StoreErrorKind {
    match error.code().as_deref().unwrap_or_default() {
        // A unique key of the log is no identity that a caller has chosen.
        UNIQUE_VIOLATION if error.table() != Some("audit_log") => StoreErrorKind::AlreadyExists,
        // The one row that a statement of ours can find missing is the parent of what it adds.
        FOREIGN_KEY_VIOLATION => StoreErrorKind::NotFound,
        code if code.starts_with("23") => StoreErrorKind::Refused("schema"),
        DATA_CORRUPTED | INDEX_CORRUPTED => StoreErrorKind::Corrupt,
        // Busy, full, going down, over a limit, without a permission: another time it may work.
        _ => StoreErrorKind::Unavailable,
    }
}

/// Whether the server undid the transaction only because others were at work.
pub(super) fn made_way(error: &dyn DatabaseError) -> bool {
    matches!(error.code().as_deref(), Some(SERIALIZATION_FAILURE | DEADLOCK_DETECTED))
}

/// Whether the connection is of no more use. What the server says when it goes down (class 57P) counts, too.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
        _ => false,
    }
}
