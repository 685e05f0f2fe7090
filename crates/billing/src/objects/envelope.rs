//! What every event tells.

use serde_json::Value;
use togglebox_core::Timestamp;

use super::look::{self, NotUnderstood};

macro_rules! kinds {
    ($($name:ident = $word:literal,)*) => {
        /// Events that something is done about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the payment service's own words")]
        pub enum EventKind { $($name,)* }

        impl EventKind {
            /// All there are: what a webhook endpoint is to be subscribed to, and what polls ask for.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The payment service's word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

kinds! {
    CheckoutCompleted = "checkout.session.completed",
    CheckoutAsyncPaymentSucceeded = "checkout.session.async_payment_succeeded",
    CheckoutAsyncPaymentFailed = "checkout.session.async_payment_failed",
    CheckoutExpired = "checkout.session.expired",
    SubscriptionCreated = "customer.subscription.created",
    SubscriptionUpdated = "customer.subscription.updated",
    SubscriptionDeleted = "customer.subscription.deleted",
    SubscriptionTrialWillEnd = "customer.subscription.trial_will_end",
    SubscriptionPaused = "customer.subscription.paused",
    SubscriptionResumed = "customer.subscription.resumed",
    SubscriptionPendingUpdateApplied = "customer.subscription.pending_update_applied",
    SubscriptionPendingUpdateExpired = "customer.subscription.pending_update_expired",
    InvoicePaid = "invoice.paid",
    InvoicePaymentSucceeded = "invoice.payment_succeeded",
    InvoicePaymentFailed = "invoice.payment_failed",
    InvoicePaymentActionRequired = "invoice.payment_action_required",
    InvoiceFinalized = "invoice.finalized",
    InvoiceFinalizationFailed = "invoice.finalization_failed",
    CustomerUpdated = "customer.updated",
    CustomerDeleted = "customer.deleted",
}

impl EventKind {
    /// The kind that a word stands for; `None` for those about which nothing is done.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The object's id.
    pub id: Option<Box<str>>,
    /// What it is: `subscription`, `invoice`.
    pub object: Option<Box<str>>,
    /// Whose.
    pub customer: Option<Box<str>>,
}

/// What every event tells, whatever it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// `evt_…`.
    pub id: Box<str>,
    /// Its word.
    pub kind: Box<str>,
    /// When it happened, to the second, by the payment service's clock.
    pub created: Timestamp,
    /// Whether it is real money.
    pub livemode: bool,
    /// In which shape the object is.
    pub api_version: Option<Box<str>>,
    /// What it is about.
    pub subject: Subject,
}

const OBJECT: &str = "an event";

impl Envelope {
    /// The most characters of an event's id.
    pub const MAX_ID: usize = 255;

    /// Reads what stands around the object.
    ///
    /// # Errors
    /// Without an id, a type or the time when it was made.
    pub fn read(event: &Value) -> Result<Self, NotUnderstood> {
        let missing = |field| NotUnderstood { object: OBJECT, field };
        let id = look::text(event, "id").filter(|id| id.len() <= Self::MAX_ID);
        let subject = event.pointer("/data/object").map(|object| Subject {
            id: look::text(object, "id"),
            object: look::text(object, "object"),
            customer: if look::text(object, "object").as_deref() == Some("customer") {
                look::text(object, "id")
            } else {
                look::id(object, "customer")
            },
        });
        Ok(Self {
            id: id.ok_or(missing("id"))?,
            kind: look::text(event, "type").ok_or(missing("type"))?,
            created: look::moment(event, "created").ok_or(missing("created"))?,
            livemode: look::flag(event, "livemode"),
            api_version: look::text(event, "api_version"),
            subject: subject.unwrap_or_default(),
        })
    }
}
