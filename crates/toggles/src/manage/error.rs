//! Why a change was not made.

use togglebox_core::input::Issues;
use togglebox_core::{Revision, StoreError, StoreErrorKind};

use super::{Action, Countable};
use crate::{ExperimentKey, ExperimentStatus, FlagKey, ParameterKey, PlatformName, Scope};

/// The result of a managing operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a change was not made, told by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The draft does not fit what is stored. Correct it.
    #[error("the document does not fit what is stored ({})", first(.0))]
    Invalid(Issues),
    /// It is not there.
    #[error("{0} does not exist")]
    NotFound(Resource),
    /// Its name or key is taken.
    #[error("{0} exists already")]
    AlreadyExists(Resource),
    /// It has moved on since the caller read it. Read it again and decide anew.
    #[error("it has changed and is now at revision {current}")]
    Conflict {
        /// Where it stands now.
        current: Revision,
    },
    /// The experiment's status forbids it.
    #[error("an experiment in {} status takes no {}", status.as_str(), action.as_str())]
    Status {
        /// Where the experiment stands.
        status: ExperimentStatus,
        /// What was tried.
        action: Action,
    },
    /// The experiment has no such variation.
    #[error("there is no variation {0}")]
    UnknownVariation(String),
    /// The tenant has as many of the kind as it may.
    #[error("the tenant has {usage} of {limit} {}", kind.as_str())]
    QuotaReached {
        /// Of which kind.
        kind: Countable,
        /// How many it has; more than the limit when that was lowered since.
        usage: u64,
        /// How many it may have.
        limit: u64,
    },
    /// The environment is full.
    #[error("the limit of {0} is reached")]
    LimitReached(usize),
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
}

impl Error {
    /// What a store's answer to a write means; `resource` is what was written.
    pub(super) fn of_write(error: StoreError, resource: Resource) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound => Self::NotFound(resource),
            StoreErrorKind::AlreadyExists => Self::AlreadyExists(resource),
            StoreErrorKind::Conflict { current } => Self::Conflict { current: *current },
            StoreErrorKind::LimitReached { limit } => Self::LimitReached(*limit),
            StoreErrorKind::QuotaReached { usage, limit } => {
                Self::QuotaReached { kind: resource.kind(), usage: *usage, limit: *limit }
            }
            _ => Self::Store(error),
        }
    }

    /// What a store's answer to a creation means: `NotFound` is about the place in which `resource` was to be made.
    pub(super) fn of_creation(error: StoreError, resource: Resource, place: Resource) -> Self {
        match error.kind() {
            StoreErrorKind::NotFound => Self::NotFound(place),
            _ => Self::of_write(error, resource),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Issues> for Error {
    fn from(issues: Issues) -> Self {
        Self::Invalid(issues)
    }
}

fn first(issues: &Issues) -> String {
    issues.first().map_or_else(|| "no detail".to_owned(), ToString::to_string)
}

/// Something that is managed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource {
    /// A platform.
    Platform(PlatformName),
    /// An environment.
    Environment(Scope),
    /// A config parameter.
    Parameter(Scope, ParameterKey),
    /// A version of a config parameter, as the caller wrote its number.
    ParameterVersion(Scope, ParameterKey, String),
    /// A flag.
    Flag(Scope, FlagKey),
    /// A version of a flag, as the caller wrote it.
    FlagVersion(Scope, FlagKey, String),
    /// An experiment.
    Experiment(Scope, ExperimentKey),
}

impl Resource {
    /// As what it counts.
    const fn kind(&self) -> Countable {
        match self {
            Self::Platform(_) => Countable::Platforms,
            Self::Environment(_) => Countable::Environments,
            Self::Parameter(..) | Self::ParameterVersion(..) => Countable::Parameters,
            Self::Flag(..) | Self::FlagVersion(..) => Countable::Flags,
            Self::Experiment(..) => Countable::Experiments,
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Platform(name) => write!(f, "platform {name}"),
            Self::Environment(scope) => write!(f, "environment {scope}"),
            Self::Parameter(scope, key) => write!(f, "parameter {key} in {scope}"),
            Self::ParameterVersion(scope, key, version) => write!(f, "version {version} of parameter {key} in {scope}"),
            Self::Flag(scope, key) => write!(f, "flag {key} in {scope}"),
            Self::FlagVersion(scope, key, version) => write!(f, "version {version} of flag {key} in {scope}"),
            Self::Experiment(scope, key) => write!(f, "experiment {key} in {scope}"),
        }
    }
}
