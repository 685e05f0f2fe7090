//! A breaker that many threads share, and the task that probes behind it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Inner;
use super::breaker::{Breaker, Turn};
use crate::batch::{Batch, Limit};
use crate::key::{Digest, Tag};
use crate::quota::Quota;

/// A breaker, and whether it is open for those who only look.
#[derive(Debug, Default)]
pub(super) struct Guard {
    breaker: Mutex<Breaker>,
    open: AtomicBool,
    /// Whether somebody probes.
    probed: AtomicBool,
}

/// Somebody who probes. Who goes away before the store is back, with the run time that it was on, leaves it to the next request.
struct Probing {
    limiter: Weak<Inner>,
    shard: usize,
}

impl Drop for Probing {
    fn drop(&mut self) {
        if let Some(inner) = self.limiter.upgrade() {
            inner.guards[self.shard].probed.store(false, Ordering::Relaxed);
        }
    }
}

impl Guard {
    pub(super) fn is_closed(&self) -> bool {
        !self.open.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, change: impl FnOnce(&mut Breaker) -> Option<Turn>) -> Option<Turn> {
        let mut breaker = self.lock();
        let turn = change(&mut breaker);
        self.open.store(!breaker.is_closed(), Ordering::Relaxed);
        turn
    }
}

impl Inner {
    pub(super) fn guard(&self, tag: Tag) -> &Guard {
        &self.guards[self.store.shard(tag) % self.guards.len()]
    }

    /// A call of the store came back.
    pub(super) fn came_back(self: &Arc<Self>, tag: Tag, well: bool) {
        let shard = self.store.shard(tag) % self.guards.len();
        let now = self.stopwatch.now_us();
        if self.guards[shard].turn(|breaker| breaker.came_back(well, now)) == Some(Turn::Opened) {
            self.metrics.opened.increment(1);
            self.metrics.open_breakers.increment(1);
            tracing::warn!(shard, "The store of limits does not answer and is not asked any more until it does");
            self.probe_in_background(tag);
        }
    }

    /// Sees to it that a part of the store that is not asked is probed.
    pub(super) fn probe_in_background(self: &Arc<Self>, tag: Tag) {
        let shard = self.store.shard(tag) % self.guards.len();
        let probed = &self.guards[shard].probed;
        if probed.load(Ordering::Relaxed) || probed.swap(true, Ordering::Relaxed) {
            return;
        }
        let probing = Probing { limiter: Arc::downgrade(self), shard };
        in_background(async move {
            let mut well = false;
            loop {
                // Not held while nothing is done: a limiter that nobody has any more ends.
                let Some(pause) = probing.limiter.upgrade().map(|inner| inner.pause(well)) else { return };
                tokio::time::sleep(pause).await;
                let Some(inner) = probing.limiter.upgrade() else { return };
                inner.metrics.fallback_ms.increment(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
                match inner.probe(shard, tag).await {
                    Some(answered) => well = answered,
                    None => return,
                }
            }
        });
    }

    /// Tries a part of the store: whether it answered; `None` once it is asked again.
    async fn probe(&self, shard: usize, tag: Tag) -> Option<bool> {
        let well = match probe_batch(tag) {
            Some(batch) => self.within_deadline(self.store.peek(&batch)).await.is_some_and(|reply| reply.is_ok()),
            None => false,
        };
        self.metrics.fallback_keys.set(u32::try_from(self.fallback.len()).unwrap_or(u32::MAX));
        let closed = self.guards[shard].turn(|breaker| breaker.probed(well)) == Some(Turn::Closed);
        if closed {
            self.metrics.closed.increment(1);
            self.metrics.open_breakers.decrement(1);
            tracing::info!(shard, "The store of limits answers again");
        }
        (!closed).then_some(well)
    }
}

/// A limit that nobody else has, where the tag is.
fn probe_batch(tag: Tag) -> Option<Batch> {
    let quota = Quota::rate(1, std::time::Duration::from_secs(1)).burst(1).ok()?;
    let limit = Limit::new("probe".parse().ok()?, Digest::of([b"probe".as_slice()]), quota, 1).ok()?;
    Some(Batch::one(tag, limit))
}

/// Runs a task behind the requests. Without a run time there is nothing to run it on, and the next request tries again.
pub(super) fn in_background(task: impl Future<Output = ()> + Send + 'static) -> bool {
    match tokio::runtime::Handle::try_current() {
        Ok(handle) => {
            drop(handle.spawn(task));
            true
        }
        Err(_) => false,
    }
}
