//! Subscriptions and their items.

use serde_json::{Value, json};

use crate::form::Pairs;
use crate::version::Shape;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Unpaid,
    Paused,
    Canceled,
}

impl Status {
    pub(crate) const WORDS: [(&'static str, Self); 8] = [
        ("incomplete", Self::Incomplete),
        ("incomplete_expired", Self::IncompleteExpired),
        ("trialing", Self::Trialing),
        ("active", Self::Active),
        ("past_due", Self::PastDue),
        ("unpaid", Self::Unpaid),
        ("paused", Self::Paused),
        ("canceled", Self::Canceled),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, status)| *status == self).map_or("", |(word, _)| word)
    }

    /// Nothing changes any more.
    pub(crate) fn has_ended(self) -> bool {
        matches!(self, Self::Canceled | Self::IncompleteExpired)
    }

    /// Periods follow each other.
    pub(crate) fn renews(self) -> bool {
        matches!(self, Self::Active | Self::PastDue | Self::Unpaid)
    }
}

/// What happens at the end of a trial without a payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MissingPaymentMethod {
    #[default]
    CreateInvoice,
    Pause,
    Cancel,
}

impl MissingPaymentMethod {
    pub(crate) const WORDS: [&'static str; 3] = ["create_invoice", "pause", "cancel"];

    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "pause" => Self::Pause,
            "cancel" => Self::Cancel,
            _ => Self::CreateInvoice,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::CreateInvoice => "create_invoice",
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) price: String,
    /// None for metered prices.
    pub(crate) quantity: Option<i64>,
    pub(crate) metadata: Pairs,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
}

/// A change that waits for its invoice to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PendingUpdate {
    pub(crate) expires_at: i64,
    pub(crate) invoice: String,
    pub(crate) items: Vec<Item>,
    pub(crate) anchor: i64,
    pub(crate) trial_end: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) status: Status,
    pub(crate) created: i64,
    pub(crate) items: Vec<Item>,
    pub(crate) anchor: i64,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) cancel_at: Option<i64>,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) cancel_reason: Option<&'static str>,
    pub(crate) trial_start: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) trial_warned: bool,
    pub(crate) missing_payment_method: MissingPaymentMethod,
    pub(crate) metadata: Pairs,
    pub(crate) description: Option<String>,
    pub(crate) latest_invoice: Option<String>,
    pub(crate) pending_update: Option<PendingUpdate>,
    pub(crate) schedule: Option<String>,
    pub(crate) payment_method: Option<String>,
    pub(crate) currency: String,
}

impl Subscription {
    /// When the first of its items renews.
    pub(crate) fn period_end(&self) -> i64 {
        self.items.iter().map(|item| item.period_end).min().unwrap_or(i64::MAX)
    }

    pub(crate) fn period_start(&self) -> i64 {
        self.items.iter().map(|item| item.period_start).max().unwrap_or(self.created)
    }

    pub(crate) fn render(&self, world: &World, shape: Shape) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| item.render(&self.id, world, shape)).collect();
        let mut rendered = json!({
            "id": self.id,
            "object": "subscription",
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
            "billing_cycle_anchor": self.anchor,
            "billing_cycle_anchor_config": null,
            "cancel_at": self.cancel_at,
            "cancel_at_period_end": self.cancel_at_period_end,
            "canceled_at": self.canceled_at,
            "cancellation_details": {"comment": null, "feedback": null, "reason": self.cancel_reason},
            "collection_method": "charge_automatically",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "days_until_due": null,
            "default_payment_method": self.payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": self.description,
            "discounts": [],
            "ended_at": self.ended_at,
            "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}},
            "items": {
                "object": "list",
                "data": items,
                "has_more": false,
                "url": format!("/v1/subscription_items?subscription={}", self.id),
            },
            "latest_invoice": self.latest_invoice,
            "livemode": world.livemode,
            "metadata": self.metadata,
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": null,
            "payment_settings": {
                "payment_method_options": null,
                "payment_method_types": null,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": self.pending_update.as_ref().map(|pending| pending.render(&self.id, world, shape)),
            "schedule": self.schedule,
            "start_date": self.created,
            "status": self.status.as_str(),
            "test_clock": world.customers.get(&self.customer).and_then(|customer| customer.test_clock.clone()),
            "transfer_data": null,
            "trial_end": self.trial_end,
            "trial_settings": {"end_behavior": {"missing_payment_method": self.missing_payment_method.as_str()}},
            "trial_start": self.trial_start,
        });
        if shape == Shape::Basil {
            rendered["billing_mode"] = billing_mode();
            rendered["billing_schedules"] = json!([]);
        } else {
            rendered["current_period_start"] = json!(self.period_start());
            rendered["current_period_end"] = json!(self.period_end());
            if let [only] = self.items.as_slice() {
                rendered["plan"] = world.prices.get(&only.price).map_or(Value::Null, |price| price.render_plan(world.livemode));
                rendered["quantity"] = json!(only.quantity);
            }
        }
        rendered
    }
}

/// What subscriptions are made in when nothing is said, in newer versions.
pub(super) fn billing_mode() -> Value {
    json!({"flexible": {"proration_discounts": "included"}, "type": "flexible"})
}

impl Item {
    fn render(&self, subscription: &str, world: &World, shape: Shape) -> Value {
        let price = world.prices.get(&self.price);
        let mut rendered = json!({
            "id": self.id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": self.created,
            "discounts": [],
            "metadata": self.metadata,
            "plan": price.map(|price| price.render_plan(world.livemode)),
            "price": price.map(|price| price.render(world.livemode)),
            "subscription": subscription,
            "tax_rates": [],
        });
        if let Some(quantity) = self.quantity {
            rendered["quantity"] = json!(quantity);
        }
        if shape == Shape::Basil {
            rendered["current_period_start"] = json!(self.period_start);
            rendered["current_period_end"] = json!(self.period_end);
        }
        rendered
    }
}

impl PendingUpdate {
    fn render(&self, subscription: &str, world: &World, shape: Shape) -> Value {
        let items: Vec<Value> = self.items.iter().map(|item| item.render(subscription, world, shape)).collect();
        json!({
            "billing_cycle_anchor": self.anchor,
            "expires_at": self.expires_at,
            "subscription_items": items,
            "trial_end": self.trial_end,
            "trial_from_plan": null,
        })
    }
}
