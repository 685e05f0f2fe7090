//! Custom domains: claims to them, and where those that were verified lead.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, StoreError, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_multitenancy::store::{DOMAIN_TAKEN, DomainStore};
use togglebox_multitenancy::{DomainClaim, DomainName, Tenant};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item};
use super::super::store::Range;
use super::key;
use super::record::{Counts, Record, living, parsed};
use super::register::{counted, raise, written};

pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<DomainClaim> {
    let attributes = Attributes::new(item, operation);
    Ok(DomainClaim {
        domain: parsed(&attributes, "domain", DomainName::new)?,
        token: attributes.get("token")?,
        claimed_at: attributes.get("claimed_at")?,
        verified_at: attributes.maybe("verified_at")?,
        checked_at: attributes.maybe("checked_at")?,
        misses: misses(&attributes)?,
    })
}

/// There is no such attribute before the record was looked for again.
fn misses(attributes: &Attributes<'_>) -> StoreResult<u32> {
    let misses = attributes.maybe::<u64>("misses")?.unwrap_or_default();
    u32::try_from(misses).map_err(|source| attributes.unreadable("misses", source))
}

/// What removes a claim.
pub(super) fn drop_claim(tenant: TenantId, claim: &DomainClaim) -> Action {
    Action::Delete { key: key::claim(tenant, &claim.domain), when: Condition::is("token", claim.token.as_str()) }
}

/// What ends that a domain leads to `tenant`.
pub(super) fn lead_nowhere(domain: &DomainName, tenant: TenantId) -> Action {
    Action::Delete { key: key::domain(domain), when: Condition::is("tenant", *tenant.as_uuid()) }
}

#[async_trait]
impl DomainStore for DynamoDb {
    async fn claim(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<DomainClaim> {
        const OPERATION: &str = "domains.claim";
        let own = key::claim(tenant, &claim.domain);
        let mut write = self.write(OPERATION, tenant, key::tenant(tenant), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), own.clone()]).await?;
            let stands = stage.items.get(&own);
            if stage.earlier.is_some() {
                return read(stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?, OPERATION);
            }
            let record = living(&write, Record::of(&stage.items, tenant, OPERATION)?)?;
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let limit = DomainName::MAX_PER_TENANT;
            if record.counts.claims >= limit as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit }));
            }
            let item = Draft::new(&own)
                .with("domain", claim.domain.as_str())
                .with("token", claim.token.as_str())
                .with("claimed_at", claim.claimed_at)
                .finish(OPERATION)?;
            let counts = Counts { claims: record.counts.claims.saturating_add(1), ..record.counts };
            let actions = vec![record.count(counts), Action::Put { item, when: Condition::absent() }];
            if write.commit(actions, counted(&stage.items, OPERATION)?).await? {
                return Ok(DomainClaim { verified_at: None, checked_at: None, misses: 0, ..claim.clone() });
            }
        }
    }

    async fn find(&self, tenant: TenantId, domain: &DomainName) -> StoreResult<Option<DomainClaim>> {
        const OPERATION: &str = "domains.find";
        let item = self.get(OPERATION, &mut self.patience(), &key::claim(tenant, domain)).await?;
        item.map(|item| read(&item, OPERATION)).transpose()
    }

    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DomainClaim>> {
        const OPERATION: &str = "domains.list";
        let items = self.query(OPERATION, &mut self.patience(), Range::all(key::claims(tenant))).await?;
        items.iter().map(|item| read(item, OPERATION)).collect()
    }

    async fn verify(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "domains.verify";
        let (own, led) = (key::claim(tenant, domain), key::domain(domain));
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), own.clone(), led.clone()]).await?;
            let record = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(record.map(|record| record.tenant), revision);
            }
            let record = living(&write, record)?;
            let claim = stage.items.get(&own).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let claim = read(claim, OPERATION)?;
            let id = *tenant.as_uuid();
            let free = match stage.items.get(&led) {
                None => Condition::absent(),
                Some(item) if Attributes::new(item, OPERATION).get::<Uuid>("tenant")? == id => Condition::is("tenant", id),
                Some(_) => return Err(write.error(StoreErrorKind::Refused(DOMAIN_TAKEN))),
            };
            let mut after = record.tenant.clone();
            if let Err(place) = after.domains.binary_search(domain) {
                after.domains.insert(place, domain.clone());
            }
            let counted = counted(&stage.items, OPERATION)?;
            let (after, change) = written(Some(&record.tenant), after, counted.next(), audit);
            let next = Record { tenant: after, counts: record.counts };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.push(record.replace(&next, OPERATION)?);
            let set = vec![("verified_at", claim.verified_at.unwrap_or(audit.at).into())];
            let when = Condition::is("token", claim.token.as_str());
            actions.push(Action::Update { key: own.clone(), set, remove: Vec::new(), when });
            let item = Draft::new(&led).with("tenant", id).finish(OPERATION)?;
            actions.push(Action::Put { item, when: free });
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn note_check(&self, tenant: TenantId, claim: &DomainClaim) -> StoreResult<()> {
        const OPERATION: &str = "domains.note_check";
        let own = key::claim(tenant, &claim.domain);
        let mut patience = self.patience();
        loop {
            let stands = self.get(OPERATION, &mut patience, &own).await?.map(|item| read(&item, OPERATION)).transpose()?;
            let stands = stands.filter(|stands| stands.token == claim.token);
            let verified_at = stands.as_ref().and_then(|stands| stands.verified_at);
            let verified_at = verified_at.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, OPERATION))?;
            let is_later = stands.is_some_and(|stands| stands.checked_at < claim.checked_at);
            let Some(checked_at) = claim.checked_at.filter(|_| is_later) else { return Ok(()) };
            let set = vec![("checked_at", checked_at.into()), ("misses", u64::from(claim.misses).into())];
            let when =
                Condition::below("checked_at", checked_at).and("token", claim.token.as_str()).and("verified_at", verified_at);
            // Otherwise something has happened to it since it was read.
            if self
                .commit(OPERATION, &mut patience, vec![Action::Update { key: own.clone(), set, remove: Vec::new(), when }])
                .await?
            {
                return Ok(());
            }
        }
    }

    async fn lapse(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "domains.lapse";
        let own = key::claim(tenant, &claim.domain);
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), own.clone()]).await?;
            let record = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(record.map(|record| record.tenant), revision);
            }
            let missing = || write.error(StoreErrorKind::NotFound);
            let record = record.ok_or_else(missing)?;
            let stands = read(stage.items.get(&own).ok_or_else(missing)?, OPERATION)?;
            let is_it = stands.token == claim.token && stands.misses == claim.misses;
            let verified_at = stands.verified_at.filter(|_| is_it).ok_or_else(missing)?;
            let mut after = record.tenant.clone();
            after.domains.retain(|held| *held != claim.domain);
            let counted = counted(&stage.items, OPERATION)?;
            let (after, change) = written(Some(&record.tenant), after, counted.next(), audit);
            let next = Record { tenant: after, counts: record.counts };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            let when = Condition::is("token", claim.token.as_str()).and("verified_at", verified_at);
            let when = match stands.checked_at {
                Some(checked_at) => when.and("checked_at", checked_at),
                None => when,
            };
            let remove = vec!["verified_at", "checked_at", "misses"];
            actions.extend([
                record.replace(&next, OPERATION)?,
                Action::Update { key: own.clone(), set: Vec::new(), remove, when },
                lead_nowhere(&claim.domain, tenant),
            ]);
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }

    async fn release(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        const OPERATION: &str = "domains.release";
        let own = key::claim(tenant, domain);
        let mut write = self.write(OPERATION, tenant, key::counter(), audit).await?;
        loop {
            let stage = write.read([key::counter(), key::tenant(tenant), own.clone()]).await?;
            let record = Record::of(&stage.items, tenant, OPERATION)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(record.map(|record| record.tenant), revision);
            }
            let missing = || write.error(StoreErrorKind::NotFound);
            let record = record.ok_or_else(missing)?;
            let claim = read(stage.items.get(&own).ok_or_else(missing)?, OPERATION)?;
            let mut after = record.tenant.clone();
            after.domains.retain(|held| held != domain);
            let counted = counted(&stage.items, OPERATION)?;
            let (after, change) = written(Some(&record.tenant), after, counted.next(), audit);
            let counts = Counts { claims: record.counts.claims.saturating_sub(1), ..record.counts };
            let next = Record { tenant: after, counts };
            let mut actions = raise(OPERATION, counted, &change)?.to_vec();
            actions.extend([record.replace(&next, OPERATION)?, drop_claim(tenant, &claim)]);
            if claim.verified_at.is_some() {
                actions.push(lead_nowhere(domain, tenant));
            }
            if write.commit(actions, change.revision).await? {
                return Ok(Written { value: next.tenant, revision: change.revision });
            }
        }
    }
}
