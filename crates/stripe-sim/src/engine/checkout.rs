//! Checkout: the visitor pays, does not pay, or stays away.

use serde::{Deserialize, Serialize};

use crate::calendar::DAY;
use crate::error::{ApiError, ApiResult};
use crate::model::checkout::{SessionStatus, Trial};
use crate::model::customer::{Card, Customer};
use crate::model::payment::PaymentStatus;
use crate::model::subscription::Status;
use crate::world::{Thing, World};

use super::payment::{Charged, Force};
use super::starting::{FirstPayment, NewSubscription};

/// What a visitor does on the checkout page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Gives a card that works.
    Paid,
    /// Pays by a method whose outcome is known only days later.
    Delayed,
    /// Gives a card that is declined: the session stays open.
    Declined,
    /// Gives no payment method, where none is asked for.
    NoPaymentRequired,
}

impl World {
    /// The visitor submits the page.
    pub(crate) fn complete_checkout(&mut self, id: &str, outcome: Outcome, email: Option<&str>) -> ApiResult<()> {
        let now = self.now();
        let session = self.session(id)?.clone();
        if session.status != SessionStatus::Open {
            return Err(ApiError::invalid("This Session is not open."));
        }
        let trial_end = session.trial.map(|trial| match trial {
            Trial::Days(days) => now + days * DAY,
            Trial::Until(end) => end.max(now + 1),
        });
        let amount = if trial_end.is_some() { 0 } else { session.amount };
        if outcome == Outcome::NoPaymentRequired && (amount > 0 || !session.if_required) {
            return Err(ApiError::invalid("This Session asks for a payment method."));
        }
        if outcome == Outcome::Declined {
            return Ok(());
        }
        let currency = self.check_lines(&session.lines, "line_items")?;
        let email = email.map(ToOwned::to_owned).or_else(|| session.customer_email.clone());
        let customer = self.customer_of_checkout(session.customer.clone(), email.clone());
        if outcome != Outcome::NoPaymentRequired {
            self.set_card(&customer, Card::Ok);
        }
        let email = email
            .or_else(|| self.customers.get(&customer).and_then(|customer| customer.email.clone()))
            .unwrap_or_else(|| "visitor@example.com".to_owned());
        let delayed = outcome == Outcome::Delayed && amount > 0;
        let new = NewSubscription {
            customer: customer.clone(),
            lines: session.lines.clone(),
            metadata: session.subscription_metadata.clone(),
            description: session.subscription_description.clone(),
            trial_end,
            missing_payment_method: session.missing_payment_method,
            cancel_at_period_end: false,
        };
        let first = if delayed { FirstPayment::Processing } else { FirstPayment::Charge(Force::Succeed) };
        let (subscription, _) = self.start_subscription(new, currency, first);
        let invoice = self.subscriptions.get(&subscription).and_then(|subscription| subscription.latest_invoice.clone());
        let session = self.session(id)?;
        session.status = SessionStatus::Complete;
        session.payment_status = match amount {
            0 => "no_payment_required",
            _ if delayed => "unpaid",
            _ => "paid",
        };
        session.customer = Some(customer);
        session.subscription = Some(subscription);
        session.invoice = invoice;
        session.email = Some(email);
        self.emit("checkout.session.completed", Thing::Session(id));
        Ok(())
    }

    fn customer_of_checkout(&mut self, existing: Option<String>, email: Option<String>) -> String {
        if let Some(id) = existing {
            return id;
        }
        let id = self.ids.next("cus");
        let email = email.or_else(|| Some("visitor@example.com".to_owned()));
        let customer = Customer { id: id.clone(), created: self.now(), email, ..Customer::default() };
        self.customers.insert(id.clone(), customer);
        self.emit("customer.created", Thing::Customer(&id));
        id
    }

    /// The bank has the payment: the subscription is active already.
    pub(super) fn begin_processing(&mut self, subscription: &str, invoice: &str) {
        if let Some(invoice) = self.invoices.get_mut(invoice) {
            invoice.processing = true;
            invoice.attempts += 1;
        }
        self.record_payment(invoice, PaymentStatus::Processing);
        let old = self.snapshot(Thing::Subscription(subscription));
        if let Some(subscription) = self.subscriptions.get_mut(subscription) {
            subscription.status = Status::Active;
        }
        self.emit_update("customer.subscription.updated", Thing::Subscription(subscription), &old);
    }

    /// The bank has spoken about a delayed payment.
    pub(crate) fn finish_delayed(&mut self, id: &str, succeeded: bool) -> ApiResult<()> {
        let session = self.session(id)?;
        let invoice = session.invoice.clone().filter(|_| session.status == SessionStatus::Complete);
        let invoice = invoice.filter(|invoice| self.invoices.get(invoice).is_some_and(|invoice| invoice.processing));
        let invoice = invoice.ok_or_else(|| ApiError::invalid("No payment of this Session is under way."))?;
        // It was counted when it began.
        self.invoice_mut(&invoice)?.attempts -= 1;
        if succeeded {
            self.record_charge(&invoice, Charged::Paid);
            self.session(id)?.payment_status = "paid";
            self.emit("checkout.session.async_payment_succeeded", Thing::Session(id));
        } else {
            self.record_charge(&invoice, Charged::Declined);
            self.emit("checkout.session.async_payment_failed", Thing::Session(id));
        }
        Ok(())
    }

    pub(crate) fn expire_session(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.status = SessionStatus::Expired;
        }
        self.emit("checkout.session.expired", Thing::Session(id));
    }
}
