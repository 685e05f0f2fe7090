//! A treatment against the control.

use super::{Confidence, Interval};
use crate::SuccessDirection;

/// How a treatment differs from the control. Every bound and value is a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Treatment minus control.
    pub difference: f64,
    /// Of the difference: Newcombe's for proportions, Welch's for means. For this comparison alone, not adjusted for others.
    pub interval: Interval,
    /// The difference relative to the control; `None` when the control is zero.
    pub lift: Option<f64>,
    /// Of the lift: by the logarithm of the ratio for proportions (Katz), by the delta method for means. `None` when undefined.
    pub lift_interval: Option<Interval>,
    /// The test statistic: z for proportions, t for means.
    pub statistic: f64,
    /// Two-sided.
    pub p_value: f64,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The treatment is better than the control, with the asked confidence.
    Winner,
    /// The treatment is worse than the control, with the asked confidence.
    Loser,
    /// Neither can be said.
    Inconclusive,
    /// Too few users for any statement.
    NotEnoughData,
}

impl Verdict {
    /// The words for programs, each with its verdict.
    pub const WORDS: [(&'static str, Self); 4] = [
        ("winner", Self::Winner),
        ("loser", Self::Loser),
        ("inconclusive", Self::Inconclusive),
        ("notEnoughData", Self::NotEnoughData),
    ];

    /// Its word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Winner => "winner",
            Self::Loser => "loser",
            Self::Inconclusive => "inconclusive",
            Self::NotEnoughData => "notEnoughData",
        }
    }

    /// What a difference with that (adjusted) p-value says, when there is enough data and `direction` is good.
    pub fn of(difference: f64, p_value: f64, confidence: Confidence, direction: SuccessDirection) -> Self {
        let significant = p_value < confidence.alpha();
        let better = match direction {
            SuccessDirection::Increase => difference > 0.0,
            SuccessDirection::Decrease => difference < 0.0,
        };
        match (significant, better) {
            (true, true) => Self::Winner,
            (true, false) => Self::Loser,
            (false, _) => Self::Inconclusive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_never_wins() {
        let of = |difference, direction| Verdict::of(difference, 0.001, Confidence::DEFAULT, direction);
        assert_eq!(of(0.1, SuccessDirection::Increase), Verdict::Winner);
        assert_eq!(of(-0.1, SuccessDirection::Increase), Verdict::Loser);
        assert_eq!(of(-0.1, SuccessDirection::Decrease), Verdict::Winner);
        assert_eq!(of(0.1, SuccessDirection::Decrease), Verdict::Loser);
    }

    #[test]
    fn what_is_not_significant_is_inconclusive() {
        assert_eq!(Verdict::of(0.1, 0.2, Confidence::DEFAULT, SuccessDirection::Increase), Verdict::Inconclusive);
        assert_eq!(Verdict::of(0.1, f64::NAN, Confidence::DEFAULT, SuccessDirection::Increase), Verdict::Inconclusive);
    }

    #[test]
    fn words_are_those_of_the_table() {
        assert!(Verdict::WORDS.iter().all(|(word, verdict)| verdict.as_str() == *word));
    }
}
