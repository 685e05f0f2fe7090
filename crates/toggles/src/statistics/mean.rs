//! Means per user: how often, how much, and the mean of values.

use super::count::real;
use super::{Comparison, Confidence, Interval, student};

/// Fewer users than this on a side are too few for the central limit theorem to be trusted with skewed amounts.
const FEWEST_USERS: u64 = 30;

/// A figure per user, reduced to its sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sums {
    /// Users, those whose figure is zero included.
    pub users: u64,
    /// Sum of the figure.
    pub sum: f64,
    /// Sum of its squares.
    pub sum_squared: f64,
}

/// Values of which a user may have several (or none), reduced to sums over users.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueSums {
    /// Users, those without a value included.
    pub users: u64,
    /// Sum of the values.
    pub sum: f64,
    /// Sum over users of the square of a user's summed values.
    pub sum_squared: f64,
    /// Values.
    pub values: u64,
    /// Sum over users of the square of a user's number of values.
    pub values_squared: f64,
    /// Sum over users of the product of both.
    pub sum_values: f64,
}

/// A mean and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The mean.
    value: f64,
    /// The variance of the mean itself: its standard error, squared.
    variance: f64,
    /// The users behind it: at least two.
    users: u64,
}

impl Mean {
    /// The mean of a figure per user; `None` with fewer than two users, or when a sum is not a number.
    ///
    /// The variance comes from the sums, so it loses digits where the mean is millions of times the standard deviation.
    pub fn per_user(sums: &Sums) -> Option<Self> {
        let users = real(sums.users);
        let value = sums.sum / users;
        Self::new(value, sums.sum_squared - sums.sum * value, users, sums.users)
    }

    /// The mean of values of which a user may have several: a ratio of two sums over users, its variance by the delta method.
    /// `None` without values, with fewer than two users, or when a sum is not a number.
    ///
    /// Users are what is assigned at random; values of the same user hang together, so counting each value as if it stood by
    /// itself would claim too much. A. Deng, U. Knoblich, J. Lu, *Applying the delta method in metric analytics*, KDD 2018, §3.2.
    pub fn per_value(sums: &ValueSums) -> Option<Self> {
        let values = real(sums.values);
        let value = sums.sum / values;
        // The residuals sum - value * values of all users add up to zero, so their squares need no correction for a mean.
        let squares = sums.sum_squared - 2.0 * value * sums.sum_values + value * value * sums.values_squared;
        Self::new(value, squares, values * values / real(sums.users), sums.users)
    }

    /// From the sum of squared deviations of `users` users; `scale` is what turns their variance into that of the mean.
    fn new(value: f64, squares: f64, scale: f64, users: u64) -> Option<Self> {
        if users < 2 {
            return None;
        }
        let variance = squares.max(0.0) / real(users - 1) / scale;
        // `max` would hide a sum that is not a number.
        (value.is_finite() && squares.is_finite() && variance.is_finite()).then_some(Self { value, variance, users })
    }

    /// The mean.
    pub const fn value(&self) -> f64 {
        self.value
    }

    /// The standard error of the mean.
    pub fn standard_error(&self) -> f64 {
        self.variance.sqrt()
    }

    /// Student's interval of the mean.
    pub fn interval(&self, confidence: Confidence) -> Interval {
        let reach = student::critical(confidence.alpha(), real(self.users - 1)) * self.standard_error();
        Interval::new(self.value - reach, self.value + reach)
    }

    /// `treatment` against `self` as the control: Welch's test, which does not suppose equal variances (B. L. Welch, *The
    /// generalization of "Student's" problem when several different population variances are involved*, Biometrika 34 (1947),
    /// 28–35).
    ///
    /// The interval of the lift is by the delta method for a ratio of independent means. `None` when no variance is left on
    /// either side.
    pub fn against(&self, treatment: &Self, confidence: Confidence) -> Option<Comparison> {
        let difference = treatment.value - self.value;
        let variance = self.variance + treatment.variance;
        if variance <= 0.0 {
            return None;
        }
        let error = variance.sqrt();
        // Shares instead of variances: squares of very small or large ones would leave the range.
        let (old_share, new_share) = (self.variance / variance, treatment.variance / variance);
        let degrees = 1.0 / (old_share * old_share / real(self.users - 1) + new_share * new_share / real(treatment.users - 1));
        let statistic = difference / error;
        let critical = student::critical(confidence.alpha(), degrees);
        let interval = Interval::new(difference - critical * error, difference + critical * error);
        let p_value = student::two_sided(statistic, degrees);

        let ratio = treatment.value / self.value;
        // A negative control turns the sign of a ratio: relative to its size, an increase stays one.
        let lift = difference / self.value.abs();
        let reach = critical * (treatment.variance + ratio * ratio * self.variance).sqrt() / self.value.abs();
        let bounds = Interval::new(lift - reach, lift + reach);
        (interval.is_finite() && p_value.is_finite()).then_some(Comparison {
            difference,
            interval,
            lift: lift.is_finite().then_some(lift),
            lift_interval: bounds.is_finite().then_some(bounds),
            statistic,
            p_value,
        })
    }

    /// Whether both sides have enough users for means to be compared.
    pub const fn is_large_enough_with(&self, other: &Self) -> bool {
        self.users >= FEWEST_USERS && other.users >= FEWEST_USERS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(figures: &[f64]) -> Sums {
        let square = |x: &f64| x * x;
        Sums { users: figures.len() as u64, sum: figures.iter().sum(), sum_squared: figures.iter().map(square).sum() }
    }

    proptest! {
        #[test]
        fn one_value_each_is_the_mean_per_user(figures in prop::collection::vec(-100.0..100.0_f64, 2..40)) {
            let plain = sums(&figures);
            let users = real(plain.users);
            let each = ValueSums {
                users: plain.users,
                sum: plain.sum,
                sum_squared: plain.sum_squared,
                values: plain.users,
                values_squared: users,
                sum_values: plain.sum,
            };
            let (a, b) = (Mean::per_user(&plain).unwrap(), Mean::per_value(&each).unwrap());
            prop_assert!((a.value() - b.value()).abs() < 1e-12);
            prop_assert!((a.standard_error() - b.standard_error()).abs() < 1e-9);
        }

        #[test]
        fn hostile_sums_never_give_what_is_not_a_number(sum in any::<f64>(), sum_squared in any::<f64>(), users in 0_u64..5) {
            let Some(mean) = Mean::per_user(&Sums { users, sum, sum_squared }) else { return Ok(()) };
            let other = Mean::per_user(&sums(&[1.0, 2.0, 4.0])).unwrap();
            let (there, back) = (mean.against(&other, Confidence::DEFAULT), other.against(&mean, Confidence::DEFAULT));
            for comparison in [there, back].into_iter().flatten() {
                prop_assert!(comparison.interval.is_finite() && (0.0..=1.0).contains(&comparison.p_value));
                prop_assert!(comparison.lift.is_none_or(f64::is_finite));
            }
        }
    }

    #[test]
    fn without_variance_there_is_no_test() {
        let still = Mean::per_user(&sums(&[3.0, 3.0, 3.0])).unwrap();
        assert!(still.against(&still, Confidence::DEFAULT).is_none());
        assert!(Mean::per_user(&sums(&[3.0])).is_none());
        assert!(Mean::per_user(&Sums { users: 2, sum: f64::NAN, sum_squared: 1.0 }).is_none());
    }

    #[test]
    fn an_increase_from_a_negative_control_is_a_positive_lift() {
        let (old, new) = (Mean::per_user(&sums(&[-2.0, -4.0])).unwrap(), Mean::per_user(&sums(&[-1.0, -2.0])).unwrap());
        assert!((old.against(&new, Confidence::DEFAULT).unwrap().lift.unwrap() - 0.5).abs() < 1e-12);
    }
}
