//! Bodies of the steps in an experiment's life.

use serde_json::Value;
use togglebox_core::input::{Issues, Reader, is_email};

/// The wish to start an experiment.
///
/// The contract demands an e-mail address here. It is checked, but what is recorded is the address of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartExperiment {
    /// What the client says.
    pub started_by: String,
}

impl StartExperiment {
    /// Reads `{startedBy}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let start = root.object().and_then(|_| email(&root.field("startedBy")).map(|started_by| Self { started_by }));
        root.finish(start)
    }
}

/// The wish to complete an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteExperiment {
    /// Key of the variation that won, unchecked.
    pub winner: Option<String>,
    /// What the client says; as in [`StartExperiment`], the caller's address is recorded instead.
    pub completed_by: String,
}

impl CompleteExperiment {
    /// Reads `{winner?, completedBy}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let completion = root.object().and_then(|_| {
            let winner = root.field("winner").optional(super::any_text);
            let completed_by = email(&root.field("completedBy"));
            Some(Self { winner: winner?, completed_by: completed_by? })
        });
        root.finish(completion)
    }
}

fn email(place: &Reader<'_>) -> Option<String> {
    place.text().check(is_email, "Invalid email").owned()
}
