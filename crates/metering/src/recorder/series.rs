//! The series that a process counts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use papaya::Equivalent;
use smallvec::SmallVec;
use togglebox_core::TenantId;

use crate::slab::{Entry, Taken};
use crate::{MeterId, Minute, Series};

/// What is used: whose, of which meter, and the values of its dimensions in the order in which the meter has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Usage<'a> {
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub meter: MeterId,
    /// One for each dimension.
    pub values: &'a [&'a str],
}

/// Values of dimensions, in one piece: compared with one look, and without looking all over memory. Those of labels that can be, of 200 bytes
/// at the most, lie on the stack.
#[derive(Debug)]
pub(super) struct Joined(SmallVec<[u8; 256]>);

impl Joined {
    pub(super) fn new(values: &[&str]) -> Self {
        /// A byte that is in no text, so that no two lists of texts are the same bytes.
        const END: u8 = 0xff;

        let mut joined = Self(SmallVec::new());
        for value in values {
            joined.0.extend_from_slice(value.as_bytes());
            joined.0.push(END);
        }
        joined
    }

    pub(super) fn of(&self, tenant: TenantId) -> GroupRef<'_> {
        GroupRef { tenant, values: &self.0 }
    }
}

/// Whose, and the values of dimensions: what the series are found by, of all meters that are counted with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupRef<'a> {
    tenant: TenantId,
    values: &'a [u8],
}

/// The same, kept.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey {
    tenant: TenantId,
    values: Box<[u8]>,
}

impl GroupRef<'_> {
    pub(super) fn to_key(self) -> GroupKey {
        GroupKey { tenant: self.tenant, values: self.values.into() }
    }
}

impl Equivalent<GroupKey> for GroupRef<'_> {
    fn equivalent(&self, key: &GroupKey) -> bool {
        self.tenant == key.tenant && *self.values == *key.values
    }
}

/// The series of one tenant with the same values, of each meter that was counted with them.
#[derive(Debug)]
pub(super) struct Group {
    /// In the registry.
    pub(super) number: usize,
    counting: Mutex<SmallVec<[Counting; 2]>>,
}

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

/// The cell that grows. Its total is beside the slab alone, so that as little as can be is written at each increment: what one core writes,
/// another has to fetch.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) minute: Minute,
    pub(super) taken: Taken,
}

impl Group {
    pub(super) fn new(number: usize) -> Self {
        Self { number, counting: Mutex::default() }
    }

    /// Held while they are counted: all increments of a series come one after the other.
    pub(super) fn lock(&self) -> MutexGuard<'_, SmallVec<[Counting; 2]>> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
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
            let (given, kept) = (Joined::new(&one), Joined::new(&other).of(TenantId::DEFAULT).to_key());
            let (hasher, given) = (foldhash::fast::RandomState::default(), given.of(TenantId::DEFAULT));
            prop_assert_eq!(given.equivalent(&kept), one == other);
            prop_assert_eq!(hasher.hash_one(given) == hasher.hash_one(&kept), one == other);
        }
    }
}
