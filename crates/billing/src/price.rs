//! What plans cost, and what is paid for usage beyond them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How often something is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interval {
    /// Each month.
    Monthly,
    /// Each year.
    Yearly,
}

impl Interval {
    /// Its word here and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    /// Of the payment service's word.
    pub fn of_stripe(word: &str) -> Option<Self> {
        match word {
            "month" => Some(Self::Monthly),
            "year" => Some(Self::Yearly),
            _ => None,
        }
    }

    /// The interval that a word of the wire stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Monthly, Self::Yearly].into_iter().find(|interval| interval.as_str() == word)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one unit costs, in the smallest unit of a currency and parts of it: exact to [`UnitPrice::DIGITS`] digits behind the point, which is
/// as many as the payment service takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitPrice(u64);

/// A text that is no price of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a price must be a decimal number of cents, with at most {} digits behind the point", UnitPrice::DIGITS)]
pub struct InvalidUnitPrice;

impl UnitPrice {
    /// Digits behind the point.
    pub const DIGITS: u32 = 12;
    const SCALE: u64 = 10_u64.pow(Self::DIGITS);

    /// Of so many whole cents; `None` when that is too much to be told.
    pub const fn whole(minor: u64) -> Option<Self> {
        match minor.checked_mul(Self::SCALE) {
            Some(scaled) => Some(Self(scaled)),
            None => None,
        }
    }

    /// Of a decimal number of cents, as `0.02`.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > Self::DIGITS as usize {
            return None;
        }
        let scaled: u64 = format!("{part:0<width$}", width = Self::DIGITS as usize).parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        whole.checked_mul(Self::SCALE)?.checked_add(scaled).map(Self)
    }

    /// What so many cost, in whole cents: multiplied exactly and then rounded once, to the nearest, a half up. So the bill for a period is
    /// rounded once and not with each hour; this is how the payment service bills a metered price of one unit.
    ///
    /// The largest number when it is more than that.
    pub fn times(self, quantity: u64) -> i64 {
        let exact = u128::from(self.0) * u128::from(quantity);
        let scale = u128::from(Self::SCALE);
        let rounded = exact / scale + u128::from(exact % scale >= scale / 2);
        i64::try_from(rounded).unwrap_or(i64::MAX)
    }
}

impl FromStr for UnitPrice {
    type Err = InvalidUnitPrice;

    fn from_str(text: &str) -> Result<Self, InvalidUnitPrice> {
        Self::parse(text).ok_or(InvalidUnitPrice)
    }
}

impl fmt::Display for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:0width$}", self.0 % Self::SCALE, width = Self::DIGITS as usize);
        match part.trim_end_matches('0') {
            "" => write!(f, "{}", self.0 / Self::SCALE),
            part => write!(f, "{}.{part}", self.0 / Self::SCALE),
        }
    }
}

impl fmt::Debug for UnitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitPrice({self})")
    }
}

/// A price by which a plan is sold, or was sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanPrice {
    /// The plan's name.
    pub plan: Box<str>,
    /// How often it is billed.
    pub interval: Interval,
    /// `price_…`.
    pub price: Box<str>,
}

/// Prices that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPrices {
    /// One price for two things.
    #[error("price {0} is named more than once")]
    Twice(Box<str>),
}

/// The prices of all plans. Of one plan and interval there may be several: the first is sold, the others are recognised, since who
/// bought by them keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceList {
    plans: Vec<PlanPrice>,
    /// By which usage beyond what a plan includes is billed.
    usage: Option<Box<str>>,
}

impl PriceList {
    /// Of these prices, the plans from the least to the most.
    ///
    /// # Errors
    /// [`InvalidPrices`].
    pub fn new(plans: Vec<PlanPrice>, usage: Option<Box<str>>) -> Result<Self, InvalidPrices> {
        let mut seen = std::collections::BTreeSet::new();
        for price in plans.iter().map(|plan| &plan.price).chain(&usage) {
            if !seen.insert(price.clone()) {
                return Err(InvalidPrices::Twice(price.clone()));
            }
        }
        Ok(Self { plans, usage })
    }

    /// By which price a plan is sold.
    pub fn sold(&self, plan: &str, interval: Interval) -> Option<&PlanPrice> {
        self.plans.iter().find(|price| &*price.plan == plan && price.interval == interval)
    }

    /// What a price stands for.
    pub fn plan_of(&self, price: &str) -> Option<&PlanPrice> {
        self.plans.iter().find(|plan| &*plan.price == price)
    }

    /// By which price usage beyond what plans include is billed; `None` when it is not.
    pub fn usage(&self) -> Option<&str> {
        self.usage.as_deref()
    }

    /// All prices of plans.
    pub fn plans(&self) -> &[PlanPrice] {
        &self.plans
    }

    /// Whether a plan is sold at all.
    pub fn sells(&self, plan: &str) -> bool {
        self.plans.iter().any(|price| &*price.plan == plan)
    }

    /// How a plan and interval stand among the others: more is more. By the place of the plan, then by interval.
    pub fn rank(&self, plan: &str, interval: Interval) -> Option<(usize, Interval)> {
        self.plans.iter().position(|price| &*price.plan == plan).map(|place| (place, interval))
    }
}

/// Usage of each hour beyond what a period includes: what is told to the payment service, hour by hour. In the order of time; what is
/// included is taken off the first hours. The sum is `max(0, usage - included)` to the unit.
///
/// ```
/// use togglebox_billing::overage_by_hour;
///
/// assert_eq!(overage_by_hour(&[50, 70, 10], 100), [0, 20, 10]);
/// ```
pub fn overage_by_hour(hours: &[u64], included: u64) -> Vec<u64> {
    let mut left = included;
    let beyond = hours.iter().map(|used| {
        let covered = (*used).min(left);
        left -= covered;
        used - covered
    });
    beyond.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_read_back_to_the_last_digit() {
        for (text, shown) in [("0.02", "0.02"), ("5", "5"), ("1.50", "1.5"), ("0.000000000001", "0.000000000001"), ("0", "0")] {
            assert_eq!(UnitPrice::parse(text).unwrap().to_string(), shown);
        }
        for bad in ["", ".", ".5", "5.", "-1", "1e3", "0.0000000000001", "1,5", " 1", "99999999999999999999"] {
            assert_eq!(bad.parse::<UnitPrice>(), Err(InvalidUnitPrice), "{bad}");
        }
    }

    #[test]
    fn a_half_is_rounded_up_and_only_once() {
        let price = UnitPrice::parse("0.5").unwrap();
        assert_eq!([price.times(1), price.times(2), price.times(3)], [1, 1, 2]);
        let price = UnitPrice::parse("0.02").unwrap();
        assert_eq!([price.times(24), price.times(25), price.times(1_000_000)], [0, 1, 20_000]);
        assert_eq!(UnitPrice::whole(1_000_000).unwrap().times(u64::MAX), i64::MAX);
    }

    #[test]
    fn a_price_stands_for_one_thing() {
        let price = |plan: &str, interval, price: &str| PlanPrice { plan: plan.into(), interval, price: price.into() };
        let (month, year) = (Interval::Monthly, Interval::Yearly);
        let all = vec![price("pro", month, "p1"), price("pro", month, "p0"), price("pro", year, "p2"), price("big", month, "b1")];
        let list = PriceList::new(all.clone(), Some("u".into())).unwrap();
        assert_eq!(&*list.sold("pro", month).unwrap().price, "p1");
        assert_eq!(list.sold("big", year), None);
        assert_eq!(&*list.plan_of("p0").unwrap().plan, "pro", "the old price is known still");
        assert!(list.rank("pro", year) > list.rank("pro", month) && list.rank("big", month) > list.rank("pro", year));
        assert_eq!(PriceList::new(all, Some("p0".into())), Err(InvalidPrices::Twice("p0".into())));
    }

    proptest! {
        #[test]
        fn what_is_beyond_adds_up_to_the_unit(hours in prop::collection::vec(0_u64..1000, 0..200), included in 0_u64..50_000) {
            let beyond = overage_by_hour(&hours, included);
            let used: u64 = hours.iter().sum();
            prop_assert_eq!(beyond.iter().sum::<u64>(), used.saturating_sub(included));
            prop_assert!(beyond.iter().zip(&hours).all(|(beyond, used)| beyond <= used));
        }

        #[test]
        fn multiplication_is_exact(cents in 0_u64..1_000_000, parts in 0_u64..1_000_000_000_000, quantity in 0_u64..1_000_000_000) {
            let price = UnitPrice::parse(&format!("{cents}.{parts:012}")).unwrap();
            let exact = (u128::from(cents) * 1_000_000_000_000 + u128::from(parts)) * u128::from(quantity);
            let doubled = u128::try_from(price.times(quantity)).unwrap() * 2_000_000_000_000;
            prop_assert!(doubled.abs_diff(exact * 2) <= 1_000_000_000_000);
        }
    }
}
