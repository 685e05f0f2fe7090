//! Which limits a request meets.

use std::collections::BTreeSet;

use smallvec::{SmallVec, smallvec};

use crate::address::Ipv6Prefix;
use crate::batch::{Batch, Limit, MOST_LIMITS, NoRoom, PerLimit};
use crate::key::Tag;
use crate::policy::{Mode, OnOutage, Overrides, Policy};
use crate::subject::{Buckets, Subject};

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
pub(crate) struct Met {
    pub(crate) tag: Tag,
    pub(crate) limit: Limit,
    pub(crate) policy: usize,
    pub(crate) mode: Mode,
}

/// Finds what a request meets, policy by policy.
pub(crate) struct Meeting<'s, 'a> {
    policies: &'s [Policy],
    overrides: &'s dyn Overrides,
    subject: &'s Subject<'a>,
    buckets: Buckets<'s, 'a>,
}

impl<'s, 'a> Meeting<'s, 'a> {
    #[inline]
    pub(crate) fn of(policies: &'s [Policy], overrides: &'s dyn Overrides, subject: &'s Subject<'a>, prefix: Ipv6Prefix) -> Self {
        Self { policies, overrides, subject, buckets: Buckets::of(subject, prefix) }
    }

    /// The limit of the policy with this number, if it has something to say of the request.
    #[inline]
    pub(crate) fn met(&mut self, number: usize) -> Option<Met> {
        let policy = &self.policies[number];
        let (quota, mode) = policy.terms(self.subject, self.overrides);
        let cost = policy.cost_of(self.subject, &quota);
        if mode == Mode::Off || cost == 0 {
            return None;
        }
        let (tag, slot) = self.buckets.find(policy.seed(), policy.scope())?;
        // The cost is between one and the burst.
        let limit = Limit::new(policy.name(), slot, quota, cost).ok()?;
        let no_room = if policy.outage() == OnOutage::Closed { NoRoom::Refuse } else { NoRoom::Forget };
        Some(Met { tag, limit: limit.with_no_room(no_room), policy: number, mode })
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
    pub(crate) fn of(of_route: &[usize], mut meeting: Meeting<'_, '_>) -> Self {
        let mut met: SmallVec<[Met; 2]> = SmallVec::new();
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
    fn one(met: &Met) -> Self {
        Self { batch: Batch::one(met.tag, met.limit), policies: smallvec![(met.policy, met.mode)] }
    }

    /// One to [`MOST_LIMITS`] limits of one tag.
    fn of(met: &[&Met]) -> Self {
        let limits: PerLimit<Limit> = met.iter().map(|met| met.limit).collect();
        Self { batch: Batch::distinct(met[0].tag, &limits), policies: met.iter().map(|met| (met.policy, met.mode)).collect() }
    }
}

/// What is enforced: neighbours of one tag, no more in a group than may be asked at once.
fn groups(met: &[Met]) -> SmallVec<[Group; 1]> {
    let enforced: SmallVec<[&Met; 4]> = met.iter().filter(|met| met.mode == Mode::Enforce).collect();
    let of_one_tag = enforced.chunk_by(|a, b| a.tag == b.tag);
    of_one_tag.flat_map(|met| met.chunks(MOST_LIMITS)).map(Group::of).collect()
}
