//! A tenant's life: suspension, payment, deletion, and its end.

use togglebox_core::{Actor, AuditRecord, Revision, TenantId};

use super::{Result, Tenancy, TenancyError, differences, twice};
use crate::{Reason, Step, Tenant};

impl Tenancy {
    /// Stops a tenant. Nodes learn of it as fast as the bus is, or by polling.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Conflict`, `Store`.
    pub async fn suspend(&self, tenant: TenantId, actor: &Actor, reason: Reason, expected: Option<Revision>) -> Result<Tenant> {
        self.take(tenant, actor, &Step::Suspend(reason), expected).await
    }

    /// Lets a suspended tenant go on.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Conflict`, `Store`.
    pub async fn resume(&self, tenant: TenantId, actor: &Actor, expected: Option<Revision>) -> Result<Tenant> {
        self.take(tenant, actor, &Step::Resume, expected).await
    }

    /// A payment is overdue. Being told so again changes nothing.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Store`.
    pub async fn mark_past_due(&self, tenant: TenantId, actor: &Actor) -> Result<Tenant> {
        self.take(tenant, actor, &Step::MarkPastDue, None).await
    }

    /// Everything is paid for. Being told so again changes nothing.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Store`.
    pub async fn settle(&self, tenant: TenantId, actor: &Actor) -> Result<Tenant> {
        self.take(tenant, actor, &Step::Settle, None).await
    }

    /// Deletes a tenant. Until its grace period is over it can be restored, and keeps its names.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Conflict`, `Store`.
    pub async fn delete(&self, tenant: TenantId, actor: &Actor, expected: Option<Revision>) -> Result<Tenant> {
        self.take(tenant, actor, &Step::Delete { grace: self.settings.grace }, expected).await
    }

    /// Brings a deleted tenant back as it was.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Conflict`, `Store`.
    pub async fn restore(&self, tenant: TenantId, actor: &Actor, expected: Option<Revision>) -> Result<Tenant> {
        self.take(tenant, actor, &Step::Restore, expected).await
    }

    /// Gives a deleted tenant up for good once its grace period is over: nothing leads to it from then on. A tenant that is given up
    /// already is answered as it stands, so that whoever does the rest can begin anew. The rest, in this order: whatever else there is of
    /// it, [`sweep`](Self::sweep) until nothing is left, [`forget`](Self::forget). [`end`](Self::end) does all of it.
    ///
    /// # Errors
    /// `TenantNotFound`, `Step`, `Conflict` when somebody wrote at the same time, `Store`.
    pub async fn purge(&self, tenant: TenantId, actor: &Actor) -> Result<Tenant> {
        let before = self.tenant(tenant).await?;
        if before.standing.is_purged() {
            return Ok(before);
        }
        let record = self.record(actor, Step::Purge.as_str(), &tenant);
        let standing = before.standing.after(&Step::Purge, record.at)?;
        let (old, new) = differences(&before, &Tenant { standing, ..before.clone() });
        let record = AuditRecord { before: Some(old), after: Some(new), ..record };
        let free_at = record.at.plus(self.settings.quarantine);
        let written = twice(|| self.ports.tenants.purge(tenant, before.version, free_at, &record)).await;
        let written = written.map_err(|error| TenancyError::or_absent(error, TenancyError::TenantNotFound))?;
        self.announce(Some(&before), &written.value).await;
        Ok(written.value)
    }

    /// Removes members and invitations of a purged tenant, at most `limit` (1 to 1000) of them; says whether some may be left.
    ///
    /// # Errors
    /// `TenantNotFound`, `NotYet`, `Store`: repeating is safe.
    pub async fn sweep(&self, tenant: TenantId, limit: usize) -> Result<bool> {
        let swept = self.ports.tenants.sweep(tenant, limit).await;
        Ok(swept.map_err(|error| TenancyError::or_absent(error, TenancyError::TenantNotFound))? == limit)
    }

    /// Removes the last trace of a purged tenant. One that is not there is forgotten already.
    ///
    /// # Errors
    /// `NotYet`, `Store`: repeating is safe.
    pub async fn forget(&self, tenant: TenantId) -> Result<()> {
        Ok(self.ports.tenants.forget(tenant).await?)
    }

    async fn take(&self, tenant: TenantId, actor: &Actor, step: &Step, expected: Option<Revision>) -> Result<Tenant> {
        self.amend(tenant, (actor, step.as_str()), expected, |tenant| {
            tenant.standing = tenant.standing.after(step, self.now())?;
            Ok(())
        })
        .await
    }
}
