#![doc = include_str!("../README.md")]

mod directory;
pub mod evaluation;
mod experiment;
mod flag;
mod hash;
pub mod input;
pub mod manage;
mod names;
mod number;
mod parameter;
mod scope;
mod snapshot;
pub mod statistics;
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod value;
mod version;

pub use directory::{Directory, Environment, Platform};
pub use evaluation::{
    Assignment, AttributeValue, CompiledExperiment, CompiledFlag, Context, FlagOutcome, FlagReason, NotAssigned,
};
pub use experiment::{
    Allocation, Experiment, ExperimentDefinition, ExperimentStatus, ExperimentTargeting, Metric, MetricType, SuccessDirection,
    TargetedCountry, TargetedLanguage, Variation,
};
pub use flag::{
    CountryRule, Flag, FlagDefinition, FlagTargeting, FlagType, FlagValue, FlagVersion, InvalidFlagVersion, LanguageRule, Side,
};
pub use hash::{Bucket, Bucketer, Bucketing};
pub use names::{EnvironmentName, ExperimentKey, FlagKey, InvalidName, ParameterKey, PlatformName, VariationKey};
pub use parameter::{Parameter, ParameterDefinition, ParameterVersion, ValueType};
pub use scope::Scope;
pub use snapshot::Snapshot;
pub use version::{VersionPart, bump_version};
