//! A part of the memory store: states by slot, no more than so many.
//!
//! Open addressing with states in the table itself: a look-up goes to one place of memory, and what it looks at there lies side by side.
//! Among a hundred thousand limits each further place would cost more than the whole decision. Entries that are far from their place push
//! those away that are near to theirs ("Robin Hood"), so that no search is long and one in vain ends early; a removal moves what follows back.

use std::fmt;

use super::Seed;
use crate::gcra::Tat;
use crate::key::Digest;

/// Cells that are looked at whenever a state is added: what is full among them is dropped. About two states for each one that comes, so
/// that a table holds no more than a few times what is in use.
const TIDIED_PER_INSERTION: usize = 3;

/// States that are compared when one must go.
const SAMPLE: usize = 16;

/// The least cells of a table that holds anything.
const LEAST_CELLS: usize = 8;

/// States of limits.
pub(super) struct Table {
    cells: Box<[Cell]>,
    len: usize,
    capacity: usize,
    /// Where tidying goes on.
    hand: usize,
    evictions: u64,
    seed: Seed,
}

/// Where a state may be: half a line of memory.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Cell {
    slot: Digest,
    us: u64,
    part: u32,
    /// How far from its place the state is, from 1; 0: there is none.
    distance: u32,
}

const VACANT: Cell = Cell { slot: Digest::from_bytes([0; 16]), us: 0, part: 0, distance: 0 };

impl Cell {
    const fn tat(&self) -> Tat {
        Tat::new(self.us, self.part)
    }

    const fn is_vacant(&self) -> bool {
        self.distance == 0
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.len()).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Table {
    /// For so many states.
    pub(super) fn new(capacity: usize, seed: Seed) -> Self {
        Self { cells: Box::default(), len: 0, capacity, hand: 0, evictions: 0, seed }
    }

    pub(super) fn get(&self, slot: &Digest) -> Option<Tat> {
        self.find(slot).map(|at| self.at(at))
    }

    /// Where the state of a slot is, until another one comes or goes.
    #[inline]
    pub(super) fn find(&self, slot: &Digest) -> Option<usize> {
        self.find_hashed(slot, self.seed.hash(slot))
    }

    /// The same, where the slot's hash is known already.
    #[inline]
    pub(super) fn find_hashed(&self, slot: &Digest, hash: u64) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let (mut at, mut distance) = (self.place(hash), 1);
        loop {
            let cell = &self.cells[at];
            if cell.distance < distance {
                return None;
            }
            if cell.slot == *slot {
                return Some(at);
            }
            (at, distance) = (self.next(at), distance + 1);
        }
    }

    /// The state that was found there.
    #[inline]
    pub(super) fn at(&self, at: usize) -> Tat {
        self.cells[at].tat()
    }

    /// Replaces the state that was found there.
    #[inline]
    pub(super) fn set(&mut self, at: usize, tat: Tat) {
        let cell = &mut self.cells[at];
        (cell.us, cell.part) = (tat.us(), tat.part());
    }

    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// States that were forgotten though they were not full.
    pub(super) const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Whether so many more states find room without forgetting one that is not full.
    pub(super) fn has_room(&mut self, more: usize, now_us: u64) -> bool {
        while self.len + more > self.capacity {
            let full = self.sample().find(|at| self.at(*at).is_full_at(now_us));
            let Some(full) = full else {
                self.hand = self.sample().last().unwrap_or_default();
                return false;
            };
            self.remove(full);
        }
        true
    }

    /// Remembers a state. Where there is no room, another one is forgotten; says how many were that were not full.
    pub(super) fn put(&mut self, slot: Digest, tat: Tat, now_us: u64) -> u64 {
        if let Some(at) = self.find(&slot) {
            self.set(at, tat);
            return 0;
        }
        if tat.is_full_at(now_us) {
            return 0;
        }
        let before = self.evictions;
        self.tidy(now_us);
        while self.len >= self.capacity {
            let Some(at) = self.nearest_to_full() else { break };
            if !self.at(at).is_full_at(now_us) {
                self.evictions += 1;
            }
            self.remove(at);
        }
        if self.len < self.capacity {
            self.make_room();
            self.insert(slot, tat);
        }
        self.evictions - before
    }

    /// Where a slot's state is if nothing is in its way: for any number of cells, as even as the hash is.
    fn place(&self, hash: u64) -> usize {
        let scaled = (u128::from(hash) * self.cells.len() as u128) >> u64::BITS;
        usize::try_from(scaled).unwrap_or_default()
    }

    const fn next(&self, at: usize) -> usize {
        if at + 1 == self.cells.len() { 0 } else { at + 1 }
    }

    const fn previous(&self, at: usize) -> usize {
        if at == 0 { self.cells.len().saturating_sub(1) } else { at - 1 }
    }

    /// Of a slot that is not there, where a cell is free.
    fn insert(&mut self, slot: Digest, tat: Tat) {
        let mut at = self.place(self.seed.hash(&slot));
        let mut homeless = Cell { slot, us: tat.us(), part: tat.part(), distance: 1 };
        while !self.cells[at].is_vacant() {
            if self.cells[at].distance < homeless.distance {
                std::mem::swap(&mut self.cells[at], &mut homeless);
            }
            at = self.next(at);
            homeless.distance += 1;
        }
        self.cells[at] = homeless;
        self.len += 1;
    }

    /// What follows and is not at its place moves back by one.
    fn remove(&mut self, mut at: usize) {
        loop {
            let next = self.next(at);
            if self.cells[next].distance <= 1 {
                break;
            }
            self.cells[at] = Cell { distance: self.cells[next].distance - 1, ..self.cells[next] };
            at = next;
        }
        self.cells[at] = VACANT;
        self.len -= 1;
    }

    /// At most three of four cells are taken. It grows by a quarter at a time: twice as much would leave most of a table vacant.
    fn make_room(&mut self) {
        if 4 * (self.len + 1) <= 3 * self.cells.len() {
            return;
        }
        let most = (4 * self.capacity).div_ceil(3).max(LEAST_CELLS);
        let cells = (self.cells.len() * 5 / 4).clamp(LEAST_CELLS, most);
        let old = std::mem::replace(&mut self.cells, vec![VACANT; cells].into_boxed_slice());
        (self.len, self.hand) = (0, 0);
        for cell in old.iter().filter(|cell| !cell.is_vacant()) {
            self.insert(cell.slot, cell.tat());
        }
    }

    /// Looks at the next cells. What takes the place of one that goes has been seen: the hand goes backwards.
    fn tidy(&mut self, now_us: u64) {
        for _ in 0..TIDIED_PER_INSERTION.min(self.cells.len()) {
            self.hand = self.previous(self.hand);
            let cell = &self.cells[self.hand];
            if !cell.is_vacant() && cell.tat().is_full_at(now_us) {
                self.remove(self.hand);
            }
        }
    }

    /// Of the next states the one whose loss forgives the least.
    fn nearest_to_full(&mut self) -> Option<usize> {
        let (mut nearest, mut last) = (None, self.hand);
        for at in self.sample() {
            last = at;
            if nearest.is_none_or(|nearest| self.at(at) < self.at(nearest)) {
                nearest = Some(at);
            }
        }
        self.hand = last;
        nearest
    }

    /// Where the next states are, backwards from the hand; each once.
    fn sample(&self) -> impl Iterator<Item = usize> {
        let before = (0..self.hand).rev().chain((self.hand..self.cells.len()).rev());
        before.filter(|at| !self.cells[*at].is_vacant()).take(SAMPLE)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn slot(n: u32) -> Digest {
        Digest::of([n.to_le_bytes().as_slice()])
    }

    /// Every state is found from its place on, and no closer one would be.
    fn check(table: &Table) {
        let taken = table.cells.iter().enumerate().filter(|(_, cell)| !cell.is_vacant());
        let mut len = 0;
        for (at, cell) in taken {
            let place = table.place(table.seed.hash(&cell.slot));
            let distance = (at + table.cells.len() - place) % table.cells.len() + 1;
            assert_eq!(usize::try_from(cell.distance).unwrap(), distance);
            assert_eq!(table.find(&cell.slot), Some(at));
            len += 1;
        }
        assert_eq!(table.len(), len);
        assert!(len <= table.capacity && 4 * len <= 3 * table.cells.len());
    }

    #[test]
    fn a_table_takes_little_more_room_than_it_holds_and_none_beyond_its_capacity() {
        let mut table = Table::new(3000, Seed::default());
        for n in 0..5000_u32 {
            table.put(slot(n), Tat::of_us(1), 0);
            let (held, cells) = (table.len(), table.cells.len());
            assert!(cells <= (held * 5 / 3 + 2).max(LEAST_CELLS) && cells <= 4000, "{cells} for {held}");
        }
        assert_eq!(table.len(), 3000);
        check(&table);
    }

    #[test]
    fn a_cell_is_half_a_line() {
        assert_eq!(size_of::<Cell>(), 32);
    }

    proptest! {
        /// As long as there is room, whatever is not full is there, as it was put last.
        #[test]
        fn a_table_is_a_map_of_what_is_not_full(steps in vec((0_u32..40, 0_u64..30, 0_u64..3), 1..400), capacity in 40_usize..80) {
            let (mut table, mut model, mut now) = (Table::new(capacity, Seed::default()), BTreeMap::new(), 0);
            for (n, ahead, passed) in steps {
                now += passed;
                let tat = Tat::new(now + ahead, n % 7);
                let known = table.get(&slot(n)).is_some();
                table.put(slot(n), tat, now);
                if known || !tat.is_full_at(now) {
                    model.insert(n, tat);
                } else {
                    model.remove(&n);
                }
                check(&table);
                for (n, tat) in &model {
                    let there = table.get(&slot(*n));
                    prop_assert!(there == Some(*tat) || there.is_none() && tat.is_full_at(now), "{n}: {there:?}, {tat:?}");
                }
                prop_assert!((0..40).all(|n| table.get(&slot(n)).is_none_or(|there| model.get(&n) == Some(&there))));
            }
            prop_assert_eq!(table.evictions(), 0);
        }

        /// Where there is none, the table is full, and one of those that are nearest to being full made room.
        #[test]
        fn a_full_table_forgets_and_keeps_its_order(numbers in vec(0_u32..1000, 100..400), capacity in 1_usize..50) {
            let mut table = Table::new(capacity, Seed::default());
            for n in numbers {
                table.put(slot(n), Tat::of_us(1 + u64::from(n)), 0);
                prop_assert_eq!(table.get(&slot(n)), Some(Tat::of_us(1 + u64::from(n))));
                check(&table);
            }
            prop_assert!(!table.has_room(1, 0) || table.len() < capacity);
            prop_assert!(table.has_room(1, 5000));
            check(&table);
        }
    }
}
