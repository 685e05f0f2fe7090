use async_trait::async_trait;
use togglebox_core::{AuditRecord, StoreErrorKind, StoreResult, TenantId, Written};

use super::MemoryStore;
use super::register::{Register, repeated};
use crate::store::{DOMAIN_TAKEN, DomainStore};
use crate::{DomainClaim, DomainName, Tenant};

#[async_trait]
impl DomainStore for MemoryStore {
    async fn claim(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<DomainClaim> {
        self.act("domains.claim", |register| {
            let key = (tenant, claim.domain.clone());
            if register.earlier(tenant, audit).is_some() {
                return register.claims.get(&key).cloned().ok_or(StoreErrorKind::NotFound);
            }
            register.living(tenant)?;
            if register.claims.contains_key(&key) {
                return Err(StoreErrorKind::AlreadyExists);
            }
            if Register::of(&register.claims, tenant).count() >= DomainName::MAX_PER_TENANT {
                return Err(StoreErrorKind::LimitReached { limit: DomainName::MAX_PER_TENANT });
            }
            let claim = DomainClaim { verified_at: None, checked_at: None, misses: 0, ..claim.clone() };
            register.claims.insert(key, claim.clone());
            register.note(tenant, audit);
            Ok(claim)
        })
    }

    async fn find(&self, tenant: TenantId, domain: &DomainName) -> StoreResult<Option<DomainClaim>> {
        self.act("domains.find", |register| Ok(register.claims.get(&(tenant, domain.clone())).cloned()))
    }

    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DomainClaim>> {
        self.act("domains.list", |register| Ok(Register::of(&register.claims, tenant).map(|(_, claim)| claim.clone()).collect()))
    }

    async fn verify(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.act("domains.verify", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let mut after = register.living(tenant)?.clone();
            let taken = register.domains.get(domain).is_some_and(|holder| *holder != tenant);
            let claim = register.claims.get_mut(&(tenant, domain.clone())).ok_or(StoreErrorKind::NotFound)?;
            if taken {
                return Err(StoreErrorKind::Refused(DOMAIN_TAKEN));
            }
            claim.verified_at = claim.verified_at.or(Some(audit.at));
            register.domains.insert(domain.clone(), tenant);
            if let Err(place) = after.domains.binary_search(domain) {
                after.domains.insert(place, domain.clone());
            }
            Ok(register.put(after, audit))
        })
    }

    async fn note_check(&self, tenant: TenantId, claim: &DomainClaim) -> StoreResult<()> {
        self.act("domains.note_check", |register| {
            let stands = register.claims.get_mut(&(tenant, claim.domain.clone()));
            let stands = stands.filter(|stands| stands.verified_at.is_some() && stands.token == claim.token);
            let stands = stands.ok_or(StoreErrorKind::NotFound)?;
            if stands.checked_at < claim.checked_at {
                (stands.checked_at, stands.misses) = (claim.checked_at, claim.misses);
            }
            Ok(())
        })
    }

    async fn lapse(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.act("domains.lapse", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let mut after = register.tenant(tenant)?.clone();
            let stands = register.claims.get_mut(&(tenant, claim.domain.clone()));
            let stands = stands
                .filter(|stands| stands.verified_at.is_some() && stands.token == claim.token && stands.misses == claim.misses)
                .ok_or(StoreErrorKind::NotFound)?;
            (stands.verified_at, stands.checked_at, stands.misses) = (None, None, 0);
            register.domains.remove(&claim.domain);
            after.domains.retain(|held| *held != claim.domain);
            Ok(register.put(after, audit))
        })
    }

    async fn release(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.act("domains.release", |register| {
            if let Some(revision) = register.earlier(tenant, audit) {
                return repeated(register.tenants.get(&tenant), revision);
            }
            let mut after = register.tenant(tenant)?.clone();
            let claim = register.claims.remove(&(tenant, domain.clone())).ok_or(StoreErrorKind::NotFound)?;
            if claim.verified_at.is_some() {
                register.domains.remove(domain);
                after.domains.retain(|held| held != domain);
            }
            Ok(register.put(after, audit))
        })
    }
}
