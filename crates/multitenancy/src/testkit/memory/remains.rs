use async_trait::async_trait;
use togglebox_core::{AuditRecord, Cursor, StoreErrorKind, StoreResult, TenantId};

use super::MemoryStore;
use super::register::Register;
use crate::store::{Cleared, NOT_PURGED, Remains, RemainsStore};

/// Where a removal goes on: at whatever comes first.
const ON: &str = "on";

#[async_trait]
impl RemainsStore for MemoryStore {
    /// All that is here of a tenant outside of the register is its audit log.
    async fn clear(&self, tenant: TenantId, after: Option<&Cursor>, limit: usize) -> StoreResult<Cleared> {
        self.act("remains.clear", |register| {
            // No usage is here.
            let Some(stands) = register.tenants.get(&tenant) else { return Ok(Cleared::default()) };
            if !stands.standing.is_purged() {
                return Err(StoreErrorKind::Refused(NOT_PURGED));
            }
            if after.is_some_and(|after| after.as_str() != ON) {
                return Err(StoreErrorKind::InvalidCursor);
            }
            let Some(noted) = register.audit.get_mut(&tenant) else { return Ok(Cleared::default()) };
            let removed = noted.drain(..limit.min(noted.len())).count();
            let next = (removed == limit).then(|| Cursor::new(ON));
            if noted.is_empty() {
                register.audit.remove(&tenant);
            }
            Ok(Cleared { removed, next })
        })
    }

    async fn left(&self, tenant: TenantId) -> StoreResult<Remains> {
        self.act("remains.left", |register| {
            let counts = [
                ("audit", register.audit.get(&tenant).map_or(0, Vec::len)),
                ("members", Register::of(&register.members, tenant).count()),
                ("invitations", Register::of(&register.invitations, tenant).count()),
                ("domains", Register::of(&register.claims, tenant).count()),
            ];
            let counts = counts.into_iter().filter(|(_, count)| *count > 0);
            Ok(Remains {
                is_known: register.tenants.contains_key(&tenant),
                counts: counts.map(|(kind, count)| (kind.to_owned(), count as u64)).collect(),
            })
        })
    }

    async fn note(&self, tenant: TenantId, audit: &AuditRecord) -> StoreResult<()> {
        self.act("remains.note", |register| {
            if register.earlier(tenant, audit).is_none() {
                register.note(tenant, audit);
            }
            Ok(())
        })
    }
}
