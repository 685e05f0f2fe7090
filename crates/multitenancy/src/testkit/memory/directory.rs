use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;
use togglebox_core::{Page, PageRequest, Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::register::Hold;
use super::{MemoryStore, page};
use crate::store::{TenantChanges, TenantDirectory, TenantFilter, Workspace};
use crate::{DomainName, Subdomain, Tenant};

#[async_trait]
impl TenantDirectory for MemoryStore {
    async fn revision(&self) -> StoreResult<Revision> {
        self.act("tenant_directory.revision", |register| Ok(register.revision))
    }

    async fn changes_since(&self, since: Revision, limit: usize) -> StoreResult<TenantChanges> {
        self.act("tenant_directory.changes_since", |register| {
            let later = register.changes.range((Bound::Excluded(since), Bound::Unbounded));
            let changes = later.take(limit).map(|(_, change)| change.clone()).collect();
            Ok(TenantChanges { changes, revision: register.revision })
        })
    }

    async fn prune_changes(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.act("tenant_directory.prune_changes", |register| {
            // From the front only: what is left has no gap.
            let old: Vec<Revision> =
                register.changes.iter().take_while(|(_, change)| change.at < before).map(|(at, _)| *at).take(limit).collect();
            for revision in &old {
                register.changes.remove(revision);
            }
            Ok(old.len())
        })
    }

    async fn by_subdomain(&self, subdomain: &Subdomain) -> StoreResult<Option<Tenant>> {
        self.act("tenant_directory.by_subdomain", |register| {
            Ok(match register.subdomains.get(subdomain) {
                Some(Hold::By(tenant)) => register.tenants.get(tenant).cloned(),
                _ => None,
            })
        })
    }

    async fn by_domain(&self, domain: &DomainName) -> StoreResult<Option<Tenant>> {
        self.act("tenant_directory.by_domain", |register| {
            Ok(register.domains.get(domain).and_then(|tenant| register.tenants.get(tenant)).cloned())
        })
    }

    async fn ended(&self, tenants: &[TenantId]) -> StoreResult<BTreeSet<TenantId>> {
        self.act("tenant_directory.ended", |register| {
            let lives = |tenant: &TenantId| register.tenants.get(tenant).is_some_and(|tenant| !tenant.standing.is_purged());
            Ok(tenants.iter().filter(|tenant| !lives(tenant)).copied().collect())
        })
    }

    async fn workspaces(&self, user: Uuid, request: &PageRequest) -> StoreResult<Page<Workspace>> {
        self.act("tenant_directory.workspaces", |register| {
            let own = register.members.values().filter(|member| member.user == user);
            let keyed = own.filter_map(|member| {
                let tenant = register.tenants.get(&member.tenant)?.clone();
                Some((member.tenant.to_string(), Workspace { tenant, member: member.clone() }))
            });
            page("workspaces", keyed, request)
        })
    }

    async fn list(&self, filter: &TenantFilter, request: &PageRequest) -> StoreResult<Page<Tenant>> {
        self.act("tenant_directory.list", |register| {
            let wanted = register.tenants.values().filter(|tenant| filter.wants(tenant));
            page("tenants", wanted.map(|tenant| (format!("{} {}", tenant.subdomain, tenant.id), tenant.clone())), request)
        })
    }
}
