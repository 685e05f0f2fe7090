//! What this crate needs of a store.
//!
//! Each call is one atomic act. Every write
//! - names the tenant first and the revision it read (`expected`) where something is replaced or deleted; when the record has moved
//!   on it answers [`Conflict`](togglebox_core::StoreErrorKind::Conflict) with the revision that stands, and writes nothing;
//! - raises the revision of its container (an environment, or the tenant's directory) by one and gives that revision to the record;
//! - appends the given audit record. A write that is repeated with the id of an audit record that is there already has been done:
//!   the store answers as it answered then, as far as the record still stands, and changes nothing.
//!
//! A write whose outcome is unknown ([`Unavailable`](togglebox_core::StoreErrorKind::Unavailable)) may therefore be repeated as it is.
//! A read that starts after a write returned sees it.

mod directory;
mod environment;
mod experiment;
mod flag;
mod parameter;
mod statistics;

pub use directory::{DirectoryStore, Revisions};
pub use environment::{EnvironmentState, EnvironmentStore};
pub use experiment::ExperimentStore;
pub use flag::FlagStore;
pub use parameter::ParameterStore;
pub use statistics::{
    CountryCount, DayCount, Delta, ExperimentDay, ExperimentStatistics, FlagStatistics, MAX_SUM, MetricDay, MetricSample,
    ParameterStatistics, ScopedDelta, StatisticsBatch, StatisticsStore, Subject, SubjectSums, VariationTotals,
};
