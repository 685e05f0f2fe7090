//! What is known before the tenant is.

use std::collections::BTreeSet;

use async_trait::async_trait;
use togglebox_core::{Page, PageRequest, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use togglebox_multitenancy::store::{TenantChanges, TenantDirectory, TenantFilter, Workspace};
use togglebox_multitenancy::{DomainName, PlanName, Subdomain, Tenant, TenantStatus};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::item::{Attributes, Item};
use super::super::key::Key;
use super::super::store::Range;
use super::name::Name;
use super::record::Record;
use super::{key, member};
use crate::cursor::List;
use crate::position;

/// How often a name is looked up that leads elsewhere meanwhile.
const MOVES: usize = 5;
/// How many tenants are looked at together where a filter leaves some out.
const STEP: usize = 100;
/// The lists of the register are nobody's.
const NOBODY: TenantId = TenantId::DEFAULT;

#[async_trait]
impl TenantDirectory for DynamoDb {
    async fn revision(&self) -> StoreResult<Revision> {
        self.counted("tenant_directory.revision", &mut self.patience()).await
    }

    async fn changes_since(&self, since: Revision, limit: usize) -> StoreResult<TenantChanges> {
        self.tenant_changes(since, limit).await
    }

    async fn prune_changes(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.prune_tenant_changes(before, limit).await
    }

    async fn by_subdomain(&self, subdomain: &Subdomain) -> StoreResult<Option<Tenant>> {
        const OPERATION: &str = "tenant_directory.by_subdomain";
        let mut patience = self.patience();
        for _ in 0..MOVES {
            let Some(item) = self.get(OPERATION, &mut patience, &key::subdomain(subdomain)).await? else { return Ok(None) };
            let Name::Held(tenant) = Name::read(&item, OPERATION)? else { return Ok(None) };
            // Since the name was looked up, the tenant may have got another one or none.
            match self.tenant_record(OPERATION, &mut patience, tenant).await? {
                Some(Record { tenant, .. }) if tenant.subdomain == *subdomain && !tenant.standing.is_purged() => {
                    return Ok(Some(tenant));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    async fn by_domain(&self, domain: &DomainName) -> StoreResult<Option<Tenant>> {
        const OPERATION: &str = "tenant_directory.by_domain";
        let mut patience = self.patience();
        for _ in 0..MOVES {
            let Some(item) = self.get(OPERATION, &mut patience, &key::domain(domain)).await? else { return Ok(None) };
            let tenant = tenant_of(&item, OPERATION)?;
            match self.tenant_record(OPERATION, &mut patience, tenant).await? {
                Some(Record { tenant, .. }) if tenant.domains.contains(domain) => return Ok(Some(tenant)),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn ended(&self, tenants: &[TenantId]) -> StoreResult<BTreeSet<TenantId>> {
        const OPERATION: &str = "tenant_directory.ended";
        let keys: BTreeSet<Key> = tenants.iter().map(|tenant| key::tenant(*tenant)).collect();
        let items = self.get_all(OPERATION, &mut self.patience(), keys).await?;
        let mut ended = BTreeSet::new();
        for tenant in tenants {
            let record = Record::of(&items, *tenant, OPERATION)?;
            if record.is_none_or(|record| record.tenant.standing.is_purged()) {
                ended.insert(*tenant);
            }
        }
        Ok(ended)
    }

    async fn workspaces(&self, user: Uuid, page: &PageRequest) -> StoreResult<Page<Workspace>> {
        const OPERATION: &str = "tenant_directory.workspaces";
        let whose = user.to_string();
        let parts = [Some(whose.as_str())];
        let list = List::new(OPERATION, NOBODY, &parts);
        let after: Option<[i64; 2]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let after = after.map(|after| key::workspace(user, TenantId::from_uuid(position::id(after))).sk);
        let mut patience = self.patience();
        // One more than the page holds tells whether there is another page.
        let range = Range { after, limit: Some(page.limit() + 1), ..Range::all(key::workspaces(user)) };
        let entries = self.query(OPERATION, &mut patience, range).await?;
        let shown = &entries[..entries.len().min(page.limit())];
        let tenants = shown.iter().map(|entry| tenant_of(entry, OPERATION)).collect::<StoreResult<Vec<_>>>()?;
        let next =
            tenants.last().filter(|_| entries.len() > shown.len()).map(|last| list.cursor(position::of_id(last.as_uuid())));
        let keys = tenants.iter().flat_map(|tenant| [key::tenant(*tenant), key::member(*tenant, user)]);
        let items = self.get_all(OPERATION, &mut patience, keys).await?;
        let mut found = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            // Whoever left since the list was read is no member any more.
            let (record, own) = (Record::of(&items, tenant, OPERATION)?, items.get(&key::member(tenant, user)));
            if let (Some(record), Some(own)) = (record, own) {
                found.push(Workspace { tenant: record.tenant, member: member::read(own, OPERATION)? });
            }
        }
        Ok(Page { items: found, next })
    }

    async fn list(&self, filter: &TenantFilter, page: &PageRequest) -> StoreResult<Page<Tenant>> {
        const OPERATION: &str = "tenant_directory.list";
        let parts =
            [filter.status.map(TenantStatus::as_str), filter.plan.as_ref().map(PlanName::as_str), filter.holds.as_deref()];
        let list = List::new(OPERATION, NOBODY, &parts);
        let after: Option<[i64; 10]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let invalid = || StoreError::new(StoreErrorKind::InvalidCursor, OPERATION);
        let after = after.map(|after| position::subdomain(after).ok_or_else(invalid)).transpose()?;
        let mut after = after.map(|(label, tenant)| key::listed(&label, TenantId::from_uuid(tenant)).sk);
        // One more than the page holds tells whether there is another page.
        let step = if *filter == TenantFilter::default() { page.limit() + 1 } else { STEP };
        let mut found: Vec<Tenant> = Vec::new();
        loop {
            // Each step may take as long as any other call.
            let mut patience = self.patience();
            let range = Range { after, limit: Some(step), ..Range::all(key::tenants()) };
            let (entries, end) = self.page(OPERATION, &mut patience, &range).await?;
            let tenants = entries.iter().map(|entry| tenant_of(entry, OPERATION)).collect::<StoreResult<Vec<_>>>()?;
            // A tenant that moved while the list was read may have an entry at both places, for that moment.
            let keys: BTreeSet<Key> = tenants.iter().map(|tenant| key::tenant(*tenant)).collect();
            let items = self.get_all(OPERATION, &mut patience, keys).await?;
            for (entry, tenant) in entries.iter().zip(tenants) {
                let label: String = Attributes::new(entry, OPERATION).get("subdomain")?;
                let Some(Record { tenant, .. }) = Record::of(&items, tenant, OPERATION)? else { continue };
                if tenant.subdomain.as_str() != label || !filter.wants(&tenant) {
                    continue;
                }
                if found.len() == page.limit() {
                    let next = found.last().map(|last| list.cursor(position::of_subdomain(&last.subdomain, last.id)));
                    return Ok(Page { items: found, next });
                }
                found.push(tenant);
            }
            after = end;
            if after.is_none() {
                return Ok(Page { items: found, next: None });
            }
        }
    }
}

fn tenant_of(item: &Item, operation: &'static str) -> StoreResult<TenantId> {
    Attributes::new(item, operation).get("tenant").map(TenantId::from_uuid)
}
