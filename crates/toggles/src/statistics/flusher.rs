//! From memory to the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use togglebox_core::{Clock, Entropy, StoreErrorKind, StoreResult, TenantId};
use tokio::sync::Mutex;
use tracing::error;

use super::Recorder;
use crate::store::{StatisticsBatch, StatisticsStore};

/// How many batches a store is offered at once.
const OFFERED: usize = 100;

/// Sends what a [`Recorder`] counted to a store.
///
/// A batch stays here until the store has taken it, and is sent again as it is, under the same id, until then: each counted event
/// reaches the totals exactly once, as long as this process lives and the store remembers a batch's id (a day). While batches
/// wait, the recorder is not drained: what comes in merges with what it holds, within its bound. So memory stays bounded however
/// long the store is away.
#[derive(Debug)]
pub struct Flusher {
    recorder: Arc<Recorder>,
    store: Arc<dyn StatisticsStore>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// In the order in which they were drained. Held while flushing, so that flushes do not overlap.
    pending: Mutex<Pending>,
    refused: AtomicU64,
}

/// Batches that wait, each with whose it is.
type Pending = VecDeque<(TenantId, StatisticsBatch)>;

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Batches that the store took.
    pub batches: u64,
    /// Deltas in them.
    pub deltas: u64,
    /// Batches that the store will never take: dropped, and logged.
    pub refused: u64,
}

impl FlushReport {
    fn took(&mut self, batch: &StatisticsBatch) {
        self.batches += 1;
        self.deltas += batch.deltas.len() as u64;
    }

    /// Batches that the store has given an answer to.
    fn sent(&self) -> usize {
        usize::try_from(self.batches + self.refused).unwrap_or(usize::MAX)
    }
}

impl Flusher {
    /// Sends what `recorder` counts to `store`.
    pub fn new(
        recorder: Arc<Recorder>,
        store: Arc<dyn StatisticsStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { recorder, store, clock, entropy, pending: Mutex::default(), refused: AtomicU64::new(0) }
    }

    /// Sends the batches that wait, in order, then everything counted since they were made: as many at once as the store takes. One flush
    /// runs at a time; another waits for it.
    ///
    /// Dropping the future loses nothing: batches that were under way are sent again by the next flush.
    ///
    /// # Errors
    /// `Unavailable` from the store: the batches that were under way and those behind them wait for the next flush. Any other error would
    /// come back for ever, so the batch that it is about is dropped, counted in the report, and logged.
    pub async fn flush(&self) -> StoreResult<FlushReport> {
        self.flush_some(usize::MAX).await
    }

    /// The same, but no more than `most` batches; the rest waits for the next flush, and what is counted meanwhile for the one after it. Where
    /// ten thousand tenants are counted, this bounds what they take of the store at a time.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn flush_some(&self, most: usize) -> StoreResult<FlushReport> {
        let mut pending = self.pending.lock().await;
        let mut report = FlushReport::default();
        self.send(&mut pending, most, &mut report).await?;
        if pending.is_empty() {
            pending.extend(self.recorder.drain(self.clock.now(), &*self.entropy));
            self.send(&mut pending, most, &mut report).await?;
        }
        Ok(report)
    }

    /// The same for one tenant, which waits for no other's batches, but for those of a flush that is under way.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn flush_of(&self, tenant: TenantId) -> StoreResult<FlushReport> {
        let mut pending = self.pending.lock().await;
        let mut report = FlushReport::default();
        self.send_of(tenant, &mut pending, &mut report).await?;
        pending.extend(self.recorder.drain_of(tenant, self.clock.now(), &*self.entropy));
        self.send_of(tenant, &mut pending, &mut report).await?;
        Ok(report)
    }

    /// Sends the first batches, many at once.
    async fn send(&self, pending: &mut Pending, most: usize, report: &mut FlushReport) -> StoreResult<()> {
        while !pending.is_empty() && report.sent() < most {
            let offered = pending.len().min(most - report.sent()).min(OFFERED);
            if offered == 1 {
                self.send_one(pending, 0, report).await?;
                continue;
            }
            let taken = match self.store.record_together(&pending.make_contiguous()[..offered]).await {
                Ok(taken) => taken.min(offered),
                Err(unavailable) if *unavailable.kind() == StoreErrorKind::Unavailable => return Err(unavailable),
                Err(_) => 0,
            };
            for (_, batch) in pending.drain(..taken) {
                report.took(&batch);
            }
            if taken == 0 {
                // Each by itself: what the store refuses of one tenant hits no other.
                for _ in 0..offered {
                    self.send_one(pending, 0, report).await?;
                }
            }
        }
        Ok(())
    }

    async fn send_of(&self, tenant: TenantId, pending: &mut Pending, report: &mut FlushReport) -> StoreResult<()> {
        while let Some(place) = pending.iter().position(|(of, _)| *of == tenant) {
            self.send_one(pending, place, report).await?;
        }
        Ok(())
    }

    /// Sends the batch at this place, which goes when the store has taken it or never will.
    async fn send_one(&self, pending: &mut Pending, place: usize, report: &mut FlushReport) -> StoreResult<()> {
        let Some((tenant, batch)) = pending.get(place) else { return Ok(()) };
        match self.store.record(*tenant, batch).await {
            Ok(()) => report.took(batch),
            Err(unavailable) if *unavailable.kind() == StoreErrorKind::Unavailable => return Err(unavailable),
            Err(refusal) => {
                report.refused += 1;
                self.refused.fetch_add(1, Ordering::Relaxed);
                let deltas = batch.deltas.len();
                error!(
                    tenant.id = %tenant,
                    batch.id = %batch.id,
                    batch.deltas = deltas,
                    error = &refusal as &dyn std::error::Error,
                    "Dropped a batch of {deltas} deltas that the store refuses"
                );
            }
        }
        pending.remove(place);
        Ok(())
    }

    /// Batches that the store refused for good, since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
