use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use uuid::Uuid;

use super::register::{Register, repeated, same};
use super::{Answer, MemoryStore, page, sorted};
use crate::store::{Changed, MemberStore, OWNER_STAYS};
use crate::{Member, MemberRole};

#[async_trait]
impl MemberStore for MemoryStore {
    async fn find(&self, tenant: TenantId, user: Uuid) -> StoreResult<Option<Member>> {
        self.act("members.find", |register| Ok(register.members.get(&(tenant, user)).cloned()))
    }

    async fn list(&self, tenant: TenantId, request: &PageRequest) -> StoreResult<Page<Member>> {
        self.act("members.list", |register| {
            let members = Register::of(&register.members, tenant);
            let keyed = members.map(|(user, member)| (format!("{}{user}", sorted(member.joined_at)), member.clone()));
            page("members", keyed, request)
        })
    }

    async fn count(&self, tenant: TenantId) -> StoreResult<u64> {
        self.act("members.count", |register| Ok(Register::of(&register.members, tenant).count() as u64))
    }

    async fn replace(
        &self,
        tenant: TenantId,
        member: &Member,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>> {
        self.act("members.replace", |register| {
            let key = (tenant, member.user);
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.members.get(&key), revision);
            }
            let mut after = unchanged(register, &key, expected)?.clone();
            if member.role != MemberRole::Admin {
                dispensable(register, &key)?;
            }
            after.role = member.role;
            after.email = member.email.clone();
            after.version = register.raise(tenant, Changed::Members, audit);
            register.members.insert(key, after.clone());
            Ok(Written { revision: after.version, value: after })
        })
    }

    async fn remove(&self, tenant: TenantId, user: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        self.act("members.remove", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return Ok(Written { value: (), revision });
            }
            unchanged(register, &(tenant, user), expected)?;
            dispensable(register, &(tenant, user))?;
            register.members.remove(&(tenant, user));
            Ok(Written { value: (), revision: register.raise(tenant, Changed::Members, audit) })
        })
    }
}

fn unchanged<'a>(register: &'a Register, key: &(TenantId, Uuid), expected: Revision) -> Answer<&'a Member> {
    let stands = register.members.get(key).ok_or(StoreErrorKind::NotFound)?;
    same(stands.version, expected).map(|()| stands)
}

/// Whether a member may go, or be less than an admin.
fn dispensable(register: &Register, (tenant, user): &(TenantId, Uuid)) -> Answer<()> {
    match register.tenants.get(tenant) {
        Some(tenant) if tenant.owner == *user => Err(StoreErrorKind::Refused(OWNER_STAYS)),
        _ => Ok(()),
    }
}
