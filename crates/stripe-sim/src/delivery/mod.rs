//! Webhooks: which endpoint gets what, when, and how it is signed.

mod chaos;
mod endpoint;
mod outbox;
mod post;
pub(crate) mod signature;

pub use chaos::Chaos;
pub(crate) use endpoint::{Endpoint, Secret};
pub(crate) use outbox::Outbox;
pub(crate) use post::post;

/// A signed delivery, ready to be fed to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Of the delivery, not of the event.
    pub id: String,
    /// `evt_…`.
    pub event_id: String,
    /// `we_…`.
    pub endpoint: String,
    /// To the byte what is signed.
    pub body: Vec<u8>,
    /// `Content-Type`, `Stripe-Signature`, `User-Agent`.
    pub headers: Vec<(String, String)>,
}

impl Delivery {
    /// The `Stripe-Signature` header.
    pub fn signature(&self) -> &str {
        self.headers.iter().find(|(name, _)| name == "Stripe-Signature").map_or("", |(_, value)| value)
    }
}
