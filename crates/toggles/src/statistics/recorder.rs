//! Counting in memory.

use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use togglebox_core::{Entropy, TenantId, Timestamp};

use super::batch::batches;
use super::event::{Event, Occurrence, counted_at};
use super::tally::Tally;
use crate::Scope;
use crate::store::{ScopedDelta, StatisticsBatch};

const SHARDS: usize = 16;

thread_local! {
    /// The shard of this thread. One thing may be counted in several shards: counts add up, and what is distinct is told apart by the
    /// store. So threads that serve the same flag do not wait for each other.
    static MINE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

/// How much is held in memory, and sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderLimits {
    /// About how many bytes may be counted in between two drains. What needs more is dropped, and counted as dropped.
    pub memory_bytes: usize,
    /// Entries per batch: deltas, and the subjects and sketches in them. At least two.
    pub batch_entries: usize,
}

impl Default for RecorderLimits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, batch_entries: 2_000 }
    }
}

/// Counts events in memory until they are drained.
///
/// Recording takes a lock that few threads share, for a few look-ups, and neither waits for I/O nor fails. What a
/// crash loses is what was recorded since the last drain.
#[derive(Debug)]
pub struct Recorder {
    shards: [Mutex<Shard>; SHARDS],
    limits: RecorderLimits,
    /// Over all shards. Changed only while a shard is locked, by what that shard gains or loses.
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    tally: Tally,
    bytes: usize,
}

impl Recorder {
    /// An empty recorder.
    pub fn new(limits: RecorderLimits) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), limits, bytes: AtomicUsize::new(0), dropped: AtomicU64::new(0) }
    }

    /// Counts an event that arrived at `received_at`. It counts for the time when it happened if it is at most 48 hours late or 5
    /// minutes early, else for that of its arrival.
    ///
    /// An event is counted whole or dropped whole: for want of room, or for a value that is not finite or beyond 1e100.
    pub fn record(&self, tenant: TenantId, scope: &Scope, event: &Event, received_at: Timestamp) {
        self.count(tenant, scope, event.kind.occurrence(), counted_at(event.at, received_at));
    }

    /// Counts what happened at `at`, as this node's clock has it. Takes no share in what it is told: in a node that serves the same
    /// flag on every core, raising and lowering a count that all cores share costs more than the counting.
    pub fn count(&self, tenant: TenantId, scope: &Scope, occurrence: Occurrence<'_>, at: Timestamp) {
        let mut shard = self.lock(MINE.with(|index| *index));
        // Threads in other shards may take the same room: the bound is exceeded by at most one event per thread.
        let room = self.limits.memory_bytes.saturating_sub(self.bytes.load(Ordering::Relaxed));
        match shard.tally.add(tenant, scope, occurrence, at, room) {
            Ok(bytes) => {
                shard.bytes += bytes;
                self.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Hands over everything that was counted since the last time, in batches of bounded size. Each event is in exactly one
    /// drain.
    ///
    /// The caller keeps each batch until the store has taken it, and sends the same one (with its id) again if the outcome is
    /// unknown; [`Flusher`](super::Flusher) does.
    pub fn drain(&self, now: Timestamp, entropy: &dyn Entropy) -> Vec<(TenantId, StatisticsBatch)> {
        self.drained(now, entropy, |shard| {
            let Shard { tally, bytes } = mem::take(shard);
            Some((tally, bytes))
        })
    }

    /// The same of one tenant alone; what was counted of others goes on being held.
    pub fn drain_of(&self, tenant: TenantId, now: Timestamp, entropy: &dyn Entropy) -> Vec<(TenantId, StatisticsBatch)> {
        self.drained(now, entropy, |shard| {
            let taken = shard.tally.take(tenant)?;
            shard.bytes -= taken.1;
            Some(taken)
        })
    }

    /// Hands over what `take` takes out of each shard, with the bytes that it took there.
    fn drained(
        &self,
        now: Timestamp,
        entropy: &dyn Entropy,
        take: impl Fn(&mut Shard) -> Option<(Tally, usize)>,
    ) -> Vec<(TenantId, StatisticsBatch)> {
        let mut tenants: BTreeMap<TenantId, Vec<ScopedDelta>> = BTreeMap::new();
        for index in 0..SHARDS {
            let taken = {
                let mut shard = self.lock(index);
                let taken = take(&mut shard);
                self.bytes.fetch_sub(taken.as_ref().map_or(0, |(_, bytes)| *bytes), Ordering::Relaxed);
                taken
            };
            if let Some((tally, _)) = taken {
                tally.into_deltas(&mut |tenant, delta| tenants.entry(tenant).or_default().push(delta));
            }
        }
        let batched = |(tenant, deltas)| {
            batches(deltas, self.limits.batch_entries, now, entropy).into_iter().map(move |batch| (tenant, batch))
        };
        tenants.into_iter().flat_map(batched).collect()
    }

    /// Events that were not counted, since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Bytes that are held for what was counted since the last drain, about.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A panic elsewhere leaves counters as whole as they were: events are added after the last thing that can fail.
    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new(RecorderLimits::default())
    }
}

#[cfg(test)]
mod tests;
