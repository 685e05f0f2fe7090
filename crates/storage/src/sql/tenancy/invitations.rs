//! Invitations.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use togglebox_multitenancy::store::{Changed, InvitationStore, SUPERSEDED};
use togglebox_multitenancy::{Invitation, Limit, Member, MemberRole, TokenHash};
use uuid::Uuid;

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::{Engine, Row};
use super::super::write::Write;
use super::lists::ByMoment;
use super::{members, register, tenants};

pub(super) const FIND: &str = "-- invitations.find
SELECT id, email, role, token_hash, inviter, invited_by, created_at, sent_at, expires_at FROM invitations WHERE tenant = $1 AND id = $2";

pub(super) const FIND_BY_TOKEN: &str = "-- invitations.find_by_token
SELECT id, email, role, token_hash, inviter, invited_by, created_at, sent_at, expires_at FROM invitations
WHERE tenant = $1 AND token_hash = $2";

const FIND_BY_EMAIL: &str = "-- invitations.find_by_email
SELECT id, email, role, token_hash, inviter, invited_by, created_at, sent_at, expires_at FROM invitations
WHERE tenant = $1 AND email_key = $2";

/// A tenant has few.
pub(super) const COUNT: &str = "-- invitations.count
SELECT count(*) AS count FROM invitations WHERE tenant = $1";

const ADD: &str = "-- invitations.add
INSERT INTO invitations (tenant, id, email, email_key, role, token_hash, inviter, invited_by, created_at, sent_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const REISSUE: &str = "-- invitations.reissue
UPDATE invitations SET token_hash = $3, sent_at = $4, expires_at = $5, inviter = $6, invited_by = $7 WHERE tenant = $1 AND id = $2";

const REMOVE: &str = "-- invitations.remove
DELETE FROM invitations WHERE tenant = $1 AND id = $2";

pub(super) const SWEEP: &str = "-- invitations.sweep
DELETE FROM invitations WHERE tenant = $1 AND id IN (SELECT id FROM invitations WHERE tenant = $1 ORDER BY id LIMIT $2)";

/// What a write that does not raise the register's revision is recorded with. Nobody is told it.
const UNRAISED: Revision = Revision::ZERO;

/// From the start or from a place on. Only fixed words are joined.
pub(super) fn list_statement(goes_on: bool) -> String {
    let after = if goes_on { " AND (created_at, id) > ($2, $3)" } else { "" };
    let limit = if goes_on { 4 } else { 2 };
    format!(
        "-- invitations.list
SELECT id, email, role, token_hash, inviter, invited_by, created_at, sent_at, expires_at FROM invitations
WHERE tenant = $1{after} ORDER BY created_at, id LIMIT ${limit}"
    )
}

#[async_trait]
impl<E: Engine> InvitationStore for Database<E> {
    async fn issue(
        &self,
        tenant: TenantId,
        invitation: &Invitation,
        at_most: usize,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation> {
        self.attempt(|| async {
            let mut write = self.write("invitations.issue", tenant, audit).await?;
            if write.earlier().is_some() {
                let stands = find(&mut write, invitation.id).await?;
                return stands.ok_or_else(|| write.error(StoreErrorKind::NotFound));
            }
            tenants::living(&mut write).await?;
            let expired = replaceable(&mut write, invitation, audit.at).await?;
            let others = count(&mut write).await?.saturating_sub(u64::from(expired.is_some()));
            if others >= at_most as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit: at_most }));
            }
            if let Some(id) = expired {
                remove(&mut write, id).await?;
            }
            add(&mut write, invitation).await?;
            Ok(write.commit(invitation.clone(), UNRAISED).await?.value)
        })
        .await
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Invitation>> {
        let mut reader = self.reader("invitations.find", tenant).await?;
        find(&mut reader, id).await
    }

    async fn find_by_token(&self, tenant: TenantId, token: &TokenHash) -> StoreResult<Option<Invitation>> {
        let mut reader = self.reader("invitations.find_by_token", tenant).await?;
        find_by_token(&mut reader, token).await
    }

    async fn list(&self, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Invitation>> {
        let list = ByMoment {
            operation: "invitations.list",
            statement: list_statement,
            table: "invitations",
            order: ["created_at", "id"],
            item: invitation_of,
        };
        list.page(self, tenant, page).await
    }

    async fn reissue(
        &self,
        tenant: TenantId,
        next: &Invitation,
        expected: &TokenHash,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation> {
        self.attempt(|| async {
            let mut write = self.write("invitations.reissue", tenant, audit).await?;
            let stands = find(&mut write, next.id).await?.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            if write.earlier().is_some() {
                return Ok(stands);
            }
            if stands.token_hash != *expected {
                return Err(write.error(StoreErrorKind::Refused(SUPERSEDED)));
            }
            if find_by_token(&mut write, &next.token_hash).await?.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let reissue = write.statement(REISSUE).bind(next.id).bind(next.token_hash.0.as_slice());
            let reissue = reissue.bind(next.sent_at).bind(next.expires_at).bind(next.inviter).bind(next.invited_by.as_str());
            write.execute(reissue).await?;
            Ok(write.commit(stands.sent_again(next), UNRAISED).await?.value)
        })
        .await
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, audit: &AuditRecord) -> StoreResult<()> {
        self.attempt(|| async {
            let mut write = self.write("invitations.revoke", tenant, audit).await?;
            if write.earlier().is_some() {
                return Ok(());
            }
            if remove(&mut write, id).await? == 0 {
                return Err(write.error(StoreErrorKind::NotFound));
            }
            write.commit((), UNRAISED).await.map(drop)
        })
        .await
    }

    async fn accept(
        &self,
        tenant: TenantId,
        token: &TokenHash,
        member: &Member,
        limit: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>> {
        self.attempt(|| async {
            let mut write = self.write("invitations.accept", tenant, audit).await?;
            let stands = members::find(&mut write, member.user).await?;
            if let Some(revision) = write.earlier() {
                return write.repeated(stands, revision);
            }
            tenants::living(&mut write).await?;
            let waiting = find_by_token(&mut write, token).await?.filter(|waiting| waiting.is_open(audit.at));
            let waiting = waiting.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            // Who that is stays so until the end of the write: to remove or demote somebody is a write, too.
            let inviter = members::find(&mut write, waiting.inviter).await?;
            if inviter.is_none_or(|inviter| inviter.role != MemberRole::Admin) {
                return Err(write.error(StoreErrorKind::NotFound));
            }
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let usage = members::count(&mut write).await?;
            if let Some(limit) = limit.get().filter(|limit| usage >= *limit) {
                return Err(write.error(StoreErrorKind::QuotaReached { usage, limit }));
            }
            let version = register::raise(&mut write, &Changed::Members, None, audit.at).await?;
            remove(&mut write, waiting.id).await?;
            let joined = Member { tenant, role: waiting.role, joined_at: audit.at, version, ..member.clone() };
            members::add(&mut write, &joined).await?;
            members::recount(&mut write, 1).await?;
            write.commit(joined, version).await
        })
        .await
    }
}

/// The expired invitation that gives way to a new one of its address, if there is one; an error if what is there does not give way.
async fn replaceable<E: Engine>(write: &mut Write<'_, E>, invitation: &Invitation, now: Timestamp) -> StoreResult<Option<Uuid>> {
    let by_email = write.statement(FIND_BY_EMAIL).bind(invitation.email.key());
    let row = write.optional(by_email).await?;
    let same_address = row.map(|row| invitation_of(&row, write.operation())).transpose()?;
    let open = same_address.as_ref().is_some_and(|waiting| waiting.is_open(now));
    // Also one that has expired keeps its id and its token while it is there.
    if open || find(write, invitation.id).await?.is_some() || find_by_token(write, &invitation.token_hash).await?.is_some() {
        return Err(write.error(StoreErrorKind::AlreadyExists));
    }
    Ok(same_address.map(|waiting| waiting.id))
}

async fn find<E: Engine>(call: &mut Call<E>, id: Uuid) -> StoreResult<Option<Invitation>> {
    let row = call.optional(call.statement(FIND).bind(id)).await?;
    row.map(|row| invitation_of(&row, call.operation())).transpose()
}

async fn find_by_token<E: Engine>(call: &mut Call<E>, token: &TokenHash) -> StoreResult<Option<Invitation>> {
    let row = call.optional(call.statement(FIND_BY_TOKEN).bind(token.0.as_slice())).await?;
    row.map(|row| invitation_of(&row, call.operation())).transpose()
}

/// How many there are.
pub(super) async fn count<E: Engine>(call: &mut Call<E>) -> StoreResult<u64> {
    call.count(call.statement(COUNT)).await
}

async fn add<E: Engine>(call: &mut Call<E>, invitation: &Invitation) -> StoreResult<()> {
    let add = call
        .statement(ADD)
        .bind(invitation.id)
        .bind(invitation.email.as_str())
        .bind(invitation.email.key())
        .bind(invitation.role.as_str())
        .bind(invitation.token_hash.0.as_slice())
        .bind(invitation.inviter)
        .bind(invitation.invited_by.as_str())
        .bind(invitation.created_at)
        .bind(invitation.sent_at)
        .bind(invitation.expires_at);
    call.execute(add).await?;
    Ok(())
}

async fn remove<E: Engine>(call: &mut Call<E>, id: Uuid) -> StoreResult<u64> {
    call.execute(call.statement(REMOVE).bind(id)).await
}

/// Removes so many; says how many there were.
pub(super) async fn sweep<E: Engine>(call: &mut Call<E>, limit: u64) -> StoreResult<u64> {
    call.execute(call.statement(SWEEP).bind(limit)).await
}

fn invitation_of(row: &impl Row, operation: &'static str) -> StoreResult<Invitation> {
    let cells = Cells::new(row, operation, "invitations", "id");
    Ok(Invitation {
        id: cells.get("id")?,
        email: cells.get("email")?,
        role: cells.get("role")?,
        token_hash: cells.get("token_hash")?,
        inviter: cells.get("inviter")?,
        invited_by: cells.get("invited_by")?,
        created_at: cells.get("created_at")?,
        sent_at: cells.get("sent_at")?,
        expires_at: cells.get("expires_at")?,
    })
}
