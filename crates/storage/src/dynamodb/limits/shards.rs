//! A tag's limits over several items.

use togglebox_ratelimit::{Batch, Digest, Limit, Tat, gcra};

use super::shelf::{Kept, ticks};
use super::step::Entry;

/// A limit is split only where each part has so much burst: in smaller ones it would be chance whether there is room.
const LEAST_BURST: u32 = 20;

/// Entries of one item, each with the number of its limit in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) shard: u32,
    pub(super) limits: Vec<usize>,
    pub(super) entries: Vec<Entry>,
}

/// Where the limits of a batch stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// What is asked first: limits that are whole, each in its item, and those of which every part is needed.
    pub(super) fixed: Vec<Part>,
    /// Limits that are split, of which any one part will do. By number of the part.
    pub(super) any: Vec<Part>,
}

impl Part {
    fn new(shard: u32) -> Self {
        Self { shard, limits: Vec::new(), entries: Vec::new() }
    }

    fn push(&mut self, number: usize, entry: Entry) {
        self.limits.push(number);
        self.entries.push(entry);
    }
}

impl Layout {
    pub(super) fn of(batch: &Batch, shards: u32) -> Self {
        Self::with(batch, shards, false)
    }

    /// For what was taken: the part that it is given back to takes any number of units.
    pub(super) fn of_receipt(batch: &Batch, shards: u32) -> Self {
        Self::with(batch, shards, true)
    }

    fn with(batch: &Batch, shards: u32, whole_costs: bool) -> Self {
        let mut by_shard: Vec<Part> = (0..shards).map(Part::new).collect();
        let mut any = by_shard.clone();
        let each = batch.limits().iter().enumerate();
        let is_split = |limit: &Limit| shards > 1 && limit.quota().burst() / shards >= LEAST_BURST;
        // What costs more than a part can save up takes from all parts.
        let spread =
            !whole_costs && each.clone().any(|(_, limit)| is_split(limit) && limit.cost() > limit.quota().burst() / shards);
        for (number, limit) in each {
            let (slot, cost) = (limit.slot(), limit.cost());
            if !is_split(limit) {
                by_shard[home(slot, shards)].push(number, Entry { slot, quota: *limit.quota(), cost });
                continue;
            }
            for shard in 0..shards {
                let Some(quota) = limit.quota().split(shards, shard) else { continue };
                let place = usize::try_from(shard).unwrap_or_default();
                if spread {
                    let cost = cost / shards + u32::from(shard < cost % shards);
                    if cost > 0 {
                        by_shard[place].push(number, Entry { slot, quota, cost });
                    }
                } else {
                    any[place].push(number, Entry { slot, quota, cost });
                }
            }
        }
        let fixed = by_shard.into_iter().filter(|part| !part.entries.is_empty()).collect();
        let any = any.into_iter().filter(|part| !part.entries.is_empty()).collect();
        Self { fixed, any }
    }
}

/// The item of a limit that is whole.
fn home(slot: Digest, shards: u32) -> usize {
    let [.., byte] = *slot.as_bytes();
    usize::from(byte) % usize::try_from(shards).unwrap_or(1).max(1)
}

/// A reading of the clock from which the part that was taken from can be told: the last one at which it is this shard's turn. It is some
/// microseconds early, which errs to the strict side.
pub(super) const fn at_turn_of(shard: u32, shards: u32, now_us: u64) -> u64 {
    let (shard, shards) = (shard as u64, shards as u64);
    now_us.saturating_sub((now_us % shards + shards - shard) % shards)
}

/// Whose turn it was.
pub(super) fn turn_at(shards: u32, now_us: u64) -> u32 {
    u32::try_from(now_us % u64::from(shards)).unwrap_or_default()
}

/// How a limit is to be told to stand at `now_us`, of which `entry` was found like this at `found_us`: as far ahead as it was. Of a part of
/// a limit, so that it has as much room as the part, and none where that has none.
pub(super) fn told(limit: &Limit, entry: &Entry, kept: Option<Kept>, found_us: u64, now_us: u64) -> Tat {
    let part = gcra::rebase(&entry.quota, kept.map(|kept| kept.under(&entry.quota)), found_us);
    let (part_unit, part_parts) = entry.quota.interval_us();
    let ahead = Kept::of(part, part_parts).ticks.saturating_sub(ticks(found_us, part_parts));
    let (unit, parts) = limit.quota().interval_us();
    let ahead = if entry.quota == *limit.quota() {
        ahead
    } else {
        // The fractions of a part divide those of the whole.
        let scale = u128::from(parts / part_parts.max(1));
        let (burst, whole_burst) = (u128::from(entry.quota.burst()), u128::from(limit.quota().burst()));
        let tolerance = whole_burst * u128::from(unit);
        let (part_tolerance, cost) = (burst * u128::from(part_unit) * scale, u128::from(limit.cost()) * u128::from(unit));
        let (ahead, part_cost) = (ahead * scale, u128::from(entry.cost) * u128::from(part_unit) * scale);
        let as_much_room = (tolerance + ahead).saturating_sub(part_tolerance);
        match (ahead + part_cost).checked_sub(part_tolerance) {
            None | Some(0) => as_much_room.min(tolerance.saturating_sub(cost)),
            Some(lack) => as_much_room.max((tolerance + lack.min(cost)).saturating_sub(cost)),
        }
    };
    let ticks = ticks(now_us, parts) + ahead;
    Kept { ticks, parts }.under(limit.quota())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use togglebox_core::TenantId;
    use togglebox_ratelimit::{PerLimit, Quota, Reply, Tag};

    use super::*;

    const NOW: u64 = 1_795_000_000_000_000;

    fn limit(name: &str, burst: u32, cost: u32) -> Limit {
        let quota = Quota::rate(7, Duration::from_secs(1)).burst(burst).unwrap();
        Limit::new(name.parse().unwrap(), Digest::of([name.as_bytes()]), quota, cost).unwrap()
    }

    fn batch(limits: impl IntoIterator<Item = Limit>) -> Batch {
        Batch::new(Tag::Tenant(TenantId::DEFAULT), limits).unwrap()
    }

    #[test]
    fn one_item_has_them_all() {
        let layout = Layout::of(&batch([limit("a", 1000, 1), limit("b", 3, 1)]), 1);
        assert_eq!((layout.fixed.len(), layout.fixed[0].entries.len(), layout.any.len()), (1, 2, 0));
        assert_eq!(layout.fixed[0].entries[0].quota, *limit("a", 1000, 1).quota());
    }

    #[test]
    fn large_limits_are_split_and_small_ones_stay_whole() {
        let layout = Layout::of(&batch([limit("a", 83, 2), limit("b", 79, 2)]), 4);
        assert_eq!(layout.fixed.len(), 1);
        assert_eq!((layout.fixed[0].limits[0], layout.fixed[0].entries[0].quota.burst()), (1, 79));
        assert_eq!(layout.any.iter().map(|part| part.entries[0].quota.burst()).collect::<Vec<_>>(), [21, 21, 21, 20]);
        assert!(layout.any.iter().all(|part| part.entries[0].cost == 2));
    }

    #[test]
    fn what_is_too_much_for_a_part_takes_from_all() {
        let layout = Layout::of(&batch([limit("a", 83, 83)]), 4);
        assert!(layout.any.is_empty());
        let costs: Vec<_> = layout.fixed.iter().map(|part| part.entries[0].cost).collect();
        assert_eq!(costs, [21, 21, 21, 20]);
        assert!(layout.fixed.iter().all(|part| part.entries[0].cost <= part.entries[0].quota.burst()));
        assert_eq!(Layout::of_receipt(&batch([limit("a", 83, 83)]), 4).any.len(), 4);
    }

    proptest! {
        #[test]
        fn a_turn_is_found_again_and_never_in_the_future(shards in 1..=64_u32, shard: u32, now in 1_000_u64..u64::MAX) {
            let shard = shard % shards;
            let at = at_turn_of(shard, shards, now);
            prop_assert!(at <= now && now - at < 64);
            prop_assert_eq!(turn_at(shards, at), shard);
        }

        /// What is told of a part has room exactly where the part has.
        #[test]
        fn a_part_tells_its_own_verdict(ahead in 0..40_000_000_u64, burst in 80..400_u32, cost in 1..60_u32, shard in 0..4_u32, later in 0..64_u64) {
            let limit = limit("a", burst, cost);
            for layout in [Layout::of(&batch([limit]), 4), Layout::of(&batch([limit]), 1)] {
                for part in layout.any.iter().chain(&layout.fixed).filter(|part| part.shard == shard % 2) {
                    let kept = Some(Kept::of(Tat::of_us(NOW + ahead), part.entries[0].quota.interval_us().1));
                    let passes = part.entries[0].room(kept, NOW, 1) == 1;
                    let before: PerLimit<Tat> = [told(&limit, &part.entries[0], kept, NOW, NOW + later)].into_iter().collect();
                    let reply = Reply { now_us: NOW + later, passed: passes, charged: false, before };
                    let standing = reply.standing(&batch([limit]), 0).unwrap();
                    prop_assert_eq!(standing.passed, passes);
                }
            }
        }
    }
}
