//! Which limits a request meets.

use std::collections::BTreeSet;

use smallvec::{SmallVec, smallvec};

use crate::batch::{Batch, Limit, MOST_LIMITS, NoRoom, PerLimit};
use crate::key::{Digest, Tag};
use crate::policy::{Mode, OnOutage, Overrides, Policy};
use crate::quota::Quota;
use crate::subject::Buckets;

/// Limits that are asked at once, and the policies that they are of, in the same order.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) batch: Batch,
    pub(crate) policies: PerLimit<(usize, Mode)>,
}

/// What a request meets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Limits that may deny: groups of one tag each, in the order in which they are asked. Addresses and accounts come first: they are
    /// the most likely to deny.
    pub(crate) enforced: SmallVec<[Group; 1]>,
    /// Limits that only watch, each by itself: one that has no room must not hide what the others would say.
    pub(crate) watching: SmallVec<[Group; 1]>,
}

/// Which policies are for which class of routes, found out once.
#[derive(Debug)]
pub(crate) struct Routes {
    /// The numbers of the policies for each class that a policy names.
    named: Vec<(String, Vec<usize>)>,
    /// Those for all others.
    others: Vec<usize>,
}

/// A limit before it is in a group.
pub(crate) struct Met<'p> {
    pub(crate) policy: &'p Policy,
    pub(crate) number: usize,
    pub(crate) mode: Mode,
    pub(crate) tag: Tag,
    pub(crate) slot: Digest,
    pub(crate) quota: Quota,
    /// One to the burst.
    pub(crate) cost: u32,
}

impl Met<'_> {
    #[inline]
    pub(crate) fn limit(&self) -> Limit {
        let no_room = if self.policy.outage() == OnOutage::Closed { NoRoom::Refuse } else { NoRoom::Forget };
        Limit::within(self.policy.name(), self.slot, self.quota, self.cost, no_room)
    }
}

/// Finds what a request meets, policy by policy.
pub(crate) struct Meeting<'p, 's, 'a> {
    policies: &'p [Policy],
    overrides: Option<&'p dyn Overrides>,
    buckets: Buckets<'s, 'a>,
}

impl<'p, 's, 'a> Meeting<'p, 's, 'a> {
    #[inline]
    pub(crate) const fn of(policies: &'p [Policy], overrides: Option<&'p dyn Overrides>, buckets: Buckets<'s, 'a>) -> Self {
        Self { policies, overrides, buckets }
    }

    /// The limit of the policy with this number, if it has something to say of the request.
    #[inline]
    pub(crate) fn met(&mut self, number: usize) -> Option<Met<'p>> {
        let policy = &self.policies[number];
        let subject = self.buckets.subject();
        let (quota, mode) = policy.terms(subject, self.overrides);
        let cost = policy.cost_of(subject, &quota);
        if mode == Mode::Off || cost == 0 {
            return None;
        }
        let (tag, slot) = self.buckets.find(policy.seeds(), policy.scope())?;
        Some(Met { policy, number, mode, tag, slot, quota, cost })
    }
}

impl Routes {
    pub(crate) fn of(policies: &[Policy]) -> Self {
        let numbers = |is_for: &dyn Fn(&Policy) -> bool| -> Vec<usize> {
            policies.iter().enumerate().filter(|(_, policy)| is_for(policy)).map(|(number, _)| number).collect()
        };
        let names: BTreeSet<&str> = policies.iter().flat_map(Policy::routes).collect();
        let named = names.into_iter().map(|name| (name.to_owned(), numbers(&|policy| policy.is_for(name))));
        Self { named: named.collect(), others: numbers(&|policy| policy.is_for_all()) }
    }

    /// The numbers of the policies for a class of routes.
    #[inline]
    pub(crate) fn policies(&self, route: &str) -> &[usize] {
        self.named.iter().find(|(name, _)| name == route).map_or(&self.others, |(_, numbers)| numbers)
    }
}

impl Plan {
    /// What a request meets of the policies with these numbers.
    pub(crate) fn of(of_route: &[usize], mut meeting: Meeting<'_, '_, '_>) -> Self {
        let mut met: SmallVec<[Met<'_>; 2]> = SmallVec::new();
        for number in of_route {
            met.extend(meeting.met(*number));
        }
        if let [one] = &met[..] {
            let group = SmallVec::from_buf([Group::one(one)]);
            return match one.mode {
                Mode::Enforce => Self { enforced: group, watching: SmallVec::new() },
                _ => Self { enforced: SmallVec::new(), watching: group },
            };
        }
        met.sort_by_key(|met| match met.tag {
            Tag::Address(_) => 0,
            Tag::Account(_) => 1,
            Tag::Tenant(_) => 2,
        });
        let watching = met.iter().filter(|met| met.mode != Mode::Enforce);
        Self { watching: watching.map(Group::one).collect(), enforced: groups(&met) }
    }
}

impl Group {
    /// One limit.
    fn one(met: &Met<'_>) -> Self {
        Self { batch: Batch::one(met.tag, met.limit()), policies: smallvec![(met.number, met.mode)] }
    }

    /// One to [`MOST_LIMITS`] limits of one tag.
    fn of(met: &[&Met<'_>]) -> Self {
        let limits: PerLimit<Limit> = met.iter().map(|met| met.limit()).collect();
        Self { batch: Batch::distinct(met[0].tag, &limits), policies: met.iter().map(|met| (met.number, met.mode)).collect() }
    }
}

/// What is enforced: neighbours of one tag, no more in a group than may be asked at once.
fn groups(met: &[Met<'_>]) -> SmallVec<[Group; 1]> {
    let enforced: SmallVec<[&Met<'_>; 4]> = met.iter().filter(|met| met.mode == Mode::Enforce).collect();
    let of_one_tag = enforced.chunk_by(|a, b| a.tag == b.tag);
    of_one_tag.flat_map(|met| met.chunks(MOST_LIMITS)).map(Group::of).collect()
}
