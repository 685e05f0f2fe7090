//! Denials that are remembered, so that the store need not be asked again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::key::Digest;

/// How long a denial is remembered at the most, in microseconds: a refund, another quota or another plan is seen after that.
const LONGEST_US: u64 = 1_000_000;

/// Parts, each under a lock of its own.
const PARTS: usize = 16;

/// Denials in each part.
const CAPACITY: usize = 4096;

/// A limit that had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    /// What was asked for.
    cost: u32,
    /// Until when nobody asks again, on this process's clock.
    until_us: u64,
    /// When there is room for everything, at the earliest. Only time makes room, so this much is certain.
    full_us: u64,
    /// How long before that there is room for the cost.
    before_us: u64,
    /// By how much the cost puts that off.
    step_us: u64,
}

/// What the store said of a limit, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// What it was asked for.
    pub(crate) cost: u32,
    /// When, on this process's clock.
    pub(crate) asked_us: u64,
    /// After how long the bucket is full.
    pub(crate) reset_us: u64,
    /// How long before that there is room for the cost: the time in which all comes back but for the cost.
    pub(crate) before_us: u64,
    /// In what time the cost comes back.
    pub(crate) step_us: u64,
}

/// What is left of a denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// For how many microseconds there is certainly no room.
    pub(crate) retry_us: u64,
    /// In how many the bucket is full.
    pub(crate) reset_us: u64,
}

/// Limits that have no room for a while.
#[derive(Debug)]
pub(crate) struct DenyCache {
    parts: [Mutex<IndexMap<Digest, Denial, RandomState>>; PARTS],
}

impl DenyCache {
    pub(crate) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()) }
    }

    /// How long there is certainly no room for this cost; `None` where the store is to be asked.
    pub(crate) fn wait(&self, slot: &Digest, cost: u32, now_us: u64) -> Option<Wait> {
        let denial = *self.part(slot).get(slot)?;
        (denial.cost <= cost && now_us < denial.until_us)
            .then(|| Wait { retry_us: denial.room_us().saturating_sub(now_us), reset_us: denial.full_us.saturating_sub(now_us) })
    }

    /// Somebody asks the store for this cost. What has come back since the denial is for whoever asks first; until as much can have
    /// come back again, nobody else need ask. Without this, all who wait would come at once, for one unit.
    pub(crate) fn asked(&self, slot: &Digest, cost: u32, now_us: u64) {
        let mut part = self.part(slot);
        let Some(denial) = part.get_mut(slot).filter(|denial| denial.cost <= cost) else { return };
        if denial.room_us() <= now_us {
            denial.full_us = denial.full_us.max(now_us).saturating_add(denial.step_us);
        }
        denial.wait_from(now_us);
    }

    /// Remembers that there was no room for what `known` says.
    pub(crate) fn remember(&self, slot: Digest, known: Known) {
        let mut part = self.part(&slot);
        if part.len() >= CAPACITY && !part.contains_key(&slot) {
            // Any: none is worth more than a second.
            let bytes = slot.as_bytes();
            let index = usize::from(u16::from_le_bytes([bytes[2], bytes[3]])) % part.len();
            part.swap_remove_index(index);
        }
        part.insert(slot, known.denial());
    }

    /// There was room: an earlier denial is set right by what is known now, which may be another quota.
    pub(crate) fn passed(&self, slot: &Digest, known: Known) {
        if let Some(denial) = self.part(slot).get_mut(slot) {
            *denial = known.denial();
        }
    }

    /// Forgets a denial: something was given back.
    pub(crate) fn forget(&self, slot: &Digest) {
        self.part(slot).swap_remove(slot);
    }

    fn part(&self, slot: &Digest) -> MutexGuard<'_, IndexMap<Digest, Denial, RandomState>> {
        self.parts[usize::from(slot.as_bytes()[1]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn denial(self) -> Denial {
        let Self { cost, asked_us, reset_us, before_us, step_us } = self;
        let mut denial = Denial { cost, until_us: 0, full_us: asked_us.saturating_add(reset_us), before_us, step_us };
        denial.wait_from(asked_us);
        denial
    }
}

impl Denial {
    /// Until when there is no room for the cost.
    const fn room_us(&self) -> u64 {
        self.full_us.saturating_sub(self.before_us)
    }

    /// Lets nobody ask while there is no room.
    fn wait_from(&mut self, now_us: u64) {
        self.until_us = self.room_us().min(now_us.saturating_add(LONGEST_US));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(n: u32) -> Digest {
        Digest::of([n.to_le_bytes().as_slice()])
    }

    const fn wait(us: u64) -> Wait {
        Wait { retry_us: us, reset_us: 2 * us }
    }

    /// There is room after so long, and all of it after twice as long.
    const fn denied(cost: u32, us: u64, asked_us: u64) -> Known {
        Known { cost, asked_us, reset_us: 2 * us, before_us: us, step_us: 50 }
    }

    #[test]
    fn a_denial_holds_for_as_much_and_more_until_its_time() {
        let cache = DenyCache::new();
        cache.remember(slot(1), denied(3, 500, 1000));
        assert_eq!(cache.wait(&slot(1), 3, 1000), Some(wait(500)));
        assert_eq!(cache.wait(&slot(1), 9, 1499), Some(Wait { retry_us: 1, reset_us: 501 }));
        assert_eq!(cache.wait(&slot(1), 3, 1500), None);
        assert_eq!(cache.wait(&slot(1), 2, 1000), None, "for less there may be room");
        assert_eq!(cache.wait(&slot(2), 3, 1000), None);
        cache.forget(&slot(1));
        assert_eq!(cache.wait(&slot(1), 3, 1000), None);
    }

    #[test]
    fn it_is_remembered_for_a_second_at_the_most() {
        let cache = DenyCache::new();
        cache.remember(slot(1), denied(1, 3_600_000_000, 0));
        let retry = |us| cache.wait(&slot(1), 1, us).map(|wait| wait.retry_us);
        assert_eq!(retry(999_999), Some(3_599_000_001), "the wait that is told is the whole one");
        assert_eq!(retry(1_000_000), None);
        cache.asked(&slot(1), 1, 1_000_000);
        assert_eq!(retry(1_000_000), Some(3_599_000_000), "one asks, the others go on waiting");
        assert_eq!(retry(2_000_000), None);
    }

    #[test]
    fn as_many_ask_as_units_may_have_come_back() {
        let cache = DenyCache::new();
        // One unit in 100, and 250 until all three of them are there.
        let known = Known { cost: 1, asked_us: 0, reset_us: 250, before_us: 200, step_us: 100 };
        cache.remember(slot(1), known);
        let mut asked = Vec::new();
        for us in 0..400 {
            for _ in 0..5 {
                if cache.wait(&slot(1), 1, us).is_none() {
                    cache.asked(&slot(1), 1, us);
                    asked.push(us);
                }
            }
        }
        assert_eq!(asked, [50, 150, 250, 350]);
        // Whoever comes late finds what has been saved up.
        let late = (0..5).filter(|_| {
            let asks = cache.wait(&slot(1), 1, 640).is_none();
            cache.asked(&slot(1), 1, 640);
            asks
        });
        assert_eq!(late.count(), 2);
        assert_eq!(cache.wait(&slot(1), 1, 640).map(|wait| wait.retry_us), Some(10));
        // The second one did not take it after all.
        cache.passed(&slot(1), Known { asked_us: 640, reset_us: 90, ..known });
        assert_eq!(cache.wait(&slot(1), 1, 640), None);
    }

    #[test]
    fn a_flood_does_not_outgrow_it() {
        let cache = DenyCache::new();
        for n in 0..200_000 {
            cache.remember(slot(n), denied(1, 1000, 0));
        }
        let held: usize = cache.parts.iter().map(|part| part.lock().unwrap().len()).sum();
        assert!(held <= PARTS * CAPACITY);
        assert!(cache.wait(&slot(199_999), 1, 0).is_some());
    }
}
