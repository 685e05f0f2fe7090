//! What a node remembers of a workspace.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use togglebox_core::{Page, PageRequest, Revision, StoreResult, TenantId};
use togglebox_multitenancy::store::{Changed, TenantChanges as TenantChangeList, TenantDirectory, TenantFilter};
use togglebox_multitenancy::{
    AccessPolicy, Allowance, Allowed, Changes, DomainName, HostKey, HostRef, Notice, PlanCatalogue, QuotaPolicy, Standing,
    Subdomain, Tenant, TenantChanges, TenantNames, TenantSource, TenantStatus, Unpaid, Versioned,
};

use super::PlanRates;
use crate::serving::Home;
use crate::visit::{Closed, Known, Owed};

/// The most changes that are asked for at once.
const PART: usize = 500;

/// A workspace as requests need to know it.
#[derive(Debug)]
pub struct ServedWorkspace {
    id: TenantId,
    subdomain: Option<Box<str>>,
    version: u64,
    /// Whether it is neither suspended nor deleted, and there at all.
    stands: bool,
    /// What its standing closes. `None` also for one that is gone altogether: see `is_gone`.
    pub(crate) closed: Option<Arc<Closed>>,
    /// Deleted: to everybody, there is nothing here.
    pub(crate) is_gone: bool,
    /// How many requests it may make; `None` where that is not known.
    allowance: Option<Allowance>,
    /// How exactly it is kept to that.
    quota: QuotaPolicy,
    home: Home,
}

impl ServedWorkspace {
    /// As `policy` has it.
    pub fn new(tenant: &Tenant, policy: &AccessPolicy) -> Self {
        let (status, allowed) = (tenant.status(), policy.allowed(&tenant.standing));
        let until = policy.evaluation_until(&tenant.standing);
        let closes = allowed != Allowed::EVERYTHING || until.is_some();
        let closed = closes.then(|| Arc::new(Closed { evaluation_until: until, ..closed(&tenant.standing, allowed) }));
        Self {
            id: tenant.id,
            subdomain: Some(tenant.subdomain.as_str().into()),
            version: tenant.version.get(),
            stands: matches!(status, TenantStatus::Active | TenantStatus::PastDue) && !tenant.standing.is_reserved(),
            closed,
            is_gone: tenant.standing.deletion.is_some(),
            allowance: None,
            quota: QuotaPolicy::Soft,
            home: Home::default(),
        }
    }

    /// The same, of one that may make so many requests.
    #[must_use]
    pub fn with_requests(self, allowance: Option<Allowance>) -> Self {
        Self { allowance, ..self }
    }

    /// The same, of one that is kept to that so exactly.
    #[must_use]
    pub fn with_quota(self, quota: QuotaPolicy) -> Self {
        Self { quota, ..self }
    }
}

/// What a standing closes that leaves no more than `allowed`. Whoever is stopped by the operator is not asked for money: it opens nothing.
pub(super) fn closed(standing: &Standing, allowed: Allowed) -> Closed {
    let suspension = standing.suspension.as_ref().filter(|_| standing.status() == TenantStatus::Suspended);
    let owed = match standing.unpaid {
        Some(Unpaid::Reserved(_)) => Some(Owed::Everything),
        Some(Unpaid::ReadOnly(_)) => Some(Owed::Long),
        Some(Unpaid::Closed(_)) => Some(Owed::Subscription),
        None => standing.past_due_since.map(|_| Owed::Overdue),
    };
    Closed {
        status: standing.status().as_str(),
        reason: suspension.map(|suspension| suspension.reason.as_str().to_owned()),
        owed: owed.filter(|owed| suspension.is_none() || *owed == Owed::Everything),
        management: !allowed.management,
        reading: !allowed.reading,
        evaluation: !allowed.evaluation,
        evaluation_until: None,
    }
}

impl Versioned for ServedWorkspace {
    fn tenant(&self) -> TenantId {
        self.id
    }

    fn version(&self) -> u64 {
        self.version
    }

    /// One that is in good standing was in good standing a while ago; one that is not, may be worse off by now.
    fn outlasts_outage(&self) -> bool {
        self.stands
    }

    /// Tokens vouch for those alone that were active when they were made, and to those everything is open, by any policy. How fast their
    /// requests may come, and how many, is not known before they were looked up.
    fn vouched(tenant: TenantId, version: u64, name: HostRef<'_>) -> Option<Self> {
        let subdomain = match name {
            HostRef::Subdomain(subdomain) => Some(subdomain.into()),
            HostRef::Domain(_) => None,
        };
        let (allowance, quota) = (None, QuotaPolicy::Soft);
        Some(Self {
            id: tenant,
            subdomain,
            version,
            stands: true,
            closed: None,
            is_gone: false,
            allowance,
            quota,
            home: Home::default(),
        })
    }
}

impl Known for ServedWorkspace {
    fn label(&self) -> Option<&str> {
        self.subdomain.as_deref()
    }

    fn allowance(&self) -> Option<&Allowance> {
        self.allowance.as_ref()
    }

    fn has_hard_quota(&self) -> bool {
        self.quota == QuotaPolicy::Hard
    }

    fn home(&self) -> &Home {
        &self.home
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
    fn rate(&self, tenant: &Tenant) {
        if tenant.standing.deletion.is_some() {
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

    /// A part of the list of changes.
    async fn part(&self, since: Revision) -> StoreResult<Changes> {
        let part = self.directory.changes_since(since, PART).await?;
        self.note(&part);
        let last = part.changes.last().map(|change| change.revision);
        let gap = !part.follow(since);
        Ok(Changes {
            notices: part.changes.iter().filter_map(|change| Notice::of(&change.notice())).collect(),
            begins: part.changes.first().map(|first| first.revision.get().saturating_sub(1)),
            // Nothing to read, and yet another revision: what led there was pruned, or the store was set back.
            last: last.unwrap_or(part.revision).get(),
            more: last.is_some_and(|last| last < part.revision),
            gap,
        })
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
            self.rate(&tenant);
            let (allowance, quota) = (self.plans.allowance(&tenant), self.plans.quota_policy(&tenant.plan));
            Arc::new(ServedWorkspace::new(&tenant, &self.policy).with_requests(allowance).with_quota(quota))
        }))
    }
}

#[async_trait]
impl TenantChanges for WorkspaceSource {
    async fn changes_since(&self, after: Option<u64>) -> StoreResult<Changes> {
        let Some(after) = after else {
            let last = self.directory.revision().await?;
            // Whoever wrote the last of them may have died before the guests followed. And tokens from before this node was there are compared
            // with them.
            let recent = Revision::new(last.get().saturating_sub(PART as u64));
            return self.part(recent).await;
        };
        self.part(Revision::new(after)).await
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
