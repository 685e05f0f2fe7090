//! The algorithm over all inputs: against exact fractions, against governor, and by what it promises.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use governor::clock::FakeRelativeClock;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed as _, ToPrimitive as _, Zero as _};
use proptest::prelude::*;
use togglebox_ratelimit::gcra::{charge, consume, grantable, reading, rebase, refund, retry_after};
use togglebox_ratelimit::{Quota, Tat};

/// Some time of this century, in microseconds.
const NOW: u64 = 1_795_000_000_000_000;

prop_compose! {
    /// Any quota that makes sense in a test: microseconds to hours, one to ten thousand units, a small or a large burst.
    fn quotas()(
        period in prop_oneof![1..1_000_u64, 1_000..1_000_000_u64, 1_000_000..3_600_000_000_u64],
        limit in prop_oneof![1..10_u32, 1..10_000_u32],
        burst in prop_oneof![1..5_u32, 1..1_000_u32],
        debt in prop_oneof![Just(0_u32), 0..50_u32],
    ) -> Quota {
        Quota::rate(limit, Duration::from_micros(period)).burst(burst).unwrap().with_debt(debt).unwrap()
    }
}

/// Pauses in thousandths of an interval, so that decisions are close.
fn pauses() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0_u64), 3 => 0..1500_u64, 1 => 0..50_000_u64]
}

#[derive(Clone, Debug)]
enum Act {
    Consume(u32),
    Charge(u32),
    Refund,
}

fn acts() -> impl Strategy<Value = Vec<(u64, Act)>> {
    let act = prop_oneof![6 => (1..5_u32).prop_map(Act::Consume), 1 => (1..5_u32).prop_map(Act::Charge), 1 => Just(Act::Refund)];
    prop::collection::vec((pauses(), act), 1..80)
}

fn us(pause: u64, quota: &Quota) -> u64 {
    let (whole, fractions) = quota.interval_us();
    // At random: how it is rounded does not matter.
    u64::try_from(u128::from(pause) * u128::from(whole) / u128::from(fractions) / 1000).unwrap()
}

fn whole(n: impl Into<BigInt>) -> BigRational {
    BigRational::from_integer(n.into())
}

/// The algorithm as it stands in the books, on fractions.
struct Reference {
    interval: BigRational,
    burst: BigRational,
    debt: BigRational,
    tat: Option<BigRational>,
}

impl Reference {
    fn new(quota: &Quota) -> Self {
        let (above, below) = quota.interval_us();
        Self {
            interval: BigRational::new(above.into(), below.into()),
            burst: whole(quota.burst()),
            debt: whole(quota.debt()),
            tat: None,
        }
    }

    fn base(&self, now: u64) -> BigRational {
        self.tat.clone().map_or_else(|| whole(now), |tat| tat.max(whole(now)))
    }

    fn room(&self, now: u64) -> BigRational {
        (whole(now) + &self.burst * &self.interval - self.base(now)) / &self.interval
    }

    fn consume(&mut self, now: u64, cost: u32) -> bool {
        let passes = self.room(now) >= whole(cost);
        if passes {
            self.tat = Some(self.base(now) + whole(cost) * &self.interval);
        }
        passes
    }

    fn charge(&mut self, now: u64, cost: u32) {
        let deepest = whole(now) + (&self.burst + &self.debt) * &self.interval;
        self.tat = Some((self.base(now) + whole(cost) * &self.interval).min(deepest));
    }

    fn refund(&mut self, now: u64, charged_at: u64, units: u32) {
        if self.tat.is_some() {
            let credit = (whole(units) * &self.interval - whole(now - charged_at)).max(BigRational::zero());
            self.tat = Some((self.base(now) - credit).max(whole(now)));
        }
    }
}

fn exact(tat: Tat, quota: &Quota) -> BigRational {
    whole(tat.us()) + BigRational::new(tat.part().into(), quota.interval_us().1.into())
}

/// A thousand of each, or as many as are asked for.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(1000), ..config }
}

proptest! {
    #![proptest_config(config())]

    /// Verdicts, states, units left, waits: all as fractions say, rounded as promised.
    #[test]
    fn decisions_are_those_of_exact_fractions(quota in quotas(), acts in acts()) {
        let (mut now, mut tat, mut reference, mut charged) = (NOW, None, Reference::new(&quota), Vec::new());
        for (pause, act) in acts {
            now += us(pause, &quota);
            match act {
                Act::Consume(cost) => {
                    let wait = retry_after(&quota, tat, now, cost);
                    let short = whole(cost) - reference.room(now);
                    if cost > quota.burst() {
                        prop_assert_eq!(wait, Duration::MAX);
                    } else {
                        let expected = (short.max(BigRational::zero()) * &reference.interval).ceil();
                        prop_assert_eq!(whole(wait.as_micros()), expected);
                    }
                    let after = consume(&quota, tat, now, cost);
                    prop_assert_eq!(after.is_some(), reference.consume(now, cost));
                    if after.is_some() {
                        tat = after;
                        charged.push((now, cost));
                    }
                }
                Act::Charge(cost) => {
                    tat = Some(charge(&quota, tat, now, cost));
                    reference.charge(now, cost);
                }
                Act::Refund => {
                    if let Some((at, units)) = charged.pop() {
                        tat = refund(&quota, tat, now, at, units);
                        reference.refund(now, at, units);
                    }
                }
            }
            prop_assert_eq!(exact(rebase(&quota, tat, now), &quota), reference.base(now));
            let read = reading(&quota, tat, now);
            let room = reference.room(now).max(BigRational::zero()).floor().to_integer().to_u64().unwrap();
            prop_assert_eq!(read.remaining, room);
            prop_assert_eq!(whole(read.reset_after.as_micros()), (reference.base(now) - whole(now)).ceil());
            prop_assert_eq!(u64::from(grantable(&quota, tat, now, 1, u32::MAX)), room);
        }
    }

    /// The promise of the algorithm: in every closed window, at most `burst + floor(length / interval)`.
    #[test]
    fn no_window_sees_more_than_promised(quota in quotas(), acts in acts()) {
        let (mut now, mut tat, mut passed) = (NOW, None, Vec::new());
        for (pause, act) in acts {
            now += us(pause, &quota);
            if let Act::Consume(cost) = act
                && let Some(after) = consume(&quota, tat, now, cost)
            {
                tat = Some(after);
                passed.push((now, u64::from(cost)));
            }
        }
        let (above, below) = quota.interval_us();
        for (first, (from, _)) in passed.iter().enumerate() {
            let mut units = 0;
            for (to, cost) in &passed[first..] {
                units += cost;
                let back = u128::from(to - from) * u128::from(below) / u128::from(above);
                prop_assert!(u128::from(units) <= u128::from(quota.burst()) + back);
            }
        }
    }

    /// And of the strict kind: no window of the period sees more than its limit.
    #[test]
    fn a_strict_quota_holds_in_every_window(
        limit in 2..200_u32, share in 1..99_u32, period in 1_000..10_000_000_u64, pauses in prop::collection::vec(pauses(), 1..400),
    ) {
        let burst = (limit * share / 100).clamp(1, limit - 1);
        let quota = Quota::at_most(limit, Duration::from_micros(period)).burst(burst).unwrap();
        let (mut now, mut tat, mut passed) = (NOW, None, Vec::new());
        for pause in pauses {
            now += us(pause, &quota);
            if let Some(after) = consume(&quota, tat, now, 1) {
                tat = Some(after);
                passed.push(now);
            }
        }
        for (first, from) in passed.iter().enumerate() {
            let within = passed[first..].iter().take_while(|at| **at - from < period).count();
            prop_assert!(within <= limit as usize, "{within} in a window");
        }
    }

    /// All else equal, whoever comes later is never worse off.
    #[test]
    fn later_is_never_worse(quota in quotas(), ahead in 0..10_000_000_u64, part: u32, wait in 0..10_000_000_u64, cost in 1..1000_u32) {
        let tat = Some(Tat::new(NOW + ahead, part % quota.interval_us().1));
        let (now, later) = (NOW, NOW + wait);
        if consume(&quota, tat, now, cost).is_some() {
            prop_assert!(consume(&quota, tat, later, cost).is_some());
        }
        prop_assert!(reading(&quota, tat, later).remaining >= reading(&quota, tat, now).remaining);
    }

    /// At one instant, a cost in two parts is the cost as a whole.
    #[test]
    fn a_cost_can_be_split(quota in quotas(), ahead in 0..10_000_000_u64, a in 1..500_u32, b in 1..500_u32) {
        let tat = Some(Tat::of_us(NOW + ahead));
        let whole = consume(&quota, tat, NOW, a + b);
        let parts = consume(&quota, tat, NOW, a).and_then(|tat| consume(&quota, Some(tat), NOW, b));
        prop_assert_eq!(whole, parts);
    }

    /// Who is denied and waits as long as told passes, and a microsecond earlier does not.
    #[test]
    fn waits_are_exact(quota in quotas(), ahead in 0..10_000_000_000_u64, part: u32, cost in 1..1000_u32) {
        let cost = cost.min(quota.burst());
        let tat = Some(Tat::new(NOW + ahead, part % quota.interval_us().1));
        // What is too far ahead is cut at each moment anew: waits count from what stands after the cut.
        let tat = Some(rebase(&quota, tat, NOW));
        let wait = u64::try_from(retry_after(&quota, tat, NOW, cost).as_micros()).unwrap();
        prop_assert!(consume(&quota, tat, NOW + wait, cost).is_some());
        if wait > 0 {
            prop_assert!(consume(&quota, tat, NOW + wait - 1, cost).is_none());
        }
    }

    /// Nobody stands better for having taken and given back than for never having taken; whatever else passed in between.
    #[test]
    fn a_refund_is_never_better_than_never_charged(
        quota in quotas(), units in 1..20_u32, acts in acts(), until in pauses(),
    ) {
        let units = units.min(quota.burst());
        let (mut now, mut never) = (NOW, None);
        let mut with = consume(&quota, None, NOW, units);
        for (pause, act) in acts {
            now += us(pause, &quota);
            if let Act::Consume(cost) = act
                && let Some(after) = consume(&quota, with, now, cost)
            {
                with = Some(after);
                never = Some(consume(&quota, never, now, cost).expect("whoever has taken less has room as well"));
            }
        }
        now += us(until, &quota);
        let given_back = rebase(&quota, refund(&quota, with, now, NOW, units), now);
        prop_assert!(given_back >= rebase(&quota, never, now));
        prop_assert!(given_back <= rebase(&quota, with, now));
    }

    /// Whatever stands there, from another quota or a clock that was wrong: nobody waits longer than the present bucket takes to fill up,
    /// debt included.
    #[test]
    fn no_state_shuts_anybody_out(quota in quotas(), us: u64, part: u32, cost in 1..1000_u32) {
        let cost = cost.min(quota.burst());
        let tat = Some(Tat::new(us, part));
        let (above, below) = quota.interval_us();
        let longest = (u128::from(quota.burst()) + u128::from(quota.debt())) * u128::from(above);
        let longest = longest.div_ceil(u128::from(below));
        prop_assert!(retry_after(&quota, tat, NOW, cost).as_micros() <= longest);
        prop_assert!(reading(&quota, tat, NOW).reset_after.as_micros() <= longest);
    }

    /// An expired state is a full bucket, and so is none.
    #[test]
    fn a_state_of_the_past_is_none(quota in quotas(), before in 0..NOW, cost in 1..1000_u32) {
        let tat = Some(Tat::of_us(NOW - before));
        prop_assert_eq!(consume(&quota, tat, NOW, cost), consume(&quota, None, NOW, cost));
        prop_assert_eq!(reading(&quota, tat, NOW), reading(&quota, None, NOW));
    }

    /// governor, on quotas whose interval is a whole number of microseconds; its clock counts nanoseconds.
    #[test]
    fn governor_decides_alike(interval in 1..1_000_000_u64, burst in 1..50_u32, acts in acts()) {
        let quota = Quota::rate(1, Duration::from_micros(interval)).burst(burst).unwrap();
        let clock = FakeRelativeClock::default();
        let theirs = governor::Quota::with_period(Duration::from_micros(interval)).unwrap();
        let theirs = theirs.allow_burst(burst.try_into().unwrap());
        let limiter = governor::RateLimiter::direct_with_clock(theirs, clock.clone());
        let (mut now, mut tat) = (NOW, None);
        for (pause, act) in acts {
            let passed = us(pause, &quota);
            now += passed;
            clock.advance(Duration::from_micros(passed));
            let Act::Consume(cost) = act else { continue };
            let ours = consume(&quota, tat, now, cost);
            let decided = limiter.check_n(cost.try_into().unwrap());
            prop_assert_eq!(ours.is_some(), matches!(decided, Ok(Ok(()))), "{} at {}", cost, now - NOW);
            tat = ours.or(tat);
        }
    }

    /// A share of a quota, on each of so many nodes: together no more than the whole but for rounding the bursts up.
    #[test]
    fn shares_of_a_quota_are_its_parts(quota in quotas(), nodes in 1..20_u32) {
        let share = quota.share(nodes);
        let rate = |quota: &Quota| BigRational::new(quota.interval_us().1.into(), quota.interval_us().0.into());
        prop_assert!((rate(&share) * whole(nodes) - rate(&quota)).is_zero());
        prop_assert!(share.burst() * nodes < quota.burst() + nodes);
        prop_assert!((whole(share.debt() * nodes) - whole(quota.debt())).abs() <= whole(nodes));
    }
}
