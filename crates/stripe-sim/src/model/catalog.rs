//! Products and prices.

use serde_json::{Value, json};

use crate::calendar::Interval;
use crate::form::Pairs;
use crate::money::{Tier, UnitAmount, graduated, volume};

#[derive(Debug, Clone)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) active: bool,
    pub(crate) metadata: Pairs,
}

impl Product {
    pub(crate) fn render(&self, livemode: bool) -> Value {
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": null,
            "description": self.description,
            "images": [],
            "livemode": livemode,
            "marketing_features": [],
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "type": "service",
            "unit_label": null,
            "updated": self.updated,
            "url": null,
        })
    }
}

/// How the amount follows from the quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scheme {
    PerUnit(UnitAmount),
    Graduated(Vec<Tier>),
    Volume(Vec<Tier>),
}

#[derive(Debug, Clone)]
pub(crate) struct Recurring {
    pub(crate) interval: Interval,
    /// Set for metered prices.
    pub(crate) meter: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) product: String,
    pub(crate) currency: String,
    pub(crate) scheme: Scheme,
    /// Not there for one-time prices.
    pub(crate) recurring: Option<Recurring>,
    pub(crate) active: bool,
    pub(crate) nickname: Option<String>,
    pub(crate) lookup_key: Option<String>,
    pub(crate) metadata: Pairs,
}

impl Price {
    pub(crate) fn amount(&self, quantity: i64) -> i64 {
        match &self.scheme {
            Scheme::PerUnit(unit) => unit.times(quantity),
            Scheme::Graduated(tiers) => graduated(tiers, quantity),
            Scheme::Volume(tiers) => volume(tiers, quantity),
        }
    }

    pub(crate) fn meter(&self) -> Option<&str> {
        self.recurring.as_ref()?.meter.as_deref()
    }

    pub(crate) fn unit(&self) -> Option<UnitAmount> {
        match &self.scheme {
            Scheme::PerUnit(unit) => Some(*unit),
            Scheme::Graduated(_) | Scheme::Volume(_) => None,
        }
    }

    fn tiers_mode(&self) -> Option<&'static str> {
        match &self.scheme {
            Scheme::PerUnit(_) => None,
            Scheme::Graduated(_) => Some("graduated"),
            Scheme::Volume(_) => Some("volume"),
        }
    }

    fn billing_scheme(&self) -> &'static str {
        if self.tiers_mode().is_some() { "tiered" } else { "per_unit" }
    }

    /// The tiers, which are rendered only when they are asked for.
    pub(crate) fn render_tiers(&self) -> Value {
        let (Scheme::Graduated(tiers) | Scheme::Volume(tiers)) = &self.scheme else { return Value::Null };
        tiers
            .iter()
            .map(|tier| {
                json!({
                    "flat_amount": (tier.flat_amount != 0).then_some(tier.flat_amount),
                    "flat_amount_decimal": (tier.flat_amount != 0).then(|| tier.flat_amount.to_string()),
                    "unit_amount": tier.unit_amount.as_whole(),
                    "unit_amount_decimal": tier.unit_amount.text(),
                    "up_to": tier.up_to,
                })
            })
            .collect()
    }

    pub(crate) fn render(&self, livemode: bool) -> Value {
        let recurring = self.recurring.as_ref().map(|recurring| {
            json!({
                "interval": recurring.interval.unit.as_str(),
                "interval_count": recurring.interval.count,
                "meter": recurring.meter,
                "trial_period_days": null,
                "usage_type": if recurring.meter.is_some() { "metered" } else { "licensed" },
            })
        });
        json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "billing_scheme": self.billing_scheme(),
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": livemode,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": recurring,
            "tax_behavior": "unspecified",
            "tiers_mode": self.tiers_mode(),
            "transform_quantity": null,
            "type": if self.recurring.is_some() { "recurring" } else { "one_time" },
            "unit_amount": self.unit().and_then(UnitAmount::as_whole),
            "unit_amount_decimal": self.unit().map(UnitAmount::text),
        })
    }

    /// The same as the plan that older versions speak of.
    pub(crate) fn render_plan(&self, livemode: bool) -> Value {
        let interval = self.recurring.as_ref().map(|recurring| recurring.interval);
        json!({
            "id": self.id,
            "object": "plan",
            "active": self.active,
            "amount": self.unit().and_then(UnitAmount::as_whole),
            "amount_decimal": self.unit().map(UnitAmount::text),
            "billing_scheme": self.billing_scheme(),
            "created": self.created,
            "currency": self.currency,
            "interval": interval.map(|interval| interval.unit.as_str()),
            "interval_count": interval.map(|interval| interval.count),
            "livemode": livemode,
            "metadata": self.metadata,
            "meter": self.meter(),
            "nickname": self.nickname,
            "product": self.product,
            "tiers_mode": self.tiers_mode(),
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": if self.meter().is_some() { "metered" } else { "licensed" },
        })
    }
}
