//! Statistics.
//!
//! Counters are added to where they stand, never read and written back. Distinct clients and users of the last day are sketches, one
//! per hour, merged inside the transaction. Who saw which variation, and what each of them did, is kept per subject: significance
//! is computed over users, not over events.

mod batch;
mod experiment;
mod flag;
mod parameter;
mod sketch;

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{
    CountryCount, DayCount, ExperimentStatistics, FlagStatistics, ParameterStatistics, StatisticsBatch, StatisticsStore,
};
use togglebox_toggles::{ExperimentKey, FlagKey, ParameterKey, Scope};

use super::Database;
use super::call::Call;
use super::engine::Engine;
use super::statement::Statement;

#[cfg(test)]
pub(super) use self::{
    batch::EXISTING_EXPERIMENT, batch::FORGET_BATCHES, experiment::SAMPLES, flag::BY_DAY, sketch::LAST_CLIENTS,
};

/// In an upsert of a row called `kept`: a column plus what is added, which ends at the largest number rather than turns over.
macro_rules! raise {
    ($column:literal) => {
        concat!(
            $column,
            " = CASE WHEN excluded.",
            $column,
            " > 9223372036854775807 - kept.",
            $column,
            " THEN 9223372036854775807 ELSE kept.",
            $column,
            " + excluded.",
            $column,
            " END"
        )
    };
}

/// In an upsert of a row called `kept`: the later of two times.
macro_rules! latest {
    ($column:literal) => {
        concat!(
            $column,
            " = CASE WHEN kept.",
            $column,
            " < excluded.",
            $column,
            " THEN excluded.",
            $column,
            " ELSE kept.",
            $column,
            " END"
        )
    };
}

/// In an upsert of a row called `kept`: a sum that stays within what [`experiment`] allows.
macro_rules! sum_up {
    ($column:literal) => {
        concat!(
            $column,
            " = CASE WHEN kept.",
            $column,
            " + excluded.",
            $column,
            " > 1e145 THEN 1e145 WHEN kept.",
            $column,
            " + excluded.",
            $column,
            " < -1e145 THEN -1e145 ELSE kept.",
            $column,
            " + excluded.",
            $column,
            " END"
        )
    };
}

use {latest, raise, sum_up};

/// A statement about a thing inside an environment: the parameters 1 to 4.
fn about<E: Engine>(call: &Call<E>, sql: &'static str, scope: &Scope, key: &str) -> Statement {
    call.within(sql, scope).bind(key)
}

#[async_trait]
impl<E: Engine> StatisticsStore for Database<E> {
    async fn record(&self, tenant: TenantId, batch: &StatisticsBatch) -> StoreResult<()> {
        self.record_batch(tenant, batch).await
    }

    async fn parameter(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        now: Timestamp,
    ) -> StoreResult<Option<ParameterStatistics>> {
        self.parameter_statistics(tenant, scope, key, now).await
    }

    async fn flag(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, now: Timestamp) -> StoreResult<Option<FlagStatistics>> {
        self.flag_statistics(tenant, scope, key, now).await
    }

    async fn flag_by_country(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Vec<CountryCount>> {
        self.flag_countries(tenant, scope, key).await
    }

    async fn flag_by_day(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        first: &str,
        last: &str,
    ) -> StoreResult<Vec<DayCount>> {
        self.flag_days(tenant, scope, key, first, last).await
    }

    async fn experiment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
    ) -> StoreResult<Option<ExperimentStatistics>> {
        self.experiment_statistics(tenant, scope, key).await
    }
}
