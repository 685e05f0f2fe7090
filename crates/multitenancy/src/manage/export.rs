//! A tenant's way out with what it has.

use togglebox_core::{Actor, TenantId};

use super::{Result, Tenancy, twice};
use crate::{StepRefused, Tenant};

/// What the audit log of a tenant calls it.
const EXPORT: &str = "tenant.export";

impl Tenancy {
    /// Notes in a tenant's audit log that all it has is handed out. To be called before anything is read, so that nothing leaves without a
    /// record. A tenant may have it in any standing, until its grace period is over: then it may be going.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step` when its grace period is over, `Store`.
    pub async fn note_export(&self, tenant: TenantId, actor: &Actor) -> Result<Tenant> {
        let found = self.tenant(tenant).await?;
        let record = self.record(actor, EXPORT, &tenant);
        if let Some(deletion) = found.standing.deletion.as_ref().filter(|_| found.standing.is_over(record.at)) {
            return Err(StepRefused::GraceIsOver(deletion.restorable_until).into());
        }
        twice(|| self.ports.remains.note(tenant, &record)).await?;
        Ok(found)
    }
}
