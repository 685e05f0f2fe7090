use async_trait::async_trait;
use togglebox_core::{AuditFilter, AuditLog, AuditRecord, Page, PageRequest, StoreResult, TenantId, Timestamp};

use super::{MemoryStore, page, sorted};

#[async_trait]
impl AuditLog for MemoryStore {
    async fn list(&self, tenant: TenantId, filter: &AuditFilter, request: &PageRequest) -> StoreResult<Page<AuditRecord>> {
        self.act("audit.list", |register| {
            let wants = |record: &AuditRecord| {
                let held = [&record.platform, &record.environment, &Some(record.target.clone())].map(Clone::clone);
                let wanted = [&filter.platform, &filter.environment, &filter.target];
                wanted.into_iter().zip(held).all(|(wanted, held)| wanted.is_none() || *wanted == held)
            };
            let noted = register.audit.get(&tenant).into_iter().flatten().filter(|noted| wants(&noted.record));
            // Newest first: the later a record, the smaller its key. Of one moment, in the order in which they came.
            let keyed = noted.map(|noted| {
                let before = Timestamp::from_ms(noted.record.at.as_ms().saturating_neg());
                (format!("{}{:020}", sorted(before), u64::MAX - noted.serial), noted.record.clone())
            });
            page("audit", keyed, request)
        })
    }

    async fn prune(&self, tenant: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.act("audit.prune", |register| {
            let Some(noted) = register.audit.get_mut(&tenant) else { return Ok(0) };
            let mut old: Vec<_> =
                noted.iter().map(|noted| (noted.record.at, noted.record.id)).filter(|(at, _)| *at < before).collect();
            old.sort_unstable();
            old.truncate(limit);
            noted.retain(|noted| !old.contains(&(noted.record.at, noted.record.id)));
            Ok(old.len())
        })
    }
}
