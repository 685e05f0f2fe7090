//! The figures that today's clients read, as the original computes them.
//!
//! They are kept because clients show them; each has a better one beside it, which is what decisions should rest on:
//!
//! - [`significance`] is per event; its interval is that of the treatment's own rate, of width zero at 0 % and 100 %; a rate
//!   above 1 gives NaN, and a control without conversions a lift of 0. Better:
//!   [`Proportion::against`](super::Proportion::against).
//! - [`several`] does not correct for several comparisons. Better: [`holm`](super::holm()).
//! - [`sample_ratio_mismatch`] counts a variation planned at zero as a degree of freedom. Better: [`Srm::check`].
//! - [`required_sample_size`] puts the power through the two-sided quantile, which makes a third too many users. Better: the
//!   [function of that name](super::required_sample_size()) beside this module.

use super::Srm;
use super::count::real;

/// A variation's counts. Fractions and negative numbers go through as they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    /// Exposures, or users.
    pub participants: f64,
    /// Conversions.
    pub conversions: f64,
}

/// A treatment against the control. Any figure may be NaN when there are more conversions than participants; JSON shows `null`
/// then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Significance {
    /// Two-sided.
    pub p_value: f64,
    /// Whether the p-value is below one minus the confidence level.
    pub is_significant: bool,
    /// The test statistic.
    pub z_score: f64,
    /// Wald's interval of the treatment's rate: low, high.
    pub confidence_interval: [f64; 2],
    /// Of the rate; 0 when the control has no conversions.
    pub relative_lift: f64,
    /// Conversions per participant.
    pub control_conversion_rate: f64,
    /// Conversions per participant.
    pub treatment_conversion_rate: f64,
}

/// The pooled two-proportion z-test.
pub fn significance(control: Counts, treatment: Counts, confidence_level: f64) -> Significance {
    if is_zero(control.participants) || is_zero(treatment.participants) {
        return Significance {
            p_value: 1.0,
            is_significant: false,
            z_score: 0.0,
            confidence_interval: [0.0, 0.0],
            relative_lift: 0.0,
            control_conversion_rate: 0.0,
            treatment_conversion_rate: 0.0,
        };
    }
    let old = control.conversions / control.participants;
    let new = treatment.conversions / treatment.participants;
    let pooled = (old * control.participants + new * treatment.participants) / (control.participants + treatment.participants);
    let error = (pooled * (1.0 - pooled) * (1.0 / control.participants + 1.0 / treatment.participants)).sqrt();
    let z_score = if is_zero(error) { 0.0 } else { (new - old) / error };
    let p_value = 2.0 * (1.0 - normal_cdf(z_score.abs()));
    let reach = critical_value(confidence_level) * (new * (1.0 - new) / treatment.participants).sqrt();
    Significance {
        p_value,
        is_significant: p_value < 1.0 - confidence_level,
        z_score,
        // `clamp` lets NaN through.
        confidence_interval: [(new - reach).clamp(0.0, 1.0), (new + reach).clamp(0.0, 1.0)],
        relative_lift: if old > 0.0 { (new - old) / old } else { 0.0 },
        control_conversion_rate: old,
        treatment_conversion_rate: new,
    }
}

/// Each treatment against the control, at the same level, keyed by variation in the order of first mention; of a key that is
/// mentioned twice the last counts.
pub fn several<K: PartialEq>(
    control: Counts,
    treatments: impl IntoIterator<Item = (K, Counts)>,
    confidence_level: f64,
) -> Vec<(K, Significance)> {
    let mut results: Vec<(K, Significance)> = Vec::new();
    for (key, counts) in treatments {
        let result = significance(control, counts, confidence_level);
        match results.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => entry.1 = result,
            None => results.push((key, result)),
        }
    }
    results
}

/// The distribution function of the normal distribution by an approximation of the error function: M. Abramowitz, I. Stegun,
/// *Handbook of Mathematical Functions*, 7.1.26. Off by up to 1e-7; 0.5000000005 at zero.
pub fn normal_cdf(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [0.254_829_592, -0.284_496_736, 1.421_413_741, -1.453_152_027, 1.061_405_429];
    let size = x.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let polynomial = COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let erf = 1.0 - polynomial * (-size * size).exp();
    if x < 0.0 { 0.5 * (1.0 - erf) } else { 0.5 * (1.0 + erf) }
}

/// The two-sided critical value: rounded ones for 90, 95 and 99 %, otherwise by S. Winitzki's approximation of the inverse error
/// function (*A handy approximation for the error function and its inverse*, 2008) with a = 0.147.
pub fn critical_value(confidence_level: f64) -> f64 {
    const A: f64 = 0.147;
    const ROUNDED: [(f64, f64); 3] = [(0.9, 1.645), (0.95, 1.96), (0.99, 2.576)];
    if let Some((_, value)) = ROUNDED.iter().find(|(level, _)| level.to_bits() == confidence_level.to_bits()) {
        return *value;
    }
    let log = (1.0 - confidence_level * confidence_level).ln();
    let term = 2.0 / (std::f64::consts::PI * A) + log / 2.0;
    let inverse = ((term * term - log / A).sqrt() - term).sqrt();
    std::f64::consts::SQRT_2 * if confidence_level < 0.0 { -inverse } else { inverse }
}

/// The check of the split, with every variation as a degree of freedom. `None` when the lengths differ or the ratios do not make
/// 1 ± 0.001.
pub fn sample_ratio_mismatch(counts: &[u64], ratios: &[f64], threshold: f64) -> Option<Srm> {
    let total = counts.iter().map(|count| real(*count)).sum();
    Srm::with(counts, ratios, total, counts.len(), threshold)
}

/// Users per variation. `None` when the baseline, level or power do not lie between 0 and 1 or the effect is not positive; NaN
/// goes through. Negative when the changed rate is far above 1.
pub fn required_sample_size(baseline: f64, effect: f64, confidence_level: f64, power: f64) -> Option<f64> {
    let is_outside = |share: f64| share <= 0.0 || share >= 1.0;
    if is_outside(baseline) || effect <= 0.0 || is_outside(confidence_level) || is_outside(power) {
        return None;
    }
    let changed = baseline * (1.0 + effect);
    let pooled = f64::midpoint(baseline, changed);
    let quantiles = critical_value(confidence_level) + critical_value(power);
    Some((2.0 * pooled * (1.0 - pooled) * quantiles.powi(2) / (changed - baseline).powi(2)).ceil())
}

/// As the original asks: not about, but exactly.
fn is_zero(x: f64) -> bool {
    x == 0.0
}
