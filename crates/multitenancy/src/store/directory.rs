//! Which tenant is it? And which have changed?

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{Change, Page, PageRequest, Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use crate::{DomainName, Member, PlanName, Subdomain, Tenant, TenantStatus};

/// What a write to the register was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The tenant itself, or a name that leads to it.
    Tenant {
        /// The subdomains that lead to it, or led to it until then: one, or the new one and the old one when it was renamed.
        subdomains: Vec<Subdomain>,
        /// The verified domains that lead to it, or led to it until then, sorted.
        domains: Vec<DomainName>,
    },
    /// Its members.
    Members,
}

/// One write to the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantChange {
    /// The register's revision since then, and the version of what was written.
    pub revision: Revision,
    /// When.
    pub at: Timestamp,
    /// Which tenant.
    pub tenant: TenantId,
    /// What.
    pub what: Changed,
}

impl TenantChange {
    /// What a change of a tenant from `before` to `after` is about.
    pub fn between(before: Option<&Tenant>, after: &Tenant) -> Changed {
        let mut subdomains = vec![after.subdomain.clone()];
        let mut domains = after.domains.clone();
        if let Some(before) = before {
            subdomains.push(before.subdomain.clone());
            domains.extend(before.domains.iter().cloned());
        }
        subdomains.dedup();
        domains.sort_unstable();
        domains.dedup();
        Changed::Tenant { subdomains, domains }
    }

    /// The same as the notice that nodes send each other.
    pub fn notice(&self) -> Change {
        match &self.what {
            Changed::Tenant { subdomains, domains } => Change::Tenant {
                tenant: self.tenant,
                version: self.revision,
                subdomains: subdomains.iter().map(ToString::to_string).collect(),
                domains: domains.iter().map(ToString::to_string).collect(),
            },
            Changed::Members => Change::Members { tenant: self.tenant, revision: self.revision },
        }
    }
}

/// A part of the sequence of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantChanges {
    /// Oldest first, without a gap.
    pub changes: Vec<TenantChange>,
    /// The register's revision when they were read: not less than that of the last of them.
    pub revision: Revision,
}

impl TenantChanges {
    /// Whether they begin right after `since`, which they were asked for. Otherwise older ones were pruned meanwhile, or the store was set
    /// back to an earlier state (a backup), and whoever wants to be up to date forgets everything and begins anew at
    /// [`revision`](Self::revision), be it lower than `since`. A store that was set back and has come past `since` again by then does not
    /// show that it was.
    pub fn follow(&self, since: Revision) -> bool {
        match self.changes.first() {
            Some(first) => first.revision == since.next(),
            None => self.revision == since,
        }
    }
}

/// Which tenants are wanted. An absent member does not restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantFilter {
    /// Only in this status.
    pub status: Option<TenantStatus>,
    /// Only of this plan.
    pub plan: Option<PlanName>,
    /// Only those whose subdomain, or whose name in lower case, holds this. In lower case.
    pub holds: Option<String>,
}

impl TenantFilter {
    /// Whether a tenant is wanted.
    pub fn wants(&self, tenant: &Tenant) -> bool {
        let holds =
            |text: &String| tenant.subdomain.as_str().contains(text.as_str()) || tenant.name.key().contains(text.as_str());
        self.status.is_none_or(|status| tenant.status() == status)
            && self.plan.as_ref().is_none_or(|plan| tenant.plan == *plan)
            && self.holds.as_ref().is_none_or(holds)
    }
}

/// A tenant from the view of one of its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// The tenant.
    pub tenant: Tenant,
    /// What the person is in it.
    pub member: Member,
}

/// What is known before the tenant is. Reads only, but for the upkeep of the sequence.
#[async_trait]
pub trait TenantDirectory: Send + Sync + Debug + 'static {
    /// The register's revision. Cheap.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn revision(&self) -> StoreResult<Revision>;

    /// The changes after `since`, at most `limit` (1 to 1000). Cheap when there are none: nodes ask every second or two. A write that
    /// returned is in every answer that is asked for later.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn changes_since(&self, since: Revision, limit: usize) -> StoreResult<TenantChanges>;

    /// Removes the oldest entries of the sequence from before `before`, at most `limit` (1 to 1000); says how many. Their numbers are not
    /// given again. Fewer than `limit` means that no more are left.
    ///
    /// # Errors
    /// `Unavailable`: some may have been removed. Repeating is safe.
    async fn prune_changes(&self, before: Timestamp, limit: usize) -> StoreResult<usize>;

    /// The tenant that has a subdomain, whatever its standing. None for one that was given up.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn by_subdomain(&self, subdomain: &Subdomain) -> StoreResult<Option<Tenant>>;

    /// The tenant that has verified a domain, whatever its standing.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn by_domain(&self, domain: &DomainName) -> StoreResult<Option<Tenant>>;

    /// Which of these tenants, at most 1000, are at their end: purged, or not in the register. Such a one never comes back.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn ended(&self, tenants: &[TenantId]) -> StoreResult<BTreeSet<TenantId>>;

    /// The tenants that a user belongs to, by tenant id. Purged ones stay among them until they are swept.
    ///
    /// # Errors
    /// `InvalidCursor`, `Unavailable`, `Corrupt`.
    async fn workspaces(&self, user: Uuid, page: &PageRequest) -> StoreResult<Page<Workspace>>;

    /// The tenants that match, by subdomain, then by id, purged ones included. For the operator: on stores without an index for the filter
    /// a walk that reads what it leaves out.
    ///
    /// # Errors
    /// `InvalidCursor`, `Unavailable`, `Corrupt`.
    async fn list(&self, filter: &TenantFilter, page: &PageRequest) -> StoreResult<Page<Tenant>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(revision: u64) -> TenantChange {
        let tenant = TenantId::DEFAULT;
        TenantChange { revision: Revision::new(revision), at: Timestamp::EPOCH, tenant, what: Changed::Members }
    }

    #[test]
    fn a_gap_is_noticed() {
        let part = |revisions: &[u64], revision| TenantChanges {
            changes: revisions.iter().copied().map(change).collect(),
            revision: Revision::new(revision),
        };
        let since = Revision::new(3);
        assert!(part(&[4, 5], 5).follow(since) && part(&[4], 9).follow(since) && part(&[], 3).follow(since));
        assert!(!part(&[5], 5).follow(since), "4 was pruned");
        assert!(!part(&[], 4).follow(since), "all were pruned");
        assert!(!part(&[], 2).follow(since), "the store was set back to an earlier state");
    }
}
