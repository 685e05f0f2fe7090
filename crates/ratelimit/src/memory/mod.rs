//! Limits within one process.

mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use foldhash::quality::RandomState;
use metrics::{Counter, counter, describe_counter};
use smallvec::SmallVec;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult};

use self::table::Table;
use crate::batch::{Batch, Grant, Limit, MOST_LIMITS, NoRoom, PerLimit, Receipt, Reply, ReplyToOne};
use crate::clock::{Stopwatch, SystemStopwatch};
use crate::gcra::{self, Tat};
use crate::key::{Digest, Tag};
use crate::store::{Health, LimitStore, MOST_UNITS};

/// Parts of the table, each under a lock of its own, a power of two of them.
const FEW_PARTS: usize = 64;

/// So many where a store is large: what two threads ask for is rarely in one part then. Else its line of memory goes back and forth between
/// their processors, which costs as much as the decision.
const MANY_PARTS: usize = 512;

/// The least limits of each of many parts: of fewer, some parts are full long before others.
const OF_EACH: usize = 64;

const EVICTIONS: &str = "ratelimit_table_evictions_total";

/// How many limits a store holds unless told otherwise: some 43 MB.
const CAPACITY: usize = 1_000_000;

/// Limits in the memory of this process: exact for one process, unknown to others, and gone with it.
///
/// It holds no more limits than its capacity. Full buckets, which say nothing, go first; then, of a sample, the one that is nearest to
/// being full, which forgives the least. So a flood of new keys pushes itself out, and not those who have used up theirs.
#[derive(Debug)]
pub struct MemoryStore {
    parts: Box<[Part]>,
    capacity: usize,
    stopwatch: Arc<dyn Stopwatch>,
    evictions: Counter,
    /// Slots stand for what clients may choose: without a seed, somebody could choose many of one place.
    seed: Seed,
}

/// Hashes slots.
#[derive(Clone, Default)]
struct Seed(RandomState);

impl Seed {
    #[inline]
    fn hash(&self, slot: &Digest) -> u64 {
        self.0.hash_one(slot)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").finish_non_exhaustive()
    }
}

/// A part in lines of memory of its own: whoever uses its neighbour does not take them away. Processors fetch lines in pairs, of which it
/// fills one.
#[derive(Debug)]
#[repr(align(128))]
struct Part(Mutex<Table>);

/// The locks that a batch needs, in the order of the parts: two batches never wait for each other.
struct Held<'t> {
    store: &'t MemoryStore,
    tables: SmallVec<[(usize, MutexGuard<'t, Table>); MOST_LIMITS]>,
}

impl MemoryStore {
    /// A store of a million limits, by the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with(CAPACITY, Arc::new(SystemStopwatch::start()))
    }

    /// A store of so many limits (at least 64), by this clock.
    #[must_use]
    pub fn with(capacity: usize, stopwatch: Arc<dyn Stopwatch>) -> Self {
        let parts = if capacity < MANY_PARTS * OF_EACH { FEW_PARTS } else { MANY_PARTS };
        let each = (capacity / parts).max(1);
        describe_counter!(EVICTIONS, "Limits that were forgotten for want of room though they were not full.");
        let seed = Seed::default();
        let part = |_| Part(Mutex::new(Table::new(each, seed.clone())));
        let parts: Box<[Part]> = (0..parts).map(part).collect();
        Self { capacity: each * parts.len(), parts, stopwatch, evictions: counter!(EVICTIONS), seed }
    }

    /// How many limits are held, full ones that nobody has looked at since included.
    pub fn len(&self) -> usize {
        (0..self.parts.len()).map(|part| self.lock(part).len()).sum()
    }

    /// Whether no limit is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The most limits that are held.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many limits were forgotten for want of room though they were not full.
    pub fn evictions(&self) -> u64 {
        (0..self.parts.len()).map(|part| self.lock(part).evictions()).sum()
    }

    /// Sets the state of limits, as another store found them by its own clock: what stands there is at least as strict afterwards.
    pub(crate) fn follow(&self, batch: &Batch, reply: &Reply) {
        let now = self.stopwatch.now_us();
        let mut held = self.hold(batch);
        for (limit, before) in batch.limits().iter().zip(&reply.before) {
            let there =
                if reply.charged { gcra::charge(limit.quota(), Some(*before), reply.now_us, limit.cost()) } else { *before };
            // As far ahead of our clock as it is of the store's.
            let ahead = there.us().saturating_sub(reply.now_us);
            let here = Tat::new(now.saturating_add(ahead), if there.us() < reply.now_us { 0 } else { there.part() });
            self.put(held.table(limit.slot()), limit.slot(), here, now);
        }
    }

    /// Remembers a state, and tells of what was forgotten for it.
    fn put(&self, table: &mut Table, slot: Digest, tat: Tat, now_us: u64) {
        let evicted = table.put(slot, tat, now_us);
        if evicted > 0 {
            self.evictions.increment(evicted);
        }
    }

    fn lock(&self, part: usize) -> MutexGuard<'_, Table> {
        // A panic while a lock is held leaves a table of which every state is whole.
        self.parts[part].0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, batch: &Batch) -> Held<'_> {
        let mut parts: SmallVec<[usize; MOST_LIMITS]> = batch.limits().iter().map(|limit| self.part_of(&limit.slot())).collect();
        parts.sort_unstable();
        parts.dedup();
        Held { store: self, tables: parts.into_iter().map(|part| (part, self.lock(part))).collect() }
    }

    fn part_of(&self, slot: &Digest) -> usize {
        self.part_at(self.seed.hash(slot))
    }

    /// By the lower bits; where in the part, the upper bits say.
    #[inline]
    fn part_at(&self, hash: u64) -> usize {
        usize::try_from(hash & u64::from(u16::MAX)).unwrap_or_default() & (self.parts.len() - 1)
    }

    fn look(&self, held: &mut Held<'_>, batch: &Batch) -> Reply {
        let now_us = self.stopwatch.now_us();
        let stand = |limit: &Limit| {
            let table = held.table(limit.slot());
            let there = table.get(&limit.slot());
            let stands = gcra::rebase(limit.quota(), there, now_us);
            if there.is_some_and(|there| gcra::is_beyond(limit.quota(), there, now_us)) {
                self.put(table, limit.slot(), stands, now_us);
            }
            stands
        };
        let before: PerLimit<Tat> = batch.limits().iter().map(stand).collect();
        let passed = batch
            .limits()
            .iter()
            .zip(&before)
            .all(|(limit, before)| gcra::consume(limit.quota(), Some(*before), now_us, limit.cost()).is_some());
        Reply { now_us, passed, charged: false, before }
    }

    /// Charges what was looked at.
    fn settle(&self, held: &mut Held<'_>, batch: &Batch, reply: &mut Reply) {
        for (limit, before) in batch.limits().iter().zip(&reply.before) {
            let after = gcra::charge(limit.quota(), Some(*before), reply.now_us, limit.cost());
            self.put(held.table(limit.slot()), limit.slot(), after, reply.now_us);
        }
        reply.charged = true;
    }

    /// Refuses where a limit that may not push another one out finds no room.
    fn check_room(held: &mut Held<'_>, batch: &Batch, now_us: u64, operation: &'static str) -> StoreResult<()> {
        let each = |limit: &Limit| Self::check_room_of(held.table(limit.slot()), limit, now_us, operation);
        batch.limits().iter().try_for_each(each)
    }

    fn check_room_of(table: &mut Table, limit: &Limit, now_us: u64, operation: &'static str) -> StoreResult<()> {
        if limit.no_room() == NoRoom::Refuse && table.get(&limit.slot()).is_none() && !table.has_room(1, now_us) {
            let kind = StoreErrorKind::LimitReached { limit: table.capacity() };
            return Err(StoreError::new(kind, operation));
        }
        Ok(())
    }

    /// What most requests ask: one limit, which is looked up once.
    fn consume_one(&self, limit: &Limit) -> StoreResult<ReplyToOne> {
        let (slot, quota) = (limit.slot(), limit.quota());
        let hash = self.seed.hash(&slot);
        let mut table = self.lock(self.part_at(hash));
        let now_us = self.stopwatch.now_us();
        let at = table.find_hashed(&slot, hash);
        let (before, after) = gcra::arrive(quota, at.map(|at| table.at(at)), now_us, limit.cost());
        match (at, after) {
            (Some(at), Some(after)) => table.set(at, after),
            (Some(at), None) if gcra::is_beyond(quota, table.at(at), now_us) => table.set(at, before),
            (_, None) => {}
            (None, Some(after)) => {
                Self::check_room_of(&mut table, limit, now_us, "limits.consume")?;
                self.put(&mut table, slot, after, now_us);
            }
        }
        drop(table);
        Ok(ReplyToOne { now_us, passed: after.is_some(), before })
    }

    fn consume_here(&self, batch: &Batch) -> StoreResult<Reply> {
        if let [limit] = batch.limits() {
            return self.consume_one(limit).map(Reply::from);
        }
        let mut held = self.hold(batch);
        let mut reply = self.look(&mut held, batch);
        if reply.passed {
            Self::check_room(&mut held, batch, reply.now_us, "limits.consume")?;
            self.settle(&mut held, batch, &mut reply);
        }
        Ok(reply)
    }

    fn refund_here(&self, receipt: &Receipt) {
        let batch = receipt.batch();
        let mut held = self.hold(batch);
        let now = self.stopwatch.now_us();
        for limit in batch.limits() {
            let table = held.table(limit.slot());
            let before = table.get(&limit.slot());
            if let Some(after) = gcra::refund(limit.quota(), before, now, receipt.charged_at_us(), limit.cost()) {
                self.put(table, limit.slot(), after, now);
            }
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Held<'_> {
    fn table(&mut self, slot: Digest) -> &mut Table {
        let part = self.store.part_of(&slot);
        let place = self.tables.iter().position(|(held, _)| *held == part);
        &mut self.tables[place.expect("the part of every slot of the batch is held")].1
    }
}

#[async_trait]
impl LimitStore for MemoryStore {
    async fn consume(&self, batch: &Batch) -> StoreResult<Reply> {
        self.consume_here(batch)
    }

    async fn peek(&self, batch: &Batch) -> StoreResult<Reply> {
        Ok(self.look(&mut self.hold(batch), batch))
    }

    async fn charge(&self, batch: &Batch) -> StoreResult<Reply> {
        let mut held = self.hold(batch);
        let mut reply = self.look(&mut held, batch);
        self.settle(&mut held, batch, &mut reply);
        Ok(reply)
    }

    async fn grant(&self, batch: &Batch, asked: u32) -> StoreResult<Grant> {
        let mut held = self.hold(batch);
        let mut reply = self.look(&mut held, batch);
        let asked = asked.min(MOST_UNITS);
        let units = batch.limits().iter().zip(&reply.before).fold(asked, |units, (limit, before)| {
            gcra::grantable(limit.quota(), Some(*before), reply.now_us, limit.cost(), units)
        });
        reply.passed = units > 0;
        if reply.passed {
            Self::check_room(&mut held, batch, reply.now_us, "limits.grant")?;
            self.settle(&mut held, &batch.times(units), &mut reply);
        }
        Ok(Grant { units, reply })
    }

    async fn refund(&self, receipt: &Receipt) -> StoreResult<()> {
        self.refund_here(receipt);
        Ok(())
    }

    async fn health(&self) -> StoreResult<Health> {
        Ok(Health { clock_ahead_us: Some(0), ..Health::default() })
    }

    fn consume_now(&self, batch: &Batch) -> Option<StoreResult<Reply>> {
        Some(self.consume_here(batch))
    }

    fn consume_one_now(&self, _tag: Tag, limit: &Limit) -> Option<StoreResult<ReplyToOne>> {
        Some(self.consume_one(limit))
    }

    fn refund_now(&self, receipt: &Receipt) -> Option<StoreResult<()>> {
        self.refund_here(receipt);
        Some(Ok(()))
    }

    fn is_within_process(&self) -> bool {
        true
    }
}
