//! Which limits a request meets.

use smallvec::SmallVec;

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

/// A limit before it is in a group.
struct Met {
    tag: Tag,
    limit: Limit,
    policy: usize,
    mode: Mode,
}

impl Plan {
    /// What `subject` meets of these policies.
    pub(crate) fn of(policies: &[Policy], subject: &Subject<'_>, overrides: &dyn Overrides, prefix: Ipv6Prefix) -> Self {
        let mut met: SmallVec<[Met; 4]> = SmallVec::new();
        let mut buckets = Buckets::of(subject, prefix);
        for (number, policy) in policies.iter().enumerate() {
            if !policy.is_for(subject.route()) {
                continue;
            }
            let (quota, mode) = policy.terms(subject, overrides);
            let cost = policy.cost_of(subject, &quota);
            if mode == Mode::Off || cost == 0 {
                continue;
            }
            let Some((tag, slot)) = buckets.find(policy.seed(), policy.scope()) else { continue };
            // The cost is between one and the burst.
            let Ok(limit) = Limit::new(policy.name(), slot, quota, cost) else { continue };
            let no_room = if policy.outage() == OnOutage::Closed { NoRoom::Refuse } else { NoRoom::Forget };
            met.push(Met { tag, limit: limit.with_no_room(no_room), policy: number, mode });
        }
        met.sort_by_key(|met| match met.tag {
            Tag::Address(_) => 0,
            Tag::Account(_) => 1,
            Tag::Tenant(_) => 2,
        });
        let watching = met.iter().filter(|met| met.mode != Mode::Enforce);
        Self { watching: watching.map(|met| Group::of(&[met])).collect(), enforced: groups(&met) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.enforced.is_empty() && self.watching.is_empty()
    }
}

impl Group {
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
