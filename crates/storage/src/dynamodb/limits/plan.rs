//! What a call asks of one item.

use togglebox_ratelimit::Digest;

use super::shelf::{Kept, Shelf};
use super::step::{Act, Entry, Moment, Step};

/// The most limits of one item: some two and a half KB. Others get items of their own.
pub(super) const MOST_SLOTS: usize = 50;
/// From so many on, full buckets are removed when a new one comes: every KB of the item costs a unit with every write.
const TIDY_SLOTS: usize = 20;
/// How many are removed at once.
const TIDY_AT_ONCE: usize = 8;

/// What is kept back where a moment of one clock is compared with another's, in microseconds.
const SLACK_US: u64 = 60_000_000;
/// For how much longer than need be limits may stand in items of their own: so that this need not be written down each time.
const SPILL_US: u64 = 3_600_000_000;
/// For how much longer than need be an item is kept, in seconds.
const KEEP_S: u64 = 24 * 3600;

/// What is believed of an item.
#[derive(Clone, Copy, Debug)]
pub(super) enum Belief<'s> {
    /// Nothing.
    None,
    /// It was like this, some time ago.
    Hint(&'s Shelf),
    /// It was like this a moment ago, within this call.
    Truth(&'s Shelf),
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Too little is known: look first. A look costs a fifth of a write that comes to nothing.
    Look,
    /// There is no room; steps that bring back what lies beyond its quota.
    Denied(Vec<(usize, Step)>),
    /// Nothing is to be written here.
    Nothing { elsewhere: Vec<usize> },
    /// To be written, all or nothing.
    Write { change: Change, units: u32, elsewhere: Vec<usize> },
}

/// One conditional write to an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Which entry, and what is done to it.
    pub(super) steps: Vec<(usize, Step)>,
    /// These must not be there: they stand in items of their own.
    pub(super) absent: Vec<Digest>,
    /// What is new must not stand elsewhere: as seen at this moment.
    pub(super) alone_at_us: Option<u64>,
    /// Buckets that are full and go.
    pub(super) purge: Vec<(Digest, Kept)>,
    /// Until when limits may stand elsewhere from now on, and until when it was.
    pub(super) spill: Option<(Option<u64>, u64)>,
    /// Until when the item is kept from now on, at least.
    pub(super) expires_s: Option<u64>,
    pub(super) now: Moment,
}

impl<'s> Belief<'s> {
    const fn shelf(self) -> Option<&'s Shelf> {
        match self {
            Self::None => None,
            Self::Hint(shelf) | Self::Truth(shelf) => Some(shelf),
        }
    }

    const fn is_truth(self) -> bool {
        matches!(self, Self::Truth(_))
    }

    fn kept(self, slot: Digest) -> Option<Kept> {
        self.shelf()?.slots.get(&slot).copied()
    }
}

/// What to do now, if the item is like that. `shared`: the item is the one of a tag, where others come and go.
pub(super) fn plan(act: Act, entries: &[Entry], belief: Belief<'_>, shared: bool, now: Moment) -> Plan {
    let now_us = now.us;
    let placing = if shared { Placing::of(act, entries, belief, now) } else { Placing::default() };
    let here = || entries.iter().enumerate().filter(|(number, _)| !placing.elsewhere.contains(number));
    let (act, units) = match act {
        Act::Take { asked } => {
            let most = here().map(|(_, entry)| entry.most()).min().unwrap_or(asked).min(asked);
            let room = here().fold(most, |units, (_, entry)| entry.room(belief.kept(entry.slot), now_us, units));
            if room < most && !belief.is_truth() {
                return Plan::Look;
            }
            if room == 0 {
                let clamps = here().filter_map(|(number, entry)| Some((number, entry.clamp(belief.kept(entry.slot), now)?)));
                return Plan::Denied(clamps.collect());
            }
            (Act::Take { asked: room }, room)
        }
        other => (other, 1),
    };
    let steps: Vec<_> =
        here().filter_map(|(number, entry)| Some((number, entry.step(act, belief.kept(entry.slot), now)?))).collect();
    // What seems to have nothing to give back may have been charged meanwhile; what seems to be at the end of its debt, given back.
    if steps.len() < here().count() && !belief.is_truth() {
        return Plan::Look;
    }
    if steps.is_empty() && placing.spill.is_none() {
        return Plan::Nothing { elsewhere: placing.elsewhere };
    }
    let absent = placing.elsewhere.iter().map(|number| entries[*number].slot).collect();
    let alone_at_us = shared.then_some(now_us);
    let mut change = Change { steps, absent, alone_at_us, purge: placing.purge, spill: placing.spill, expires_s: None, now };
    if !matches!(act, Act::Refund { .. }) {
        change.expires_s = change.expiry(entries, belief);
    }
    Plan::Write { change, units, elsewhere: placing.elsewhere }
}

impl Change {
    /// Until when the item has to be kept, where that is longer than it is kept anyway.
    fn expiry(&self, entries: &[Entry], belief: Belief<'_>) -> Option<u64> {
        let horizon = self.steps.iter().map(|(number, _)| entries[*number].horizon_us()).max().unwrap_or_default();
        let until = self.now.us.saturating_add(horizon).max(self.spill.map_or(0, |(_, until)| until));
        let needed = until.saturating_add(SLACK_US) / 1_000_000 + 1;
        let kept = belief.shelf().and_then(|shelf| shelf.expires_s);
        kept.is_none_or(|kept| kept < needed).then(|| needed.saturating_add(KEEP_S))
    }

    /// What is there afterwards, where this was there before.
    pub(super) fn after(&self, entries: &[Entry], mut shelf: Shelf) -> Shelf {
        for (number, step) in &self.steps {
            let Entry { slot, quota, .. } = entries[*number];
            let ticks = step.after(shelf.slots.get(&slot).copied());
            shelf.slots.insert(slot, Kept { ticks, parts: quota.interval_us().1 });
        }
        for (slot, _) in &self.purge {
            shelf.slots.remove(slot);
        }
        shelf.spill_us = self.spill.map(|(_, until)| until).or(shelf.spill_us);
        shelf.expires_s = self.expires_s.or(shelf.expires_s);
        shelf
    }
}

/// Where limits are that are not in the item of their tag.
///
/// As long as `spill` lies ahead, such limits stand in items of their own, and nobody puts one here; no state there lies further ahead than
/// `spill`. Once it is past, all those buckets are full, and what is not here is new. `spill` is only ever moved forward.
#[derive(Debug, Default)]
struct Placing {
    elsewhere: Vec<usize>,
    spill: Option<(Option<u64>, u64)>,
    purge: Vec<(Digest, Kept)>,
}

impl Placing {
    fn of(act: Act, entries: &[Entry], belief: Belief<'_>, now: Moment) -> Self {
        let (mut placing, now_us) = (Self::default(), now.us);
        // Unknown: the condition of the write finds out.
        let Some(shelf) = belief.shelf() else { return placing };
        let absent = || entries.iter().enumerate().filter(|(_, entry)| !shelf.slots.contains_key(&entry.slot));
        let count = absent().count();
        if count == 0 {
            return placing;
        }
        if matches!(act, Act::Refund { .. }) {
            if shelf.spills(now_us) {
                placing.elsewhere = absent().map(|(number, _)| number).collect();
            }
            return placing;
        }
        if !shelf.spills(now_us) {
            let would_be = shelf.slots.len() + count;
            if would_be > TIDY_SLOTS {
                let asked = |slot: &Digest| entries.iter().any(|entry| entry.slot == *slot);
                let full = shelf.slots.iter().filter(|(slot, kept)| kept.is_full(now.surely_past()) && !asked(slot));
                placing.purge = full.map(|(slot, kept)| (*slot, *kept)).take(TIDY_AT_ONCE).collect();
            }
            if would_be - placing.purge.len() <= MOST_SLOTS {
                return placing;
            }
            placing.purge.clear();
        }
        placing.elsewhere = absent().map(|(number, _)| number).collect();
        let horizon = absent().map(|(_, entry)| entry.horizon_us()).max().unwrap_or_default();
        let needed = now_us.saturating_add(horizon).saturating_add(SLACK_US);
        if shelf.spill_us.is_none_or(|until| until < needed) {
            placing.spill = Some((shelf.spill_us, needed.saturating_add(SPILL_US)));
        }
        placing
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use togglebox_ratelimit::Quota;

    use super::*;

    const NOW: u64 = 1_795_000_000_000_000;
    const MOMENT: Moment = at(NOW);

    const fn at(us: u64) -> Moment {
        Moment { us, apart_us: 4_000_000 }
    }

    fn entry(n: usize) -> Entry {
        let quota = Quota::rate(1, Duration::from_secs(1)).burst(10).unwrap();
        Entry { slot: Digest::of([n.to_le_bytes().as_slice()]), quota, cost: 1 }
    }

    /// An item of so many limits, of which the first ones are full.
    fn shelf(slots: usize, full: usize) -> Shelf {
        let kept = |n| Kept { ticks: if n < full { 1 } else { u128::from(NOW) + 1_000_000 }, parts: 1 };
        let slots = (0..slots).map(|n| (entry(n).slot, kept(n))).collect();
        Shelf { slots, spill_us: None, expires_s: Some(u64::MAX) }
    }

    fn take(shelf: &Shelf, entries: &[Entry]) -> Plan {
        plan(Act::Take { asked: 1 }, entries, Belief::Hint(shelf), true, MOMENT)
    }

    fn written(plan: Plan) -> (Change, Vec<usize>) {
        let Plan::Write { change, elsewhere, .. } = plan else { panic!("{plan:?}") };
        (change, elsewhere)
    }

    #[test]
    fn a_new_limit_makes_room_by_removing_full_buckets() {
        let (change, elsewhere) = written(take(&shelf(19, 19), &[entry(99)]));
        assert!(change.purge.is_empty() && elsewhere.is_empty());
        let (change, elsewhere) = written(take(&shelf(50, 3), &[entry(99)]));
        assert_eq!((change.purge.len(), elsewhere.len(), change.spill), (3, 0, None));
        assert_eq!(change.after(&[entry(99)], shelf(50, 3)).slots.len(), 48);
        // None of those that are asked for.
        let (change, _) = written(take(&shelf(50, 1), &[entry(0), entry(1)]));
        assert!(change.purge.is_empty());
    }

    #[test]
    fn where_there_is_no_room_new_limits_stand_elsewhere_until_all_of_them_are_full() {
        let (change, elsewhere) = written(take(&shelf(50, 0), &[entry(0), entry(99)]));
        assert_eq!(elsewhere, [1]);
        let (seen, until) = change.spill.unwrap();
        assert!(seen.is_none() && until > NOW + 10_000_000 + SPILL_US);
        assert_eq!(change.absent, [entry(99).slot]);
        let spilling = change.after(&[entry(0), entry(99)], shelf(50, 0));
        // Known: nothing to write for that one.
        assert_eq!(take(&spilling, &[entry(99)]), Plan::Nothing { elsewhere: vec![0] });
        // Also when there is room again, until then.
        let emptied = Shelf { slots: [].into(), ..spilling.clone() };
        assert_eq!(take(&emptied, &[entry(99)]), Plan::Nothing { elsewhere: vec![0] });
        let later = plan(Act::Take { asked: 1 }, &[entry(99)], Belief::Hint(&emptied), true, at(until - 60_000_000));
        assert!(written(later).0.spill.unwrap().1 > until, "it is moved on before it ends");
        let after = plan(Act::Take { asked: 1 }, &[entry(99)], Belief::Hint(&emptied), true, at(until + 1));
        assert_eq!(written(after).1, [] as [usize; 0]);
    }

    #[test]
    fn what_seems_to_be_denied_is_looked_at_first() {
        let mut hint = shelf(1, 0);
        hint.slots.insert(entry(0).slot, Kept { ticks: u128::from(NOW) + 10_000_000, parts: 1 });
        assert_eq!(take(&hint, &[entry(0)]), Plan::Look);
        let truth = plan(Act::Take { asked: 1 }, &[entry(0)], Belief::Truth(&hint), true, MOMENT);
        assert_eq!(truth, Plan::Denied(Vec::new()));
    }

    #[test]
    fn an_item_is_kept_longer_than_anything_in_it_counts() {
        let known = |expires_s| Shelf { expires_s, ..shelf(1, 0) };
        let needed = (NOW + 10_000_000 + SLACK_US) / 1_000_000 + 1;
        for (kept, expected) in [(None, Some(needed + KEEP_S)), (Some(needed - 1), Some(needed + KEEP_S)), (Some(needed), None)] {
            assert_eq!(written(take(&known(kept), &[entry(0)])).0.expires_s, expected);
        }
    }
}
