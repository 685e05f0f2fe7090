//! The memory that large bodies take, bounded for the node as a whole.
//!
//! Small bodies are not counted. A larger one holds a part of the budget from before it is kept until it has been read; when the budget
//! is used up it waits a moment for a part, and then is refused. Bodies whose length is not known hold a part and wait for more: as no
//! wait is long, the first that gives up lets others go on, and no circle of waits lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::BodyMemory;
use crate::error::{ApiError, Code, Result};

/// Bodies up to this size are free.
pub(crate) const FREE_BYTES: usize = 64 * 1024;

/// How long a body waits for a part of the budget: less than senders notice.
const WAIT: Duration = Duration::from_secs(1);

/// When a refused sender may come back. Most of what holds the budget is gone by then.
const RETRY_AFTER_S: u64 = 5;

/// What all bodies together may take. One permit is a kibibyte.
#[derive(Clone, Debug)]
pub(crate) struct BodyBudget(Arc<Semaphore>);

impl BodyBudget {
    pub(crate) fn new(memory: BodyMemory) -> Self {
        Self::of_kib(memory.kib())
    }

    fn of_kib(kib: usize) -> Self {
        Self(Arc::new(Semaphore::new(kib)))
    }

    /// A part for one body, empty so far.
    pub(crate) fn part(&self) -> Part {
        Part { budget: Arc::clone(&self.0), held: None }
    }

    /// How much nobody holds, in kibibytes.
    #[cfg(test)]
    pub(crate) fn free_kib(&self) -> usize {
        self.0.available_permits()
    }
}

/// One body's part of the budget. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Part {
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Part {
    /// Makes room for `bytes` in all.
    ///
    /// # Errors
    /// `Busy` when there is no room, and does not get to be within a moment.
    pub(crate) async fn grow(&mut self, bytes: usize) -> Result<()> {
        if bytes <= FREE_BYTES {
            return Ok(());
        }
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let more = u32::try_from(bytes.div_ceil(1024).saturating_sub(held)).unwrap_or(u32::MAX);
        if more == 0 {
            return Ok(());
        }
        let permit = timeout(WAIT, Arc::clone(&self.budget).acquire_many_owned(more)).await.ok().and_then(Result::ok);
        let Some(permit) = permit else {
            let message = "Too many large bodies are on their way at once: repeat the request a little later";
            return Err(ApiError::new(Code::Busy, message).retry_after(RETRY_AFTER_S));
        };
        match &mut self.held {
            Some(held) => held.merge(permit),
            held => *held = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::time::Instant;

    const KIB: usize = 1024;

    #[tokio::test(start_paused = true)]
    async fn a_part_grows_and_is_given_back() {
        let budget = BodyBudget::of_kib(200);
        let mut part = budget.part();
        part.grow(FREE_BYTES).await.unwrap();
        assert_eq!(budget.free_kib(), 200, "small bodies are free");
        part.grow(100 * KIB).await.unwrap();
        part.grow(90 * KIB).await.unwrap();
        assert_eq!(budget.free_kib(), 100);
        part.grow(200 * KIB - 1).await.unwrap();
        assert_eq!(budget.free_kib(), 0);
        budget.part().grow(FREE_BYTES).await.unwrap();
        drop(part);
        assert_eq!(budget.free_kib(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_room_waits_a_moment_and_is_told_when_to_come_back() {
        let budget = BodyBudget::of_kib(200);
        let mut first = budget.part();
        first.grow(150 * KIB).await.unwrap();
        let began = Instant::now();
        let error = budget.part().grow(100 * KIB).await.unwrap_err();
        assert_eq!((error.code(), error.retry_after_s()), (Code::Busy, Some(RETRY_AFTER_S)));
        assert_eq!(began.elapsed(), WAIT);
        let mut second = budget.part();
        let release = async {
            tokio::time::sleep(WAIT / 2).await;
            drop(first);
        };
        tokio::join!(async { second.grow(100 * KIB).await.unwrap() }, release);
        assert_eq!(budget.free_kib(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_wait_for_each_other_do_not_do_so_for_long() {
        let budget = BodyBudget::of_kib(1000);
        let began = Instant::now();
        let grow = |mut part: Part| async move {
            part.grow(100 * KIB).await?;
            // Everybody has a tenth by now, and wants another one.
            tokio::task::yield_now().await;
            part.grow(200 * KIB).await
        };
        let bodies: Vec<_> = (0..10).map(|_| tokio::spawn(grow(budget.part()))).collect();
        let mut passed = 0;
        for body in bodies {
            passed += usize::from(body.await.unwrap().is_ok());
        }
        assert!((1..10).contains(&passed), "{passed} of 10: those that give up let others go on");
        assert!(began.elapsed() <= WAIT);
        assert_eq!(budget.free_kib(), 1000);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made(steps in proptest::collection::vec((0usize..5, 0usize..400), 1..40)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let budget = BodyBudget::of_kib(1000);
                let mut parts: Vec<Part> = (0..5).map(|_| budget.part()).collect();
                for (index, kib) in steps {
                    if kib % 7 == 0 {
                        parts[index] = budget.part();
                    } else {
                        let _ = parts[index].grow(kib * KIB).await;
                    }
                    let held: usize = parts.iter().filter_map(|part| part.held.as_ref()).map(OwnedSemaphorePermit::num_permits).sum();
                    assert_eq!(held + budget.free_kib(), 1000);
                }
                drop(parts);
                assert_eq!(budget.free_kib(), 1000);
            });
        }
    }
}
