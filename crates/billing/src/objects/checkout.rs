//! A Checkout Session.

use std::collections::BTreeMap;

use serde_json::Value;
use togglebox_core::Timestamp;

use super::look::{self, NotUnderstood};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckoutStatus {
    /// It can be paid.
    Open,
    /// The visitor is through; the money may be on its way still.
    Complete,
    /// Nobody can pay it any more.
    Expired,
}

/// Where the money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PaymentStatus {
    /// There.
    Paid,
    /// Not there, or not yet.
    Unpaid,
    /// There is nothing to pay.
    NoPaymentRequired,
}

/// A page on which somebody pays.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkout {
    /// `cs_…`.
    pub id: Box<str>,
    /// Where it stands.
    pub status: CheckoutStatus,
    /// Where the money is.
    pub payment: PaymentStatus,
    /// Where it is to be opened; gone once it is not open any more.
    pub url: Option<Box<str>>,
    /// Until when it can be paid.
    pub expires_at: Option<Timestamp>,
    /// What we called it: the sign-up's id.
    pub reference: Option<Box<str>>,
    /// `cus_…`.
    pub customer: Option<Box<str>>,
    /// `sub_…`.
    pub subscription: Option<Box<str>>,
    /// What was written on it.
    pub metadata: BTreeMap<Box<str>, Box<str>>,
}

/// The address is as good as a key: it is not shown.
impl std::fmt::Debug for Checkout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Checkout");
        shown.field("id", &self.id).field("status", &self.status).field("payment", &self.payment);
        shown.field("reference", &self.reference).field("subscription", &self.subscription).finish_non_exhaustive()
    }
}

const OBJECT: &str = "a checkout session";

impl Checkout {
    /// Reads one.
    ///
    /// # Errors
    /// Without an id, a known status or a known payment status.
    pub fn read(value: &Value) -> Result<Self, NotUnderstood> {
        let missing = |field| NotUnderstood { object: OBJECT, field };
        let status = match value.get("status").and_then(Value::as_str) {
            Some("open") => CheckoutStatus::Open,
            Some("complete") => CheckoutStatus::Complete,
            Some("expired") => CheckoutStatus::Expired,
            _ => return Err(missing("status")),
        };
        let payment = match value.get("payment_status").and_then(Value::as_str) {
            Some("paid") => PaymentStatus::Paid,
            Some("unpaid") => PaymentStatus::Unpaid,
            Some("no_payment_required") => PaymentStatus::NoPaymentRequired,
            _ => return Err(missing("payment_status")),
        };
        Ok(Self {
            id: look::text(value, "id").ok_or(missing("id"))?,
            status,
            payment,
            url: look::text(value, "url"),
            expires_at: look::moment(value, "expires_at"),
            reference: look::text(value, "client_reference_id"),
            customer: look::id(value, "customer"),
            subscription: look::id(value, "subscription"),
            metadata: look::metadata(value),
        })
    }

    /// Whether what was ordered is to be given.
    pub fn is_paid(&self) -> bool {
        self.status == CheckoutStatus::Complete && self.payment != PaymentStatus::Unpaid
    }
}
