//! Optimistic concurrency.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Counts the writes to something: an environment, a tenant's directory, a tenant's accounts.
///
/// A record inside an environment carries the environment's revision at its own last write. So one counter orders every
/// change, a record's revision never repeats, and a deleted and re-created key cannot be mistaken for its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(u64);

impl Revision {
    /// Before the first write.
    pub const ZERO: Self = Self(0);

    /// From its number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a successful write returns: the value as it now stands, and the revision that the write gave to its container
/// (the environment, the directory, the accounts), which is also the value's own revision from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<T> {
    /// The value as stored.
    pub value: T,
    /// The container's revision after this write.
    pub revision: Revision,
}

impl<T> Written<T> {
    /// Replaces the value and keeps the revision.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Written<U> {
        Written { value: f(self.value), revision: self.revision }
    }
}
