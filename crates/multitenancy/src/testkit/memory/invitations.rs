use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, StoreErrorKind, StoreResult, TenantId, Written};
use uuid::Uuid;

use super::register::{Register, repeated};
use super::{Answer, MemoryStore, page, sorted};
use crate::store::{Changed, InvitationStore, SUPERSEDED};
use crate::{Invitation, Limit, Member, MemberRole, TokenHash};

#[async_trait]
impl InvitationStore for MemoryStore {
    async fn issue(
        &self,
        tenant: TenantId,
        invitation: &Invitation,
        at_most: usize,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation> {
        self.act("invitations.issue", |register| {
            let key = (tenant, invitation.id);
            if register.earlier(tenant, audit).is_some() {
                return register.invitations.get(&key).cloned().ok_or(StoreErrorKind::NotFound);
            }
            register.living(tenant)?;
            let all = || Register::of(&register.invitations, tenant).map(|(_, waiting)| waiting);
            let same_address = all().find(|waiting| waiting.is_for(&invitation.email));
            let expired = match same_address {
                Some(waiting) if waiting.is_open(audit.at) => return Err(StoreErrorKind::AlreadyExists),
                other => other.map(|waiting| waiting.id),
            };
            if all().any(|waiting| waiting.id == invitation.id || waiting.token_hash == invitation.token_hash) {
                return Err(StoreErrorKind::AlreadyExists);
            }
            if all().filter(|waiting| Some(waiting.id) != expired).count() >= at_most {
                return Err(StoreErrorKind::LimitReached { limit: at_most });
            }
            if let Some(id) = expired {
                register.invitations.remove(&(tenant, id));
            }
            register.invitations.insert(key, invitation.clone());
            register.note(tenant, audit);
            Ok(invitation.clone())
        })
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Invitation>> {
        self.act("invitations.find", |register| Ok(register.invitations.get(&(tenant, id)).cloned()))
    }

    async fn find_by_token(&self, tenant: TenantId, token: &TokenHash) -> StoreResult<Option<Invitation>> {
        self.act("invitations.find_by_token", |register| Ok(with_token(register, tenant, token).cloned()))
    }

    async fn list(&self, tenant: TenantId, request: &PageRequest) -> StoreResult<Page<Invitation>> {
        self.act("invitations.list", |register| {
            let waiting = Register::of(&register.invitations, tenant);
            let keyed = waiting.map(|(id, waiting)| (format!("{}{id}", sorted(waiting.created_at)), waiting.clone()));
            page("invitations", keyed, request)
        })
    }

    async fn reissue(
        &self,
        tenant: TenantId,
        next: &Invitation,
        expected: &TokenHash,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation> {
        self.act("invitations.reissue", |register| {
            let stands = register.invitations.get(&(tenant, next.id)).ok_or(StoreErrorKind::NotFound)?;
            if register.earlier(tenant, audit).is_some() {
                return Ok(stands.clone());
            }
            if stands.token_hash != *expected {
                return Err(StoreErrorKind::Refused(SUPERSEDED));
            }
            if with_token(register, tenant, &next.token_hash).is_some() {
                return Err(StoreErrorKind::AlreadyExists);
            }
            let after = stands.clone().sent_again(next);
            register.invitations.insert((tenant, next.id), after.clone());
            register.note(tenant, audit);
            Ok(after)
        })
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, audit: &AuditRecord) -> StoreResult<()> {
        self.act("invitations.revoke", |register| {
            if register.earlier(tenant, audit).is_some() {
                return Ok(());
            }
            register.invitations.remove(&(tenant, id)).ok_or(StoreErrorKind::NotFound)?;
            register.note(tenant, audit);
            Ok(())
        })
    }

    async fn accept(
        &self,
        tenant: TenantId,
        token: &TokenHash,
        member: &Member,
        limit: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>> {
        self.act("invitations.accept", |register| accept(register, tenant, token, member, limit, audit))
    }
}

fn accept(
    register: &mut Register,
    tenant: TenantId,
    token: &TokenHash,
    member: &Member,
    limit: Limit,
    audit: &AuditRecord,
) -> Answer<Written<Member>> {
    let key = (tenant, member.user);
    if let Some(revision) = register.earlier(tenant, audit) {
        return repeated(register.members.get(&key), revision);
    }
    register.living(tenant)?;
    let waiting = with_token(register, tenant, token).filter(|waiting| waiting.is_open(audit.at));
    let waiting = waiting.filter(|waiting| {
        let inviter = register.members.get(&(tenant, waiting.inviter));
        inviter.is_some_and(|inviter| inviter.role == MemberRole::Admin)
    });
    let (id, role) = waiting.map(|waiting| (waiting.id, waiting.role)).ok_or(StoreErrorKind::NotFound)?;
    if register.members.contains_key(&key) {
        return Err(StoreErrorKind::AlreadyExists);
    }
    let usage = Register::of(&register.members, tenant).count() as u64;
    if let Some(limit) = limit.get().filter(|limit| usage >= *limit) {
        return Err(StoreErrorKind::QuotaReached { usage, limit });
    }
    register.invitations.remove(&(tenant, id));
    let version = register.raise(tenant, Changed::Members, audit);
    let joined = Member { tenant, role, joined_at: audit.at, version, ..member.clone() };
    register.members.insert(key, joined.clone());
    Ok(Written { value: joined, revision: version })
}

fn with_token<'a>(register: &'a Register, tenant: TenantId, token: &TokenHash) -> Option<&'a Invitation> {
    Register::of(&register.invitations, tenant).map(|(_, waiting)| waiting).find(|waiting| waiting.token_hash == *token)
}
