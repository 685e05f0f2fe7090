//! What clients are told when something is wrong with billing: the whole table.

use std::error::Error as StdError;

use togglebox_billing::{BillingError, PortError, ProviderError, ReceiveError};
use togglebox_core::input::Issue;

use crate::error::{ApiError, Code};
use crate::failure;

/// When to ask the payment service again that does not answer: our client has repeated the call some times by then.
const RETRY_AFTER_S: u64 = 5;

/// `meta.state` of what a workspace with a subscription cannot have done to it.
pub(in crate::cloud) const SUBSCRIBED: &str = "subscribed";

/// An error of billing.
pub(in crate::cloud) fn billing(error: BillingError) -> ApiError {
    match error {
        BillingError::NoSubscription => {
            ApiError::new(Code::NoSubscription, "The workspace has no subscription: begin one with a checkout")
        }
        BillingError::AlreadySubscribed => {
            ApiError::new(Code::AlreadySubscribed, "The workspace has a subscription already: change its plan")
        }
        BillingError::Status(status) => state(status, "The subscription's status does not allow this: see meta.state"),
        BillingError::IsEnding => state("ending", "The subscription is ending: resume it first"),
        BillingError::ChangeWaits => {
            state("change_waits", "An earlier change waits for its payment: pay it, or wait until it is given up")
        }
        BillingError::NotSold => not_sold(),
        BillingError::NothingToChange => ApiError::new(Code::NothingToChange, "It is like that already"),
        BillingError::PreviewTooOld => {
            ApiError::new(Code::PreviewTooOld, "The preview is too old, or of another period: preview the change again")
        }
        BillingError::Declined(reason) => {
            ApiError::new(Code::PaymentDeclined, "The payment did not go through").with_meta("reason", String::from(reason))
        }
        BillingError::NoSignUp => ApiError::not_found("Sign-up not found"),
        BillingError::SubdomainTaken => ApiError::new(Code::AlreadyExists, "The subdomain is taken"),
        BillingError::SignUpRefused(why) => ApiError::new(Code::BadRequest, why),
        BillingError::NotFound => ApiError::not_found("It does not exist"),
        BillingError::Busy => {
            ApiError::new(Code::Busy, "Too much is changing at the same time: repeat the request a little later").retry_after(1)
        }
        BillingError::Provider(error) => provider(&error),
        BillingError::Store(error) => failure::store(error),
        BillingError::Port(PortError::Unavailable(cause)) => {
            tracing::warn!(error = &*cause as &(dyn StdError + 'static), "What billing needs of the service is unavailable");
            ApiError::unavailable()
        }
        // A kind of error that this version does not know is one that nobody thought of a status for.
        other => {
            tracing::error!(error = &other as &(dyn StdError + 'static), "Billing failed");
            ApiError::internal()
        }
    }
}

/// How billing stands does not allow something.
pub(in crate::cloud) fn state(state: &'static str, text: &'static str) -> ApiError {
    ApiError::new(Code::BillingState, text).with_meta("state", state)
}

/// A plan that cannot be bought like that.
pub(in crate::cloud) fn not_sold() -> ApiError {
    ApiError::validation(&[Issue::new("plan", "is not sold, or not in this interval")])
}

fn provider(error: &ProviderError) -> ApiError {
    let cause = error as &(dyn StdError + 'static);
    if error.is_temporary() {
        tracing::warn!(error = cause, "The payment service does not answer");
        let text = "The payment service does not answer: repeat the request a little later";
        return ApiError::new(Code::PaymentServiceUnavailable, text).retry_after(RETRY_AFTER_S);
    }
    tracing::error!(error = cause, "The payment service did not do what it was asked for");
    ApiError::new(Code::PaymentServiceFailed, "The payment service did not accept this: ask the operator of this service")
}

/// Why a webhook was not taken in. Whoever sends it sends it again, unless it is a 2xx.
pub(in crate::cloud) fn receive(error: ReceiveError) -> ApiError {
    match error {
        ReceiveError::Signature(_) => ApiError::new(Code::InvalidSignature, "The signature is not good"),
        ReceiveError::NoEvent => ApiError::new(Code::BadRequest, "The body is no event"),
        // It was not kept, whyever: it is to come again.
        ReceiveError::Store(error) => {
            failure::store(error);
            ApiError::unavailable()
        }
        other => {
            tracing::error!(error = &other as &(dyn StdError + 'static), "A webhook could not be taken in");
            ApiError::unavailable()
        }
    }
}

#[cfg(test)]
mod tests {
    use togglebox_core::{StoreError, StoreErrorKind};

    use super::*;

    #[test]
    fn every_error_has_a_stable_code() {
        let unavailable = || StoreError::new(StoreErrorKind::Unavailable, "billing.commit");
        let missing = ProviderError::Missing("cus_1".into());
        let port = |error: fn(Box<dyn StdError + Send + Sync>) -> PortError| BillingError::Port(error("no".into()));
        let table = [
            (BillingError::NoSubscription, 409, "NO_SUBSCRIPTION"),
            (BillingError::AlreadySubscribed, 409, "ALREADY_SUBSCRIBED"),
            (BillingError::Status("unpaid"), 409, "BILLING_STATE"),
            (BillingError::IsEnding, 409, "BILLING_STATE"),
            (BillingError::ChangeWaits, 409, "BILLING_STATE"),
            (BillingError::NotSold, 422, "VALIDATION_FAILED"),
            (BillingError::NothingToChange, 409, "NOTHING_TO_CHANGE"),
            (BillingError::PreviewTooOld, 409, "PREVIEW_TOO_OLD"),
            (BillingError::Declined("card_declined".into()), 402, "PAYMENT_DECLINED"),
            (BillingError::NoSignUp, 404, "NOT_FOUND"),
            (BillingError::SubdomainTaken, 409, "ALREADY_EXISTS"),
            (BillingError::SignUpRefused("no".to_owned()), 400, "BAD_REQUEST"),
            (BillingError::NotFound, 404, "NOT_FOUND"),
            (BillingError::Busy, 503, "SERVER_BUSY"),
            (BillingError::Provider(ProviderError::Unavailable(None)), 503, "PAYMENT_SERVICE_UNAVAILABLE"),
            (BillingError::Provider(missing), 502, "PAYMENT_SERVICE_FAILED"),
            (BillingError::Provider(ProviderError::Unauthorized), 502, "PAYMENT_SERVICE_FAILED"),
            (BillingError::Store(unavailable()), 503, "SERVICE_UNAVAILABLE"),
            (port(PortError::Unavailable), 503, "SERVICE_UNAVAILABLE"),
            (port(PortError::Refused), 500, "INTERNAL_SERVER_ERROR"),
        ];
        for (error, status, word) in table {
            let told = billing(error);
            assert_eq!((told.code().status().as_u16(), told.code().as_str()), (status, word));
            assert_eq!(told.retry_after_s().is_some(), status == 503, "{word}");
        }
    }

    #[test]
    fn what_was_not_kept_is_to_come_again() {
        for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Corrupt, StoreErrorKind::TooLarge { limit: 1 }] {
            let told = receive(ReceiveError::Store(StoreError::new(kind, "billing.commit")));
            assert_eq!((told.code().status().as_u16(), told.retry_after_s()), (503, Some(1)));
        }
    }
}
