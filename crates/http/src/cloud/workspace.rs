//! What a node remembers of a workspace.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use togglebox_core::{Page, PageRequest, Revision, StoreResult, TenantId};
use togglebox_multitenancy::store::{Changed, TenantChanges as TenantChangeList, TenantDirectory, TenantFilter};
use togglebox_multitenancy::{
    AccessPolicy, Allowed, Changes, DomainName, HostKey, Notice, PlanCatalogue, Subdomain, Tenant, TenantChanges, TenantNames,
    TenantSource, TenantStatus, Versioned,
};

use super::PlanRates;
use crate::visit::{Closed, Known};

/// The most changes that are asked for at once.
const PART: usize = 500;

/// A workspace as requests need to know it.
#[derive(Debug)]
pub struct ServedWorkspace {
    pub(crate) tenant: Tenant,
    /// What its standing closes. `None` also for one that is gone altogether: see `is_gone`.
    pub(crate) closed: Option<Arc<Closed>>,
    /// Deleted: to everybody, there is nothing here.
    pub(crate) is_gone: bool,
}

impl ServedWorkspace {
    /// As `policy` has it.
    pub fn new(tenant: Tenant, policy: &AccessPolicy) -> Self {
        let (status, allowed) = (tenant.status(), policy.allowed(tenant.status()));
        let reason = tenant.standing.suspension.as_ref().filter(|_| status == TenantStatus::Suspended);
        let closed = (allowed != Allowed::EVERYTHING).then(|| {
            let reason = reason.map(|suspension| suspension.reason.as_str().to_owned());
            Arc::new(Closed { status: status.as_str(), reason, evaluation: !allowed.evaluation })
        });
        Self { is_gone: tenant.standing.deletion.is_some(), closed, tenant }
    }
}

impl Versioned for ServedWorkspace {
    fn tenant(&self) -> TenantId {
        self.tenant.id
    }

    fn version(&self) -> u64 {
        self.tenant.version.get()
    }

    /// One that is in good standing was in good standing a while ago; one that is not, may be worse off by now.
    fn outlasts_outage(&self) -> bool {
        matches!(self.tenant.status(), TenantStatus::Active | TenantStatus::PastDue)
    }
}

impl Known for ServedWorkspace {
    fn label(&self) -> &str {
        self.tenant.subdomain.as_str()
    }
}

/// Looks workspaces up in a store.
#[derive(Debug)]
pub struct WorkspaceSource {
    directory: Arc<dyn TenantDirectory>,
    policy: AccessPolicy,
    plans: Arc<PlanCatalogue>,
    rates: Arc<PlanRates>,
    /// Tenants whose members have changed.
    changed: Mutex<BTreeSet<TenantId>>,
}

impl WorkspaceSource {
    /// Of this store, with what each status allows. `rates` are told how fast requests of those that are looked up may come.
    pub fn new(
        directory: Arc<dyn TenantDirectory>,
        policy: AccessPolicy,
        plans: Arc<PlanCatalogue>,
        rates: Arc<PlanRates>,
    ) -> Self {
        Self { directory, policy, plans, rates, changed: Mutex::default() }
    }

    /// The tenants whose members have changed since this was called last.
    pub(super) fn take_changed(&self) -> BTreeSet<TenantId> {
        std::mem::take(&mut *self.changed())
    }

    /// Names a tenant whose guests do not follow its members yet.
    pub(super) fn note_changed(&self, tenant: TenantId) {
        self.changed().insert(tenant);
    }

    /// A plan that the catalogue does not have limits nothing here: it is told wherever something is made.
    fn rate(&self, ServedWorkspace { tenant, is_gone, .. }: &ServedWorkspace) {
        if *is_gone {
            self.rates.forget(tenant.id);
        } else {
            let limits = self.plans.limits(&tenant.plan, &tenant.overrides);
            self.rates.note(tenant.id, tenant.version, limits.and_then(|limits| limits.rate()));
        }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeSet<TenantId>> {
        // A set is whole at any time.
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, part: &TenantChangeList) {
        for change in part.changes.iter().filter(|change| change.what == Changed::Members) {
            self.note_changed(change.tenant);
        }
    }
}

#[async_trait]
impl TenantSource for WorkspaceSource {
    type Entry = ServedWorkspace;

    async fn load(&self, key: &HostKey) -> StoreResult<Option<Arc<ServedWorkspace>>> {
        // What can be nobody's name is nobody's.
        let tenant = match key {
            HostKey::Subdomain(label) => match Subdomain::new(label) {
                Ok(subdomain) => self.directory.by_subdomain(&subdomain).await?,
                Err(_) => None,
            },
            HostKey::Domain(host) => match DomainName::new(host) {
                Ok(domain) => self.directory.by_domain(&domain).await?,
                Err(_) => None,
            },
        };
        Ok(tenant.map(|tenant| {
            let workspace = ServedWorkspace::new(tenant, &self.policy);
            self.rate(&workspace);
            Arc::new(workspace)
        }))
    }
}

#[async_trait]
impl TenantChanges for WorkspaceSource {
    async fn changes_since(&self, after: Option<u64>) -> StoreResult<Changes> {
        let Some(after) = after else {
            let last = self.directory.revision().await?;
            // Whoever wrote the last of them may have died before the guests followed.
            let recent = Revision::new(last.get().saturating_sub(PART as u64));
            self.note(&self.directory.changes_since(recent, PART).await?);
            return Ok(Changes { last: last.get(), ..Changes::default() });
        };
        let since = Revision::new(after);
        let part = self.directory.changes_since(since, PART).await?;
        self.note(&part);
        let last = part.changes.last().map(|change| change.revision);
        let gap = !part.follow(since);
        Ok(Changes {
            notices: part.changes.iter().filter_map(|change| Notice::of(&change.notice())).collect(),
            // Nothing to read, and yet another revision: what led there was pruned, or the store was set back.
            last: last.unwrap_or(part.revision).get(),
            more: last.is_some_and(|last| last < part.revision),
            gap,
        })
    }
}

#[async_trait]
impl TenantNames for WorkspaceSource {
    async fn names(&self, page: &PageRequest) -> StoreResult<Page<HostKey>> {
        let tenants = self.directory.list(&TenantFilter::default(), page).await?;
        // What led to one that is deleted answers nobody, and can wait until somebody asks.
        let living = tenants.items.iter().filter(|tenant| tenant.standing.deletion.is_none());
        let names = living.flat_map(|tenant| {
            let subdomain = HostKey::Subdomain(tenant.subdomain.as_str().into());
            let domains = tenant.domains.iter().map(|domain| HostKey::Domain(domain.as_str().into()));
            std::iter::once(subdomain).chain(domains)
        });
        Ok(Page { items: names.collect(), next: tenants.next })
    }
}
