//! Shares of users: those who converted, of all who were exposed.

use super::count::real;
use super::{Comparison, Confidence, Interval, normal};

/// Some of a number of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    part: u64,
    whole: u64,
}

impl Proportion {
    /// `part` of `whole` users; `None` unless `whole` is positive and at least `part`.
    pub const fn new(part: u64, whole: u64) -> Option<Self> {
        if whole > 0 && part <= whole { Some(Self { part, whole }) } else { None }
    }

    /// How many.
    pub const fn part(self) -> u64 {
        self.part
    }

    /// Of how many.
    pub const fn whole(self) -> u64 {
        self.whole
    }

    /// `part / whole`.
    pub fn rate(self) -> f64 {
        real(self.part) / real(self.whole)
    }

    /// Wilson's score interval of the rate: it has a width at 0 % and 100 % too, and stays within 0 to 1.
    ///
    /// E. B. Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927), 209–212.
    pub fn wilson(self, confidence: Confidence) -> Interval {
        let (rate, whole, z) = (self.rate(), real(self.whole), confidence.critical());
        let square = z * z / whole;
        let centre = (rate + square / 2.0) / (1.0 + square);
        let reach = (square * (rate * (1.0 - rate) + square / 4.0)).sqrt() / (1.0 + square);
        let low = if self.part == 0 { 0.0 } else { (centre - reach).max(0.0) };
        let high = if self.part == self.whole { 1.0 } else { (centre + reach).min(1.0) };
        Interval::new(low, high)
    }

    /// `treatment` against `self` as the control.
    ///
    /// - The p-value is that of the pooled two-proportion z-test (equal to the chi-square test of the 2 × 2 table); 1 when nobody
    ///   or everybody converted on both sides.
    /// - The interval of the difference is Newcombe's hybrid score interval (R. G. Newcombe, *Interval estimation for the
    ///   difference between independent proportions*, Statistics in Medicine 17 (1998), 873–890, method 10).
    /// - The interval of the lift goes by the logarithm of the ratio (D. Katz et al., *Obtaining confidence intervals for the
    ///   risk ratio in cohort studies*, Biometrics 34 (1978), 469–474). It is undefined where a side has no conversions or both
    ///   have no others.
    pub fn against(self, treatment: Self, confidence: Confidence) -> Comparison {
        let (old, new) = (self.rate(), treatment.rate());
        let (old_whole, new_whole) = (real(self.whole), real(treatment.whole));
        let difference = new - old;

        let pooled = (real(self.part) + real(treatment.part)) / (old_whole + new_whole);
        let error = (pooled * (1.0 - pooled) * (1.0 / old_whole + 1.0 / new_whole)).sqrt();
        let statistic = if error > 0.0 { difference / error } else { 0.0 };

        let (old_bounds, new_bounds) = (self.wilson(confidence), treatment.wilson(confidence));
        let interval = Interval::new(
            difference - (new - new_bounds.low).hypot(old_bounds.high - old),
            difference + (new_bounds.high - new).hypot(old - old_bounds.low),
        );
        Comparison {
            difference,
            interval,
            lift: (self.part > 0).then(|| new / old - 1.0),
            lift_interval: self.lift_interval(treatment, confidence),
            statistic,
            p_value: normal::two_sided(statistic),
        }
    }

    fn lift_interval(self, treatment: Self, confidence: Confidence) -> Option<Interval> {
        if self.part == 0 || treatment.part == 0 {
            return None;
        }
        let spread = |side: Self| 1.0 / real(side.part) - 1.0 / real(side.whole);
        let variance = spread(self) + spread(treatment);
        let ratio = treatment.rate() / self.rate();
        let reach = confidence.critical() * variance.sqrt();
        (variance > 0.0).then(|| Interval::new(ratio * (-reach).exp() - 1.0, ratio * reach.exp() - 1.0))
    }

    /// Whether the normal approximation holds for a comparison with `other`: at least five conversions and five others are
    /// expected on each side if there is no difference (Cochran's rule for a 2 × 2 table).
    pub fn is_large_enough_with(self, other: Self) -> bool {
        let pooled = (real(self.part) + real(other.part)) / (real(self.whole) + real(other.whole));
        let smaller = real(self.whole.min(other.whole));
        smaller * pooled >= 5.0 && smaller * (1.0 - pooled) >= 5.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proportion() -> impl Strategy<Value = Proportion> {
        (1_u64..1_000_000).prop_flat_map(|whole| (0..=whole).prop_map(move |part| Proportion::new(part, whole).unwrap()))
    }

    proptest! {
        #[test]
        fn bounds_hold_the_estimate_and_stay_possible(a in proportion(), b in proportion()) {
            let wilson = a.wilson(Confidence::DEFAULT);
            prop_assert!(wilson.contains(a.rate()) && wilson.low >= 0.0 && wilson.high <= 1.0 && wilson.low < wilson.high);
            let comparison = a.against(b, Confidence::DEFAULT);
            prop_assert!(comparison.interval.contains(comparison.difference));
            prop_assert!(comparison.interval.low >= -1.0 && comparison.interval.high <= 1.0);
            prop_assert!((0.0..=1.0).contains(&comparison.p_value));
            if let (Some(lift), Some(bounds)) = (comparison.lift, comparison.lift_interval) {
                prop_assert!(bounds.contains(lift) && bounds.low >= -1.0);
            }
        }

        #[test]
        fn swapping_the_sides_mirrors_the_difference(a in proportion(), b in proportion()) {
            let (there, back) = (a.against(b, Confidence::DEFAULT), b.against(a, Confidence::DEFAULT));
            prop_assert!((there.interval.low + back.interval.high).abs() < 1e-12);
            prop_assert!((there.p_value - back.p_value).abs() < 1e-12);
        }
    }

    #[test]
    fn more_conversions_than_users_is_no_proportion() {
        assert!(Proportion::new(2, 1).is_none());
        assert!(Proportion::new(0, 0).is_none());
    }

    #[test]
    fn the_lift_of_a_control_without_conversions_is_undefined() {
        let (none, some) = (Proportion::new(0, 1000).unwrap(), Proportion::new(50, 1000).unwrap());
        let comparison = none.against(some, Confidence::DEFAULT);
        assert_eq!((comparison.lift, comparison.lift_interval), (None, None));
        assert!(comparison.p_value < 1e-10);
        assert_eq!(some.against(none, Confidence::DEFAULT).lift, Some(-1.0));
    }

    #[test]
    fn six_users_are_not_enough() {
        assert!(!Proportion::new(1, 1).unwrap().is_large_enough_with(Proportion::new(0, 5).unwrap()));
        assert!(Proportion::new(10, 100).unwrap().is_large_enough_with(Proportion::new(12, 100).unwrap()));
    }
}
