//! The error of every store port.

use std::error::Error;
use std::fmt;

use crate::Revision;

/// The result of a store port.
pub type StoreResult<T> = Result<T, StoreError>;

type Source = Box<dyn Error + Send + Sync + 'static>;

/// What went wrong in a store, told by what the caller can do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Something with this identity is there already. Nothing was written.
    AlreadyExists,
    /// What the call refers to (its target, or the target's parent) is not there. Nothing was written.
    NotFound,
    /// The record is no longer at the revision that the call named. Nothing was written; `current` is where it stands now.
    Conflict {
        /// The record's revision now.
        current: Revision,
    },
    /// A limit would be exceeded. Nothing was written.
    LimitReached {
        /// The limit.
        limit: usize,
    },
    /// The tenant holds as many of the kind as it may. Nothing was written.
    QuotaReached {
        /// How many it holds; more than the limit when that was lowered since.
        usage: u64,
        /// How many it may hold.
        limit: u64,
    },
    /// What is to be stored is larger than a record of this store may be. Nothing was written.
    TooLarge {
        /// The most bytes of a record.
        limit: usize,
    },
    /// A rule that the call asked the store to keep would be broken (its name is given). Nothing was written.
    Refused(&'static str),
    /// The cursor was not made by this list.
    InvalidCursor,
    /// The store did not answer, or its answer was lost: the write may have happened. Reading, and repeating a write that
    /// names a revision, is safe.
    Unavailable,
    /// What is stored cannot be understood. Someone must look.
    Corrupt,
}

/// An error of a store port. Its text never contains the driver's words; those are in [`source`](Error::source).
#[derive(Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    operation: &'static str,
    source: Option<Source>,
}

impl StoreError {
    /// An error without a cause behind it. `operation` names the port call, as `flags.create`.
    pub const fn new(kind: StoreErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, source: None }
    }

    /// Adds the cause, for logs.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of error it is.
    pub const fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }

    /// The port call that failed.
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether the record had moved on.
    pub const fn is_conflict(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Conflict { .. })
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.kind {
            StoreErrorKind::AlreadyExists => "it exists already",
            StoreErrorKind::NotFound => "it does not exist",
            StoreErrorKind::Conflict { current } => {
                return write!(f, "{}: it has changed and is now at revision {current}", self.operation);
            }
            StoreErrorKind::LimitReached { limit } => {
                return write!(f, "{}: the limit of {limit} is reached", self.operation);
            }
            StoreErrorKind::QuotaReached { usage, limit } => {
                return write!(f, "{}: the tenant holds {usage} of {limit}", self.operation);
            }
            StoreErrorKind::TooLarge { limit } => {
                return write!(f, "{}: it is larger than the {limit} bytes that a record may have", self.operation);
            }
            StoreErrorKind::Refused(rule) => return write!(f, "{}: refused by rule {rule}", self.operation),
            StoreErrorKind::InvalidCursor => "the cursor is not valid for this list",
            StoreErrorKind::Unavailable => "the store is unavailable",
            StoreErrorKind::Corrupt => "the stored data cannot be read",
        };
        write!(f, "{}: {what}", self.operation)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_hides_the_driver() {
        let error = StoreError::new(StoreErrorKind::Unavailable, "flags.create").caused_by("password=hunter2");
        assert_eq!(error.to_string(), "flags.create: the store is unavailable");
        assert!(error.source().unwrap().to_string().contains("hunter2"));
    }
}
