//! What becomes of work that could not be done: it is tried again, and a person hears of it when it was tried often enough.

use std::time::Duration;

use togglebox_core::{EntropyExt as _, StoreErrorKind, Timestamp};

use super::{Billing, BillingError};
use crate::metrics;
use crate::ports::PortError;
use crate::provider::ProviderError;

/// Work that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// An event that came at this moment.
    Event(Timestamp),
    /// Something outside of the store that was written down at this moment.
    Effect(Timestamp),
    /// A sign-up.
    SignUp,
    /// What a tenant is to have.
    Account,
}

/// What is to be done after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether it was tried often enough: a person must look. Events and effects are put aside then; what somebody has paid for is never given
    /// up, and tried all the same.
    pub(super) is_enough: bool,
    /// When it is tried again.
    pub(super) again: Timestamp,
}

impl Work {
    const fn label(self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Effect(_) => "effect",
            Self::SignUp => "sign-up",
            Self::Account => "account",
        }
    }

    /// Since when it has waited, if what does not answer is waited for longer than the number of attempts says.
    const fn waits_since(self) -> Option<Timestamp> {
        match self {
            Self::Event(since) | Self::Effect(since) => Some(since),
            Self::SignUp | Self::Account => None,
        }
    }

    /// Whether a refusal by the rest of the service is the last word.
    const fn ends_refused(self) -> bool {
        matches!(self, Self::Effect(_) | Self::Account)
    }
}

impl Billing {
    /// What is to be done about work that has failed so often, this time included; the metrics hear of it.
    pub(super) fn failed(&self, work: Work, error: &BillingError, attempts: u32) -> Verdict {
        let is_refused = work.ends_refused() && matches!(error, BillingError::Port(PortError::Refused(_)));
        let is_patient = || work.waits_since().is_some_and(|since| self.is_patient(error, since));
        let is_enough = is_refused || (attempts >= self.settings.attempts && !is_patient());
        metrics::worked(work.label(), if is_enough { "dead" } else { "again" });
        Verdict { is_enough, again: self.again(attempts) }
    }

    /// When something that failed so often is tried again: four seconds, twice as long each time, up to an hour.
    pub(super) fn again(&self, attempts: u32) -> Timestamp {
        let pause = Duration::from_secs(2 << attempts.min(11)).min(Duration::from_hours(1));
        self.now().plus(self.ports.entropy.jittered(pause))
    }

    /// Whether to go on trying although it was tried often: what does not answer will, and a key that is not accepted is exchanged. For three
    /// days, as long as the payment service itself would go on sending.
    fn is_patient(&self, error: &BillingError, since: Timestamp) -> bool {
        let will_pass = match error {
            BillingError::Provider(error) => matches!(error, ProviderError::Unavailable(_) | ProviderError::Unauthorized),
            BillingError::Port(error) => matches!(error, PortError::Unavailable(_)),
            BillingError::Store(error) => *error.kind() == StoreErrorKind::Unavailable,
            error => matches!(error, BillingError::Busy),
        };
        will_pass && self.now().since(since) < Duration::from_hours(3 * 24)
    }
}
