//! From the driver's errors to those of the ports.

use std::error::Error as _;

use togglebox_core::{StoreError, StoreErrorKind};

use super::engine::Engine;

/// Names the port call in which the driver failed.
pub(super) fn failed<E: Engine>(operation: &'static str) -> impl Fn(sqlx::Error) -> StoreError + Copy {
    move |error| StoreError::new(kind::<E>(&error), operation).caused_by(error)
}

fn kind<E: Engine>(error: &sqlx::Error) -> StoreErrorKind {
    match error {
        sqlx::Error::Database(error) => E::kind(&**error),
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::RowNotFound => StoreErrorKind::Corrupt,
        // No connection, or none in time, or it went away: the outcome is unknown.
        _ => StoreErrorKind::Unavailable,
    }
}

/// Whether the database undid the whole call only because others were at work.
pub(super) fn made_way<E: Engine>(error: &StoreError) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<sqlx::Error>());
    cause.and_then(sqlx::Error::as_database_error).is_some_and(E::made_way)
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
