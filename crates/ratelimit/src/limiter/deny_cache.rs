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
    /// Until when it is remembered, on this process's clock.
    until_us: u64,
    /// Until when there is none. Only time makes room, so this much is certain.
    room_us: u64,
    /// When there is room for everything.
    full_us: u64,
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

    /// How long there is certainly no room for this cost.
    pub(crate) fn wait(&self, slot: &Digest, cost: u32, now_us: u64) -> Option<Wait> {
        let denial = *self.part(slot).get(slot)?;
        (denial.cost <= cost && now_us < denial.until_us)
            .then(|| Wait { retry_us: denial.room_us - now_us, reset_us: denial.full_us.saturating_sub(now_us) })
    }

    /// Remembers that there was no room at `asked_us`, when the store was asked.
    pub(crate) fn remember(&self, slot: Digest, cost: u32, wait: Wait, asked_us: u64) {
        let until_us = asked_us.saturating_add(wait.retry_us.min(LONGEST_US));
        let room_us = asked_us.saturating_add(wait.retry_us);
        let full_us = asked_us.saturating_add(wait.reset_us);
        let mut part = self.part(&slot);
        if part.len() >= CAPACITY && !part.contains_key(&slot) {
            // Any: none is worth more than a second.
            let bytes = slot.as_bytes();
            let index = usize::from(u16::from_le_bytes([bytes[2], bytes[3]])) % part.len();
            part.swap_remove_index(index);
        }
        part.insert(slot, Denial { cost, until_us, room_us, full_us });
    }

    /// Forgets a denial: something was given back.
    pub(crate) fn forget(&self, slot: &Digest) {
        self.part(slot).swap_remove(slot);
    }

    fn part(&self, slot: &Digest) -> MutexGuard<'_, IndexMap<Digest, Denial, RandomState>> {
        self.parts[usize::from(slot.as_bytes()[1]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn a_denial_holds_for_as_much_and_more_until_its_time() {
        let cache = DenyCache::new();
        cache.remember(slot(1), 3, wait(500), 1000);
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
        cache.remember(slot(1), 1, wait(3_600_000_000), 0);
        let wait = cache.wait(&slot(1), 1, 999_999).unwrap();
        assert_eq!(wait, Wait { retry_us: 3_599_000_001, reset_us: 7_199_000_001 }, "what is told is the whole wait");
        assert_eq!(cache.wait(&slot(1), 1, 1_000_000), None);
    }

    #[test]
    fn a_flood_does_not_outgrow_it() {
        let cache = DenyCache::new();
        for n in 0..200_000 {
            cache.remember(slot(n), 1, wait(1000), 0);
        }
        let held: usize = cache.parts.iter().map(|part| part.lock().unwrap().len()).sum();
        assert!(held <= PARTS * CAPACITY);
        assert!(cache.wait(&slot(199_999), 1, 0).is_some());
    }
}
