//! How many there may be of something.

use std::fmt;
use std::num::NonZeroU64;

/// The most of something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Limit {
    /// As many as there may be.
    #[default]
    Unlimited,
    /// No more than this.
    AtMost(NonZeroU64),
}

impl Limit {
    /// From a number; `None` when it is zero.
    pub const fn of(most: u64) -> Option<Self> {
        match NonZeroU64::new(most) {
            Some(most) => Some(Self::AtMost(most)),
            None => None,
        }
    }

    /// The number; `None` when there is none.
    pub const fn get(self) -> Option<u64> {
        match self {
            Self::Unlimited => None,
            Self::AtMost(most) => Some(most.get()),
        }
    }

    /// Whether one more may join `count` that are there.
    pub const fn has_room(self, count: u64) -> bool {
        match self {
            Self::Unlimited => true,
            Self::AtMost(most) => count < most.get(),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str("unlimited"),
            Self::AtMost(most) => most.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn there_is_room_below_a_limit_only(most: u64, count: u64) {
            let limit = Limit::of(most).unwrap_or_default();
            prop_assert_eq!(limit.has_room(count), limit.get().is_none_or(|most| count < most));
        }
    }

    #[test]
    fn a_limit_is_a_number_above_zero() {
        assert_eq!(Limit::of(0), None);
        assert_eq!(Limit::of(7).unwrap().to_string(), "7");
        assert_eq!(Limit::default().to_string(), "unlimited");
        assert!(Limit::Unlimited.has_room(u64::MAX));
    }
}
