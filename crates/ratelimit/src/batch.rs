//! Several limits that are asked at once.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::gcra::{self, Reading, Tat};
use crate::key::{Digest, PolicyName, Tag};
use crate::quota::{Quota, QuotaError};

/// The most limits that are asked at once.
pub const MOST_LIMITS: usize = 8;

/// One value for each limit of a batch.
pub type PerLimit<T> = SmallVec<[T; 4]>;

/// What to do with a limit that has no state yet where there is no room for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NoRoom {
    /// Forget another one: the one that is nearest to being full, which forgives the least.
    #[default]
    Forget,
    /// Answer that there is no room ([`StoreErrorKind::LimitReached`](togglebox_core::StoreErrorKind::LimitReached)).
    Refuse,
}

/// One limit and what it is to be charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    policy: PolicyName,
    slot: Digest,
    quota: Quota,
    cost: u32,
    no_room: NoRoom,
}

/// One to [`MOST_LIMITS`] limits of one tag, each of another slot. Clones share them: they are some hundred bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    tag: Tag,
    limits: Arc<[Limit]>,
}

/// A batch that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Nothing to ask.
    #[error("limits: there must be at least one")]
    Empty,
    /// More than an atomic act may have.
    #[error("limits: there must be at most {MOST_LIMITS}, not {0}")]
    TooMany(usize),
    /// One slot under two quotas.
    #[error("limits: policy {0} stands there twice for the same subject, with different quotas")]
    Contradiction(PolicyName),
    /// A cost that never passes.
    #[error(transparent)]
    Cost(#[from] QuotaError),
}

impl Limit {
    /// A limit whose cost is known to be one to the burst.
    #[inline]
    pub(crate) const fn within(policy: PolicyName, slot: Digest, quota: Quota, cost: u32, no_room: NoRoom) -> Self {
        Self { policy, slot, quota, cost, no_room }
    }

    /// A limit of a policy, for whom `slot` stands.
    ///
    /// # Errors
    /// The cost is nothing or more than the burst.
    pub fn new(policy: PolicyName, slot: Digest, quota: Quota, cost: u32) -> Result<Self, QuotaError> {
        quota.check_cost(cost)?;
        Ok(Self { policy, slot, quota, cost, no_room: NoRoom::Forget })
    }

    /// What to do where there is no room.
    #[must_use]
    pub const fn with_no_room(mut self, no_room: NoRoom) -> Self {
        self.no_room = no_room;
        self
    }

    /// With another quota, for the same cost; where that is more than the new burst, for all of it.
    #[must_use]
    pub(crate) fn under(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self.cost = self.cost.min(quota.burst());
        self
    }

    /// The policy's name.
    pub const fn policy(&self) -> PolicyName {
        self.policy
    }

    /// For whom: unique over all policies and tags.
    pub const fn slot(&self) -> Digest {
        self.slot
    }

    /// How much may pass.
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// How many units.
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// What to do where there is no room.
    pub const fn no_room(&self) -> NoRoom {
        self.no_room
    }
}

impl Batch {
    /// These limits. Where a slot stands there more than once, its costs are added up.
    ///
    /// # Errors
    /// There are none or too many, or two that contradict each other, or costs that add up to more than a burst.
    pub fn new(tag: Tag, limits: impl IntoIterator<Item = Limit>) -> Result<Self, BatchError> {
        let mut merged = PerLimit::<Limit>::new();
        for limit in limits {
            match merged.iter_mut().find(|earlier| earlier.slot == limit.slot) {
                None => merged.push(limit),
                Some(earlier) if earlier.quota != limit.quota => return Err(BatchError::Contradiction(limit.policy)),
                Some(earlier) => {
                    earlier.cost = earlier.cost.saturating_add(limit.cost);
                    earlier.quota.check_cost(earlier.cost)?;
                }
            }
        }
        match merged.len() {
            0 => Err(BatchError::Empty),
            1..=MOST_LIMITS => Ok(Self::distinct(tag, &merged)),
            many => Err(BatchError::TooMany(many)),
        }
    }

    /// One limit.
    pub fn one(tag: Tag, limit: Limit) -> Self {
        Self { tag, limits: Arc::new([limit]) }
    }

    /// Limits that are one to [`MOST_LIMITS`], each of another slot.
    pub(crate) fn distinct(tag: Tag, limits: &[Limit]) -> Self {
        Self { tag, limits: limits.into() }
    }

    /// What they have in common.
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// The limits.
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// The same for so many units at once; also more than a burst, for what was granted unit by unit.
    pub(crate) fn times(&self, units: u32) -> Self {
        let limits = self.limits.iter().map(|limit| Limit { cost: limit.cost.saturating_mul(units), ..*limit });
        Self { tag: self.tag, limits: limits.collect() }
    }
}

/// What a store found, and whether it let the batch pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The store's clock, in microseconds; of no meaning outside this store.
    pub now_us: u64,
    /// Whether all limits had room.
    pub passed: bool,
    /// Whether they were charged.
    pub charged: bool,
    /// How each limit stood before, in the order of the batch.
    pub before: PerLimit<Tat>,
}

/// What a store found that was asked to charge one limit: a [`Reply`] to a batch of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyToOne {
    /// The store's clock, in microseconds; of no meaning outside this store.
    pub now_us: u64,
    /// Whether the limit had room, and so was charged.
    pub passed: bool,
    /// How it stood before.
    pub before: Tat,
}

impl From<ReplyToOne> for Reply {
    fn from(ReplyToOne { now_us, passed, before }: ReplyToOne) -> Self {
        Self { now_us, passed, charged: passed, before: smallvec![before] }
    }
}

/// What is known of one limit after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether this limit had room.
    pub passed: bool,
    /// How it stands now: after the charge if there was one, else as it was.
    pub reading: Reading,
    /// How long until it has room for this cost; zero if it has. Rounded up, so that it will have.
    pub retry_after: std::time::Duration,
}

impl Reply {
    /// How the limit with this number stands. `None` when there is none.
    pub fn standing(&self, batch: &Batch, number: usize) -> Option<Standing> {
        let (limit, before) = (batch.limits.get(number)?, *self.before.get(number)?);
        let (quota, now) = (&limit.quota, self.now_us);
        let (retry_after, reading) = gcra::standing(quota, before, now, limit.cost, self.charged);
        Some(Standing { passed: retry_after.is_zero(), reading, retry_after })
    }

    /// What is to be given back to undo this. `None` where nothing was taken, or less than the batch says: a charge that had no room may
    /// have met the end of the debt.
    pub fn receipt(&self, batch: &Batch) -> Option<Receipt> {
        (self.passed && self.charged).then(|| Receipt { batch: batch.clone(), charged_at_us: self.now_us })
    }
}

/// What was taken, and when: what [`refund`](crate::LimitStore::refund) needs. It can be given back once: a store does not remember.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Receipt {
    batch: Batch,
    charged_at_us: u64,
}

impl Receipt {
    /// The limits, and what each was charged.
    pub const fn batch(&self) -> &Batch {
        &self.batch
    }

    /// When, on the store's clock.
    pub const fn charged_at_us(&self) -> u64 {
        self.charged_at_us
    }
}

/// Units that were taken to be used later.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    /// How many, each of the cost that the batch names; none when a limit had no room.
    pub units: u32,
    /// The store's clock, and how each limit stood before.
    pub reply: Reply,
}

impl Grant {
    /// What gives `units` of the granted ones back.
    pub fn receipt(&self, batch: &Batch, units: u32) -> Receipt {
        Receipt { batch: batch.times(units.min(self.units)), charged_at_us: self.reply.now_us }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use togglebox_core::TenantId;

    use super::*;

    const TAG: Tag = Tag::Tenant(TenantId::DEFAULT);

    fn limit(name: &str, limit: u32, cost: u32) -> Limit {
        let quota = Quota::rate(limit, Duration::from_secs(1)).full_burst().unwrap();
        Limit::new(name.parse().unwrap(), Digest::of([name.as_bytes()]), quota, cost).unwrap()
    }

    #[test]
    fn a_slot_that_stands_there_twice_is_charged_for_both() {
        let batch = Batch::new(TAG, [limit("a", 10, 1), limit("b", 10, 1), limit("a", 10, 2)]).unwrap();
        assert_eq!(batch.limits(), [limit("a", 10, 3), limit("b", 10, 1)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let nine = (0..9).map(|n| limit(&n.to_string(), 10, 1));
        for (batch, expected) in [
            (Batch::new(TAG, []), "limits: there must be at least one"),
            (Batch::new(TAG, nine), "limits: there must be at most 8, not 9"),
            (Batch::new(TAG, [limit("a", 10, 1), limit("a", 20, 1)]), "limits: policy a stands there twice"),
            (Batch::new(TAG, [limit("a", 10, 6), limit("a", 10, 5)]), "cost: 11 can never pass, since the burst is 10"),
        ] {
            let error = batch.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
