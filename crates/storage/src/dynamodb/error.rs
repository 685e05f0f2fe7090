//! From the driver's errors to those of the ports: the only place that knows DynamoDB's codes.

use std::error::Error;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::CancellationReason;
use togglebox_core::{StoreError, StoreErrorKind};

/// What to do about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Too many calls at once, an error inside the service, no answer in time: later it may work. Of a write the outcome is unknown.
    Later,
    /// Somebody else is at the same items: what was read may be stale.
    Contended,
    /// The token of a transaction was used for another one within the last ten minutes.
    TokenTaken,
    /// The service will not do it, however often it is asked: no permission, no such table.
    Unusable,
    /// The service does not understand the request, or finds it too large: a mistake of ours.
    Rejected,
}

impl Trouble {
    /// What the caller of a port is told when there is no time left to try again.
    const fn kind(self) -> StoreErrorKind {
        match self {
            Self::Rejected => StoreErrorKind::Refused("request"),
            Self::Later | Self::Contended | Self::TokenTaken | Self::Unusable => StoreErrorKind::Unavailable,
        }
    }

    /// Whether the same call may go well another time.
    pub(super) const fn passes(self) -> bool {
        matches!(self, Self::Later | Self::Contended | Self::TokenTaken)
    }

    /// The error of a port call that this put an end to.
    pub(super) fn error(self, operation: &'static str, source: impl Error + Send + Sync + 'static) -> StoreError {
        StoreError::new(self.kind(), operation).caused_by(source)
    }
}

/// What to do about any failed call that is not a transaction.
pub(super) fn trouble<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Trouble {
    match error {
        SdkError::ServiceError(context) => of_code(context.err().code()),
        // Something between us and the service answered, or nobody did.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Trouble::Later,
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => Trouble::Later,
        // A connection that was closed while the request was on it, which an idle one may be at any moment. Of what does not pass, the
        // driver names no kind.
        SdkError::DispatchFailure(failure) if failure.as_other().is_some() => Trouble::Later,
        // Nothing to sign with, for one: that does not change within a few seconds.
        _ => Trouble::Unusable,
    }
}

/// What to do about a failed transaction.
pub(super) fn transaction_trouble<R>(error: &SdkError<TransactWriteItemsError, R>) -> Trouble {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => of_reasons(cancelled.cancellation_reasons()),
        _ => trouble(error),
    }
}

fn of_code(code: Option<&str>) -> Trouble {
    match code {
        Some("TransactionConflictException" | "TransactionInProgressException" | "ReplicatedWriteConflictException") => {
            Trouble::Contended
        }
        Some("IdempotentParameterMismatchException") => Trouble::TokenTaken,
        Some(
            "AccessDeniedException"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "ResourceNotFoundException"
            | "UnrecognizedClientException",
        ) => Trouble::Unusable,
        Some("SerializationException" | "ValidationException" | "ItemCollectionSizeLimitExceededException") => Trouble::Rejected,
        // Throttling under one of its many names, an error inside the service, or a code that we do not know.
        _ => Trouble::Later,
    }
}

/// Why a transaction was cancelled: one reason for each of its actions, `None` for those that were in order. A mistake of ours counts
/// most; otherwise what stands has to be read again before anything can be said.
pub(super) fn of_reasons(reasons: &[CancellationReason]) -> Trouble {
    let codes = || reasons.iter().filter_map(CancellationReason::code);
    if codes().any(|code| matches!(code, "ValidationError" | "ItemCollectionSizeLimitExceeded")) {
        Trouble::Rejected
    } else if codes().any(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict" | "DuplicateItem")) {
        Trouble::Contended
    } else {
        // ThrottlingError, ProvisionedThroughputExceeded, or what comes after our time.
        Trouble::Later
    }
}

/// A stored value that cannot be understood: the source of `Corrupt`.
#[derive(Debug, thiserror::Error)]
#[error("attribute {attribute} of item {item} cannot be read")]
pub(super) struct Unreadable {
    pub(super) item: String,
    pub(super) attribute: &'static str,
    pub(super) source: Box<dyn Error + Send + Sync>,
}

/// The source of `Unavailable` when others kept writing for as long as this call was prepared to wait.
#[derive(Debug, thiserror::Error)]
#[error("others kept writing to the same items until the time was up")]
pub(super) struct Crowded;

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(codes: &[&str]) -> Trouble {
        let reason = |code: &&str| CancellationReason::builder().code(*code).build();
        of_reasons(&codes.iter().map(reason).collect::<Vec<_>>())
    }

    #[test]
    fn reasons_of_a_cancelled_transaction() {
        assert_eq!(reasons(&["None", "ConditionalCheckFailed"]), Trouble::Contended);
        assert_eq!(reasons(&["TransactionConflict", "None"]), Trouble::Contended);
        assert_eq!(reasons(&["None", "ThrottlingError"]), Trouble::Later);
        assert_eq!(reasons(&["ProvisionedThroughputExceeded"]), Trouble::Later);
        assert_eq!(reasons(&["ThrottlingError", "ConditionalCheckFailed"]), Trouble::Contended);
        assert_eq!(reasons(&["ConditionalCheckFailed", "ValidationError"]), Trouble::Rejected);
        assert_eq!(reasons(&[]), Trouble::Later);
    }

    #[test]
    fn codes_say_whether_to_try_again() {
        for code in
            ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "InternalServerError"]
        {
            assert_eq!(of_code(Some(code)), Trouble::Later, "{code}");
        }
        assert_eq!(of_code(Some("TransactionConflictException")), Trouble::Contended);
        assert_eq!(of_code(Some("IdempotentParameterMismatchException")), Trouble::TokenTaken);
        for code in ["ValidationException", "ResourceNotFoundException", "AccessDeniedException"] {
            assert!(!of_code(Some(code)).passes(), "{code}");
        }
        assert!(of_code(None).passes());
    }

    #[test]
    fn a_caller_is_told_what_it_can_do() {
        assert_eq!(Trouble::Rejected.kind(), StoreErrorKind::Refused("request"));
        for trouble in [Trouble::Later, Trouble::Contended, Trouble::TokenTaken, Trouble::Unusable] {
            assert_eq!(trouble.kind(), StoreErrorKind::Unavailable);
        }
    }
}
