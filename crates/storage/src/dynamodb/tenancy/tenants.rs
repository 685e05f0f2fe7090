//! Tenants themselves.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use togglebox_multitenancy::store::{NOT_AN_ADMIN, NOT_DELETED, NOT_RESERVED, NOT_THE_OWNER, TenantStore};
use togglebox_multitenancy::{Deletion, Member, MemberRole, Tenant};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::Trouble;
use super::super::store::Range;
use super::name::{self, Name};
use super::record::{Counts, Record};
use super::register::{counted, raise, written};
use super::{claims, key, member};

#[async_trait]
impl TenantStore for DynamoDb {
    async fn create(
        &self,
        tenant: TenantId,
        record: &Tenant,
        owner: &Member,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "tenants.create";
        let subdomain = &record.subdomain;
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), key::subdomain(subdomain)]).await?;
            let stands = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|record| record.tenant), revision);
            }
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let take = Name::of(&stage.items, subdomain, OPERATION)?.take(OPERATION, subdomain, tenant, audit.at)?;
            let counted = counted(&stage.items, OPERATION)?;
            let after = Tenant { id: tenant, domains: Vec::new(), owner: owner.user, ..record.clone() };
            let (after, change) = written(None, after, counted.next(), audit);
            let next = Record { tenant: after, counts: Counts { members: 1, ..Counts::default() } };
            let owner = Member { tenant, version: change.revision, ..owner.clone() };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.extend([next.create(OPERATION)?, take, name::enlist(OPERATION, subdomain, tenant)?]);
            actions.extend(member::join(OPERATION, &owner)?);
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn find(&self, tenant: TenantId) -> StoreResult<Option<Tenant>> {
        Ok(self.tenant_record("tenants.find", &mut self.patience(), tenant).await?.map(|record| record.tenant))
    }

    async fn change(
        &self,
        tenant: TenantId,
        record: &Tenant,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "tenants.change";
        let wanted = &record.subdomain;
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), key::subdomain(wanted)]).await?;
            let stands = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|record| record.tenant), revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.tenant.version, expected)?;
            let counted = counted(&stage.items, OPERATION)?;
            let given = record.clone();
            let after = Tenant {
                name: given.name,
                subdomain: given.subdomain,
                renames: given.renames,
                standing: given.standing,
                plan: given.plan,
                overrides: given.overrides,
                billing: given.billing,
                ..stands.tenant.clone()
            };
            let (after, change) = written(Some(&stands.tenant), after, counted.next(), audit);
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            let old = &stands.tenant.subdomain;
            if wanted != old {
                actions.extend([
                    Name::of(&stage.items, wanted, OPERATION)?.take(OPERATION, wanted, tenant, audit.at)?,
                    name::give_up(OPERATION, old, tenant, quarantined_until)?,
                    name::delist(old, tenant),
                    name::enlist(OPERATION, wanted, tenant)?,
                ]);
            }
            let next = Record { tenant: after, counts: stands.counts };
            actions.push(stands.replace(&next, OPERATION)?);
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn transfer(&self, tenant: TenantId, from: Uuid, to: Uuid, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "tenants.transfer";
        let heir = key::member(tenant, to);
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), heir.clone()]).await?;
            let stands = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|record| record.tenant), revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let item = stage.items.get(&heir).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let member = member::read(item, OPERATION)?;
            if stands.tenant.owner != from {
                return Err(write.error(StoreErrorKind::Refused(NOT_THE_OWNER)));
            }
            if member.role != MemberRole::Admin {
                return Err(write.error(StoreErrorKind::Refused(NOT_AN_ADMIN)));
            }
            let counted = counted(&stage.items, OPERATION)?;
            let after = Tenant { owner: to, ..stands.tenant.clone() };
            let (after, change) = written(Some(&stands.tenant), after, counted.next(), audit);
            let next = Record { tenant: after, counts: stands.counts };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.push(stands.replace(&next, OPERATION)?);
            // Still an admin.
            actions.push(Action::Check { key: heir.clone(), when: Condition::is("rev", member.version) });
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn purge(
        &self,
        tenant: TenantId,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "tenants.purge";
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant)]).await?;
            let stands = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|record| record.tenant), revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.tenant.version, expected)?;
            let mut after = stands.tenant.clone();
            match &mut after.standing.deletion {
                Some(deletion) if deletion.purged_at.is_none() => deletion.purged_at = Some(audit.at),
                _ => return Err(write.error(StoreErrorKind::Refused(NOT_DELETED))),
            }
            let held = self.query(OPERATION, write.patience(), Range::all(key::claims(tenant))).await?;
            if held.len() as u64 != stands.counts.claims {
                write.again(Trouble::Contended).await?;
                continue;
            }
            let counted = counted(&stage.items, OPERATION)?;
            after.domains.clear();
            let (after, change) = written(Some(&stands.tenant), after, counted.next(), audit);
            let next = Record { tenant: after, counts: Counts { claims: 0, ..stands.counts } };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.push(stands.replace(&next, OPERATION)?);
            actions.push(name::give_up(OPERATION, &stands.tenant.subdomain, tenant, quarantined_until)?);
            actions.extend(stands.tenant.domains.iter().map(|domain| claims::lead_nowhere(domain, tenant)));
            for item in &held {
                actions.push(claims::drop_claim(tenant, &claims::read(item, OPERATION)?));
            }
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn discard(&self, tenant: TenantId, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "tenants.discard";
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant)]).await?;
            let stands = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|record| record.tenant), revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.tenant.version, expected)?;
            let mut after = stands.tenant.clone();
            if !after.standing.is_reserved() || after.standing.deletion.is_some() {
                return Err(write.error(StoreErrorKind::Refused(NOT_RESERVED)));
            }
            after.standing.deletion = Some(Deletion::at_once(audit.at));
            let counted = counted(&stage.items, OPERATION)?;
            let (after, change) = written(Some(&stands.tenant), after, counted.next(), audit);
            let next = Record { tenant: after, counts: stands.counts };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.extend([stands.replace(&next, OPERATION)?, name::free(&stands.tenant.subdomain, tenant)]);
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn sweep(&self, tenant: TenantId, limit: usize) -> StoreResult<usize> {
        self.sweep_tenant(tenant, limit.clamp(1, 1000)).await
    }

    async fn forget(&self, tenant: TenantId) -> StoreResult<()> {
        self.forget_tenant(tenant).await
    }
}
