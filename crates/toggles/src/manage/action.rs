//! What may be done with an experiment, and when.

use crate::ExperimentStatus;

/// Something that is done with an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Its draft is edited.
    Update,
    /// Its traffic is shared anew.
    Traffic,
    /// It begins.
    Start,
    /// It stops for the time being.
    Pause,
    /// It goes on.
    Resume,
    /// It ends.
    Complete,
    /// It is put away.
    Archive,
    /// It is deleted.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 8] =
        [Self::Update, Self::Traffic, Self::Start, Self::Pause, Self::Resume, Self::Complete, Self::Archive, Self::Delete];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Traffic => "traffic",
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Complete => "complete",
            Self::Archive => "archive",
            Self::Delete => "delete",
        }
    }

    /// The status that follows `status`; `None` where the action is not allowed. Editing and deleting leave the status as it is.
    pub const fn next(self, status: ExperimentStatus) -> Option<ExperimentStatus> {
        use ExperimentStatus::{Archived, Completed, Draft, Paused, Running};
        match (self, status) {
            (Self::Start, Draft) | (Self::Resume, Paused) => Some(Running),
            (Self::Pause, Running) => Some(Paused),
            (Self::Complete, Running | Paused) => Some(Completed),
            (Self::Archive, Completed) => Some(Archived),
            (Self::Update, Draft)
            | (Self::Traffic, Draft | Running | Paused)
            | (Self::Delete, Draft | Paused | Completed | Archived) => Some(status),
            _ => None,
        }
    }

    /// The contract's sentence for a refusal.
    pub fn refusal(self, status: ExperimentStatus) -> String {
        let status = status.as_str();
        match self {
            Self::Delete => format!("Cannot delete {status} experiment"),
            Self::Traffic => format!("Cannot update traffic allocation for experiment in {status} status"),
            _ => format!("Cannot {} experiment in {status} status", self.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_in_every_status() {
        // Rows: statuses; columns: the order of `Action::ALL`. A dash is a refusal, a dot leaves the status as it is.
        let table = "
            draft      .  .  running  -       -        -          -         .
            running    -  .  -        paused  -        completed  -         -
            paused     -  .  -        -       running  completed  -         .
            completed  -  -  -        -       -        -          archived  .
            archived   -  -  -        -       -        -          -         .";
        let mut cells = 0;
        for row in table.lines().skip(1) {
            let mut words = row.split_whitespace();
            let find = |word: &str| ExperimentStatus::WORDS.iter().find(|(name, _)| *name == word).unwrap().1;
            let status = find(words.next().unwrap());
            for action in Action::ALL {
                let expected = match words.next().unwrap() {
                    "-" => None,
                    "." => Some(status),
                    word => Some(find(word)),
                };
                assert_eq!(action.next(status), expected, "{action:?} in {status:?}");
                cells += 1;
            }
        }
        assert_eq!(cells, Action::ALL.len() * ExperimentStatus::WORDS.len());
    }

    #[test]
    fn refusals_are_the_contracts() {
        use ExperimentStatus::{Archived, Running};
        assert_eq!(Action::Start.refusal(Running), "Cannot start experiment in running status");
        assert_eq!(Action::Update.refusal(Running), "Cannot update experiment in running status");
        assert_eq!(Action::Traffic.refusal(Archived), "Cannot update traffic allocation for experiment in archived status");
        assert_eq!(Action::Delete.refusal(Running), "Cannot delete running experiment");
    }
}
