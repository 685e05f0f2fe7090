//! Whole environments, for snapshots.

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{EnvironmentState, EnvironmentStore};

use super::cells::Cells;
use super::engine::Engine;
use super::{Database, experiments, flags, parameters};

pub(super) const HEAD: &str = "-- environments.head
SELECT id, contents_revision, changed_at FROM environments WHERE tenant = $1 AND platform = $2 AND name = $3";

#[async_trait]
impl<E: Engine> EnvironmentStore for Database<E> {
    async fn load(&self, tenant: TenantId, scope: &Scope) -> StoreResult<Option<EnvironmentState>> {
        let mut moment = self.moment("environments.load", tenant).await?;
        let Some(row) = moment.optional(moment.within(HEAD, scope)).await? else { return Ok(None) };
        let cells = Cells::new(&row, moment.operation(), "environments", "id");
        let id = cells.get("id")?;
        Ok(Some(EnvironmentState {
            id,
            revision: cells.get("contents_revision")?,
            changed_at: cells.get("changed_at")?,
            parameters: parameters::load(&mut moment, id).await?,
            flags: flags::load(&mut moment, id).await?,
            experiments: experiments::load(&mut moment, id).await?,
        }))
    }
}
