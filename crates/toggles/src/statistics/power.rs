//! How many users a test needs, and what a test with the users at hand can find.

use super::count::real;
use super::{Confidence, normal};

/// The chance to find an effect that is there, when nothing else is said.
pub const USUAL_POWER: f64 = 0.8;

/// Users per variation that a two-sided test of two proportions needs to find a relative `effect` on a `baseline` rate with
/// chance `power`.
///
/// `n = 2 P (1 - P) (z(1 - alpha/2) + z(power))² / (p2 - p1)²` with `p2 = baseline (1 + effect)` and `P` the mean of both: the
/// usual formula with pooled variance (J. L. Fleiss, *Statistical Methods for Rates and Proportions*, §3.2, simplified). The
/// power takes the one-sided quantile. A negative effect is a decrease.
///
/// `None` unless `baseline`, `power` and the changed rate lie between 0 and 1 exclusive, and the effect is not zero.
pub fn required_sample_size(baseline: f64, effect: f64, confidence: Confidence, power: f64) -> Option<u64> {
    let (pooled, change) = change(baseline, effect)?;
    if !is_inside(power) {
        return None;
    }
    let quantiles = confidence.critical() + normal::quantile(power);
    if quantiles <= 0.0 {
        // So little power is there without any user.
        return Some(1);
    }
    let users = (2.0 * pooled * (1.0 - pooled) * (quantiles / change).powi(2)).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and the cast saturates")]
    (users.is_finite()).then_some((users as u64).max(1))
}

/// The chance that a two-sided test of two proportions with that many users finds a relative `effect` on a `baseline` rate: the
/// inverse of [`required_sample_size`]. `None` where that is undefined, and without users.
pub fn achieved_power(baseline: f64, effect: f64, confidence: Confidence, control: u64, treatment: u64) -> Option<f64> {
    let (pooled, change) = change(baseline, effect)?;
    if control == 0 || treatment == 0 {
        return None;
    }
    let error = (pooled * (1.0 - pooled) * (1.0 / real(control) + 1.0 / real(treatment))).sqrt();
    Some(normal::cdf(change.abs() / error - confidence.critical()))
}

/// The mean of both rates, and how far they are apart.
fn change(baseline: f64, effect: f64) -> Option<(f64, f64)> {
    let changed = baseline * (1.0 + effect);
    let difference = changed - baseline;
    (is_inside(baseline) && is_inside(changed) && difference.abs() > 0.0)
        .then_some((f64::midpoint(baseline, changed), difference))
}

fn is_inside(share: f64) -> bool {
    share > 0.0 && share < 1.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn impossible_questions_have_no_answer() {
        let size = |baseline, effect, power| required_sample_size(baseline, effect, Confidence::DEFAULT, power);
        assert_eq!(size(0.0, 0.1, 0.8), None);
        assert_eq!(size(0.9, 5.0, 0.8), None);
        assert_eq!(size(0.1, 0.0, 0.8), None);
        assert_eq!(size(0.1, -1.0, 0.8), None);
        assert_eq!(size(0.1, 0.1, 1.0), None);
        assert_eq!(size(f64::NAN, 0.1, 0.8), None);
        assert_eq!(achieved_power(0.1, 0.1, Confidence::DEFAULT, 0, 10), None);
    }

    proptest! {
        #[test]
        fn the_required_users_reach_the_power_and_one_fewer_does_not(
            baseline in 0.01..0.5_f64, effect in 0.02..0.9_f64, power in 0.2..0.99_f64, level in 0.8..0.99_f64,
        ) {
            let confidence = Confidence::new(level).unwrap();
            let users = required_sample_size(baseline, effect, confidence, power).unwrap();
            let reached = |users| achieved_power(baseline, effect, confidence, users, users).unwrap();
            prop_assert!(reached(users) >= power - 1e-9);
            prop_assert!(users == 1 || reached(users - 1) < power + 1e-9);
        }
    }
}
