//! Writes that may lose a race, or an answer.

use std::future::Future;
use std::time::Duration;

use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult, Written};
use tokio::time::{Instant, timeout_at};

use super::{Error, Result};
use crate::{Environment, Experiment, Flag, Parameter, Platform};

/// How often a write without a revision is tried. Each failure means that another writer got through, so a caller who runs out of
/// tries had as many writers in front of it.
const TRIES: u32 = 64;

/// How long a write may take, its repetition included. Who waits longer has mostly gone away, and holds a place that others need.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A record that a write names by its revision.
pub(super) trait Revised {
    fn revision(&self) -> Revision;
}

macro_rules! revised {
    ($($record:ident)*) => {
        $(
            impl Revised for $record {
                fn revision(&self) -> Revision {
                    self.revision
                }
            }
        )*
    };
}

revised!(Platform Environment Parameter Flag Experiment);

/// What came of working a change out.
#[derive(Debug)]
pub(super) enum Attempt<T> {
    /// It stands already: nothing was written.
    Unneeded(Written<T>),
    /// It went to the store.
    Made(StoreResult<Written<T>>),
}

impl<T> From<StoreResult<Written<T>>> for Attempt<T> {
    fn from(outcome: StoreResult<Written<T>>) -> Self {
        Self::Made(outcome)
    }
}

/// Reads a record with `find`, and has `attempt` work the change out and write it on condition that the record is as it was read.
///
/// A caller that names a revision gets one try. A caller that does not (the contract's clients cannot) wants the last word: the change
/// is worked out anew from what stands, until it gets through. Nothing is lost by that: each writer's version and audit record stay.
///
/// # Errors
/// `Conflict` when the record is not at the `expected` revision; whatever `find` and `attempt` answer.
pub(super) async fn change<R: Revised, T, F, A>(
    expected: Option<Revision>,
    find: impl Fn() -> F,
    attempt: impl Fn(R) -> A,
) -> Result<Attempt<T>>
where
    F: Future<Output = Result<R>>,
    A: Future<Output = Result<Attempt<T>>>,
{
    let mut tries = TRIES;
    loop {
        let current = find().await?;
        if expected.is_some_and(|expected| expected != current.revision()) {
            return Err(Error::Conflict { current: current.revision() });
        }
        let attempted = attempt(current).await?;
        tries -= 1;
        let lost = matches!(&attempted, Attempt::Made(Err(error)) if error.is_conflict());
        if !lost || expected.is_some() || tries == 0 {
            return Ok(attempted);
        }
    }
}

/// Makes a write, and once more when its outcome is unknown. The ports promise that a write repeated with the same audit record is
/// done once. After [`PATIENCE`] it is given up, its outcome unknown.
pub(super) async fn write<T, F>(mut call: impl FnMut() -> F) -> StoreResult<T>
where
    F: Future<Output = StoreResult<T>>,
{
    let deadline = Instant::now() + PATIENCE;
    let late = |elapsed| StoreError::new(StoreErrorKind::Unavailable, "manage.write").caused_by(elapsed);
    let error = match timeout_at(deadline, call()).await.map_err(late)? {
        Err(error) if *error.kind() == StoreErrorKind::Unavailable => error,
        outcome => return outcome,
    };
    if Instant::now() >= deadline {
        return Err(error);
    }
    tracing::debug!(operation = error.operation(), "Repeating a write whose outcome is unknown");
    timeout_at(deadline, call()).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn unavailable() -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, "flags.create")
    }

    /// Makes a write whose calls take so many milliseconds and end so; says how it ended, when, and after how many calls.
    async fn made(calls: &[(u64, StoreResult<()>)]) -> (bool, u128, usize) {
        let (began, count) = (Instant::now(), Cell::new(0));
        let outcome = write(|| {
            let (ms, outcome) = &calls[count.get()];
            let outcome = if outcome.is_ok() { Ok(()) } else { Err(unavailable()) };
            count.set(count.get() + 1);
            async move {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                outcome
            }
        })
        .await;
        assert!(outcome.as_ref().err().is_none_or(|error| *error.kind() == StoreErrorKind::Unavailable));
        (outcome.is_ok(), began.elapsed().as_millis(), count.get())
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_and_its_repetition_share_one_deadline() {
        let lost = || Err(unavailable());
        assert_eq!(made(&[(100, Ok(()))]).await, (true, 100, 1));
        assert_eq!(made(&[(100, lost()), (100, Ok(()))]).await, (true, 200, 2));
        assert_eq!(made(&[(100, lost()), (100, lost())]).await, (false, 200, 2));
        assert_eq!(made(&[(60_000, Ok(()))]).await, (false, 5_000, 1), "it never answers");
        assert_eq!(made(&[(4_000, lost()), (4_000, Ok(()))]).await, (false, 5_000, 2), "the second gets what is left");
        assert_eq!(made(&[(5_000, lost())]).await, (false, 5_000, 1), "nothing is left");
    }
}
