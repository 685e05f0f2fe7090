//! The port of statistics.
//!
//! Nodes count in memory and send what has been added since the last time, as one batch with an id. So a counter is never read to be
//! written, and a batch whose outcome is unknown is simply sent again.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use crate::{ExperimentKey, FlagKey, ParameterKey, Scope, Side, VariationKey};

/// The largest sum, and its negative the smallest, that a store keeps per subject and metric, and per day. Squares of it, over as many
/// subjects as there may ever be, are finite, so that no figure is ever "not a number".
pub const MAX_SUM: f64 = 1e145;

/// A user or client, reduced to 16 bytes: the first half of the SHA-256 of its id. Counted, never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

/// What one subject added to a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubjectSums {
    /// Who.
    pub subject: Subject,
    /// Conversions.
    pub conversions: u64,
    /// Conversions that carried a value.
    pub values: u64,
    /// Sum of those values.
    pub sum: f64,
}

/// What was counted for one thing. Days are UTC, `YYYY-MM-DD`; hours are whole hours since 1970.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Delta {
    /// A parameter was fetched.
    Parameter {
        /// Which.
        key: ParameterKey,
        /// How often.
        fetches: u64,
        /// When last.
        last_at: Timestamp,
        /// Registers of a distinct-count sketch of the clients, per hour: see `statistics::Sketch`. Merged by maximum.
        clients: Vec<(u64, Vec<u8>)>,
    },
    /// A flag was evaluated.
    Flag {
        /// Which.
        key: FlagKey,
        /// On which day.
        day: String,
        /// For which country, in capitals, when it was told.
        country: Option<String>,
        /// How often it served A.
        served_a: u64,
        /// How often it served B.
        served_b: u64,
        /// When last.
        last_at: Timestamp,
    },
    /// Users got a value of a flag.
    FlagUsers {
        /// Which flag.
        key: FlagKey,
        /// Which value.
        side: Side,
        /// Registers of a distinct-count sketch of the users, per hour. Merged by maximum.
        users: Vec<(u64, Vec<u8>)>,
    },
    /// Users saw a variation.
    Exposure {
        /// Which experiment.
        key: ExperimentKey,
        /// Which variation.
        variation: VariationKey,
        /// On which day.
        day: String,
        /// How often.
        exposures: u64,
        /// Who; a subject is counted once per variation however often it is sent.
        subjects: Vec<Subject>,
        /// When last.
        last_at: Timestamp,
    },
    /// Users converted.
    Conversion {
        /// Which experiment.
        key: ExperimentKey,
        /// Which variation.
        variation: VariationKey,
        /// The metric's id.
        metric: String,
        /// On which day.
        day: String,
        /// What each of them added.
        subjects: Vec<SubjectSums>,
        /// When last.
        last_at: Timestamp,
    },
}

impl Delta {
    /// How much it weighs in a batch: one, and one for each subject or sketch. A sketch is at most 4 KiB.
    pub const fn entries(&self) -> usize {
        1 + match self {
            Self::Parameter { clients, .. } => clients.len(),
            Self::Flag { .. } => 0,
            Self::FlagUsers { users, .. } => users.len(),
            Self::Exposure { subjects, .. } => subjects.len(),
            Self::Conversion { subjects, .. } => subjects.len(),
        }
    }
}

/// A delta and the environment that it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopedDelta {
    /// Where.
    pub scope: Scope,
    /// What.
    pub delta: Delta,
}

/// What one node counted since its last batch.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsBatch {
    /// Unique. A batch that is sent again under the same id within a day is counted once.
    pub id: Uuid,
    /// When it was closed.
    pub at: Timestamp,
    /// The deltas.
    pub deltas: Vec<ScopedDelta>,
}

impl StatisticsBatch {
    /// How much its deltas weigh together.
    pub fn entries(&self) -> usize {
        self.deltas.iter().map(|scoped| scoped.delta.entries()).sum()
    }
}

/// A parameter's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct ParameterStatistics {
    /// Fetches so far.
    pub fetches: u64,
    /// The last fetch.
    pub last_at: Timestamp,
    /// Distinct clients of the last 24 hours; an estimate (standard error 1.6 %), exact up to a few hundred.
    pub clients_24h: u64,
}

/// A flag's figures.
#[derive(Clone, Debug, PartialEq)]
pub struct FlagStatistics {
    /// Evaluations that served A.
    pub served_a: u64,
    /// Evaluations that served B.
    pub served_b: u64,
    /// The last evaluation.
    pub last_at: Timestamp,
    /// Distinct users who got A in the last 24 hours; an estimate, as above.
    pub users_a_24h: u64,
    /// Distinct users who got B in the last 24 hours; an estimate, as above.
    pub users_b_24h: u64,
}

/// A flag's evaluations for one country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountryCount {
    /// In capitals.
    pub country: String,
    /// Evaluations that served A.
    pub served_a: u64,
    /// Evaluations that served B.
    pub served_b: u64,
}

/// A flag's evaluations of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCount {
    /// UTC, `YYYY-MM-DD`.
    pub day: String,
    /// Evaluations that served A.
    pub served_a: u64,
    /// Evaluations that served B.
    pub served_b: u64,
}

/// A variation's exposures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariationTotals {
    /// Which.
    pub variation: VariationKey,
    /// How often it was seen.
    pub exposures: u64,
    /// By how many distinct users.
    pub users: u64,
}

/// A metric's conversions of one variation on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricDay {
    /// Which variation.
    pub variation: VariationKey,
    /// The metric's id.
    pub metric: String,
    /// UTC, `YYYY-MM-DD`.
    pub day: String,
    /// How many.
    pub conversions: u64,
    /// Sum of their values.
    pub sum: f64,
}

/// A variation's traffic of one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentDay {
    /// Which variation.
    pub variation: VariationKey,
    /// UTC, `YYYY-MM-DD`.
    pub day: String,
    /// Distinct users whose first exposure to the variation fell on this day.
    pub new_users: u64,
    /// Exposures.
    pub exposures: u64,
    /// Conversions, of all metrics together.
    pub conversions: u64,
}

/// A metric per user: what tests that respect the unit of randomisation need.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricSample {
    /// Which variation.
    pub variation: VariationKey,
    /// The metric's id.
    pub metric: String,
    /// Exposed users who converted at least once.
    pub converted_users: u64,
    /// Over the exposed users: sum of conversions.
    pub conversions: f64,
    /// Over the exposed users: sum of squared conversions.
    pub conversions_squared: f64,
    /// Over the exposed users: sum of summed values.
    pub sum: f64,
    /// Over the exposed users: sum of squared summed values.
    pub sum_squared: f64,
    /// Over the exposed users: conversions that carried a value.
    pub values: u64,
    /// Over the exposed users: sum of the squared numbers of values.
    pub values_squared: f64,
    /// Over the exposed users: sum of the products of a user's summed values and number of values.
    pub sum_values: f64,
}

/// An experiment's figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExperimentStatistics {
    /// By variation key. Variations without exposures are not listed.
    pub variations: Vec<VariationTotals>,
    /// By variation, metric and day.
    pub metric_days: Vec<MetricDay>,
    /// By day and variation.
    pub days: Vec<ExperimentDay>,
    /// By variation and metric.
    pub samples: Vec<MetricSample>,
    /// The last event.
    pub updated_at: Option<Timestamp>,
}

/// Where statistics are kept. Everything is deleted with the parameter, flag, experiment, environment or platform it belongs to.
#[async_trait]
pub trait StatisticsStore: Send + Sync + Debug + 'static {
    /// Adds a batch: all of it or nothing, once however often it is sent. Deltas of environments, parameters, flags and experiments
    /// that do not exist (any more) are left out.
    ///
    /// # Errors
    /// `Unavailable`: send the same batch again.
    async fn record(&self, tenant: TenantId, batch: &StatisticsBatch) -> StoreResult<()>;

    /// Adds the first of these batches, of as many tenants as there may be: as many of them as the store takes in one step, at least one if
    /// there is any. Answers how many; the caller goes on with the others. Each is added as [`record`](Self::record) adds it, and those of a
    /// step all or none. A store that can tell what is said of many tenants in few words does so here.
    ///
    /// # Errors
    /// `Unavailable`: send the same batches again. Any other error is about one of them, and nobody knows which: it shows when each is
    /// recorded by itself.
    async fn record_together(&self, batches: &[(TenantId, StatisticsBatch)]) -> StoreResult<usize> {
        let Some((tenant, batch)) = batches.first() else { return Ok(0) };
        self.record(*tenant, batch).await?;
        Ok(1)
    }

    /// A parameter's figures; `None` when nothing was ever recorded.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn parameter(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        now: Timestamp,
    ) -> StoreResult<Option<ParameterStatistics>>;

    /// A flag's figures; `None` when nothing was ever recorded.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn flag(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, now: Timestamp) -> StoreResult<Option<FlagStatistics>>;

    /// A flag's evaluations by country, in alphabetical order.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn flag_by_country(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Vec<CountryCount>>;

    /// A flag's evaluations by day, from `first` to `last` inclusive, ascending. Days without any are not listed.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn flag_by_day(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        first: &str,
        last: &str,
    ) -> StoreResult<Vec<DayCount>>;

    /// An experiment's figures; `None` when nothing was ever recorded.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn experiment(&self, tenant: TenantId, scope: &Scope, key: &ExperimentKey)
    -> StoreResult<Option<ExperimentStatistics>>;
}
