//! A price.

use serde_json::Value;

use super::look::{self, NotUnderstood};
use crate::money::Currency;
use crate::price::{Interval, UnitPrice};

/// What something costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Price {
    /// `price_…`.
    pub id: Box<str>,
    /// Whether it can be bought.
    pub active: bool,
    /// In what.
    pub currency: Currency,
    /// Of one; `None` when that depends on how many.
    pub unit: Option<UnitPrice>,
    /// How often it is billed; `None` when once, or in a rhythm that is not known.
    pub interval: Option<Interval>,
    /// Whether it is billed by what is used.
    pub metered: bool,
    /// `mtr_…`, what is used is counted by.
    pub meter: Option<Box<str>>,
    /// Whether it is real money.
    pub livemode: bool,
}

const OBJECT: &str = "a price";

impl Price {
    /// Reads one.
    ///
    /// # Errors
    /// Without an id or a currency.
    pub fn read(value: &Value) -> Result<Self, NotUnderstood> {
        let missing = |field| NotUnderstood { object: OBJECT, field };
        let currency = value.get("currency").and_then(Value::as_str).and_then(Currency::new);
        let recurring = value.get("recurring").filter(|recurring| recurring.is_object());
        let count = recurring.and_then(|recurring| recurring.get("interval_count")).and_then(Value::as_u64).unwrap_or(1);
        let interval = recurring.and_then(|recurring| recurring.get("interval")).and_then(Value::as_str);
        let decimal = value.get("unit_amount_decimal").and_then(Value::as_str).and_then(UnitPrice::parse);
        let whole = || value.get("unit_amount").and_then(Value::as_u64).and_then(UnitPrice::whole);
        Ok(Self {
            id: look::text(value, "id").ok_or(missing("id"))?,
            active: look::flag(value, "active"),
            currency: currency.ok_or(missing("currency"))?,
            unit: decimal.or_else(whole),
            interval: interval.filter(|_| count == 1).and_then(Interval::of_stripe),
            metered: recurring.and_then(|recurring| recurring.get("usage_type")).and_then(Value::as_str) == Some("metered"),
            meter: recurring.and_then(|recurring| look::id(recurring, "meter")),
            livemode: look::flag(value, "livemode"),
        })
    }
}
