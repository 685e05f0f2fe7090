//! Steps in an experiment's life, as pure functions.

use togglebox_core::Timestamp;

use super::{Action, Error, Result};
use crate::input::{ExperimentPatch, TrafficUpdate};
use crate::{Experiment, VariationKey};

/// An action together with what it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The draft is edited.
    Update(Box<ExperimentPatch>),
    /// The traffic is shared anew.
    Traffic(TrafficUpdate),
    /// It begins.
    Start,
    /// It stops for the time being.
    Pause,
    /// It goes on.
    Resume,
    /// It ends, perhaps with a winner (a variation's key, unchecked).
    Complete(Option<String>),
    /// It is put away.
    Archive,
}

impl Step {
    /// Which action this is.
    pub const fn action(&self) -> Action {
        match self {
            Self::Update(_) => Action::Update,
            Self::Traffic(_) => Action::Traffic,
            Self::Start => Action::Start,
            Self::Pause => Action::Pause,
            Self::Resume => Action::Resume,
            Self::Complete(_) => Action::Complete,
            Self::Archive => Action::Archive,
        }
    }

    /// What the audit log calls it.
    pub(super) const fn audit_action(&self) -> &'static str {
        match self {
            Self::Update(_) => "experiment.update",
            Self::Traffic(_) => "experiment.traffic",
            Self::Start => "experiment.start",
            Self::Pause => "experiment.pause",
            Self::Resume => "experiment.resume",
            Self::Complete(_) => "experiment.complete",
            Self::Archive => "experiment.archive",
        }
    }

    /// The experiment after this step, taken by the owner of the address `by` at `at`. Its revision is the store's to give.
    ///
    /// # Errors
    /// `Status` when the experiment's status forbids it; `UnknownVariation` and `Invalid` when the step does not fit the experiment.
    pub fn apply(&self, experiment: Experiment, by: &str, at: Timestamp) -> Result<Experiment> {
        let action = self.action();
        let status = action.next(experiment.status).ok_or(Error::Status { status: experiment.status, action })?;
        let mut next = Experiment { status, updated_at: at, ..experiment };
        match self {
            Self::Update(patch) => next.definition = patch.as_ref().clone().apply(&next.definition)?,
            Self::Traffic(update) => {
                if let Some(key) = update.unknown_variation(&next.definition) {
                    return Err(Error::UnknownVariation(key.to_owned()));
                }
                next.definition = update.apply(&next.definition)?;
            }
            Self::Start => {
                next.started_at = Some(at);
                next.started_by = Some(by.to_owned());
            }
            Self::Complete(winner) => {
                next.winner = winner.as_deref().map(|key| variation(&next, key)).transpose()?;
                next.completed_at = Some(at);
                next.completed_by = Some(by.to_owned());
            }
            Self::Pause | Self::Resume | Self::Archive => {}
        }
        Ok(next)
    }
}

fn variation(experiment: &Experiment, key: &str) -> Result<VariationKey> {
    let found = experiment.definition.variations.iter().find(|variation| variation.key.as_str() == key);
    found.map(|variation| variation.key.clone()).ok_or_else(|| Error::UnknownVariation(key.to_owned()))
}
