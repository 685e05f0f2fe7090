//! Sample ratio mismatch: whether the variations got the users that they should have got.

use std::fmt;

use super::count::real;
use super::gamma;

/// Below this p-value the split is taken to be broken.
const THRESHOLD: f64 = 0.01;
/// How far the sum of the ratios may be from 1.
const TOLERANCE: f64 = 0.001;

/// How bad a mismatch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing to see: p is at least 0.1.
    None,
    /// p is at least 0.01.
    Warning,
    /// p is at least 0.001.
    Serious,
    /// Below that.
    Critical,
}

impl Severity {
    /// What a p-value means. What is not a number is critical.
    pub fn of(p_value: f64) -> Self {
        if p_value >= 0.1 {
            Self::None
        } else if p_value >= 0.01 {
            Self::Warning
        } else if p_value >= 0.001 {
            Self::Serious
        } else {
            Self::Critical
        }
    }

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Warning => "Warning",
            Self::Serious => "Serious",
            Self::Critical => "Critical",
        }
    }
}

/// Why the figures of a [`Srm`] need a second look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SrmWarning {
    /// Nobody has taken part yet.
    NoParticipants,
    /// The split is not the planned one.
    Mismatch,
}

impl fmt::Display for SrmWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoParticipants => "Nobody has taken part yet, so the split cannot be checked.",
            Self::Mismatch => {
                "The users are not split as planned. Look for a cause (redirects, bots, lost events) before trusting the results."
            }
        })
    }
}

/// A check of the split.
#[derive(Clone, Debug, PartialEq)]
pub struct Srm {
    /// Whether the split is taken to be broken.
    pub has_mismatch: bool,
    /// Of Pearson's chi-square test.
    pub p_value: f64,
    /// The test's statistic.
    pub chi_squared: f64,
    /// What share each variation should have, in the order given.
    pub expected_ratios: Vec<f64>,
    /// What share each variation has, in the same order. Zeros when nobody has taken part.
    pub observed_ratios: Vec<f64>,
    /// What to tell people, if anything.
    pub warning: Option<SrmWarning>,
    /// What the p-value means.
    pub severity: Severity,
}

impl Srm {
    /// Checks counts of users against planned ratios, variation by variation. A variation without users counts with zero; one
    /// whose ratio is zero is not part of the test, neither with its users nor as a degree of freedom.
    ///
    /// `None` when the lengths differ, a ratio is negative or not a number, or the ratios do not make 1 ± 0.001.
    pub fn check(counts: &[u64], ratios: &[f64]) -> Option<Self> {
        if ratios.iter().any(|ratio| ratio.is_nan() || *ratio < 0.0) {
            return None;
        }
        let planned = || counts.iter().zip(ratios).filter(|(_, ratio)| **ratio > 0.0);
        let tested = planned().map(|(count, _)| real(*count)).sum();
        Self::with(counts, ratios, tested, planned().count(), THRESHOLD)
    }

    /// The test itself: `total` users were to be split over `arms` variations.
    pub(super) fn with(counts: &[u64], ratios: &[f64], total: f64, arms: usize, threshold: f64) -> Option<Self> {
        // A sum that is not a number passes, as it does in the original; `check` refuses it before.
        let off = (ratios.iter().sum::<f64>() - 1.0).abs() > TOLERANCE;
        if counts.len() != ratios.len() || off {
            return None;
        }
        let all: f64 = counts.iter().map(|count| real(*count)).sum();
        let observed_ratios = counts.iter().map(|count| if all > 0.0 { real(*count) / all } else { 0.0 }).collect();
        let nobody = total <= 0.0;
        let (chi_squared, p_value) = if nobody {
            (0.0, 1.0)
        } else {
            let chi_squared = counts.iter().zip(ratios).map(|(count, ratio)| deviation(real(*count), ratio * total)).sum();
            let degrees = u32::try_from(arms.saturating_sub(1)).unwrap_or(u32::MAX);
            (chi_squared, gamma::chi_square_tail(chi_squared, degrees))
        };
        let has_mismatch = p_value < threshold;
        let warning = match (nobody, has_mismatch) {
            (true, _) => Some(SrmWarning::NoParticipants),
            (false, true) => Some(SrmWarning::Mismatch),
            (false, false) => None,
        };
        let expected_ratios = ratios.to_vec();
        let severity = Severity::of(p_value);
        Some(Self { has_mismatch, p_value, chi_squared, expected_ratios, observed_ratios, warning, severity })
    }
}

/// A variation's share of the statistic; none when nobody is expected.
fn deviation(observed: f64, expected: f64) -> f64 {
    if expected > 0.0 { (observed - expected).powi(2) / expected } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variation_without_any_user_is_the_worst_mismatch() {
        let srm = Srm::check(&[100, 0], &[0.5, 0.5]).unwrap();
        assert!(srm.has_mismatch && srm.severity == Severity::Critical);
        assert_eq!(srm.warning, Some(SrmWarning::Mismatch));
    }

    #[test]
    fn a_variation_planned_at_zero_is_not_part_of_the_test() {
        let (with, without) = (Srm::check(&[60, 40, 7], &[0.5, 0.5, 0.0]).unwrap(), Srm::check(&[60, 40], &[0.5, 0.5]).unwrap());
        assert_eq!(with.p_value.to_bits(), without.p_value.to_bits());
        assert_eq!(with.observed_ratios.len(), 3);
    }

    #[test]
    fn unusable_ratios_are_refused() {
        assert!(Srm::check(&[1, 2], &[1.0]).is_none());
        assert!(Srm::check(&[1, 2], &[0.5, 0.4]).is_none());
        assert!(Srm::check(&[1, 2], &[f64::NAN, 0.5]).is_none());
        assert!(Srm::check(&[1, 2], &[1.5, -0.5]).is_none());
        assert!(Srm::check(&[], &[]).is_none());
    }

    #[test]
    fn nobody_is_no_mismatch() {
        let srm = Srm::check(&[0, 0], &[0.5, 0.5]).unwrap();
        assert_eq!((srm.has_mismatch, srm.warning), (false, Some(SrmWarning::NoParticipants)));
        assert_eq!(srm.observed_ratios, [0.0, 0.0]);
    }
}
