use async_trait::async_trait;
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::MemoryStore;
use super::register::{Hold, Register, repeated};
use crate::store::{NOT_AN_ADMIN, NOT_DELETED, NOT_EMPTY, NOT_PURGED, NOT_RESERVED, NOT_THE_OWNER, TenantStore};
use crate::{Deletion, Member, MemberRole, Tenant};

#[async_trait]
impl TenantStore for MemoryStore {
    async fn create(
        &self,
        tenant: TenantId,
        record: &Tenant,
        owner: &Member,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        self.act("tenants.create", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            if register.tenants.contains_key(&tenant) {
                return Err(StoreErrorKind::AlreadyExists);
            }
            register.claimable(&record.subdomain, tenant, audit.at)?;
            register.subdomains.insert(record.subdomain.clone(), Hold::By(tenant));
            let written = register.put(Tenant { id: tenant, domains: Vec::new(), owner: owner.user, ..record.clone() }, audit);
            let owner = Member { tenant, version: written.revision, ..owner.clone() };
            register.members.insert((tenant, owner.user), owner);
            Ok(written)
        })
    }

    async fn find(&self, tenant: TenantId) -> StoreResult<Option<Tenant>> {
        self.act("tenants.find", |register| Ok(register.tenants.get(&tenant).cloned()))
    }

    async fn change(
        &self,
        tenant: TenantId,
        record: &Tenant,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        self.act("tenants.change", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let stands = register.unchanged(tenant, expected)?.clone();
            if record.subdomain != stands.subdomain {
                register.claimable(&record.subdomain, tenant, audit.at)?;
                register.subdomains.insert(record.subdomain.clone(), Hold::By(tenant));
                let given_up = Hold::GivenUp { former: tenant, until: quarantined_until };
                register.subdomains.insert(stands.subdomain.clone(), given_up);
            }
            let record = record.clone();
            let after = Tenant {
                name: record.name,
                subdomain: record.subdomain,
                renames: record.renames,
                standing: record.standing,
                plan: record.plan,
                overrides: record.overrides,
                billing: record.billing,
                ..stands
            };
            Ok(register.put(after, audit))
        })
    }

    async fn transfer(&self, tenant: TenantId, from: Uuid, to: Uuid, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.act("tenants.transfer", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let stands = register.tenant(tenant)?.clone();
            let member = register.members.get(&(tenant, to)).ok_or(StoreErrorKind::NotFound)?;
            if stands.owner != from {
                return Err(StoreErrorKind::Refused(NOT_THE_OWNER));
            }
            if member.role != MemberRole::Admin {
                return Err(StoreErrorKind::Refused(NOT_AN_ADMIN));
            }
            Ok(register.put(Tenant { owner: to, ..stands }, audit))
        })
    }

    async fn purge(
        &self,
        tenant: TenantId,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        self.act("tenants.purge", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let mut after = register.unchanged(tenant, expected)?.clone();
            match &mut after.standing.deletion {
                Some(deletion) if deletion.purged_at.is_none() => deletion.purged_at = Some(audit.at),
                _ => return Err(StoreErrorKind::Refused(NOT_DELETED)),
            }
            let given_up = Hold::GivenUp { former: tenant, until: quarantined_until };
            register.subdomains.insert(after.subdomain.clone(), given_up);
            after.domains.clear();
            register.domains.retain(|_, holder| *holder != tenant);
            register.claims.retain(|(holder, _), _| *holder != tenant);
            Ok(register.put(after, audit))
        })
    }

    async fn discard(&self, tenant: TenantId, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.act("tenants.discard", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let mut after = register.unchanged(tenant, expected)?.clone();
            if !after.standing.is_reserved() || after.standing.deletion.is_some() {
                return Err(StoreErrorKind::Refused(NOT_RESERVED));
            }
            after.standing.deletion = Some(Deletion::at_once(audit.at));
            register.subdomains.remove(&after.subdomain);
            Ok(register.put(after, audit))
        })
    }

    async fn sweep(&self, tenant: TenantId, limit: usize) -> StoreResult<usize> {
        self.act("tenants.sweep", |register| {
            if !register.tenant(tenant)?.standing.is_purged() {
                return Err(StoreErrorKind::Refused(NOT_PURGED));
            }
            let members: Vec<Uuid> = Register::of(&register.members, tenant).map(|(user, _)| *user).take(limit).collect();
            let left = limit - members.len();
            let invitations: Vec<Uuid> = Register::of(&register.invitations, tenant).map(|(id, _)| *id).take(left).collect();
            for user in &members {
                register.members.remove(&(tenant, *user));
            }
            for id in &invitations {
                register.invitations.remove(&(tenant, *id));
            }
            Ok(members.len() + invitations.len())
        })
    }

    async fn forget(&self, tenant: TenantId) -> StoreResult<()> {
        self.act("tenants.forget", |register| {
            let Some(stands) = register.tenants.get(&tenant) else { return Ok(()) };
            if !stands.standing.is_purged() {
                return Err(StoreErrorKind::Refused(NOT_PURGED));
            }
            let members = Register::of(&register.members, tenant).count();
            if members + Register::of(&register.invitations, tenant).count() > 0 {
                return Err(StoreErrorKind::Refused(NOT_EMPTY));
            }
            register.tenants.remove(&tenant);
            Ok(())
        })
    }
}
