//! The ports of [`store`](crate::store) where calls go wrong as planned.

use std::collections::BTreeSet;
use std::sync::Arc;

use togglebox_core::faulty_port;
use togglebox_core::testkit::{Faults, Faulty};
use togglebox_core::{AuditRecord, Cursor, Page, PageRequest, Revision, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::TenancyStores;
use crate::store::{
    Cleared, DomainStore, InvitationStore, MemberStore, Remains, RemainsStore, TenantChanges, TenantDirectory, TenantFilter,
    TenantStore, Workspace,
};
use crate::{DomainClaim, DomainName, Invitation, Limit, Member, Subdomain, Tenant, TokenHash};

faulty_port! {
    TenantStore as "tenants", TENANTS {
        write create(record: &Tenant, owner: &Member, audit: &AuditRecord) -> Written<Tenant>;
        read find() -> Option<Tenant>;
        write change(
            record: &Tenant, expected: Revision, quarantined_until: Timestamp, audit: &AuditRecord
        ) -> Written<Tenant>;
        write transfer(from: Uuid, to: Uuid, audit: &AuditRecord) -> Written<Tenant>;
        write purge(expected: Revision, quarantined_until: Timestamp, audit: &AuditRecord) -> Written<Tenant>;
        write discard(expected: Revision, audit: &AuditRecord) -> Written<Tenant>;
        write sweep(limit: usize) -> usize;
        write forget() -> ();
    }
}

faulty_port! {
    MemberStore as "members", MEMBERS {
        read find(user: Uuid) -> Option<Member>;
        read list(page: &PageRequest) -> Page<Member>;
        read count() -> u64;
        write replace(member: &Member, expected: Revision, audit: &AuditRecord) -> Written<Member>;
        write remove(user: Uuid, expected: Revision, audit: &AuditRecord) -> Written<()>;
    }
}

faulty_port! {
    InvitationStore as "invitations", INVITATIONS {
        write issue(invitation: &Invitation, at_most: usize, audit: &AuditRecord) -> Invitation;
        read find(id: Uuid) -> Option<Invitation>;
        read find_by_token(token: &TokenHash) -> Option<Invitation>;
        read list(page: &PageRequest) -> Page<Invitation>;
        write reissue(next: &Invitation, expected: &TokenHash, audit: &AuditRecord) -> Invitation;
        write revoke(id: Uuid, audit: &AuditRecord) -> ();
        write accept(token: &TokenHash, member: &Member, limit: Limit, audit: &AuditRecord) -> Written<Member>;
    }
}

faulty_port! {
    DomainStore as "domains", DOMAINS {
        write claim(claim: &DomainClaim, audit: &AuditRecord) -> DomainClaim;
        read find(domain: &DomainName) -> Option<DomainClaim>;
        read list() -> Vec<DomainClaim>;
        write verify(domain: &DomainName, audit: &AuditRecord) -> Written<Tenant>;
        write note_check(claim: &DomainClaim) -> ();
        write lapse(claim: &DomainClaim, audit: &AuditRecord) -> Written<Tenant>;
        write release(domain: &DomainName, audit: &AuditRecord) -> Written<Tenant>;
    }
}

faulty_port! {
    RemainsStore as "remains", REMAINS {
        write clear(after: Option<&Cursor>, limit: usize) -> Cleared;
        read left() -> Remains;
        write note(audit: &AuditRecord) -> ();
    }
}

faulty_port! {
    tenantless TenantDirectory as "tenant_directory", TENANT_DIRECTORY {
        read revision() -> Revision;
        read changes_since(since: Revision, limit: usize) -> TenantChanges;
        write prune_changes(before: Timestamp, limit: usize) -> usize;
        read by_subdomain(subdomain: &Subdomain) -> Option<Tenant>;
        read by_domain(domain: &DomainName) -> Option<Tenant>;
        read ended(tenants: &[TenantId]) -> BTreeSet<TenantId>;
        read workspaces(user: Uuid, page: &PageRequest) -> Page<Workspace>;
        read list(filter: &TenantFilter, page: &PageRequest) -> Page<Tenant>;
    }
}

impl TenancyStores {
    /// The same store, to which things happen as `faults` say.
    #[must_use]
    pub fn with_faults(&self, faults: &Arc<Faults>) -> Self {
        Self {
            tenants: Arc::new(Faulty::new(Arc::clone(&self.tenants), Arc::clone(faults))),
            members: Arc::new(Faulty::new(Arc::clone(&self.members), Arc::clone(faults))),
            invitations: Arc::new(Faulty::new(Arc::clone(&self.invitations), Arc::clone(faults))),
            domains: Arc::new(Faulty::new(Arc::clone(&self.domains), Arc::clone(faults))),
            directory: Arc::new(Faulty::new(Arc::clone(&self.directory), Arc::clone(faults))),
            remains: Arc::new(Faulty::new(Arc::clone(&self.remains), Arc::clone(faults))),
            audit: Arc::new(Faulty::new(Arc::clone(&self.audit), Arc::clone(faults))),
        }
    }
}
