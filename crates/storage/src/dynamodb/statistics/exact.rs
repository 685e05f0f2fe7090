//! Sums of floating-point numbers that DynamoDB can add up.
//!
//! An `ADD` of DynamoDB works in 38 decimal digits: `1e100 + 1` does not fit, and a batch whose addition does not fit could never be
//! recorded. So a number is cut into whole digits to the base 2^64, each an attribute of its own that is added to. Such sums are
//! exact, whatever their order, and need neither to be read nor to be conditional. (The idea is Kulisch's long accumulator.)

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bits of a digit.
const BITS: i32 = 64;
const BASE: i128 = 1 << BITS;

/// A sum. The digit at `n` counts units of 2^(64 n); it may be negative, and larger than the base: nothing is carried over before the
/// sum is read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Exact(#[serde(with = "super::journal::whole_numbers")] BTreeMap<i8, i128>);

impl Exact {
    /// Adds a number. What is not finite counts as nothing.
    pub(super) fn add(&mut self, number: f64) {
        let Some((negative, mantissa, exponent)) = parts(number) else { return };
        let place = i8::try_from(exponent.div_euclid(BITS)).unwrap_or(0);
        // At most 53 + 63 bits.
        let wide = i128::from(mantissa) << exponent.rem_euclid(BITS);
        for (place, digit) in [(place, wide % BASE), (place + 1, wide / BASE)] {
            if digit != 0 {
                self.add_digit(place, if negative { -digit } else { digit });
            }
        }
    }

    /// Adds to a digit.
    pub(super) fn add_digit(&mut self, place: i8, digit: i128) {
        let sum = self.0.entry(place).or_default();
        *sum = sum.saturating_add(digit);
    }

    /// Adds another sum.
    pub(super) fn merge(&mut self, other: &Self) {
        other.digits().for_each(|(place, digit)| self.add_digit(place, digit));
    }

    /// The digits that are not zero, with their places.
    pub(super) fn digits(&self) -> impl Iterator<Item = (i8, i128)> {
        self.0.iter().map(|(place, digit)| (*place, *digit)).filter(|(_, digit)| *digit != 0)
    }

    /// The sum, rounded once.
    pub(super) fn value(&self) -> f64 {
        match self.magnitude(1) {
            Some(magnitude) => magnitude,
            None => self.magnitude(-1).map_or(0.0, |magnitude| -magnitude),
        }
    }

    /// The value of the sum times `sign`; `None` when that is negative.
    fn magnitude(&self, sign: i128) -> Option<f64> {
        let (Some((lowest, _)), Some((highest, _))) = (self.0.first_key_value(), self.0.last_key_value()) else {
            return Some(0.0);
        };
        let mut carry = 0_i128;
        let mut digits = Vec::new();
        // Two places more: no carry is larger than they can take.
        for place in *lowest..=*highest + 2 {
            let sum = sign * self.0.get(&place).copied().unwrap_or(0) + carry;
            digits.push(sum.rem_euclid(BASE).cast_unsigned());
            carry = sum.div_euclid(BASE);
        }
        if carry < 0 {
            return None;
        }
        let top = digits.iter().rposition(|digit| *digit != 0).unwrap_or(0);
        let below = top.checked_sub(1);
        // The two highest digits have at least 65 bits, more than a float keeps: of the rest only counts whether there is any.
        let rest = digits[..below.unwrap_or(0)].iter().any(|digit| *digit != 0);
        let leading = (digits[top] << BITS) | below.map_or(0, |below| digits[below]) | u128::from(rest);
        let exponent = BITS * (i32::from(*lowest) + i32::try_from(top).unwrap_or(0) - 1);
        Some(scaled(leading, exponent))
    }
}

/// Sign, mantissa and exponent of a finite number that is not zero.
fn parts(number: f64) -> Option<(bool, u64, i32)> {
    if !number.is_finite() || number == 0.0 {
        return None;
    }
    let bits = number.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let (mantissa, exponent) = match i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0) {
        0 => (fraction, -1074),
        exponent => (fraction | (1 << 52), exponent - 1075),
    };
    Some((number.is_sign_negative(), mantissa, exponent))
}

/// `number` times 2 to the power of `exponent`.
#[expect(clippy::cast_precision_loss, reason = "this is where the sum is rounded")]
fn scaled(number: u128, exponent: i32) -> f64 {
    // In two steps: 2^-1088 alone is not a number any more.
    let half = exponent / 2;
    number as f64 * power_of_two(half) * power_of_two(exponent - half)
}

/// 2 to the power of `exponent`, which is between -1022 and 1023.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(u64::try_from(exponent + 1023).unwrap_or(0) << 52)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these sums are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(numbers: impl IntoIterator<Item = f64>) -> Exact {
        let mut sum = Exact::default();
        numbers.into_iter().for_each(|number| sum.add(number));
        sum
    }

    proptest! {
        #[test]
        fn a_number_reads_back(number in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO) {
            let number = if number.abs() > 1e145 { number * 1e-200 } else { number };
            prop_assert_eq!(sum([number]).value(), number);
        }

        #[test]
        fn order_and_grouping_make_no_difference(numbers in proptest::collection::vec(-1e145..1e145_f64, 0..20), cut in 0..20_usize) {
            let all = sum(numbers.iter().copied());
            prop_assert_eq!(&sum(numbers.iter().rev().copied()), &all);
            let (first, second) = numbers.split_at(cut.min(numbers.len()));
            let mut merged = sum(first.iter().copied());
            merged.merge(&sum(second.iter().copied()));
            prop_assert_eq!(merged.value(), all.value());
        }

        #[test]
        fn what_is_taken_away_again_leaves_the_rest(large in -1e145..1e145_f64, small in -1e-9..1e-9_f64) {
            prop_assert_eq!(sum([large, small, -large]).value(), small);
        }

        #[test]
        fn whole_numbers_add_up(numbers in proptest::collection::vec(-(1_i64 << 40)..1 << 40, 0..50)) {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let (floats, expected) = (numbers.iter().map(|n| *n as f64), numbers.iter().sum::<i64>() as f64);
            prop_assert_eq!(sum(floats).value(), expected);
        }
    }

    #[test]
    fn sums_are_rounded_once() {
        // A float of 2^53 forgets each of these ones.
        let ones = std::iter::repeat_n(1.0, 1000);
        assert_eq!(sum([9_007_199_254_740_992.0].into_iter().chain(ones)).value(), 9_007_199_254_741_992.0);
        assert_eq!(sum([0.1; 10]).value(), 1.0);
        assert_eq!(sum([1e100, 1.0, -1e100]).value(), 1.0);
        assert_eq!(sum([f64::NAN, f64::INFINITY, 2.5]).value(), 2.5);
        assert_eq!(sum([]).value(), 0.0);
    }

    #[test]
    fn digits_stay_far_below_what_dynamodb_holds() {
        let sum = sum(std::iter::repeat_n(1e145, 1000));
        assert!(sum.digits().all(|(_, digit)| digit.abs() < 10_i128.pow(23)));
    }
}
