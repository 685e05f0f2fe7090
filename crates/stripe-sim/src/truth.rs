//! The ground truth: what tests compare with.

use serde_json::{Value, json};

use crate::model::invoice::InvoiceStatus;
use crate::model::payment::Refund;
use crate::version::Shape;
use crate::world::World;

impl World {
    /// Everything there is, in the newest shape, by id.
    pub(crate) fn truth(&self) -> Value {
        let customers: serde_json::Map<String, Value> = self
            .customers
            .values()
            .map(|customer| {
                let mut rendered = customer.render(self.livemode);
                rendered["card"] = json!(customer.card);
                rendered["paid"] = json!(self.paid_by(&customer.id));
                (customer.id.clone(), rendered)
            })
            .collect();
        let meters: serde_json::Map<String, Value> = self
            .meters
            .values()
            .map(|meter| {
                let mut totals = serde_json::Map::new();
                for event in &meter.events {
                    totals.insert(event.customer.clone(), json!(meter.usage(&event.customer, i64::MIN, i64::MAX)));
                }
                let accepted = meter.events.iter().filter(|event| !event.canceled).count();
                (meter.id.clone(), json!({"event_name": meter.event_name, "accepted_events": accepted, "totals": totals}))
            })
            .collect();
        let by_id = |values: Vec<(String, Value)>| Value::Object(values.into_iter().collect());
        json!({
            "now": self.now(),
            "customers": customers,
            "subscriptions": by_id(
                self.subscriptions.values().map(|one| (one.id.clone(), one.render(self, Shape::Basil))).collect()
            ),
            "schedules": by_id(self.schedules.values().map(|one| (one.id.clone(), one.render(self))).collect()),
            "invoices": by_id(self.invoices.values().map(|one| (one.id.clone(), one.render(self, Shape::Basil))).collect()),
            "sessions": by_id(self.sessions.values().map(|one| (one.id.clone(), one.render(self))).collect()),
            "payments": by_id(
                self.payments.values().map(|one| (one.id.clone(), one.render_intent(self.livemode))).collect()
            ),
            "refunds": self.refunds.values().map(Refund::render).collect::<Vec<_>>(),
            "meters": meters,
            "calls": self.calls,
        })
    }

    /// What a customer has paid in all, less refunds.
    fn paid_by(&self, customer: &str) -> i64 {
        let paid = self.invoices.values().filter(|invoice| invoice.customer == customer && invoice.status == InvoiceStatus::Paid);
        let refunded = self.payments.values().filter(|payment| payment.customer == customer).map(|payment| payment.refunded);
        paid.map(|invoice| invoice.amount_paid).sum::<i64>() - refunded.sum::<i64>()
    }
}
