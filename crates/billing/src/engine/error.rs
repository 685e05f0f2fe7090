//! What can go wrong.

use togglebox_core::StoreError;

use crate::ports::PortError;
use crate::provider::ProviderError;
use crate::signature::BadSignature;

/// The result of what is done with billing.
pub type Result<T, E = BillingError> = std::result::Result<T, E>;

/// Why something cannot be done, told by what whoever asks can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BillingError {
    /// The tenant never paid for anything.
    #[error("there is no subscription yet")]
    NoSubscription,
    /// It has one already; it is to be changed.
    #[error("there is a subscription already")]
    AlreadySubscribed,
    /// The subscription is over, or not there yet.
    #[error("the subscription is {0}: that is not possible")]
    Status(&'static str),
    /// The plan is not sold, or not in this interval.
    #[error("the plan is not sold like that")]
    NotSold,
    /// It is like that already.
    #[error("nothing would change")]
    NothingToChange,
    /// The subscription is ending; it has to be resumed first.
    #[error("the subscription is ending")]
    IsEnding,
    /// An earlier change waits for its payment.
    #[error("an earlier change waits for its payment")]
    ChangeWaits,
    /// A preview is good for an hour.
    #[error("the preview is too old, or of another period")]
    PreviewTooOld,
    /// A payment was declined.
    #[error("the payment did not go through")]
    Declined(Box<str>),
    /// There is no such sign-up.
    #[error("there is no such sign-up")]
    NoSignUp,
    /// Somebody has the subdomain.
    #[error("the subdomain is taken")]
    SubdomainTaken,
    /// It cannot be signed up like that: why.
    #[error("{0}")]
    SignUpRefused(String),
    /// There is nothing of that id.
    #[error("there is nothing of that id")]
    NotFound,
    /// Others write at the same time, again and again. Trying again helps.
    #[error("too much is changing at the same time")]
    Busy,
    /// The payment service did not do it.
    #[error(transparent)]
    Provider(ProviderError),
    /// The store did not do it.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The rest of the service did not do it.
    #[error("another part of the service failed")]
    Port(#[from] PortError),
}

impl From<ProviderError> for BillingError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Declined { code } => Self::Declined(code),
            error => Self::Provider(error),
        }
    }
}

/// Why a webhook was not taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// There is no signature, or it does not fit.
    #[error("the signature is not good")]
    Signature(#[source] BadSignature),
    /// It is signed, and no event.
    #[error("the body is no event")]
    NoEvent,
    /// It could not be kept: it is to be sent again.
    #[error("the store failed")]
    Store(#[from] StoreError),
}
