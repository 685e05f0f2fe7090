//! What the store in memory holds.

use std::collections::BTreeMap;

use togglebox_core::{AuditRecord, Revision, StoreErrorKind, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::Answer;
use crate::store::{Changed, SUBDOMAIN_QUARANTINED, SUBDOMAIN_TAKEN, TenantChange};
use crate::{DomainClaim, DomainName, Invitation, Member, Subdomain, Tenant};

/// Who has a subdomain.
#[derive(Clone, Debug)]
pub(super) enum Hold {
    By(TenantId),
    /// Given up by `former`, who alone may have it back before `until`.
    GivenUp {
        former: TenantId,
        until: Timestamp,
    },
}

/// An audit record, the how manieth it is of all, and the revision that its write gave.
#[derive(Clone, Debug)]
pub(super) struct Noted {
    pub(super) serial: u64,
    pub(super) record: AuditRecord,
    pub(super) revision: Revision,
}

#[derive(Debug, Default)]
pub(super) struct Register {
    pub(super) revision: Revision,
    pub(super) changes: BTreeMap<Revision, TenantChange>,
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    pub(super) subdomains: BTreeMap<Subdomain, Hold>,
    pub(super) domains: BTreeMap<DomainName, TenantId>,
    pub(super) members: BTreeMap<(TenantId, Uuid), Member>,
    pub(super) invitations: BTreeMap<(TenantId, Uuid), Invitation>,
    pub(super) claims: BTreeMap<(TenantId, DomainName), DomainClaim>,
    pub(super) audit: BTreeMap<TenantId, Vec<Noted>>,
    noted: u64,
}

impl Register {
    /// The revision of a write that was made before under this audit record.
    pub(super) fn earlier(&self, tenant: TenantId, audit: &AuditRecord) -> Option<Revision> {
        let noted = self.audit.get(&tenant)?.iter().find(|noted| noted.record.id == audit.id)?;
        Some(noted.revision)
    }

    /// Notes a write that did not raise the revision.
    pub(super) fn note(&mut self, tenant: TenantId, audit: &AuditRecord) {
        self.noted += 1;
        let noted = Noted { serial: self.noted, record: audit.clone(), revision: self.revision };
        self.audit.entry(tenant).or_default().push(noted);
    }

    /// Raises the revision, and notes what was written.
    pub(super) fn raise(&mut self, tenant: TenantId, what: Changed, audit: &AuditRecord) -> Revision {
        self.revision = self.revision.next();
        let change = TenantChange { revision: self.revision, at: audit.at, tenant, what };
        self.changes.insert(self.revision, change);
        self.note(tenant, audit);
        self.revision
    }

    pub(super) fn tenant(&self, tenant: TenantId) -> Answer<&Tenant> {
        self.tenants.get(&tenant).ok_or(StoreErrorKind::NotFound)
    }

    /// A tenant that takes something new in.
    pub(super) fn living(&self, tenant: TenantId) -> Answer<&Tenant> {
        self.tenant(tenant).ok().filter(|tenant| tenant.standing.takes_in()).ok_or(StoreErrorKind::NotFound)
    }

    /// A tenant that is still as it was read.
    pub(super) fn unchanged(&self, tenant: TenantId, expected: Revision) -> Answer<&Tenant> {
        let stands = self.tenant(tenant)?;
        same(stands.version, expected).map(|()| stands)
    }

    /// Puts a tenant in the place of the one that stands.
    pub(super) fn put(&mut self, mut after: Tenant, audit: &AuditRecord) -> Written<Tenant> {
        let what = TenantChange::between(self.tenants.get(&after.id), &after);
        after.updated_at = audit.at;
        after.version = self.raise(after.id, what, audit);
        self.tenants.insert(after.id, after.clone());
        Written { revision: after.version, value: after }
    }

    /// Whether a tenant may have a subdomain at `now`.
    pub(super) fn claimable(&self, subdomain: &Subdomain, tenant: TenantId, now: Timestamp) -> Answer<()> {
        match self.subdomains.get(subdomain) {
            Some(Hold::By(holder)) if *holder != tenant => Err(StoreErrorKind::Refused(SUBDOMAIN_TAKEN)),
            Some(Hold::GivenUp { former, until }) if *former != tenant && now < *until => {
                Err(StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn of<K: Ord, T>(records: &BTreeMap<(TenantId, K), T>, tenant: TenantId) -> impl Iterator<Item = (&K, &T)> {
        records.iter().filter(move |((holder, _), _)| *holder == tenant).map(|((_, key), record)| (key, record))
    }
}

pub(super) fn same(current: Revision, expected: Revision) -> Answer<()> {
    if current == expected { Ok(()) } else { Err(StoreErrorKind::Conflict { current }) }
}

/// What still stands of a write that was made before.
pub(super) fn repeated<T: Clone>(stands: Option<&T>, revision: Revision) -> Answer<Written<T>> {
    stands.cloned().map(|value| Written { value, revision }).ok_or(StoreErrorKind::NotFound)
}
