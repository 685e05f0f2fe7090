//! What the payment service's objects tell, read leniently.
//!
//! Only what is needed is read, and only what is needed may be missing wrongly: unknown fields, kinds and words are fine, an id may stand
//! where the object could be and the other way round, and both shapes of periods are understood, that of before `2025-03-31.basil` and the
//! later one. Why no generated types read this: `docs/adr/0008-billing-reads-leniently.md`.

mod checkout;
mod envelope;
mod invoice;
mod look;
mod price;
mod subscription;

pub use self::checkout::{Checkout, CheckoutStatus, PaymentStatus};
pub use self::envelope::{Envelope, EventKind, Subject};
pub use self::invoice::{Invoice, Line};
pub use self::look::NotUnderstood;
pub use self::price::Price;
pub use self::subscription::{Item, ScheduledChange, Subscription, SubscriptionStatus};

#[cfg(test)]
mod tests;
