//! Whole environments, for snapshots.

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{EnvironmentState, EnvironmentStore};

use super::cells::Cells;
use super::error::failed;
use super::{Sqlite, bind, experiments, flags, parameters};

pub(super) const HEAD: &str = "-- environments.head
SELECT id, contents_revision, changed_at FROM environments WHERE tenant = ?1 AND platform = ?2 AND name = ?3";

#[async_trait]
impl EnvironmentStore for Sqlite {
    async fn load(&self, tenant: TenantId, scope: &Scope) -> StoreResult<Option<EnvironmentState>> {
        const OPERATION: &str = "environments.load";
        let mut moment = self.moment(OPERATION).await?;
        let query = sqlx::query(HEAD).bind(bind::tenant(&tenant)).bind(scope.platform.as_str()).bind(scope.environment.as_str());
        let Some(row) = query.fetch_optional(&mut *moment).await.map_err(failed(OPERATION))? else { return Ok(None) };
        let cells = Cells::new(&row, OPERATION, "environments", "id");
        let id = cells.get("id")?;
        Ok(Some(EnvironmentState {
            id,
            revision: cells.get("contents_revision")?,
            changed_at: cells.get("changed_at")?,
            parameters: parameters::load(&mut moment, OPERATION, tenant, &id).await?,
            flags: flags::load(&mut moment, OPERATION, tenant, &id).await?,
            experiments: experiments::load(&mut moment, OPERATION, tenant, &id).await?,
        }))
    }
}
