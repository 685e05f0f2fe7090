//! What is done to one limit: what it must be like, and what it becomes. The arithmetic that DynamoDB does itself.

use togglebox_ratelimit::{Digest, Quota, gcra};

use super::shelf::{Kept, ticks};

/// One limit of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) slot: Digest,
    pub(super) quota: Quota,
    pub(super) cost: u32,
}

/// What a call does to its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Takes so many times the costs, at most, if there is room.
    Take { asked: u32 },
    /// Takes the costs, whether there is room or not.
    Charge,
    /// Gives back what was taken then.
    Refund { charged_at_us: u64 },
}

/// A change of one limit that is right as long as its condition holds, so that it needs no second look. All in parts of a microsecond.
///
/// DynamoDB knows neither its own time nor the larger of two numbers: so what is to be done depends on what is believed to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// What is not there, or stands between `from` and `upto`, is `by` more than that, or than `from`.
    Add { from: u128, upto: u128, by: u128 },
    /// What is not there, or is less than `below`, becomes this.
    Restart { below: u128, to: u128 },
    /// What is just this becomes that.
    Exactly { seen: Kept, to: u128 },
    /// What is more than `above`, and not more than `to`, becomes `to`.
    Cap { above: u128, to: u128 },
    /// What stands between `from` and `upto` is `by` less.
    Give { from: u128, upto: u128, by: u128 },
    /// What is at least `to`, and less than `below`, becomes `to`.
    Drain { below: u128, to: u128 },
}

/// A moment by this machine's clock, and how far other machines' may be from it.
///
/// A state that lies further ahead than its quota can reach is brought back, but only where that is more than clocks may disagree: or a
/// machine that is behind would take away again and again what one that is ahead has charged, and each time that would let through as much
/// as passes in the time that they are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) us: u64,
    pub(super) apart_us: u64,
}

impl Moment {
    /// What is past by everybody's clock.
    pub(super) const fn surely_past(self) -> u64 {
        self.us.saturating_sub(self.apart_us)
    }

    /// Whether a state of this quota is to be replaced whatever else happens.
    fn is_beyond(self, quota: &Quota, kept: Kept) -> bool {
        gcra::is_beyond(quota, kept.under(quota), self.us.saturating_add(self.apart_us))
    }
}

/// The numbers of a quota at a moment.
struct Measure {
    now: u128,
    /// What a unit of cost takes.
    unit: u128,
    tolerance: u128,
    horizon: u128,
    apart: u128,
}

impl Measure {
    fn of(quota: &Quota, now: Moment) -> Self {
        let (unit, parts) = quota.interval_us();
        let unit = u128::from(unit);
        let burst = u128::from(quota.burst());
        let horizon = (burst + u128::from(quota.debt())) * unit;
        Self { now: ticks(now.us, parts), unit, tolerance: burst * unit, horizon, apart: ticks(now.apart_us, parts) }
    }
}

impl Entry {
    fn parts(&self) -> u32 {
        self.quota.interval_us().1
    }

    /// How many times its cost there is room for.
    pub(super) fn room(&self, kept: Option<Kept>, now_us: u64, asked: u32) -> u32 {
        gcra::grantable(&self.quota, kept.map(|kept| kept.under(&self.quota)), now_us, self.cost, asked)
    }

    /// The most times that there can ever be room for it.
    pub(super) const fn most(&self) -> u32 {
        self.quota.burst() / if self.cost == 0 { 1 } else { self.cost }
    }

    /// The furthest ahead that a state of this limit can be, in microseconds, rounded up.
    pub(super) fn horizon_us(&self) -> u64 {
        let (whole, parts) = self.quota.interval_us();
        let total = (u128::from(self.quota.burst()) + u128::from(self.quota.debt())) * u128::from(whole);
        u64::try_from(total.div_ceil(parts.into())).unwrap_or(u64::MAX)
    }

    /// What brings a state back that lies beyond what the quota can reach.
    pub(super) fn clamp(&self, kept: Option<Kept>, now: Moment) -> Option<Step> {
        let seen = kept.filter(|kept| now.is_beyond(&self.quota, *kept))?;
        Some(Step::Exactly { seen, to: self.based(seen, now) })
    }

    /// The step of a limit that is believed to stand like this. `None` where nothing is to be done.
    pub(super) fn step(&self, act: Act, kept: Option<Kept>, now: Moment) -> Option<Step> {
        let measure = Measure::of(&self.quota, now);
        let by = match act {
            Act::Take { asked } => u128::from(self.cost) * u128::from(asked) * measure.unit,
            Act::Charge => u128::from(self.cost) * measure.unit,
            Act::Refund { charged_at_us } => return self.refund(kept?, charged_at_us, now, &measure),
        };
        let end = measure.now + if act == Act::Charge { measure.horizon } else { measure.tolerance };
        let (by, from) = (by.min(end - measure.now), measure.now);
        let add = Step::Add { from, upto: end - by, by };
        let Some(seen) = kept else { return Some(add) };
        if seen.parts != self.parts() || now.is_beyond(&self.quota, seen) {
            let based = self.based(seen, now);
            return Some(Step::Exactly { seen, to: (based + by).min(end.max(based)) });
        }
        match act {
            _ if seen.ticks < from => Some(Step::Restart { below: from, to: from + by }),
            // As deep in debt as it may be, by the clock of a machine that is ahead.
            Act::Charge if seen.ticks > end => None,
            Act::Charge if seen.ticks > end - by => Some(Step::Cap { above: end - by, to: end }),
            _ => Some(add),
        }
    }

    /// As [`gcra::refund`].
    fn refund(&self, seen: Kept, charged_at_us: u64, now: Moment, measure: &Measure) -> Option<Step> {
        let passed = ticks(now.us.saturating_sub(charged_at_us), self.parts());
        let by = (u128::from(self.cost) * measure.unit).saturating_sub(passed);
        if by == 0 || seen.is_full(now.us) {
            return None;
        }
        let (from, upto) = (measure.now + by, measure.now + measure.horizon + measure.apart);
        if seen.parts != self.parts() || now.is_beyond(&self.quota, seen) {
            let based = self.based(seen, now);
            return Some(Step::Exactly { seen, to: based.saturating_sub(by).max(measure.now) });
        }
        Some(if seen.ticks < from { Step::Drain { below: from, to: measure.now } } else { Step::Give { from, upto, by } })
    }

    /// The state that counts.
    fn based(&self, seen: Kept, now: Moment) -> u128 {
        let tat = seen.under(&self.quota);
        let rebased = gcra::rebase(&self.quota, Some(tat), now.us);
        let counts = if now.is_beyond(&self.quota, seen) { rebased } else { rebased.max(tat) };
        Kept::of(counts, self.parts()).ticks
    }
}

impl Step {
    /// What comes of it where this was there, and the condition held.
    pub(super) fn after(self, kept: Option<Kept>) -> u128 {
        let stood = kept.map(|kept| kept.ticks);
        match self {
            Self::Add { from, by, .. } => stood.unwrap_or(from) + by,
            Self::Give { by, .. } => stood.unwrap_or_default().saturating_sub(by),
            Self::Restart { to, .. } | Self::Exactly { to, .. } | Self::Cap { to, .. } | Self::Drain { to, .. } => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use togglebox_ratelimit::Tat;

    use super::*;

    const NOW: u64 = 1_795_000_000_000_000;
    const MOMENT: Moment = Moment { us: NOW, apart_us: 4_000_000 };

    /// Whether a state is as far ahead as only a clock that is ahead can have put it.
    fn is_ahead(entry: &Entry, kept: Option<Kept>) -> bool {
        kept.is_some_and(|kept| {
            gcra::is_beyond(&entry.quota, kept.under(&entry.quota), NOW) && !MOMENT.is_beyond(&entry.quota, kept)
        })
    }

    /// Whether DynamoDB would find the condition true.
    fn holds(step: Step, kept: Option<Kept>, parts: u32) -> bool {
        let Some(kept) = kept else { return matches!(step, Step::Add { .. } | Step::Restart { .. }) };
        if let Step::Exactly { seen, .. } = step {
            return kept == seen;
        }
        kept.parts == parts
            && match step {
                Step::Add { from, upto, .. } | Step::Give { from, upto, .. } => (from..=upto).contains(&kept.ticks),
                Step::Restart { below, .. } => kept.ticks < below,
                Step::Cap { above, to } => kept.ticks > above && kept.ticks <= to,
                Step::Drain { below, to } => (to..below).contains(&kept.ticks),
                Step::Exactly { .. } => unreachable!("seen above"),
            }
    }

    fn entries() -> impl Strategy<Value = Entry> {
        (1..1000_u32, 1..5_000_000_u64, 1..40_u32, 0..10_u32, 1..40_u32).prop_map(|(limit, period, burst, debt, cost)| {
            let quota = Quota::rate(limit, Duration::from_micros(period)).burst(burst).unwrap().with_debt(debt).unwrap();
            Entry { slot: Digest::of([b"x".as_slice()]), quota, cost: 1 + (cost - 1) % burst }
        })
    }

    /// States around now, some of them of another quota or of a clock that went ahead.
    fn states() -> impl Strategy<Value = Option<Kept>> {
        let kept = (0..40_000_000_u64, 0..1000_u32, 1..1000_u32, any::<bool>());
        prop::option::of(kept.prop_map(|(ahead, part, parts, whole)| {
            let parts = if whole { 1 } else { parts };
            Kept::of(Tat::new(NOW - 10_000_000 + ahead, part % parts), parts)
        }))
    }

    proptest! {
        /// Whatever is believed: where the condition holds, the step does what the core does to what is there.
        #[test]
        fn a_step_whose_condition_holds_is_that_of_the_core(
            entry in entries(), there in states(), believed in states(), believes_right: bool, charge: bool, asked in 1..5_u32,
        ) {
            // States of this quota, too, or hardly any condition would ever hold.
            let own = |kept: Option<Kept>| kept.map(|kept| if kept.parts % 2 == 0 { kept } else {
                Kept::of(kept.under(&entry.quota), entry.parts())
            });
            let (there, believed) = (own(there), if believes_right { own(there) } else { own(believed) });
            let tat = there.map(|kept| kept.under(&entry.quota));
            let act = if charge { Act::Charge } else { Act::Take { asked: asked.min(entry.most()) } };
            let step = entry.step(act, believed, MOMENT);
            let Some(step) = step else { prop_assert!(charge && is_ahead(&entry, believed)); return Ok(()) };
            if let Act::Take { asked } = act {
                let room = gcra::grantable(&entry.quota, tat, NOW, entry.cost, asked) == asked;
                let held = holds(step, there, entry.parts());
                prop_assert!(!held || room || matches!(step, Step::Exactly { .. }), "{step:?} lets too much through");
                prop_assert!(!room || believed != there || held, "{step:?} does not do what can be done");
                if held && room {
                    let after = gcra::consume(&entry.quota, tat, NOW, entry.cost * asked).unwrap();
                    prop_assert_eq!(step.after(there), Kept::of(after, entry.parts()).ticks);
                }
            } else if holds(step, there, entry.parts()) {
                let after = Kept::of(gcra::charge(&entry.quota, tat, NOW, entry.cost), entry.parts()).ticks;
                prop_assert!(step.after(there) == after || is_ahead(&entry, there) && step.after(there) > after);
            } else {
                prop_assert!(believed != there);
            }
        }

        /// The same of refunds.
        #[test]
        fn a_refund_whose_condition_holds_is_that_of_the_core(
            entry in entries(), there in states(), believed in states(), believes_right: bool, ago in 0..3_000_000_u64,
        ) {
            let believed = if believes_right { there } else { believed };
            let charged_at_us = NOW - ago;
            let step = entry.step(Act::Refund { charged_at_us }, believed, MOMENT);
            let tat = there.map(|kept| kept.under(&entry.quota));
            let after = gcra::refund(&entry.quota, tat, NOW, charged_at_us, entry.cost);
            match step {
                Some(step) if holds(step, there, entry.parts()) => {
                    let after = Kept::of(after.unwrap(), entry.parts()).ticks;
                    prop_assert!(step.after(there) == after || is_ahead(&entry, there) && step.after(there) >= after);
                }
                None if believed == there => {
                    // The bucket is as full with it as without, for all that anybody can see.
                    let reading = |tat| gcra::reading(&entry.quota, tat, NOW);
                    let same = reading(after) == reading(tat);
                    prop_assert!(same);
                }
                _ => prop_assert!(believed != there),
            }
        }
    }
}
