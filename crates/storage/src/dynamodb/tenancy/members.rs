//! Who belongs to a tenant.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_multitenancy::store::{MemberStore, OWNER_STAYS};
use togglebox_multitenancy::{Member, MemberRole};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::write::{Stage, Write};
use super::lists::Listing;
use super::record::{Counts, Record};
use super::register::{counted, of_members, raise};
use super::{key, member};

#[async_trait]
impl MemberStore for DynamoDb {
    async fn find(&self, tenant: TenantId, user: Uuid) -> StoreResult<Option<Member>> {
        const OPERATION: &str = "members.find";
        let item = self.get(OPERATION, &mut self.patience(), &key::member(tenant, user)).await?;
        item.map(|item| member::read(&item, OPERATION)).transpose()
    }

    async fn list(&self, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Member>> {
        let listing =
            Listing { operation: "members.list", tenant, partition: key::members(tenant), key: key::member, read: member::read };
        self.oldest_first(&listing, page).await
    }

    async fn count(&self, tenant: TenantId) -> StoreResult<u64> {
        let record = self.tenant_record("members.count", &mut self.patience(), tenant).await?;
        Ok(record.map_or(0, |record| record.counts.members))
    }

    async fn replace(
        &self,
        tenant: TenantId,
        member: &Member,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>> {
        const OPERATION: &str = "members.replace";
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let (stage, stands) = read(&mut write, tenant, member.user).await?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands, revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.version, expected)?;
            let counted = counted(&stage.items, OPERATION)?;
            let change = of_members(tenant, counted.next(), audit);
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            if member.role != MemberRole::Admin {
                // Nor may the member become the owner at the same moment.
                actions.push(dispensable(&write, &stage, tenant, member.user)?.check());
            }
            let next = Member { role: member.role, email: member.email.clone(), version: change.revision, ..stands };
            actions.push(member::replace(&next, expected));
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next, revision: change.revision });
            }
        }
    }

    async fn remove(&self, tenant: TenantId, user: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        const OPERATION: &str = "members.remove";
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let (stage, stands) = read(&mut write, tenant, user).await?;
            if let Some(revision) = stage.earlier {
                return Ok(Written { value: (), revision });
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.version, expected)?;
            let record = dispensable(&write, &stage, tenant, user)?;
            let counted = counted(&stage.items, OPERATION)?;
            let change = of_members(tenant, counted.next(), audit);
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.push(record.count(Counts { members: record.counts.members.saturating_sub(1), ..record.counts }));
            actions.extend(member::leave(&stands));
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: (), revision: change.revision });
            }
        }
    }
}

async fn read(write: &mut Write<'_>, tenant: TenantId, user: Uuid) -> StoreResult<(Stage, Option<Member>)> {
    let own = key::member(tenant, user);
    let stage = write.read([key::counter(), key::tenant(tenant), own.clone()]).await?;
    let stands = stage.items.get(&own).map(|item| member::read(item, write.operation())).transpose()?;
    Ok((stage, stands))
}

/// The tenant, if it is not this member's own: the owner may not go, or be less than an admin.
fn dispensable(write: &Write<'_>, stage: &Stage, tenant: TenantId, user: Uuid) -> StoreResult<Record> {
    let record = Record::of(&stage.items, tenant, write.operation())?;
    let record = record.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
    if record.tenant.owner == user { Err(write.error(StoreErrorKind::Refused(OWNER_STAYS))) } else { Ok(record) }
}
