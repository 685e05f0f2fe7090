//! How sure to be, and between which bounds a figure then lies.

use super::normal;

/// A two-sided confidence level, between 0 and 1 exclusive.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// 95 %.
    pub const DEFAULT: Self = Self(0.95);

    /// `level` as it is; `None` unless it lies between 0 and 1 exclusive.
    pub fn new(level: f64) -> Option<Self> {
        (level > 0.0 && level < 1.0).then_some(Self(level))
    }

    /// The level.
    pub const fn level(self) -> f64 {
        self.0
    }

    /// The chance of a false alarm that is accepted: `1 - level`.
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }

    /// The two-sided critical value of the normal distribution: 1.95996… at 95 %.
    pub fn critical(self) -> f64 {
        -normal::quantile(self.alpha() / 2.0)
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bounds of a figure, both of them within.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    pub(super) const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    /// Whether both bounds are numbers.
    pub(super) const fn is_finite(self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }

    /// Whether `value` lies within.
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_lies_between_0_and_1() {
        assert!(Confidence::new(0.0).is_none());
        assert!(Confidence::new(1.0).is_none());
        assert!(Confidence::new(f64::NAN).is_none());
        assert!((Confidence::DEFAULT.critical() - 1.959_963_984_540_054).abs() < 1e-14);
    }
}
