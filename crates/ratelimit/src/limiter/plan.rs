//! Which limits a request meets.

use smallvec::SmallVec;

use crate::address::Ipv6Prefix;
use crate::batch::{Batch, Limit, MOST_LIMITS, NoRoom, PerLimit};
use crate::key::Tag;
use crate::policy::{Mode, OnOutage, Overrides, Policy};
use crate::subject::Subject;

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

/// A limit before it is in a group.
struct Met {
    tag: Tag,
    limit: Limit,
    policy: usize,
    mode: Mode,
}

impl Group {
    fn of(met: &Met) -> Self {
        let mut policies = PerLimit::new();
        policies.push((met.policy, met.mode));
        Self { batch: Batch::one(met.tag, met.limit), policies }
    }
}

impl Plan {
    /// What `subject` meets of these policies.
    pub(crate) fn of(policies: &[Policy], subject: &Subject<'_>, overrides: &dyn Overrides, prefix: Ipv6Prefix) -> Self {
        let mut met: SmallVec<[Met; 4]> = SmallVec::new();
        for (number, policy) in policies.iter().enumerate() {
            if !policy.is_for(subject.route()) {
                continue;
            }
            let (quota, mode) = policy.terms(subject, overrides);
            let cost = policy.cost_of(subject, &quota);
            if mode == Mode::Off || cost == 0 {
                continue;
            }
            let Some((tag, slot)) = subject.bucket(policy.name(), policy.scope(), prefix) else { continue };
            // The cost is between one and the burst.
            let Ok(limit) = Limit::new(policy.name(), slot, quota, cost) else { continue };
            let no_room = if policy.outage() == OnOutage::Closed { NoRoom::Refuse } else { NoRoom::Forget };
            met.push(Met { tag, limit: limit.with_no_room(no_room), policy: number, mode });
        }
        let rank = |met: &Met| match met.tag {
            Tag::Address(_) => 0,
            Tag::Account(_) => 1,
            Tag::Tenant(_) => 2,
        };
        met.sort_by_key(rank);
        let (enforced, watching): (SmallVec<[Met; 4]>, SmallVec<[Met; 4]>) =
            met.into_iter().partition(|met| met.mode == Mode::Enforce);
        Self { enforced: groups(enforced), watching: watching.iter().map(Group::of).collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.enforced.is_empty() && self.watching.is_empty()
    }
}

/// Neighbours of one tag, no more in a group than may be asked at once.
fn groups(met: SmallVec<[Met; 4]>) -> SmallVec<[Group; 1]> {
    let mut groups: SmallVec<[Group; 1]> = SmallVec::new();
    for each in met {
        let fits = |group: &&mut Group| group.batch.tag() == each.tag && group.policies.len() < MOST_LIMITS;
        match groups.last_mut().filter(fits) {
            Some(group) => {
                group.batch.push(each.limit);
                group.policies.push((each.policy, each.mode));
            }
            None => groups.push(Group::of(&each)),
        }
    }
    groups
}
