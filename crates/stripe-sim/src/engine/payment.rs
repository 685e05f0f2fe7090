//! Payments of invoices, and what follows for the subscription.

use crate::calendar::DAY;
use crate::model::customer::Card;
use crate::model::event::Snapshot;
use crate::model::invoice::{InvoiceStatus, Reason};
use crate::model::payment::{Payment, PaymentStatus};
use crate::model::subscription::Status;
use crate::world::{FinalAction, Thing, World};

/// Whether the bank is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    /// It decides.
    No,
    /// The customer sees to it that it works.
    Succeed,
}

/// How a charge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charged {
    Paid,
    Declined,
    RequiresAction,
}

impl World {
    /// How the next charge of a customer would end; uses up a failure that was ordered.
    pub(crate) fn bank_says(&mut self, customer: &str) -> Charged {
        let Some(customer) = self.customers.get_mut(customer) else { return Charged::Declined };
        if customer.failures > 0 {
            customer.failures -= 1;
            return Charged::Declined;
        }
        match customer.card {
            Card::Ok => Charged::Paid,
            Card::Missing | Card::Declining => Charged::Declined,
            Card::RequiresAction => Charged::RequiresAction,
        }
    }

    /// Tries to collect an open invoice, with all that follows.
    pub(crate) fn charge(&mut self, id: &str, force: Force) -> Charged {
        let Some(invoice) = self.invoices.get(id) else { return Charged::Declined };
        if invoice.status == InvoiceStatus::Paid {
            return Charged::Paid;
        }
        let (customer, amount) = (invoice.customer.clone(), invoice.amount_due);
        let charged = if amount == 0 || force == Force::Succeed { Charged::Paid } else { self.bank_says(&customer) };
        self.record_charge(id, charged)
    }

    /// Lets a charge end in a given way.
    pub(crate) fn record_charge(&mut self, id: &str, charged: Charged) -> Charged {
        let Some(invoice) = self.invoices.get_mut(id) else { return charged };
        let (customer, amount) = (invoice.customer.clone(), invoice.amount_due);
        if amount > 0 {
            invoice.attempts += 1;
            let has_card = self.customers.get(&customer).is_some_and(|customer| customer.payment_method.is_some());
            if has_card || charged == Charged::Paid {
                let status = match charged {
                    Charged::Paid => PaymentStatus::Succeeded,
                    Charged::Declined => PaymentStatus::Declined,
                    Charged::RequiresAction => PaymentStatus::RequiresAction,
                };
                self.record_payment(id, status);
            }
        }
        match charged {
            Charged::Paid => self.mark_paid(id),
            Charged::Declined | Charged::RequiresAction => self.mark_failed(id, charged),
        }
        charged
    }

    /// Makes or continues the invoice's payment intent.
    pub(crate) fn record_payment(&mut self, invoice_id: &str, status: PaymentStatus) {
        let now = self.now();
        let Some(invoice) = self.invoices.get(invoice_id) else { return };
        let payment_method = self.customers.get(&invoice.customer).and_then(|customer| customer.payment_method.clone());
        let existing = invoice.payment.clone();
        let is_new = existing.is_none();
        let id = existing.unwrap_or_else(|| self.ids.next("pi"));
        let charge = (status != PaymentStatus::RequiresAction).then(|| self.ids.next("ch"));
        let payment = Payment {
            id: id.clone(),
            charge,
            created: self.payments.get(&id).map_or(now, |payment| payment.created),
            customer: invoice.customer.clone(),
            invoice: invoice_id.to_owned(),
            amount: invoice.amount_due,
            currency: invoice.currency.clone(),
            status,
            refunded: 0,
            method: payment_method,
        };
        self.payments.insert(id.clone(), payment);
        if let Some(invoice) = self.invoices.get_mut(invoice_id) {
            invoice.payment = Some(id.clone());
        }
        if is_new {
            self.emit("payment_intent.created", Thing::Intent(&id));
        }
        match status {
            PaymentStatus::Succeeded => {
                self.emit("charge.succeeded", Thing::Charge(&id));
                self.emit("payment_intent.succeeded", Thing::Intent(&id));
            }
            PaymentStatus::Declined => {
                self.emit("charge.failed", Thing::Charge(&id));
                self.emit("payment_intent.payment_failed", Thing::Intent(&id));
            }
            PaymentStatus::RequiresAction => self.emit("payment_intent.requires_action", Thing::Intent(&id)),
            PaymentStatus::Processing => self.emit("payment_intent.processing", Thing::Intent(&id)),
            PaymentStatus::Canceled => self.emit("payment_intent.canceled", Thing::Intent(&id)),
        }
    }

    fn mark_paid(&mut self, id: &str) {
        let now = self.now();
        let old = self.snapshot(Thing::Invoice(id));
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.status = InvoiceStatus::Paid;
        invoice.paid_at = Some(now);
        invoice.amount_paid = invoice.amount_due;
        invoice.next_attempt = None;
        invoice.auto_advance = false;
        invoice.processing = false;
        let (subscription, customer) = (invoice.subscription.clone(), invoice.customer.clone());
        self.emit_update("invoice.updated", Thing::Invoice(id), &old);
        self.emit("invoice.paid", Thing::Invoice(id));
        self.emit("invoice.payment_succeeded", Thing::Invoice(id));
        self.set_delinquent(&customer, false);
        self.apply_pending_update(&subscription, id);
        let old = self.snapshot(Thing::Subscription(&subscription));
        let Some(subscription) = self.subscriptions.get_mut(&subscription) else { return };
        let owed = matches!(subscription.status, Status::Incomplete | Status::PastDue | Status::Unpaid);
        if owed && subscription.latest_invoice.as_deref() == Some(id) {
            subscription.status = Status::Active;
        }
        let subscription = subscription.id.clone();
        self.emit_update("customer.subscription.updated", Thing::Subscription(&subscription), &old);
    }

    fn mark_failed(&mut self, id: &str, charged: Charged) {
        let now = self.now();
        let dunning = self.dunning.clone();
        let old_invoice = self.snapshot(Thing::Invoice(id));
        let Some(invoice) = self.invoices.get_mut(id) else { return };
        invoice.processing = false;
        let (subscription_id, customer, reason) = (invoice.subscription.clone(), invoice.customer.clone(), invoice.reason);
        let subscription = self.subscriptions.get(&subscription_id);
        let status = subscription.map_or(Status::Canceled, |subscription| subscription.status);
        let is_pending_update = subscription
            .and_then(|subscription| subscription.pending_update.as_ref())
            .is_some_and(|pending| pending.invoice == id);
        // A first payment and a pending update are not retried: they have their 23 hours.
        let first = reason == Reason::Create && status == Status::Incomplete;
        let is_retried = !first && !is_pending_update && !status.has_ended();
        let tried = usize::try_from(invoice.attempts).unwrap_or(usize::MAX).saturating_sub(1);
        let gap = dunning.retry_days.get(tried).filter(|_| is_retried);
        let exhausted = is_retried && gap.is_none() && status != Status::Unpaid;
        invoice.next_attempt = gap.map(|days| now + i64::from(*days) * DAY);
        if exhausted && dunning.last != FinalAction::PastDue {
            invoice.auto_advance = false;
        }
        self.emit_update("invoice.updated", Thing::Invoice(id), &old_invoice);
        if charged == Charged::RequiresAction {
            self.emit("invoice.payment_action_required", Thing::Invoice(id));
        }
        self.emit("invoice.payment_failed", Thing::Invoice(id));
        self.set_delinquent(&customer, true);
        if !is_retried {
            return;
        }
        let old = self.snapshot(Thing::Subscription(&subscription_id));
        let Some(subscription) = self.subscriptions.get_mut(&subscription_id) else { return };
        if subscription.status == Status::Active {
            subscription.status = Status::PastDue;
        }
        if exhausted {
            match dunning.last {
                FinalAction::Cancel => return self.end_by_dunning(&subscription_id, &old),
                FinalAction::Unpaid => subscription.status = Status::Unpaid,
                FinalAction::PastDue => {}
            }
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(&subscription_id), &old);
    }

    fn end_by_dunning(&mut self, subscription_id: &str, old: &Snapshot) {
        self.emit_update("customer.subscription.updated", Thing::Subscription(subscription_id), old);
        self.end_subscription(subscription_id, "payment_failed");
    }

    fn set_delinquent(&mut self, id: &str, delinquent: bool) {
        let old = self.snapshot(Thing::Customer(id));
        if let Some(customer) = self.customers.get_mut(id) {
            customer.delinquent = delinquent;
        }
        self.emit_update("customer.updated", Thing::Customer(id), &old);
    }

    /// Gives a customer a card, in the given state.
    pub(crate) fn set_card(&mut self, id: &str, card: Card) {
        let old = self.snapshot(Thing::Customer(id));
        let method = (card != Card::Missing).then(|| self.ids.next("pm"));
        let Some(customer) = self.customers.get_mut(id) else { return };
        customer.card = card;
        // The same card goes on under its id.
        customer.payment_method = method.map(|new| customer.payment_method.clone().unwrap_or(new));
        self.emit_update("customer.updated", Thing::Customer(id), &old);
    }
}
