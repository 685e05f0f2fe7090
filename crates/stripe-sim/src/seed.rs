//! Prices and meters that are there from the beginning, under ids of the test's choice.

use serde::{Deserialize, Serialize};

use crate::calendar::{Interval, Unit};
use crate::error::{ApiError, ApiResult};
use crate::form::Pairs;
use crate::model::catalog::{Price, Product, Recurring, Scheme};
use crate::model::meter::{Formula, Meter, Window};
use crate::money::{Tier, UnitAmount};
use crate::world::World;

/// A recurring price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedPrice {
    /// `price_…`
    pub id: String,
    /// The product's id and name; made if it is not there.
    #[serde(default = "product")]
    pub product: String,
    /// In lower case.
    #[serde(default = "usd")]
    pub currency: String,
    /// In minor units.
    #[serde(default)]
    pub unit_amount: Option<i64>,
    /// In minor units, with up to twelve decimal places.
    #[serde(default)]
    pub unit_amount_decimal: Option<String>,
    /// How often it is billed.
    #[serde(default = "month")]
    pub interval: Unit,
    /// Every so many intervals.
    #[serde(default = "one")]
    pub interval_count: u32,
    /// Makes the price metered.
    #[serde(default)]
    pub meter: Option<String>,
    /// Graduated; instead of an amount.
    #[serde(default)]
    pub tiers: Vec<SeedTier>,
    /// What people call it.
    #[serde(default)]
    pub nickname: Option<String>,
    /// What it is looked up by.
    #[serde(default)]
    pub lookup_key: Option<String>,
}

/// A tier of a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedTier {
    /// The last unit; none for the rest.
    #[serde(default)]
    pub up_to: Option<i64>,
    /// In minor units.
    pub unit_amount_decimal: String,
}

fn product() -> String {
    "prod_sim".to_owned()
}

fn usd() -> String {
    "usd".to_owned()
}

fn month() -> Unit {
    Unit::Month
}

fn one() -> u32 {
    1
}

impl SeedPrice {
    /// So many cents a month.
    pub fn monthly(id: &str, unit_amount: i64) -> Self {
        Self {
            id: id.to_owned(),
            product: product(),
            currency: usd(),
            unit_amount: Some(unit_amount),
            unit_amount_decimal: None,
            interval: Unit::Month,
            interval_count: 1,
            meter: None,
            tiers: Vec::new(),
            nickname: None,
            lookup_key: None,
        }
    }

    /// So many cents a year.
    pub fn yearly(id: &str, unit_amount: i64) -> Self {
        Self { interval: Unit::Year, ..Self::monthly(id, unit_amount) }
    }

    /// Metered, by the month: this much a unit, in cents with decimals.
    pub fn metered(id: &str, meter: &str, unit_amount_decimal: &str) -> Self {
        Self {
            unit_amount: None,
            unit_amount_decimal: Some(unit_amount_decimal.to_owned()),
            meter: Some(meter.to_owned()),
            ..Self::monthly(id, 0)
        }
    }

    /// Metered, by the month: the first `free` units cost nothing, later ones this much, in cents with decimals.
    pub fn metered_above(id: &str, meter: &str, free: i64, unit_amount_decimal: &str) -> Self {
        let tier = |up_to, amount: &str| SeedTier { up_to, unit_amount_decimal: amount.to_owned() };
        Self {
            unit_amount: None,
            meter: Some(meter.to_owned()),
            tiers: vec![tier(Some(free), "0"), tier(None, unit_amount_decimal)],
            ..Self::monthly(id, 0)
        }
    }
}

impl World {
    pub(crate) fn seed_price(&mut self, seed: SeedPrice) -> ApiResult<()> {
        let amount = |text: &str| UnitAmount::parse(text).ok_or_else(|| ApiError::invalid(format!("no amount: {text}")));
        let scheme = match (seed.unit_amount, &seed.unit_amount_decimal) {
            (Some(whole), None) if seed.tiers.is_empty() => Scheme::PerUnit(UnitAmount::whole(whole)),
            (None, Some(text)) if seed.tiers.is_empty() => Scheme::PerUnit(amount(text)?),
            (None, None) if seed.tiers.last().is_some_and(|tier| tier.up_to.is_none()) => {
                let tier = |tier: &SeedTier| {
                    Ok(Tier { up_to: tier.up_to, unit_amount: amount(&tier.unit_amount_decimal)?, flat_amount: 0 })
                };
                Scheme::Graduated(seed.tiers.iter().map(tier).collect::<ApiResult<_>>()?)
            }
            _ => {
                return Err(ApiError::invalid("a price has unit_amount, unit_amount_decimal or tiers of which the last is open"));
            }
        };
        if seed.interval_count == 0 {
            return Err(ApiError::invalid("interval_count is at least 1"));
        }
        if let Some(meter) = &seed.meter
            && !self.meters.contains_key(meter)
        {
            return Err(ApiError::missing("meter", meter));
        }
        let now = self.now();
        self.products.entry(seed.product.clone()).or_insert_with(|| Product {
            id: seed.product.clone(),
            created: now,
            updated: now,
            name: seed.product.clone(),
            description: None,
            active: true,
            metadata: Pairs::new(),
        });
        let interval = Interval { unit: seed.interval, count: seed.interval_count };
        let price = Price {
            id: seed.id.clone(),
            created: now,
            product: seed.product,
            currency: seed.currency,
            scheme,
            recurring: Some(Recurring { interval, meter: seed.meter }),
            active: true,
            nickname: seed.nickname,
            lookup_key: seed.lookup_key,
            metadata: Pairs::new(),
        };
        self.prices.insert(seed.id, price);
        Ok(())
    }

    pub(crate) fn seed_meter(&mut self, id: &str, event_name: &str, window: Option<Window>) {
        let now = self.now();
        let meter = Meter {
            id: id.to_owned(),
            created: now,
            updated: now,
            display_name: event_name.to_owned(),
            event_name: event_name.to_owned(),
            formula: Formula::Sum,
            window,
            customer_key: "stripe_customer_id".to_owned(),
            value_key: "value".to_owned(),
            deactivated_at: None,
            events: Vec::new(),
        };
        self.meters.insert(id.to_owned(), meter);
    }
}
