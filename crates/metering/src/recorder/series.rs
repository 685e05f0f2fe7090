//! The series that a process counts.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use papaya::Equivalent;
use smallvec::SmallVec;
use togglebox_core::TenantId;

use crate::slab::{Entry, Taken};
use crate::{MeterId, Minute, Series};

/// What is used: whose, of which meter, and the values of its dimensions in the order in which the meter has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub meter: MeterId,
    /// One for each dimension.
    pub values: &'a [&'a str],
}

/// Whose, and the values of dimensions: what the series are found by, of all meters that are counted with them.
#[derive(Clone, Copy, Debug)]
pub(super) struct GroupRef<'a> {
    pub(super) tenant: TenantId,
    pub(super) values: &'a [&'a str],
}

/// The same, kept in one piece, so that it is compared without looking all over memory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GroupKey {
    tenant: TenantId,
    /// Each value and [`END`].
    values: Box<[u8]>,
}

/// A byte that is in no text, so that no two lists of texts are the same bytes.
const END: u8 = 0xff;

impl GroupRef<'_> {
    pub(super) fn to_key(self) -> GroupKey {
        let values = self.values.iter().flat_map(|value| value.bytes().chain([END]));
        GroupKey { tenant: self.tenant, values: values.collect() }
    }
}

fn hash<'a>(tenant: TenantId, values: impl Iterator<Item = &'a [u8]>, state: &mut impl Hasher) {
    tenant.hash(state);
    for value in values {
        state.write(value);
        state.write_u8(END);
    }
}

impl Hash for GroupRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.tenant, self.values.iter().map(|value| value.as_bytes()), state);
    }
}

impl Hash for GroupKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let values = self.values.strip_suffix(&[END]).into_iter().flat_map(|values| values.split(|byte| *byte == END));
        hash(self.tenant, values, state);
    }
}

impl Equivalent<GroupKey> for GroupRef<'_> {
    fn equivalent(&self, key: &GroupKey) -> bool {
        if self.tenant != key.tenant {
            return false;
        }
        let mut kept = &*key.values;
        for value in self.values {
            match kept.strip_prefix(value.as_bytes()).and_then(|kept| kept.strip_prefix(&[END])) {
                Some(rest) => kept = rest,
                None => return false,
            }
        }
        kept.is_empty()
    }
}

/// The series of one tenant with the same values, of each meter that was counted with them.
#[derive(Debug, Default)]
pub(super) struct Group(Mutex<SmallVec<[Counting; 2]>>);

/// A series, and where it is counted at the moment.
#[derive(Debug)]
pub(super) struct Counting {
    /// The place of its meter among all meters.
    pub(super) meter: usize,
    pub(super) series: Arc<Counted>,
    pub(super) place: Option<Place>,
}

/// Whose series.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) tenant: TenantId,
    pub(super) series: Series,
}

/// Where in a slab.
#[derive(Debug)]
pub(super) struct Place {
    /// Which slab, counted from 1.
    pub(super) generation: u64,
    pub(super) entry: Entry,
    pub(super) open: Option<Open>,
}

/// The cell that grows. Its total is beside the slab alone: what is here does not change, so that cores need not take it from each other.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) minute: Minute,
    pub(super) taken: Taken,
}

impl Group {
    /// Held while they are counted: all increments of a series come one after the other.
    pub(super) fn lock(&self) -> MutexGuard<'_, SmallVec<[Counting; 2]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The series of a meter.
pub(super) fn of(group: &mut [Counting], meter: usize) -> Option<&mut Counting> {
    group.iter_mut().find(|counting| counting.meter == meter)
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher as _;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_is_equal_to_what_it_was_made_of_and_to_nothing_else(
            one in proptest::collection::vec("[ab]{0,2}", 0..4),
            other in proptest::collection::vec("[ab]{0,2}", 0..4),
        ) {
            let [one, other] = [&one, &other].map(|values| values.iter().map(String::as_str).collect::<Vec<_>>());
            let [given, kept] = [&one, &other].map(|values| GroupRef { tenant: TenantId::DEFAULT, values });
            let (hasher, kept) = (foldhash::fast::RandomState::default(), kept.to_key());
            prop_assert_eq!(given.equivalent(&kept), one == other);
            prop_assert_eq!(hasher.hash_one(given) == hasher.hash_one(&kept), one == other);
        }
    }
}
