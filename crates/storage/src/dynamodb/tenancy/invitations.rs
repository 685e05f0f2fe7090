//! Invitations that wait. They take no number of the register before they are accepted.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_multitenancy::store::{InvitationStore, SUPERSEDED};
use togglebox_multitenancy::{Invitation, Limit, Member, MemberRole, TokenHash};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::Trouble;
use super::super::item::Attributes;
use super::super::patience::Patience;
use super::super::write::Write;
use super::lists::Listing;
use super::record::{Counts, Record, living};
use super::register::{counted, of_members, raise};
use super::{invitation, key, member};

/// How often an invitation is looked up whose token changes meanwhile.
const MOVES: usize = 5;

#[async_trait]
impl InvitationStore for DynamoDb {
    async fn issue(
        &self,
        tenant: TenantId,
        invitation: &Invitation,
        at_most: usize,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation> {
        const OPERATION: &str = "invitations.issue";
        let (own, token) = (key::invitation(tenant, invitation.id), key::token(tenant, &invitation.token_hash));
        let address = key::invited(tenant, &invitation.email.key());
        let mut write = self.write(OPERATION, tenant, key::tenant(tenant), audit).await?;
        loop {
            let keys = [key::counter(), key::tenant(tenant), own.clone(), token.clone(), address.clone()];
            let stage = write.read(keys).await?;
            if stage.earlier.is_some() {
                let stands = stage.items.get(&own).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
                return invitation::read(stands, OPERATION);
            }
            let record = living(&write, Record::of(&stage.items, tenant, OPERATION)?)?;
            let expired = match stage.items.get(&address) {
                None => None,
                Some(place) => {
                    let id = Attributes::new(place, OPERATION).get("id")?;
                    match waiting(&mut write, tenant, id).await? {
                        Some(waiting) if waiting.is_open(audit.at) => return Err(write.error(StoreErrorKind::AlreadyExists)),
                        Some(waiting) => Some(waiting),
                        // It went since its address was looked up.
                        None => {
                            write.again(Trouble::Contended).await?;
                            continue;
                        }
                    }
                }
            };
            if stage.items.contains_key(&own) || stage.items.contains_key(&token) {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let others = record.counts.invitations.saturating_sub(u64::from(expired.is_some()));
            if others >= at_most as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit: at_most }));
            }
            let mut actions = vec![record.count(Counts { invitations: others.saturating_add(1), ..record.counts })];
            let vacant = match &expired {
                Some(expired) => {
                    actions.extend(invitation::remove(tenant, expired));
                    Condition::is("id", expired.id)
                }
                None => Condition::absent(),
            };
            actions.extend(invitation::create(OPERATION, tenant, invitation, vacant)?);
            if write.commit(actions, counted(&stage.items, OPERATION)?).await? {
                return Ok(invitation.clone());
            }
        }
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Invitation>> {
        self.invitation("invitations.find", &mut self.patience(), tenant, id).await
    }

    async fn find_by_token(&self, tenant: TenantId, token: &TokenHash) -> StoreResult<Option<Invitation>> {
        const OPERATION: &str = "invitations.find_by_token";
        let mut patience = self.patience();
        for _ in 0..MOVES {
            let Some(item) = self.get(OPERATION, &mut patience, &key::token(tenant, token)).await? else { return Ok(None) };
            let id = Attributes::new(&item, OPERATION).get("id")?;
            // Since the token was looked up, its invitation may have got another one or be gone.
            match self.invitation(OPERATION, &mut patience, tenant, id).await? {
                Some(waiting) if waiting.token_hash == *token => return Ok(Some(waiting)),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn list(&self, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Invitation>> {
        let (partition, key) = (key::invitations(tenant), key::invitation);
        let listing = Listing { operation: "invitations.list", tenant, partition, key, read: invitation::read };
        self.oldest_first(&listing, page).await
    }

    async fn reissue(
        &self,
        tenant: TenantId,
        next: &Invitation,
        expected: &TokenHash,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation> {
        const OPERATION: &str = "invitations.reissue";
        let (own, token) = (key::invitation(tenant, next.id), key::token(tenant, &next.token_hash));
        let mut write = self.write(OPERATION, tenant, key::tenant(tenant), audit).await?;
        loop {
            let stage = write.read([key::counter(), own.clone(), token.clone()]).await?;
            let stands = stage.items.get(&own).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let stands = invitation::read(stands, OPERATION)?;
            if stage.earlier.is_some() {
                return Ok(stands);
            }
            if stands.token_hash != *expected {
                return Err(write.error(StoreErrorKind::Refused(SUPERSEDED)));
            }
            if stage.items.contains_key(&token) {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let after = stands.clone().sent_again(next);
            let actions = invitation::reissue(OPERATION, tenant, &stands, &after)?.to_vec();
            if write.commit(actions, counted(&stage.items, OPERATION)?).await? {
                return Ok(after);
            }
        }
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, audit: &AuditRecord) -> StoreResult<()> {
        const OPERATION: &str = "invitations.revoke";
        let own = key::invitation(tenant, id);
        let mut write = self.write(OPERATION, tenant, key::tenant(tenant), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), own.clone()]).await?;
            if stage.earlier.is_some() {
                return Ok(());
            }
            let missing = || write.error(StoreErrorKind::NotFound);
            let stands = invitation::read(stage.items.get(&own).ok_or_else(missing)?, OPERATION)?;
            let record = Record::of(&stage.items, tenant, OPERATION)?.ok_or_else(missing)?;
            let mut actions = vec![record.count(one_less(record.counts))];
            actions.extend(invitation::remove(tenant, &stands));
            actions.push(invitation::free(tenant, &stands));
            if write.commit(actions, counted(&stage.items, OPERATION)?).await? {
                return Ok(());
            }
        }
    }

    async fn accept(
        &self,
        tenant: TenantId,
        token: &TokenHash,
        member: &Member,
        limit: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>> {
        const OPERATION: &str = "invitations.accept";
        let (own, token_key) = (key::member(tenant, member.user), key::token(tenant, token));
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), own.clone(), token_key.clone()]).await?;
            let stands = stage.items.get(&own);
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|item| member::read(item, OPERATION)).transpose()?, revision);
            }
            let record = living(&write, Record::of(&stage.items, tenant, OPERATION)?)?;
            let place = stage.items.get(&token_key).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let waiting = waiting(&mut write, tenant, Attributes::new(place, OPERATION).get("id")?).await?;
            // It went, or was sent again, since its token was looked up: which of the two, and whether by this very call, another look says.
            let Some(waiting) = waiting.filter(|waiting| waiting.token_hash == *token) else {
                write.again(Trouble::Contended).await?;
                continue;
            };
            if !waiting.is_open(audit.at) {
                return Err(write.error(StoreErrorKind::NotFound));
            }
            let inviter = key::member(tenant, waiting.inviter);
            let found = write.get(&inviter).await?.map(|item| member::read(&item, OPERATION)).transpose()?;
            let found = found.filter(|found| found.role == MemberRole::Admin);
            let stood = found.ok_or_else(|| write.error(StoreErrorKind::NotFound))?.version;
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let usage = record.counts.members;
            if let Some(limit) = limit.get().filter(|limit| usage >= *limit) {
                return Err(write.error(StoreErrorKind::QuotaReached { usage, limit }));
            }
            let counted = counted(&stage.items, OPERATION)?;
            let change = of_members(tenant, counted.next(), audit);
            let (role, version) = (waiting.role, change.revision);
            let joined = Member { tenant, role, joined_at: audit.at, version, ..member.clone() };
            let counts = Counts { members: record.counts.members.saturating_add(1), ..one_less(record.counts) };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.push(record.count(counts));
            actions.extend(invitation::remove(tenant, &waiting));
            actions.push(invitation::free(tenant, &waiting));
            actions.extend(member::join(OPERATION, &joined)?);
            // Still an admin.
            actions.push(Action::Check { key: inviter, when: Condition::is("rev", stood) });
            if write.commit(actions, version).await? {
                return Ok(Written { value: joined, revision: version });
            }
        }
    }
}

/// After an invitation went.
const fn one_less(counts: Counts) -> Counts {
    Counts { invitations: counts.invitations.saturating_sub(1), ..counts }
}

async fn waiting(write: &mut Write<'_>, tenant: TenantId, id: Uuid) -> StoreResult<Option<Invitation>> {
    let item = write.get(&key::invitation(tenant, id)).await?;
    item.map(|item| invitation::read(&item, write.operation())).transpose()
}

impl DynamoDb {
    async fn invitation(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        id: Uuid,
    ) -> StoreResult<Option<Invitation>> {
        let item = self.get(operation, patience, &key::invitation(tenant, id)).await?;
        item.map(|item| invitation::read(&item, operation)).transpose()
    }
}
