//! Trials: announced, ended, resumed.

use crate::model::customer::Card;
use crate::model::invoice::{Line, Reason};
use crate::model::subscription::{MissingPaymentMethod, Status};
use crate::world::{Thing, World};

use super::GRACE;

impl World {
    pub(super) fn warn_of_trial_end(&mut self, id: &str) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.trial_warned = true;
        }
        self.emit("customer.subscription.trial_will_end", Thing::Subscription(id));
    }

    /// The trial is over: it is paid from here on, or it pauses, or it ends.
    pub(super) fn end_trial(&mut self, id: &str) {
        let Some(subscription) = self.subscriptions.get(id) else { return };
        let has_card = self.customers.get(&subscription.customer).is_some_and(|customer| customer.card != Card::Missing);
        match subscription.missing_payment_method {
            MissingPaymentMethod::Pause if !has_card => self.pause(id),
            MissingPaymentMethod::Cancel if !has_card => self.end_subscription(id, "cancellation_requested"),
            MissingPaymentMethod::CreateInvoice | MissingPaymentMethod::Pause | MissingPaymentMethod::Cancel => {
                self.begin_paid_period(id);
            }
        }
    }

    fn pause(&mut self, id: &str) {
        let old = self.snapshot(Thing::Subscription(id));
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.status = Status::Paused;
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
        self.emit("customer.subscription.paused", Thing::Subscription(id));
    }

    /// Periods begin now, with an invoice that is a draft for the time of grace.
    pub(super) fn begin_paid_period(&mut self, id: &str) {
        let old = self.snapshot(Thing::Subscription(id));
        let now = self.now();
        let Some(subscription) = self.subscriptions.get(id) else { return };
        let mut subscription = subscription.clone();
        let former = (subscription.period_start(), now);
        let mut lines: Vec<Line> = Vec::new();
        for item in &mut subscription.items {
            let Some(interval) = self.interval_of(&item.price) else { continue };
            item.period_start = now;
            item.period_end = interval.after(now, 1);
            if !self.is_metered(&item.price) {
                lines.push(self.line(&subscription.customer, item, (item.period_start, item.period_end)));
            }
        }
        subscription.status = Status::Active;
        subscription.anchor = now;
        self.subscriptions.insert(id.to_owned(), subscription);
        let invoice = self.draft(id, Reason::Cycle, lines, former).unwrap_or_default();
        if let Some(invoice) = self.invoices.get_mut(&invoice) {
            invoice.finalizes_at = Some(now + GRACE);
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(id), &old);
        self.emit("invoice.created", Thing::Invoice(&invoice));
    }

    /// Ends a pause: the first paid period begins, and is charged at once.
    pub(crate) fn resume_paused(&mut self, id: &str) {
        self.begin_paid_period(id);
        self.emit("customer.subscription.resumed", Thing::Subscription(id));
        let invoice = self.subscriptions.get(id).and_then(|subscription| subscription.latest_invoice.clone());
        if let Some(invoice) = invoice {
            self.finalize(&invoice);
            self.charge(&invoice, super::Force::No);
        }
    }
}
