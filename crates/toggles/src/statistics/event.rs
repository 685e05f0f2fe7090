//! What happens to users, and is counted.

use std::time::Duration;

use togglebox_core::Timestamp;

use crate::store::Subject;
use crate::{ExperimentKey, FlagKey, ParameterKey, Side, VariationKey};

/// Something that happened, somewhere, to be counted. Whether what it names exists is for the caller to check.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, by whoever saw it.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A client fetched a parameter.
    ConfigFetch {
        /// Which.
        key: ParameterKey,
        /// Who, if told.
        client: Option<Subject>,
    },
    /// A flag was evaluated for a user.
    FlagEvaluation {
        /// Which.
        flag: FlagKey,
        /// The value that was served.
        side: Side,
        /// For whom.
        user: Subject,
        /// For which country, as it was told. Counted by country when it is two letters or digits.
        country: Option<String>,
    },
    /// A user saw a variation.
    Exposure {
        /// Of which experiment.
        experiment: ExperimentKey,
        /// Which.
        variation: VariationKey,
        /// Who.
        user: Subject,
    },
    /// A user converted.
    Conversion {
        /// In which experiment.
        experiment: ExperimentKey,
        /// The metric's id.
        metric: String,
        /// The variation that the user is in.
        variation: VariationKey,
        /// Who.
        user: Subject,
        /// How much it was worth, if told. Finite, and at most 1e100 in size.
        value: Option<f64>,
    },
}

/// What happened, as its witness has it at hand: [`EventKind`] without a share of its own in anything.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Occurrence<'a> {
    /// A client fetched a parameter.
    ConfigFetch {
        /// Which.
        key: &'a ParameterKey,
        /// Who, if told.
        client: Option<Subject>,
    },
    /// A flag was evaluated for a user.
    FlagEvaluation {
        /// Which.
        flag: &'a FlagKey,
        /// The value that was served.
        side: Side,
        /// For whom.
        user: Subject,
        /// For which country, as it was told. Counted by country when it is two letters or digits.
        country: Option<&'a str>,
    },
    /// A user saw a variation.
    Exposure {
        /// Of which experiment.
        experiment: &'a ExperimentKey,
        /// Which.
        variation: &'a VariationKey,
        /// Who.
        user: Subject,
    },
    /// A user converted.
    Conversion {
        /// In which experiment.
        experiment: &'a ExperimentKey,
        /// The metric's id.
        metric: &'a str,
        /// The variation that the user is in.
        variation: &'a VariationKey,
        /// Who.
        user: Subject,
        /// How much it was worth, if told. Finite, and at most 1e100 in size.
        value: Option<f64>,
    },
}

impl EventKind {
    /// The same, borrowed.
    pub fn occurrence(&self) -> Occurrence<'_> {
        match self {
            Self::ConfigFetch { key, client } => Occurrence::ConfigFetch { key, client: *client },
            Self::FlagEvaluation { flag, side, user, country } => {
                Occurrence::FlagEvaluation { flag, side: *side, user: *user, country: country.as_deref() }
            }
            Self::Exposure { experiment, variation, user } => Occurrence::Exposure { experiment, variation, user: *user },
            Self::Conversion { experiment, metric, variation, user, value } => {
                Occurrence::Conversion { experiment, metric, variation, user: *user, value: *value }
            }
        }
    }
}

/// How late an event may arrive and still count for the time when it happened.
const LATEST: Duration = Duration::from_hours(48);
/// How far a client's clock may be ahead.
const AHEAD: Duration = Duration::from_mins(5);

/// When an event counts: at its own time when it arrives at most 48 hours late or 5 minutes early, else on receipt.
pub(super) fn counted_at(at: Timestamp, received_at: Timestamp) -> Timestamp {
    if at >= received_at.minus(LATEST) && at <= received_at.plus(AHEAD) { at } else { received_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_counts_at_its_own_time_within_the_window_only() {
        let received: Timestamp = "2026-11-22T00:01:00Z".parse().unwrap();
        let counted = |text: &str| counted_at(text.parse().unwrap(), received).to_string();
        assert_eq!(counted("2026-11-21T23:59:00Z"), "2026-11-21T23:59:00.000Z");
        assert_eq!(counted("2026-11-20T00:01:00Z"), "2026-11-20T00:01:00.000Z");
        assert_eq!(counted("2026-11-20T00:00:59.999Z"), received.to_string());
        assert_eq!(counted("2026-11-22T00:06:00Z"), "2026-11-22T00:06:00.000Z");
        assert_eq!(counted("2026-11-22T00:06:00.001Z"), received.to_string());
    }
}
