//! What a process tells of its calls to Stripe, through the facade of the `metrics` crate. All labels are from closed lists.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::provider::{ProviderError, ProviderResult};

macro_rules! operations {
    ($($name:ident = $word:literal,)*) => {
        /// A call of the port.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Operation { $($name,)* }

        impl Operation {
            const ALL: &[Self] = &[$(Self::$name),*];

            pub(super) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

operations! {
    CreateCheckout = "create_checkout",
    Checkout = "checkout",
    ExpireCheckout = "expire_checkout",
    CreatePortal = "create_portal",
    Subscription = "subscription",
    Scheduled = "scheduled",
    PreviewChange = "preview_change",
    Upcoming = "upcoming",
    ChangePlan = "change_plan",
    ReleaseSchedule = "release_schedule",
    End = "end",
    Refund = "refund",
    Void = "void",
    Invoices = "invoices",
    SendUsage = "send_usage",
    Usage = "usage",
    Events = "events",
    Price = "price",
    Meter = "meter",
    WebhookEndpoints = "webhook_endpoints",
}

const OUTCOMES: [&str; 7] = ["ok", "unavailable", "missing", "declined", "refused", "unauthorized", "not_understood"];

fn outcome<T>(result: &ProviderResult<T>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(ProviderError::Unavailable(_)) => "unavailable",
        Err(ProviderError::Missing(_)) => "missing",
        Err(ProviderError::Declined { .. }) => "declined",
        Err(ProviderError::Refused { .. }) => "refused",
        Err(ProviderError::Unauthorized) => "unauthorized",
        Err(ProviderError::NotUnderstood(_)) => "not_understood",
    }
}

/// Why a request was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The connection could not be made, or broke.
    Connection,
    /// It took too long.
    Timeout,
    /// It was answered, with a status that says so.
    Status,
}

impl Reason {
    const ALL: [Self; 3] = [Self::Connection, Self::Timeout, Self::Status];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Status => "status",
        }
    }
}

const CALLS: &str = "togglebox_billing_provider_calls_total";
const SECONDS: &str = "togglebox_billing_provider_call_seconds";
const RETRIES: &str = "togglebox_billing_provider_retries_total";

/// Describes the figures, and begins each counter with zero.
pub(super) fn register() {
    describe_counter!(CALLS, "Calls to the payment service, by what was asked and what came of it.");
    describe_histogram!(SECONDS, Unit::Seconds, "How long calls to the payment service took, repeats included.");
    describe_counter!(RETRIES, "Requests to the payment service that were sent again.");
    for operation in Operation::ALL {
        for outcome in OUTCOMES {
            counter!(CALLS, "operation" => operation.as_str(), "outcome" => outcome).increment(0);
        }
    }
    for reason in Reason::ALL {
        counter!(RETRIES, "reason" => reason.as_str()).increment(0);
    }
}

pub(super) fn called<T>(operation: Operation, result: &ProviderResult<T>, took: Duration) {
    counter!(CALLS, "operation" => operation.as_str(), "outcome" => outcome(result)).increment(1);
    histogram!(SECONDS, "operation" => operation.as_str()).record(took.as_secs_f64());
}

pub(super) fn retried(reason: Reason) {
    counter!(RETRIES, "reason" => reason.as_str()).increment(1);
}
