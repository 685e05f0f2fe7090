//! Subscriptions end.

use crate::model::invoice::{InvoiceStatus, Line, Reason};
use crate::model::subscription::Status;
use crate::money::prorate;
use crate::world::{Thing, World};

use super::{Force, GRACE};

impl World {
    /// The end that was asked for: usage that no invoice has is billed as at a renewal.
    pub(super) fn cancel_as_planned(&mut self, id: &str) {
        self.final_invoice(id, false, false);
        self.end_subscription(id, "cancellation_requested");
    }

    /// Ends now.
    pub(crate) fn cancel_now(&mut self, id: &str, invoice_now: bool, prorated: bool) {
        if invoice_now {
            self.final_invoice(id, true, prorated);
        } else if prorated {
            let Some(subscription) = self.subscriptions.get(id).cloned() else { return };
            let credits = self.credits(id);
            self.add_invoice_items(&subscription, credits);
        }
        self.end_subscription(id, "cancellation_requested");
    }

    /// What is given back for the rest of the licensed items' periods.
    fn credits(&self, id: &str) -> Vec<Line> {
        let now = self.now();
        let Some(subscription) = self.subscriptions.get(id) else { return Vec::new() };
        let licensed = subscription.items.iter().filter(|item| !self.is_metered(&item.price));
        licensed
            .filter(|_| subscription.status.renews())
            .map(|item| {
                let line = self.line(&subscription.customer, item, (now, item.period_end));
                let amount = -prorate(line.amount, item.period_end - now, item.period_end - item.period_start);
                Line { amount, proration: true, description: format!("Unused time on {}", self.name_of(&item.price)), ..line }
            })
            .collect()
    }

    fn final_invoice(&mut self, id: &str, at_once: bool, prorated: bool) {
        let now = self.now();
        let Some(subscription) = self.subscriptions.get(id) else { return };
        let metered = subscription.items.iter().filter(|item| self.is_metered(&item.price) && item.period_start < now);
        let mut lines: Vec<Line> = metered
            .filter(|_| subscription.status.renews())
            .map(|item| self.line(&subscription.customer, item, (item.period_start, now)))
            .collect();
        let period = (subscription.period_start(), now);
        if prorated {
            lines.extend(self.credits(id));
        }
        if lines.is_empty() && self.waiting_lines(id).is_empty() {
            return;
        }
        let Some(invoice) = self.draft(id, Reason::Cycle, lines, period) else { return };
        if let Some(invoice) = self.invoices.get_mut(&invoice) {
            invoice.finalizes_at = (!at_once).then_some(now + GRACE);
        }
        self.emit("invoice.created", Thing::Invoice(&invoice));
        if at_once {
            self.finalize(&invoice);
            self.charge(&invoice, Force::No);
        }
    }

    /// The last event of a subscription. Invoices that are open are not collected any further.
    pub(crate) fn end_subscription(&mut self, id: &str, reason: &'static str) {
        let now = self.now();
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.status = Status::Canceled;
        subscription.ended_at = Some(now);
        subscription.canceled_at.get_or_insert(now);
        subscription.cancel_reason = Some(reason);
        let schedule = subscription.schedule.clone();
        let pending = subscription.pending_update.take();
        for invoice in
            self.invoices.values_mut().filter(|invoice| invoice.subscription == id && invoice.status == InvoiceStatus::Open)
        {
            invoice.next_attempt = None;
            invoice.auto_advance = false;
        }
        if let Some(pending) = pending {
            self.void(&pending.invoice);
        }
        self.emit("customer.subscription.deleted", Thing::Subscription(id));
        if let Some(schedule) = schedule {
            self.cancel_schedule_record(&schedule);
        }
    }
}
