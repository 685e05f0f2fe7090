//! Units that were taken in advance.
//!
//! A node charges the store for `k` units first and gives them out afterwards, so that the store never knows too little. Whatever is
//! not used within the lease's life is given back. With `N` nodes that hold no more than `k` units each for no longer than `L`, at most
//! `min(N·(k - 1), floor(L / T) + 1)` units pass in any window beyond what the quota promises: those that were charged before the window
//! began and used in it. In the long run there are none, for each was charged. A node that dies loses up to `k` units of *capacity*.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::batch::{Batch, Grant, PerLimit, Receipt, Reply};
use crate::gcra;
use crate::key::Digest;
use crate::policy::Lease;
use crate::store::MOST_UNITS;

/// Parts of the book, each under a lock of its own.
const PARTS: usize = 16;

/// Accounts in each part. Who has none takes nothing in advance.
const ACCOUNTS: usize = 4096;

/// Accounts that are compared when one must go.
const SAMPLE: usize = 16;

/// The units that this node holds, by what they are good for.
#[derive(Debug)]
pub(crate) struct LeaseBook {
    parts: [Mutex<IndexMap<Digest, Account, RandomState>>; PARTS],
}

/// What is held for one batch.
#[derive(Debug, Default)]
struct Account {
    chunks: VecDeque<Chunk>,
    /// Whether more were asked for already.
    refilling: bool,
    pace: Pace,
    used_us: u64,
    /// Until when nothing is asked for: the last grant was short, and more is there only when time has passed.
    pause_us: u64,
    /// When each limit has room again, as the last grant that was short has told.
    room_us: PerLimit<u64>,
}

/// What was granted at once.
#[derive(Debug)]
struct Chunk {
    batch: Batch,
    grant: Grant,
    left: u32,
    expires_us: u64,
}

/// What a refill brought.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    /// How many were asked for.
    pub(crate) ask: u32,
    /// How many are used at once.
    pub(crate) used: u32,
    /// When they were asked for: their life begins then.
    pub(crate) asked_us: u64,
}

/// How many were used in this life of a lease and in the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    number: u64,
    now: u32,
    before: u32,
}

/// What came of trying to use a unit that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// One was there.
    Unit(Unit),
    /// None is there: how many to ask for. More than one: this is a refill.
    None { ask: u32 },
    /// Nothing is taken in advance here: each asks for itself.
    Never,
    /// None is there, there was not enough a moment ago, and nobody asks for a while: how many microseconds to wait for each limit, zero
    /// for those that have room.
    Pause { us: PerLimit<u64> },
}

/// A unit that was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unit {
    /// How the limits stood before it was granted.
    pub(crate) reply: Reply,
    /// With how many others it was.
    pub(crate) granted: u32,
    /// How many to ask for meanwhile.
    pub(crate) refill: Option<u32>,
}

/// After how long without use an account is closed, in microseconds.
const IDLE_US: u64 = 10_000_000;

impl LeaseBook {
    pub(crate) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()) }
    }

    /// What a batch's units are kept under: its slots, its costs, and the quotas that they were granted under.
    pub(crate) fn name(batch: &Batch) -> Digest {
        let each = batch.limits().iter().map(|limit| {
            let ((whole, fractions), mut bytes) = (limit.quota().interval_us(), [0; 36]);
            bytes[..16].copy_from_slice(limit.slot().as_bytes());
            bytes[16..20].copy_from_slice(&limit.cost().to_le_bytes());
            bytes[20..28].copy_from_slice(&whole.to_le_bytes());
            bytes[28..32].copy_from_slice(&fractions.to_le_bytes());
            bytes[32..].copy_from_slice(&limit.quota().burst().to_le_bytes());
            bytes
        });
        let each: smallvec::SmallVec<[[u8; 36]; 4]> = each.collect();
        Digest::of(each.iter().map(<[u8; 36]>::as_slice))
    }

    /// Uses a unit that is held. `None` where there is none.
    pub(crate) fn take_held(&self, name: &Digest, batch: &Batch, lease: Lease, nodes: u32, now_us: u64) -> Option<Unit> {
        let most = most(batch, lease, nodes);
        let mut part = self.part(name);
        let account = part.get_mut(name).filter(|account| account.held(now_us) > 0)?;
        account.pace.count(now_us / us(lease));
        account.take(most, now_us)
    }

    /// Uses a unit, or says how many to ask for. Whoever is told to ask for more than one, or to refill, must end that with
    /// [`add`](Self::add) or [`give_up`](Self::give_up): until then, nobody else is told to.
    pub(crate) fn take(&self, name: &Digest, batch: &Batch, lease: Lease, nodes: u32, now_us: u64) -> Taken {
        let most = most(batch, lease, nodes);
        if most <= 1 {
            return Taken::Never;
        }
        let mut part = self.part(name);
        if !has_place(&mut part, name) {
            return Taken::Never;
        }
        let account = part.entry(*name).or_default();
        account.pace.count(now_us / us(lease));
        if let Some(unit) = account.take(most, now_us) {
            return Taken::Unit(unit);
        }
        if now_us < account.pause_us {
            return Taken::Pause { us: account.waits(now_us) };
        }
        let ask = if account.refilling { 1 } else { account.pace.wanted(most) };
        account.refilling |= ask > 1;
        account.used_us = now_us;
        Taken::None { ask }
    }

    /// Ends a refill: keeps what was granted, but for the units that are used at once.
    ///
    /// Where less was granted than asked for, the limit is used up, and units come back one by one. Nobody asks for a quarter of a life
    /// then, so that a limit under pressure does not cost a call for each unit. What comes back meanwhile is there afterwards.
    pub(crate) fn add(&self, name: Digest, batch: &Batch, Granted { grant, ask, used, asked_us }: Granted, lease: Lease) {
        let mut part = self.part(&name);
        let account = part.entry(name).or_default();
        account.refilling = false;
        if grant.units < ask {
            account.pause_us = asked_us.saturating_add(us(lease) / 4);
            let granted = batch.times(grant.units);
            let room = batch.limits().iter().zip(granted.limits()).zip(&grant.reply.before).map(|((limit, granted), before)| {
                let (quota, now_us) = (limit.quota(), grant.reply.now_us);
                let after = gcra::charge(quota, Some(*before), now_us, granted.cost());
                let wait = gcra::retry_after(quota, Some(after), now_us, limit.cost());
                asked_us.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX))
            });
            account.room_us = room.collect();
        }
        let left = grant.units.saturating_sub(used);
        if left > 0 {
            let expires_us = asked_us.saturating_add(us(lease));
            account.chunks.push_back(Chunk { batch: batch.clone(), grant, left, expires_us });
        }
    }

    /// Ends a refill that came to nothing.
    pub(crate) fn give_up(&self, name: &Digest) {
        if let Some(account) = self.part(name).get_mut(name) {
            account.refilling = false;
        }
    }

    /// Puts a unit back that was not used after all. `false` when what it came from has ended.
    pub(crate) fn put_back(&self, name: &Digest, now_us: u64) -> bool {
        let mut part = self.part(name);
        let Some(account) = part.get_mut(name) else { return false };
        let chunk = account.chunks.iter_mut().find(|chunk| now_us < chunk.expires_us && chunk.left < chunk.grant.units);
        chunk.is_some_and(|chunk| {
            chunk.left += 1;
            true
        })
    }

    /// Takes out what has expired by then; receipts of what was not used.
    pub(crate) fn expired(&self, now_us: u64) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            for account in part.values_mut() {
                account.chunks.retain(|chunk| {
                    let over = chunk.expires_us <= now_us;
                    if over && chunk.left > 0 {
                        receipts.push(chunk.grant.receipt(&chunk.batch, chunk.left));
                    }
                    !over
                });
            }
            part.retain(|_, account| !account.is_idle() || now_us < account.used_us.saturating_add(IDLE_US));
        }
        receipts
    }

    /// Whether there is no account: nothing to look after.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    /// How many units are held.
    pub(crate) fn held(&self) -> u64 {
        let each = self.parts.iter().map(|part| {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.values().flat_map(|account| &account.chunks).map(|chunk| u64::from(chunk.left)).sum::<u64>()
        });
        each.sum()
    }

    fn part(&self, name: &Digest) -> MutexGuard<'_, IndexMap<Digest, Account, RandomState>> {
        self.parts[usize::from(name.as_bytes()[0]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an account has a place, or can have one. Where it cannot be another one goes: one that holds nothing, and so only knows its
/// pace, of which there are as many as somebody sends requests for.
fn has_place(part: &mut IndexMap<Digest, Account, RandomState>, name: &Digest) -> bool {
    if part.len() < ACCOUNTS || part.contains_key(name) {
        return true;
    }
    let bytes = name.as_bytes();
    let first = usize::from(u16::from_le_bytes([bytes[1], bytes[2]]));
    let sample = (first..first + SAMPLE).map(|place| place % part.len());
    let idle = sample.filter(|index| part.get_index(*index).is_some_and(|(_, account)| account.is_idle()));
    let Some(index) = idle.min_by_key(|index| part[*index].used_us) else { return false };
    part.swap_remove_index(index);
    true
}

impl Account {
    /// Whether nothing is held, nor asked for.
    fn is_idle(&self) -> bool {
        !self.refilling && self.chunks.iter().all(|chunk| chunk.left == 0)
    }

    /// Uses a unit of what expires first.
    fn take(&mut self, most: u32, now_us: u64) -> Option<Unit> {
        let wanted = self.pace.wanted(most);
        let chunk = self.chunks.iter_mut().find(|chunk| chunk.left > 0 && now_us < chunk.expires_us)?;
        chunk.left -= 1;
        let (reply, granted) = (chunk.grant.reply.clone(), chunk.grant.units);
        let left = self.held(now_us);
        let may_ask = !self.refilling && self.pause_us <= now_us;
        let refill = (may_ask && left <= wanted / 3 && wanted > left).then(|| wanted - left);
        self.refilling |= refill.is_some();
        self.used_us = now_us;
        Some(Unit { reply, granted, refill })
    }

    /// How long each limit has to be waited for while nobody asks: until the end of that at the least, for the one that has room last.
    fn waits(&self, now_us: u64) -> PerLimit<u64> {
        let last = self.room_us.iter().copied().max().unwrap_or_default();
        let wait = |room: &u64| if *room == last { last.max(self.pause_us) } else { *room }.saturating_sub(now_us);
        self.room_us.iter().map(wait).collect()
    }

    fn held(&self, now_us: u64) -> u32 {
        self.chunks.iter().filter(|chunk| now_us < chunk.expires_us).map(|chunk| chunk.left).sum()
    }
}

impl Pace {
    fn count(&mut self, number: u64) {
        if self.number != number {
            self.before = if self.number + 1 == number { self.now } else { 0 };
            (self.number, self.now) = (number, 0);
        }
        self.now = self.now.saturating_add(1);
    }

    /// What three quarters of a life use up, one at the least: what is taken for longer mostly expires. Asked for again at a third of
    /// that, it is a call for half of what a life uses up.
    fn wanted(self, most: u32) -> u32 {
        u32::try_from(u64::from(self.now.max(self.before)) * 3 / 4).unwrap_or(u32::MAX).clamp(1, most)
    }
}

/// The most units that a node may hold: such a part of the burst that all nodes together hold no more than the lease's share. One, which
/// is to hold none, where the burst is too small for the share to be told in whole units.
fn most(batch: &Batch, lease: Lease, nodes: u32) -> u32 {
    let each = batch.limits().iter().map(|limit| {
        let units = lease.share.clamp(0.0, 1.0) * f64::from(limit.quota().burst());
        // Not negative, and below 2^31.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a burst fits")]
        let units = (units / f64::from(nodes.max(1)) / f64::from(limit.cost())) as u32;
        units.saturating_add(1)
    });
    each.min().unwrap_or(1).min(MOST_UNITS)
}

/// A millisecond at the least: a shorter life ends before its units arrive.
fn us(lease: Lease) -> u64 {
    u64::try_from(lease.life.as_micros()).unwrap_or(u64::MAX).max(1000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use togglebox_core::TenantId;

    use super::*;
    use crate::{Limit, Quota, Tag};

    const LEASE: Lease = Lease { life: Duration::from_millis(100), share: 0.05 };

    fn batch(subject: u64) -> Batch {
        let quota = Quota::rate(100, Duration::from_secs(1)).full_burst().unwrap();
        let slot = Digest::of([subject.to_le_bytes().as_slice()]);
        Batch::one(Tag::Tenant(TenantId::DEFAULT), Limit::new("p".parse().unwrap(), slot, quota, 1).unwrap())
    }

    fn take(book: &LeaseBook, batch: &Batch, now_us: u64) -> Taken {
        book.take(&LeaseBook::name(batch), batch, LEASE, 1, now_us)
    }

    #[test]
    fn a_flood_of_subjects_does_not_outgrow_it_nor_push_out_what_is_held() {
        let (book, holder) = (LeaseBook::new(), batch(u64::MAX));
        while take(&book, &holder, 0) == (Taken::None { ask: 1 }) {}
        let reply = Reply {
            now_us: 0,
            passed: true,
            charged: true,
            before: [gcra::rebase(holder.limits()[0].quota(), None, 0)].into_iter().collect(),
        };
        let granted = Granted { grant: Grant { units: 2, reply }, ask: 2, used: 1, asked_us: 0 };
        book.add(LeaseBook::name(&holder), &holder, granted, LEASE);
        for subject in 0..200_000 {
            assert_eq!(take(&book, &batch(subject), 0), Taken::None { ask: 1 });
        }
        let accounts: usize = book.parts.iter().map(|part| part.lock().unwrap().len()).sum();
        assert!(accounts <= PARTS * ACCOUNTS, "{accounts}");
        assert_eq!(book.held(), 1);
        assert!(matches!(take(&book, &holder, 0), Taken::Unit(_)));
    }

    #[test]
    fn those_who_come_once_are_forgotten() {
        let book = LeaseBook::new();
        for subject in 0..1000 {
            take(&book, &batch(subject), 1);
        }
        assert!(book.expired(IDLE_US).is_empty());
        assert!(!book.is_empty());
        book.expired(IDLE_US + 1);
        assert!(book.is_empty());
    }
}
