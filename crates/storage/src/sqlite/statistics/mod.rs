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

use super::{Sqlite, bind};

#[cfg(test)]
pub(super) use self::{
    batch::EXISTING_EXPERIMENT, batch::FORGET_BATCHES, experiment::SAMPLES, flag::BY_DAY, sketch::LAST_CLIENTS,
};

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// A statement about a thing inside an environment, with the parameters 1 to 4.
fn about(sql: &'static str, tenant: TenantId, scope: &Scope, key: &str) -> Query {
    sqlx::query(sql)
        .bind(bind::tenant(&tenant).to_vec())
        .bind(scope.platform.as_str().to_owned())
        .bind(scope.environment.as_str().to_owned())
        .bind(key.to_owned())
}

#[async_trait]
impl StatisticsStore for Sqlite {
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
