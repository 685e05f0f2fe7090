//! Subscription schedules: what a subscription has in which phase.

use serde_json::{Value, json};

use super::subscription::billing_mode;
use crate::form::Pairs;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScheduleStatus {
    Active,
    Completed,
    Released,
    Canceled,
}

impl ScheduleStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Completed => "completed",
            Self::Released => "released",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct PhaseItem {
    pub(crate) price: String,
    pub(crate) quantity: Option<i64>,
}

#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) items: Vec<PhaseItem>,
    pub(crate) proration_behavior: &'static str,
    pub(crate) metadata: Pairs,
}

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) subscription: Option<String>,
    pub(crate) released_subscription: Option<String>,
    pub(crate) status: ScheduleStatus,
    pub(crate) cancels_at_end: bool,
    pub(crate) phases: Vec<Phase>,
    /// The phase that is in force.
    pub(crate) current: usize,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) completed_at: Option<i64>,
    pub(crate) released_at: Option<i64>,
    pub(crate) metadata: Pairs,
}

impl Schedule {
    pub(crate) fn render(&self, world: &World) -> Value {
        let phases: Vec<Value> = self.phases.iter().map(|phase| phase.render(world)).collect();
        let current = self.phases.get(self.current).filter(|_| self.status == ScheduleStatus::Active);
        json!({
            "id": self.id,
            "object": "subscription_schedule",
            "application": null,
            "billing_mode": billing_mode(),
            "canceled_at": self.canceled_at,
            "completed_at": self.completed_at,
            "created": self.created,
            "current_phase": current.map(|phase| json!({"start_date": phase.start, "end_date": phase.end})),
            "customer": self.customer,
            "default_settings": {
                "application_fee_percent": null,
                "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
                "billing_cycle_anchor": "automatic",
                "collection_method": "charge_automatically",
                "default_payment_method": null,
                "description": null,
                "invoice_settings": {"account_tax_ids": null, "days_until_due": null, "issuer": {"type": "self"}},
                "on_behalf_of": null,
                "transfer_data": null,
            },
            "end_behavior": if self.cancels_at_end { "cancel" } else { "release" },
            "livemode": world.livemode,
            "metadata": self.metadata,
            "phases": phases,
            "released_at": self.released_at,
            "released_subscription": self.released_subscription,
            "status": self.status.as_str(),
            "subscription": self.subscription,
            "test_clock": null,
        })
    }
}

impl Phase {
    fn render(&self, world: &World) -> Value {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                let mut rendered = json!({
                    "billing_thresholds": null,
                    "discounts": [],
                    "metadata": {},
                    "plan": world.prices.get(&item.price).map(|price| price.render_plan(world.livemode)),
                    "price": item.price,
                    "tax_rates": [],
                });
                if let Some(quantity) = item.quantity {
                    rendered["quantity"] = json!(quantity);
                }
                rendered
            })
            .collect();
        let currency = self.items.first().and_then(|item| world.prices.get(&item.price)).map(|price| price.currency.clone());
        json!({
            "add_invoice_items": [],
            "application_fee_percent": null,
            "billing_cycle_anchor": null,
            "collection_method": null,
            "currency": currency,
            "default_payment_method": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "end_date": self.end,
            "invoice_settings": null,
            "items": items,
            "metadata": self.metadata,
            "on_behalf_of": null,
            "proration_behavior": self.proration_behavior,
            "start_date": self.start,
            "transfer_data": null,
            "trial_end": null,
        })
    }
}
