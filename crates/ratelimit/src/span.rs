//! Lengths of time that are no whole number of microseconds.

use std::time::Duration;

/// The longest span that any quota may ask for: 2^52 microseconds, some 142 years. A moment of this century plus such a span is below
/// 2^53, up to where a double, the only number that scripts in Redis have, tells integers apart.
pub(crate) const LONGEST_US: u64 = 1 << 52;

/// `us + part / d` microseconds, where `d` is the number of fractions of the quota that the span belongs to, and `part < d`.
///
/// Spans compare as the lengths that they are, as long as they are of one quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    pub(crate) us: u64,
    pub(crate) part: u32,
}

impl Span {
    pub(crate) const ZERO: Self = Self { us: 0, part: 0 };

    /// Whole microseconds.
    #[inline]
    pub(crate) const fn of_us(us: u64) -> Self {
        Self { us, part: 0 }
    }

    /// The sum, where a microsecond has so many fractions.
    #[must_use]
    #[inline]
    pub(crate) fn plus(self, other: Self, fractions: u32) -> Self {
        let part = u64::from(self.part) + u64::from(other.part);
        let carry = part >= u64::from(fractions);
        let part = if carry { part - u64::from(fractions) } else { part };
        Self {
            us: self.us.saturating_add(other.us).saturating_add(carry.into()),
            part: u32::try_from(part).unwrap_or_default(), // below `fractions`
        }
    }

    /// What is left after `other`, nothing at the least.
    #[must_use]
    #[inline]
    pub(crate) fn minus(self, other: Self, fractions: u32) -> Self {
        if self <= other {
            return Self::ZERO;
        }
        let borrow = self.part < other.part;
        let part = u64::from(self.part) + if borrow { fractions.into() } else { 0 } - u64::from(other.part);
        Self { us: self.us - other.us - u64::from(borrow), part: u32::try_from(part).unwrap_or_default() }
    }

    /// Rounded up to whole microseconds.
    #[inline]
    pub(crate) const fn ceil_us(self) -> u64 {
        self.us.saturating_add((self.part > 0) as u64)
    }

    /// Rounded up to whole microseconds.
    #[inline]
    pub(crate) const fn ceil(self) -> Duration {
        Duration::from_micros(self.ceil_us())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(span: Span, fractions: u32) -> u128 {
        u128::from(span.us) * u128::from(fractions) + u128::from(span.part)
    }

    proptest! {
        #[test]
        fn sums_and_differences_are_exact(
            fractions in 1..=1_u32 << 31,
            a_us in 0..=1_u64 << 53, b_us in 0..=1_u64 << 53, a_part: u32, b_part: u32,
        ) {
            let a = Span { us: a_us, part: a_part % fractions };
            let b = Span { us: b_us, part: b_part % fractions };
            let sum = a.plus(b, fractions);
            prop_assert!(sum.part < fractions);
            prop_assert_eq!(total(sum, fractions), total(a, fractions) + total(b, fractions));
            let difference = a.minus(b, fractions);
            prop_assert!(difference.part < fractions);
            prop_assert_eq!(total(difference, fractions), total(a, fractions).saturating_sub(total(b, fractions)));
            prop_assert_eq!(a.cmp(&b), total(a, fractions).cmp(&total(b, fractions)));
            prop_assert_eq!(u128::from(a.ceil_us()), total(a, fractions).div_ceil(fractions.into()));
        }
    }
}
