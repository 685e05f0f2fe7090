//! Writes that may lose a race.

use std::future::Future;

use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult};

use super::{Error, Result};

/// How often a write without a revision is tried. Each failure means that another writer got through, so a caller who runs out of
/// tries had as many writers in front of it.
const TRIES: u32 = 64;

/// One write that is conditional on the revision that it read.
///
/// A caller that names a revision gets one try. A caller that does not (the contract's clients cannot) wants the last word: the write
/// is worked out anew from what stands, until it gets through. Nothing is lost by that: each writer's version and audit record stay.
#[derive(Debug)]
pub(super) struct Race {
    expected: Option<Revision>,
    tries: u32,
}

impl Race {
    pub(super) const fn new(expected: Option<Revision>) -> Self {
        Self { expected, tries: TRIES }
    }

    /// Whether the record is the one that the caller means.
    pub(super) fn admit(&self, current: Revision) -> Result<()> {
        match self.expected {
            Some(expected) if expected != current => Err(Error::Conflict { current }),
            _ => Ok(()),
        }
    }

    /// Whether a write that ended like this is to be worked out anew.
    pub(super) fn again<T>(&mut self, outcome: &StoreResult<T>) -> bool {
        let lost = outcome.as_ref().is_err_and(StoreError::is_conflict);
        self.tries = self.tries.saturating_sub(1);
        lost && self.expected.is_none() && self.tries > 0
    }
}

/// Makes a write, and once more when its outcome is unknown. The ports promise that a write repeated with the same audit record is
/// done once.
pub(super) async fn write<T, F>(mut call: impl FnMut() -> F) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    match call().await {
        Err(error) if *error.kind() == StoreErrorKind::Unavailable => {
            tracing::debug!(operation = error.operation(), "Repeating a write whose outcome is unknown");
            call().await
        }
        outcome => outcome,
    }
}
