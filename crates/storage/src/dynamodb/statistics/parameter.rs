//! Fetches of parameters.

use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::store::ParameterStatistics;
use togglebox_toggles::{ParameterKey, Scope};

use super::super::DynamoDb;
use super::super::key::Kind;
use super::change::Counter;
use super::read::{last_at, total};

impl DynamoDb {
    pub(super) async fn parameter_statistics(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        now: Timestamp,
    ) -> StoreResult<Option<ParameterStatistics>> {
        const OPERATION: &str = "statistics.parameter";
        let Some(of) = self.counted_record(OPERATION, tenant, scope, Kind::Parameter, key.as_str()).await? else {
            return Ok(None);
        };
        let totals = self.totals(of).await?;
        let Some(last_at) = last_at(&totals, OPERATION)? else { return Ok(None) };
        let fetches = total(&totals, OPERATION, Counter::Fetches)?;
        Ok(Some(ParameterStatistics { fetches, last_at, clients_24h: self.distinct(of, None, now).await? }))
    }
}
