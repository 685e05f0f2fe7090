//! The grow-only counter that everything rests on.
//!
//! A G-counter: each writer has a number of its own that only it raises, two states are joined by the greater number of each writer,
//! and the value is the sum over writers. Shapiro, Preguiça, Baquero and Zawirski, "A comprehensive study of Convergent and Commutative
//! Replicated Data Types" (2011), specification 6.

use std::collections::BTreeMap;
use std::fmt;

use togglebox_core::{Entropy, EntropyExt as _, TenantId};
use uuid::Uuid;

use crate::{Labels, MeterId, Minute};

/// Who counts: one file of one process. It is made at random for each file and never used again, so that a number that rolled back, as
/// after a power loss, can never hide what is counted later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterId(u128);

impl WriterId {
    /// Below this, ids are a store's own: see [`events`](Self::events).
    const RESERVED: u128 = 1 << 16;

    /// One that was never there before.
    pub fn random(entropy: &(impl Entropy + ?Sized)) -> Self {
        // A UUID of version 4 is never reserved: it has bits set above.
        Self(entropy.uuid().as_u128())
    }

    /// The writers under which a store adds events up by itself; `shard` spreads them, where a store needs that.
    pub const fn events(shard: u8) -> Self {
        Self(1 + shard as u128)
    }

    /// Whether only a store itself may write under it.
    pub const fn is_reserved(self) -> bool {
        self.0 < Self::RESERVED
    }

    /// From its number.
    pub const fn from_u128(id: u128) -> Self {
        Self(id)
    }

    /// Its number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// As a UUID, to store.
    pub const fn as_uuid(self) -> Uuid {
        Uuid::from_u128(self.0)
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for WriterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriterId({self})")
    }
}

/// What is counted, and under which labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The meter.
    pub meter: MeterId,
    /// The values of its dimensions.
    pub labels: Labels,
}

impl Series {
    /// A meter without dimensions.
    pub fn plain(meter: MeterId) -> Self {
        Self { meter, labels: Labels::none() }
    }
}

/// How much one writer has counted of a series in a minute, so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub series: Series,
    /// When.
    pub minute: Minute,
    /// By whom.
    pub writer: WriterId,
    /// How much, at most [`MOST`](Self::MOST). It never falls.
    pub total: u64,
}

impl Cell {
    /// The largest total: 2^63 - 1, which every database has a number for.
    pub const MOST: u64 = i64::MAX as u64;

    /// What it is a total of.
    pub fn key(&self) -> CellKey {
        CellKey { tenant: self.tenant, series: self.series.clone(), minute: self.minute, writer: self.writer }
    }
}

/// What a [`Cell`] is a total of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Whose.
    pub tenant: TenantId,
    /// What.
    pub series: Series,
    /// When.
    pub minute: Minute,
    /// By whom.
    pub writer: WriterId,
}

/// Cells, each key once: a join-semilattice under [`join`](Self::join).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellSet(BTreeMap<CellKey, u64>);

impl CellSet {
    /// Takes a cell in; says whether it was news. A total that is below what is there, or equal, is none: it is contained.
    pub fn merge(&mut self, cell: &Cell) -> bool {
        self.raise(cell.key(), cell.total)
    }

    /// Takes all of another set in.
    pub fn join(&mut self, other: &Self) {
        for (key, total) in &other.0 {
            self.raise(key.clone(), *total);
        }
    }

    fn raise(&mut self, key: CellKey, total: u64) -> bool {
        match self.0.get_mut(&key) {
            Some(there) if *there >= total => false,
            Some(there) => {
                *there = total;
                true
            }
            None => {
                self.0.insert(key, total);
                true
            }
        }
    }

    /// Every cell, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&CellKey, u64)> {
        self.0.iter().map(|(key, total)| (key, *total))
    }

    /// The sum of the cells that `which` picks; [`Cell::MOST`] when it is more.
    pub fn sum(&self, which: impl Fn(&CellKey) -> bool) -> u64 {
        self.iter().filter(|(key, _)| which(key)).fold(0, |sum, (_, total)| u64::min(sum.saturating_add(total), Cell::MOST))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the cells that `which` picks.
    pub fn retain(&mut self, which: impl Fn(&CellKey) -> bool) {
        self.0.retain(|key, _| which(key));
    }
}

impl<'a> FromIterator<&'a Cell> for CellSet {
    fn from_iter<I: IntoIterator<Item = &'a Cell>>(cells: I) -> Self {
        let mut set = Self::default();
        for cell in cells {
            set.merge(cell);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use togglebox_core::{OsEntropy, SeededEntropy};

    use super::*;

    fn cell(tenant: u8, meter: u8, minute: u8, writer: u8, total: u64) -> Cell {
        Cell {
            tenant: TenantId::from_uuid(Uuid::from_u128(tenant.into())),
            series: Series::plain(format!("m{meter}").parse().unwrap()),
            minute: Minute::from_number(minute.into()),
            writer: WriterId::from_u128(0x1_0000 + u128::from(writer)),
            total,
        }
    }

    fn cells(most: usize) -> impl Strategy<Value = Vec<Cell>> {
        let one = (0_u8..2, 0_u8..2, 0_u8..3, 0_u8..3, 0_u64..50);
        vec(one.prop_map(|(tenant, meter, minute, writer, total)| cell(tenant, meter, minute, writer, total)), 0..most)
    }

    fn joined(a: &CellSet, b: &CellSet) -> CellSet {
        let mut both = a.clone();
        both.join(b);
        both
    }

    #[test]
    fn no_writer_is_made_twice_and_none_is_reserved() {
        let made: Vec<_> = (0..100).map(|_| WriterId::random(&OsEntropy)).collect();
        assert!(made.iter().all(|writer| !writer.is_reserved() && made.iter().filter(|other| *other == writer).count() == 1));
        assert!(WriterId::events(0).is_reserved() && WriterId::events(255).is_reserved());
        assert_eq!(WriterId::random(&SeededEntropy::new(1)).to_string().len(), 32);
    }

    proptest! {
        #[test]
        fn merging_is_associative_commutative_and_idempotent(a in cells(20), b in cells(20), c in cells(20)) {
            let [a, b, c] = [a, b, c].map(|cells| cells.iter().collect::<CellSet>());
            prop_assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
            prop_assert_eq!(joined(&a, &b), joined(&b, &a));
            prop_assert_eq!(joined(&a, &a), a.clone());
            prop_assert_eq!(joined(&a, &CellSet::default()), a);
        }

        /// Writers count, and send their totals in batches that are doubled, shuffled and lost; at the end each sends all once more.
        #[test]
        fn batches_in_any_order_twice_or_lost_and_sent_again_give_the_exact_total(
            counted in vec((0_u8..2, 0_u8..2, 0_u8..3, 0_u8..3, 1_u64..50), 0..60),
            fates in vec((any::<bool>(), 1_usize..3, any::<prop::sample::Index>()), 60),
        ) {
            let (mut exact, mut totals, mut sent) = (0, BTreeMap::new(), Vec::new());
            for ((tenant, meter, minute, writer, amount), (lost, times, place)) in counted.into_iter().zip(fates) {
                exact += amount;
                let total = totals.entry((tenant, meter, minute, writer)).or_insert(0);
                *total += amount;
                for _ in 0..if lost { 0 } else { times } {
                    let at = place.index(sent.len() + 1);
                    sent.insert(at, cell(tenant, meter, minute, writer, *total));
                }
            }
            sent.extend(totals.into_iter().map(|((tenant, meter, minute, writer), total)| cell(tenant, meter, minute, writer, total)));
            let mut set = CellSet::default();
            for cell in &sent {
                set.merge(cell);
            }
            prop_assert_eq!(set.sum(|_| true), exact);
            // And once more, from the end to the beginning.
            prop_assert!(sent.iter().rev().all(|cell| !set.merge(cell)));
            prop_assert_eq!(set.sum(|_| true), exact);
        }
    }
}
