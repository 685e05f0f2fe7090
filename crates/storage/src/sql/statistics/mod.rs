//! Statistics.
//!
//! Counters are added to where they stand, never read and written back, those of many tenants by one statement. Distinct clients and users of the last day are sketches, one
//! per hour, merged inside the transaction. Who saw which variation, and what each of them did, is kept per subject: significance
//! is computed over users, not over events.

mod experiment;
mod flag;
mod intake;
mod outcomes;
mod parameter;
mod sketch;
mod sums;
mod things;

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
pub(super) use self::{experiment::SAMPLES, flag::BY_DAY, sketch::LAST_CLIENTS};

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

/// In an upsert of a row called `kept`: a sum that stays within what [`outcomes`] allows.
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

    async fn record_together(&self, batches: &[(TenantId, StatisticsBatch)]) -> StoreResult<usize> {
        self.record_batches(batches).await
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

/// Statements for tests that look at their plans.
#[cfg(test)]
pub(super) mod statements {
    use super::super::engine::Engine;
    use super::{flag, intake, parameter, things};

    /// About what is in a list: each is found by its whole key.
    pub(crate) fn listed<E: Engine>() -> Vec<String> {
        let existing = things::Table::ALL.map(things::existing_statement::<E>);
        let sketches = [parameter::CLIENTS, flag::USERS].map(|table| table.find_statement::<E>());
        existing.into_iter().chain(sketches).collect()
    }

    /// They remove what is old of each thing or tenant in a list.
    pub(crate) fn forgetting<E: Engine>() -> [String; 3] {
        let [clients, users] = [parameter::CLIENTS, flag::USERS].map(|table| table.forget_statement::<E>());
        [intake::forget_statement::<E>(), clients, users]
    }
}
