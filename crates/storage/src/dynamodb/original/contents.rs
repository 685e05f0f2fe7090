//! From the rows of one thing to the records of it: pure, whatever is read for.

use togglebox_toggles::{ExperimentKey, FlagKey, ParameterKey};
use uuid::Uuid;

use super::figure_key::Tier;
use super::finding::Notes;
use super::row::Row;
use super::{OriginalTable, experiment, experiment_figures, figures, flag, parameter};
use crate::transfer::Record;

/// The tables of what is in environments, in the order of their kinds.
pub(super) const AREAS: [Area; 3] = [Area::Parameters, Area::Flags, Area::Experiments];

/// What is in environments, besides figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Parameters,
    Flags,
    Experiments,
}

impl Area {
    pub(super) const fn table(self) -> OriginalTable {
        match self {
            Self::Parameters => OriginalTable::RemoteConfigs,
            Self::Flags => OriginalTable::Flags,
            Self::Experiments => OriginalTable::Experiments,
        }
    }

    pub(super) const fn tier(self) -> Tier {
        match self {
            Self::Parameters => Tier::Parameter,
            Self::Flags => Tier::Flag,
            Self::Experiments => Tier::Experiment,
        }
    }

    /// The partition of an environment.
    pub(super) fn partition(self, platform: &str, environment: &str) -> String {
        match self {
            Self::Parameters => format!("CONFIG#{platform}#{environment}"),
            Self::Flags | Self::Experiments => format!("PLATFORM#{platform}#ENV#{environment}"),
        }
    }

    /// What a row is about.
    pub(super) const fn subject(self) -> fn(&Row) -> Option<&str> {
        match self {
            Self::Parameters => parameter::key,
            Self::Flags => flag::key,
            Self::Experiments => experiment::key,
        }
    }

    /// All records of one thing, in the order of their kinds.
    pub(super) fn records(self, environment: Uuid, rows: Vec<Row>, notes: &mut Notes) -> Vec<Record> {
        let Some(first) = rows.first() else { return Vec::new() };
        let Some(key) = self.subject()(first).map(str::to_owned) else {
            for row in &rows {
                notes.left(row.key(), "its key is none that this table has");
            }
            return Vec::new();
        };
        match self {
            Self::Parameters => together(parameter::parameter(environment, &key, rows, notes)),
            Self::Flags => together(flag::flag(environment, &key, rows, notes)),
            Self::Experiments => experiment::experiment(environment, &key, rows, notes).map(Record::from).into_iter().collect(),
        }
    }
}

fn together<H: Into<Record>, V: Into<Record>>(thing: Option<(H, Vec<V>)>) -> Vec<Record> {
    let Some((head, versions)) = thing else { return Vec::new() };
    std::iter::once(head.into()).chain(versions.into_iter().map(Into::into)).collect()
}

/// All records of one thing's figures.
pub(super) fn figures(environment: Uuid, tier: Tier, key: &str, rows: Vec<Row>, notes: &mut Notes) -> Vec<Record> {
    let read = match tier {
        Tier::Parameter => ParameterKey::new(key).map(|key| figures::parameter(environment, &key, rows, notes)),
        Tier::Flag => FlagKey::new(key).map(|key| figures::flag(environment, &key, rows, notes)),
        Tier::Experiment => ExperimentKey::new(key).map(|key| experiment_figures::experiment(environment, &key, rows, notes)),
    };
    // Only figures of what was taken are asked for, and that has a sound key.
    read.unwrap_or_default()
}
