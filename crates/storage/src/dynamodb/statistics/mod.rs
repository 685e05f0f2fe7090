//! Statistics.
//!
//! A batch becomes changes of single items ([`plan`]): additions to counters, sketches to merge, subjects who saw a variation. They
//! are made in one transaction together with the item of the batch, so once ([`apply`]); those of a larger batch in several, after
//! they were written down ([`journal`]).
//!
//! | item | partition | sort key | attributes |
//! | --- | --- | --- | --- |
//! | all of a record | `T#<t>#STAT#<incarnation>#<shard>` | `T` | `fetches`, `served_a`, `served_b`, `last_at` |
//! | a flag's day, country | the same | `D#<day>`, `C#<country>` | `served_a`, `served_b` |
//! | distinct clients of a parameter, users of a flag's side | the same | `U##<hour>`, `U#<side>#<hour>` | `sketch`, `writes`, `expires_at` |
//! | a variation's day | the same | `D#<day>#<variation>` | `exposures`, `new_users`, `conversions` |
//! | a metric's day | the same | `M#<day>#<variation>#<metric>` | `conversions`, `sum<n>` |
//! | who saw a variation | `T#<t>#STAT#<incarnation>#SUBJECTS#<bucket>` | `<subject>#<variation>` | `day` |
//! | what they did | the same | `<subject>#<variation>#<metric>` | `conversions`, `values`, `sum<n>` |
//! | a batch | `T#<t>#BATCH#<id>` | `META` | `state`, `expires_at`; while it is open `digest`, `pieces`, `next`, `at` |
//! | what a large batch does | the same | `J#<digest>#<n>` | `bytes`, `expires_at` |
//!
//! Counters change by `ADD` alone and are spread over [`key::SHARDS`] items by the batch's id; readers add them up. A time moves on the
//! condition that it moves forward, a sketch on the condition that nobody else wrote it; where it would not change, it is not
//! written. Sums are exact, see [`exact`].
//!
//! A batch costs a read of each place, record, time, sketch and subject, and twice the writes of what changes. What an experiment
//! has found out costs a read of every subject, since significance is computed over users.

mod actions;
mod apply;
mod change;
mod exact;
mod experiment;
mod flag;
mod hours;
mod journal;
mod key;
mod parameter;
mod plan;
mod read;
mod record;
mod transfer;

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::{
    CountryCount, DayCount, ExperimentStatistics, FlagStatistics, ParameterStatistics, StatisticsBatch, StatisticsStore,
};
use togglebox_toggles::{ExperimentKey, FlagKey, ParameterKey, Scope};

use super::DynamoDb;

pub(super) use self::key::partitions;
pub(super) use self::transfer::tell;

/// The port call that adds.
const OPERATION: &str = "statistics.record";
/// For how long a batch that is sent again is recognised: the promised day, and an hour for clocks that differ.
const REMEMBERED_SECONDS: i64 = 25 * 3_600;

/// When the item of a batch may be deleted, in seconds since 1970.
const fn remembered_until(at: Timestamp) -> i64 {
    seconds(at).saturating_add(REMEMBERED_SECONDS)
}

const fn seconds(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(1000)
}

#[async_trait]
impl StatisticsStore for DynamoDb {
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
