//! Amounts in minor units: proration, decimal unit amounts, tiers. Integers throughout.

/// A decimal unit amount has at most twelve places, as Stripe allows.
const SCALE: i128 = 1_000_000_000_000;

/// A price per unit in minor units, exact to twelve decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnitAmount(i128);

impl UnitAmount {
    pub(crate) fn whole(amount: i64) -> Self {
        Self(i128::from(amount) * SCALE)
    }

    /// `0.05` is a twentieth of a cent.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 12 || whole.len() > 15 || !digits(whole) || !digits(fraction) {
            return None;
        }
        let fraction = format!("{fraction:0<12}");
        Some(Self(whole.parse::<i128>().ok()? * SCALE + fraction.parse::<i128>().ok()?))
    }

    /// The amount when it is whole.
    pub(crate) fn as_whole(self) -> Option<i64> {
        (self.0 % SCALE == 0).then(|| i64::try_from(self.0 / SCALE).ok()).flatten()
    }

    /// Without zeros at the end.
    pub(crate) fn text(self) -> String {
        let (whole, fraction) = (self.0 / SCALE, self.0 % SCALE);
        if fraction == 0 {
            return whole.to_string();
        }
        format!("{whole}.{fraction:012}").trim_end_matches('0').to_owned()
    }

    /// `quantity` units, rounded half away from zero.
    pub(crate) fn times(self, quantity: i64) -> i64 {
        divide(self.0 * i128::from(quantity), SCALE)
    }
}

/// One step of a tiered price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tier {
    /// The last unit of the tier; none for the rest.
    pub(crate) up_to: Option<i64>,
    pub(crate) unit_amount: UnitAmount,
    pub(crate) flat_amount: i64,
}

/// Every unit at the price of the tier it falls into; rounded once, at the end. A tier's flat amount is due once it is entered.
pub(crate) fn graduated(tiers: &[Tier], quantity: i64) -> i64 {
    let mut below = 0;
    let mut total = 0;
    for tier in tiers {
        let until = tier.up_to.map_or(quantity, |up_to| up_to.min(quantity));
        let inside = until - below;
        if inside > 0 {
            total += tier.unit_amount.0 * i128::from(inside) + i128::from(tier.flat_amount) * SCALE;
            below = until;
        }
    }
    divide(total, SCALE)
}

/// All units at the price of the tier that the last one falls into.
pub(crate) fn volume(tiers: &[Tier], quantity: i64) -> i64 {
    let tier = tiers.iter().find(|tier| tier.up_to.is_none_or(|up_to| quantity <= up_to));
    tier.map_or(0, |tier| divide(tier.unit_amount.0 * i128::from(quantity) + i128::from(tier.flat_amount) * SCALE, SCALE))
}

/// What `left` of `whole` seconds are worth, rounded half away from zero.
pub(crate) fn prorate(amount: i64, left: i64, whole: i64) -> i64 {
    if whole <= 0 { 0 } else { divide(i128::from(amount) * i128::from(left), i128::from(whole)) }
}

/// Half away from zero.
fn divide(numerator: i128, denominator: i128) -> i64 {
    let half = denominator / 2;
    let rounded = if numerator < 0 { (numerator - half) / denominator } else { (numerator + half) / denominator };
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_period_is_half_the_price() {
        assert_eq!(prorate(1_000, 15, 30), 500);
        assert_eq!(prorate(-1_000, 15, 30), -500);
        assert_eq!(prorate(1, 1, 2), 1);
        assert_eq!(prorate(-1, 1, 2), -1);
        assert_eq!(prorate(1, 1, 3), 0);
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(UnitAmount::parse("0.05").unwrap().times(1_010), 51);
        assert_eq!(UnitAmount::parse("0.05").unwrap().times(1_009), 50);
        assert_eq!(UnitAmount::parse("12.50").unwrap().text(), "12.5");
        assert_eq!(UnitAmount::parse("12").unwrap().as_whole(), Some(12));
        for wrong in ["", "-1", "1.", "1e3", ".5", "0.1234567890123"] {
            assert_eq!(UnitAmount::parse(wrong).is_some(), wrong == "1.", "{wrong}");
        }
    }

    #[test]
    fn a_first_tier_may_be_free() {
        let tiers = [
            Tier { up_to: Some(1_000), unit_amount: UnitAmount::whole(0), flat_amount: 0 },
            Tier { up_to: None, unit_amount: UnitAmount::parse("0.5").unwrap(), flat_amount: 0 },
        ];
        assert_eq!(graduated(&tiers, 1_000), 0);
        assert_eq!(graduated(&tiers, 1_001), 1);
        assert_eq!(graduated(&tiers, 3_000), 1_000);
        assert_eq!(volume(&tiers, 3_000), 1_500);
    }

    proptest! {
        #[test]
        fn what_is_used_and_what_is_left_differ_from_the_whole_by_a_unit_at_most(amount in 0..1_000_000_i64, whole in 1..40_000_000_i64, part in 0..=1_000_i64) {
            let left = whole * part / 1_000;
            let sum = prorate(amount, left, whole) + prorate(amount, whole - left, whole);
            prop_assert!((sum - amount).abs() <= 1);
        }

        #[test]
        fn the_same_price_both_ways_costs_nothing(amount in 0..1_000_000_i64, whole in 1..40_000_000_i64, left in 0..40_000_000_i64) {
            prop_assert_eq!(prorate(-amount, left.min(whole), whole) + prorate(amount, left.min(whole), whole), 0);
        }
    }
}
