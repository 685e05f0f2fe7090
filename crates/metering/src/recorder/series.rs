//! The series that a process counts.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use papaya::Equivalent;
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

/// The same, kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UsageKey {
    tenant: TenantId,
    meter: MeterId,
    values: Box<[Box<str>]>,
}

impl UsageKey {
    pub(super) fn of(usage: &Usage<'_>) -> Self {
        Self { tenant: usage.tenant, meter: usage.meter, values: usage.values.iter().map(|value| Box::from(*value)).collect() }
    }
}

fn hash<'a>(tenant: TenantId, meter: MeterId, values: impl Iterator<Item = &'a str>, state: &mut impl Hasher) {
    tenant.hash(state);
    meter.hash(state);
    // Each text ends with a byte that none contains, so no two lists are the same bytes.
    values.for_each(|value| value.hash(state));
}

impl Hash for Usage<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.tenant, self.meter, self.values.iter().copied(), state);
    }
}

impl Hash for UsageKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.tenant, self.meter, self.values.iter().map(|value| &**value), state);
    }
}

impl Equivalent<UsageKey> for Usage<'_> {
    fn equivalent(&self, key: &UsageKey) -> bool {
        self.tenant == key.tenant
            && self.meter == key.meter
            && self.values.len() == key.values.len()
            && self.values.iter().zip(&key.values).all(|(given, kept)| **given == **kept)
    }
}

/// A series, and where it is counted at the moment.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) tenant: TenantId,
    pub(super) series: Series,
    place: Mutex<Option<Place>>,
}

/// Where in a slab.
#[derive(Debug)]
pub(super) struct Place {
    /// Which slab, counted from 1.
    pub(super) generation: u64,
    pub(super) entry: Entry,
    pub(super) open: Option<Open>,
}

/// The cell that grows.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) minute: Minute,
    pub(super) taken: Taken,
    pub(super) total: u64,
}

impl Counted {
    pub(super) const fn new(tenant: TenantId, series: Series) -> Self {
        Self { tenant, series, place: Mutex::new(None) }
    }

    /// Held while it is counted: all increments of a series come one after the other.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
