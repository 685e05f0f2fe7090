//! Payments of invoices, as payment intent and charge, and refunds.

use serde_json::{Value, json};

use crate::form::Pairs;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentStatus {
    Succeeded,
    Declined,
    RequiresAction,
    Processing,
    Canceled,
}

/// One payment intent with its latest charge.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    pub(crate) id: String,
    pub(crate) charge: Option<String>,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) invoice: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) status: PaymentStatus,
    pub(crate) refunded: i64,
    pub(crate) method: Option<String>,
}

impl Payment {
    fn received(&self) -> i64 {
        if self.status == PaymentStatus::Succeeded { self.amount } else { 0 }
    }

    pub(crate) fn render_intent(&self, livemode: bool) -> Value {
        let status = match self.status {
            PaymentStatus::Succeeded => "succeeded",
            PaymentStatus::Declined => "requires_payment_method",
            PaymentStatus::RequiresAction => "requires_action",
            PaymentStatus::Processing => "processing",
            PaymentStatus::Canceled => "canceled",
        };
        let error = (self.status == PaymentStatus::Declined)
            .then(|| json!({"type": "card_error", "code": "card_declined", "message": "Your card was declined."}));
        json!({
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_received": self.received(),
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": format!("{}_secret_sim", self.id),
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "description": null,
            "last_payment_error": error,
            "latest_charge": self.charge,
            "livemode": livemode,
            "metadata": {},
            "next_action": (self.status == PaymentStatus::RequiresAction).then(|| json!({"type": "use_stripe_sdk"})),
            "payment_method": self.method,
            "payment_method_types": ["card"],
            "status": status,
        })
    }

    pub(crate) fn render_charge(&self, livemode: bool) -> Value {
        let succeeded = self.status == PaymentStatus::Succeeded;
        json!({
            "id": self.charge,
            "object": "charge",
            "amount": self.amount,
            "amount_captured": self.received(),
            "amount_refunded": self.refunded,
            "billing_details": {
                "address": {"city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null},
                "email": null,
                "name": null,
                "phone": null,
                "tax_id": null,
            },
            "captured": succeeded,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "disputed": false,
            "failure_code": (!succeeded).then_some("card_declined"),
            "failure_message": (!succeeded).then_some("Your card was declined."),
            "livemode": livemode,
            "metadata": {},
            "paid": succeeded,
            "payment_intent": self.id,
            "payment_method": self.method,
            "refunded": succeeded && self.refunded == self.amount,
            "status": if succeeded { "succeeded" } else { "failed" },
        })
    }

    /// How the invoice names its payment since basil.
    pub(crate) fn render_invoice_payment(&self, world: &World) -> Value {
        let paid = self.status == PaymentStatus::Succeeded;
        let status = match self.status {
            PaymentStatus::Succeeded => "paid",
            PaymentStatus::Canceled => "canceled",
            PaymentStatus::Declined | PaymentStatus::RequiresAction | PaymentStatus::Processing => "open",
        };
        json!({
            "id": self.id.replacen("pi_", "inpay_", 1),
            "object": "invoice_payment",
            "amount_paid": paid.then_some(self.amount),
            "amount_requested": self.amount,
            "created": self.created,
            "currency": self.currency,
            "invoice": self.invoice,
            "is_default": true,
            "livemode": world.livemode,
            "payment": {"payment_intent": self.id, "type": "payment_intent"},
            "status": status,
            "status_transitions": {"canceled_at": null, "paid_at": paid.then_some(self.created)},
        })
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) payment: String,
    pub(crate) charge: Option<String>,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Pairs,
}

impl Refund {
    pub(crate) fn render(&self) -> Value {
        json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": null,
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "metadata": self.metadata,
            "payment_intent": self.payment,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": "succeeded",
            "transfer_reversal": null,
        })
    }
}
