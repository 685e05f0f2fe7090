//! What is done about a tenant elsewhere.

use serde_json::Value;
use togglebox_core::{Actor, AuditRecord, TenantId};

use super::{Result, Tenancy, twice};

impl Tenancy {
    /// Notes in a tenant's audit log that somebody did something about it that is kept elsewhere: `action` says what, as `billing.cancel`, and
    /// `after` what came of it, without anything secret.
    ///
    /// # Errors
    /// `Store`.
    pub async fn note(&self, tenant: TenantId, actor: &Actor, action: &str, after: Value) -> Result<()> {
        let record = AuditRecord { after: Some(after), ..self.record(actor, action, &tenant) };
        Ok(twice(|| self.ports.remains.note(tenant, &record)).await?)
    }
}
