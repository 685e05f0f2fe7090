//! How long tenants are remembered, and how much may be asked of the store.

use std::time::Duration;

/// After how long a floor that no load has confirmed gives way, in microseconds: where a store was set back to an earlier state, its
/// tenants are found again after that. Far longer than a load or a replica's delay.
pub(super) const FLOOR_LIFE_US: u64 = 600_000_000;

/// How a [`Resolver`](super::Resolver) remembers, waits and asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolveOptions {
    pub(super) fresh: Duration,
    pub(super) heard: Duration,
    pub(super) stale: Duration,
    pub(super) outage: Duration,
    pub(super) absent: Duration,
    pub(super) capacity: usize,
    pub(super) absent_capacity: usize,
    pub(super) floors: usize,
    pub(super) strangers_per_second: usize,
    pub(super) strangers_at_once: usize,
    pub(super) deadline: Duration,
    pub(super) patience: Duration,
    pub(super) rest: Duration,
    pub(super) vouched: Duration,
    pub(super) floors_known: Duration,
}

impl Default for ResolveOptions {
    /// Fresh for 30 seconds, for 4 minutes while changes are heard, stale for 5 minutes, an hour in an outage; absent for 10 seconds;
    /// 100,000 tenants and 10,000 absent names; 50 strangers a second, 32 at once; a load has 2 seconds.
    fn default() -> Self {
        Self {
            fresh: Duration::from_secs(30),
            heard: Duration::from_mins(4),
            stale: Duration::from_mins(5),
            outage: Duration::from_hours(1),
            absent: Duration::from_secs(10),
            capacity: 100_000,
            absent_capacity: 10_000,
            floors: 100_000,
            strangers_per_second: 50,
            strangers_at_once: 32,
            deadline: Duration::from_secs(2),
            patience: Duration::from_millis(250),
            rest: Duration::from_secs(1),
            vouched: Duration::from_mins(15),
            floors_known: Duration::from_secs(2),
        }
    }
}

impl ResolveOptions {
    /// How long an entry is used without a look at the store, and how long it is used while the store is asked behind its back. The
    /// second is counted from the load too, and at least as long as the first.
    #[must_use]
    pub fn lives(mut self, fresh: Duration, stale: Duration) -> Self {
        (self.fresh, self.stale) = (fresh, stale.max(fresh));
        self
    }

    /// How long an entry is used without a look at the store while changes are asked for as often as they are to be
    /// ([`Resolver::poll`](super::Resolver::poll)): then whatever is newer has been heard of, and a look would tell nothing. Not shorter than
    /// without that.
    #[must_use]
    pub const fn heard(mut self, most: Duration) -> Self {
        self.heard = most;
        self
    }

    /// How old an entry may be that is used because the store does not answer, where the entry allows it at all
    /// ([`Versioned::outlasts_outage`](super::Versioned::outlasts_outage)).
    #[must_use]
    pub const fn outage(mut self, most: Duration) -> Self {
        self.outage = most;
        self
    }

    /// How long it is remembered that a name leads to nobody: brought to between 5 and 30 seconds.
    #[must_use]
    pub fn absent(mut self, time: Duration) -> Self {
        self.absent = time.clamp(Duration::from_secs(5), Duration::from_secs(30));
        self
    }

    /// The most tenants, the most absent names and the most floors of other tenants that are remembered; at least one of each.
    #[must_use]
    pub fn capacity(mut self, tenants: usize, absent: usize, floors: usize) -> Self {
        (self.capacity, self.absent_capacity, self.floors) = (tenants.max(1), absent.max(1), floors.max(1));
        self
    }

    /// How many look-ups within any one second may find nobody, and how many for unknown names are under way at once. At least one each.
    ///
    /// A look-up that finds somebody does not count, so that a node which has just started can fill its memory.
    #[must_use]
    pub fn strangers(mut self, per_second: usize, at_once: usize) -> Self {
        (self.strangers_per_second, self.strangers_at_once) = (per_second.max(1), at_once.max(1));
        self
    }

    /// How long a load may take, how long a request waits for one where an old entry could serve it, and how long the store is left in
    /// peace after a load has failed for a name that an old entry can serve. (Where none can, whoever comes next asks again.)
    #[must_use]
    pub const fn patience(mut self, deadline: Duration, patience: Duration, rest: Duration) -> Self {
        (self.deadline, self.patience, self.rest) = (deadline, patience, rest);
        self
    }

    /// How old an entry may be that a token vouches for, and how long ago changes must have been asked for at the most, so that they count
    /// as heard: so long may what a token vouches for be out of date.
    #[must_use]
    pub const fn vouched(mut self, most: Duration, floors_known: Duration) -> Self {
        (self.vouched, self.floors_known) = (most, floors_known);
        self
    }
}

pub(super) fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
