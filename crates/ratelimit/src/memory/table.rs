//! A part of the memory store: states by slot, no more than so many.

use std::fmt;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use indexmap::map::Entry;
use metrics::Counter;

use crate::gcra::Tat;
use crate::key::Digest;

/// States that are looked at whenever one is added: what is full among them is dropped. Two for each one that comes, so that a table
/// holds no more than a few times what is in use.
const TIDIED_PER_INSERTION: usize = 2;

/// States that are compared when one must go.
const SAMPLE: usize = 16;

/// States of limits.
pub(super) struct Table {
    states: IndexMap<Digest, Tat, RandomState>,
    capacity: usize,
    /// Where tidying goes on.
    hand: usize,
    evictions: u64,
    told: Counter,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.len()).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Table {
    /// For so many states. `told` counts as `evictions` does.
    pub(super) fn new(capacity: usize, told: Counter) -> Self {
        Self { states: IndexMap::default(), capacity, hand: 0, evictions: 0, told }
    }

    pub(super) fn get(&self, slot: &Digest) -> Option<Tat> {
        self.states.get(slot).copied()
    }

    /// The state of a slot that has one, to be replaced.
    #[inline]
    pub(super) fn get_mut(&mut self, slot: &Digest) -> Option<&mut Tat> {
        self.states.get_mut(slot)
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// States that were forgotten though they were not full.
    pub(super) const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Whether so many more states find room without forgetting one that is not full.
    pub(super) fn has_room(&mut self, more: usize, now_us: u64) -> bool {
        while self.states.len() + more > self.capacity {
            match self.full_one(now_us) {
                Some(index) => self.remove(index),
                None => return false,
            }
        }
        true
    }

    /// Remembers a state. Where there is no room, another one is forgotten.
    pub(super) fn put(&mut self, slot: Digest, tat: Tat, now_us: u64) {
        match self.states.entry(slot) {
            Entry::Occupied(mut state) => {
                state.insert(tat);
                return;
            }
            Entry::Vacant(_) if tat.is_full_at(now_us) => return,
            Entry::Vacant(_) => {}
        }
        self.tidy(now_us);
        while self.states.len() >= self.capacity {
            let Some(index) = self.nearest_to_full() else { return };
            if self.states.get_index(index).is_some_and(|(_, tat)| !tat.is_full_at(now_us)) {
                self.evictions += 1;
                self.told.increment(1);
            }
            self.remove(index);
        }
        self.make_room();
        self.states.insert(slot, tat);
    }

    /// Grows by an eighth at a time. By itself the map would take twice as much, though most of a table is states.
    fn make_room(&mut self) {
        if self.states.len() == self.states.capacity() {
            let more = (self.states.len() / 8).max(4).min(self.capacity - self.states.len());
            self.states.reserve_exact(more);
        }
    }

    fn tidy(&mut self, now_us: u64) {
        for _ in 0..TIDIED_PER_INSERTION {
            let index = self.next_index();
            if self.states.get_index(index).is_some_and(|(_, tat)| tat.is_full_at(now_us)) {
                self.remove(index);
            }
        }
    }

    /// A state among the next ones that is full.
    fn full_one(&mut self, now_us: u64) -> Option<usize> {
        (0..SAMPLE).find_map(|_| {
            let index = self.next_index();
            let (_, tat) = self.states.get_index(index)?;
            tat.is_full_at(now_us).then_some(index)
        })
    }

    /// Of the next states the one whose loss forgives the least.
    fn nearest_to_full(&mut self) -> Option<usize> {
        let sample = (0..SAMPLE).filter_map(|_| {
            let index = self.next_index();
            self.states.get_index(index).map(|(_, tat)| (*tat, index))
        });
        sample.min().map(|(_, index)| index)
    }

    fn next_index(&mut self) -> usize {
        self.hand = if self.hand == 0 { self.states.len().saturating_sub(1) } else { self.hand - 1 };
        self.hand.min(self.states.len().saturating_sub(1))
    }

    /// The last state takes the place of the one that goes; the hand, which goes backwards, has seen it already.
    fn remove(&mut self, index: usize) {
        self.states.swap_remove_index(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_little_more_room_than_it_holds_and_none_beyond_its_capacity() {
        let mut table = Table::new(3000, Counter::noop());
        for n in 0..5000_u32 {
            table.put(Digest::of([n.to_le_bytes().as_slice()]), Tat::of_us(1), 0);
            let (held, room) = (table.states.len(), table.states.capacity());
            assert!(room <= held + (held / 8).max(4) && room <= 3000, "{room} for {held}");
        }
        assert_eq!(table.len(), 3000);
    }
}
