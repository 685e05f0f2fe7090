//! Custom domains.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_multitenancy::store::{DOMAIN_TAKEN, DomainStore};
use togglebox_multitenancy::{DomainClaim, DomainName, Tenant};

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::{Engine, Row};
use super::super::write::Write;
use super::tenants;

pub(super) const FIND: &str = "-- domains.find
SELECT domain, token, claimed_at, verified_at, checked_at, misses FROM domain_claims WHERE tenant = $1 AND domain = $2";

pub(super) const LIST: &str = "-- domains.list
SELECT domain, token, claimed_at, verified_at, checked_at, misses FROM domain_claims WHERE tenant = $1 ORDER BY domain";

const COUNT: &str = "-- domains.count
SELECT count(*) AS count FROM domain_claims WHERE tenant = $1";

const CLAIM: &str = "-- domains.claim
INSERT INTO domain_claims (tenant, domain, token, claimed_at) VALUES ($1, $2, $3, $4)";

const VERIFY: &str = "-- domains.verify
UPDATE domain_claims SET verified_at = $3 WHERE tenant = $1 AND domain = $2 AND verified_at IS NULL";

const NOTE_CHECK: &str = "-- domains.note_check
UPDATE domain_claims SET checked_at = $4, misses = $5
WHERE tenant = $1 AND domain = $2 AND token = $3 AND verified_at IS NOT NULL AND (checked_at IS NULL OR checked_at < $4)";

pub(super) const LAPSE: &str = "-- domains.lapse
UPDATE domain_claims SET verified_at = NULL, checked_at = NULL, misses = 0 WHERE tenant = $1 AND domain = $2";

pub(super) const RELEASE: &str = "-- domains.release
DELETE FROM domain_claims WHERE tenant = $1 AND domain = $2";

const DROP_ALL: &str = "-- domains.drop_all
DELETE FROM domain_claims WHERE tenant = $1";

#[async_trait]
impl<E: Engine> DomainStore for Database<E> {
    async fn claim(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<DomainClaim> {
        self.attempt(|| async {
            let mut write = self.write("domains.claim", tenant, audit).await?;
            let stands = find(&mut write, &claim.domain).await?;
            if write.earlier().is_some() {
                return stands.ok_or_else(|| write.error(StoreErrorKind::NotFound));
            }
            tenants::living(&mut write).await?;
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let count = write.statement(COUNT);
            if write.count(count).await? >= DomainName::MAX_PER_TENANT as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit: DomainName::MAX_PER_TENANT }));
            }
            let add = write.statement(CLAIM).bind(claim.domain.as_str()).bind(claim.token.as_str()).bind(claim.claimed_at);
            write.execute(add).await?;
            // The revision stays, and nobody is told one.
            Ok(write
                .commit(DomainClaim { verified_at: None, checked_at: None, misses: 0, ..claim.clone() }, Revision::ZERO)
                .await?
                .value)
        })
        .await
    }

    async fn find(&self, tenant: TenantId, domain: &DomainName) -> StoreResult<Option<DomainClaim>> {
        let mut reader = self.reader("domains.find", tenant).await?;
        find(&mut reader, domain).await
    }

    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DomainClaim>> {
        let mut reader = self.reader("domains.list", tenant).await?;
        let rows = reader.rows(reader.statement(LIST)).await?;
        rows.iter().map(|row| claim_of(row, reader.operation())).collect()
    }

    async fn verify(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("domains.verify", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = tenants::find(&mut write).await?;
                return write.repeated(stands, revision);
            }
            let stands = tenants::living(&mut write).await?;
            find(&mut write, domain).await?.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let mut after = stands.clone();
            if let Err(place) = after.domains.binary_search(domain) {
                after.domains.insert(place, domain.clone());
            }
            let after = tenants::take_turn(&mut write, &stands, after, None, audit).await?;
            let verify = write.statement(VERIFY).bind(domain.as_str()).bind(audit.at);
            // The index of verified domains knows those of every tenant.
            let taken = write.error(StoreErrorKind::Refused(DOMAIN_TAKEN));
            match write.execute(verify).await {
                Err(error) if *error.kind() == StoreErrorKind::AlreadyExists => return Err(taken.caused_by(error)),
                outcome => drop(outcome?),
            }
            tenants::put(write, after).await
        })
        .await
    }

    async fn note_check(&self, tenant: TenantId, claim: &DomainClaim) -> StoreResult<()> {
        self.attempt(|| async {
            let mut call = self.unaudited("domains.note_check", tenant).await?;
            let stands = find(&mut call, &claim.domain).await?.filter(|stands| is_verified(stands, claim));
            let stands = stands.ok_or_else(|| call.error(StoreErrorKind::NotFound))?;
            if stands.checked_at >= claim.checked_at {
                return Ok(());
            }
            let note = call.statement(NOTE_CHECK).bind(claim.domain.as_str()).bind(claim.token.as_str());
            call.execute(note.bind(claim.checked_at).bind(u64::from(claim.misses))).await?;
            call.commit().await
        })
        .await
    }

    async fn lapse(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("domains.lapse", tenant, audit).await?;
            let stands = tenants::find(&mut write).await?;
            if let Some(revision) = write.earlier() {
                return write.repeated(stands, revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let missing = find(&mut write, &claim.domain).await?;
            let missing = missing.filter(|stands| is_verified(stands, claim) && stands.misses == claim.misses);
            missing.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let mut after = stands.clone();
            after.domains.retain(|held| *held != claim.domain);
            let after = tenants::take_turn(&mut write, &stands, after, None, audit).await?;
            let lapse = write.statement(LAPSE).bind(claim.domain.as_str());
            write.execute(lapse).await?;
            tenants::put(write, after).await
        })
        .await
    }

    async fn release(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>> {
        self.attempt(|| async {
            let mut write = self.write("domains.release", tenant, audit).await?;
            let stands = tenants::find(&mut write).await?;
            if let Some(revision) = write.earlier() {
                return write.repeated(stands, revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            find(&mut write, domain).await?.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let mut after = stands.clone();
            after.domains.retain(|held| held != domain);
            let after = tenants::take_turn(&mut write, &stands, after, None, audit).await?;
            let release = write.statement(RELEASE).bind(domain.as_str());
            write.execute(release).await?;
            tenants::put(write, after).await
        })
        .await
    }
}

/// Drops every claim of the tenant.
pub(super) async fn drop_all<E: Engine>(write: &mut Write<'_, E>) -> StoreResult<()> {
    let drop_all = write.statement(DROP_ALL);
    write.execute(drop_all).await?;
    Ok(())
}

/// Whether what stands is the same claim, and verified.
fn is_verified(stands: &DomainClaim, claim: &DomainClaim) -> bool {
    stands.verified_at.is_some() && stands.token == claim.token
}

async fn find<E: Engine>(call: &mut Call<E>, domain: &DomainName) -> StoreResult<Option<DomainClaim>> {
    let row = call.optional(call.statement(FIND).bind(domain.as_str())).await?;
    row.map(|row| claim_of(&row, call.operation())).transpose()
}

fn claim_of(row: &impl Row, operation: &'static str) -> StoreResult<DomainClaim> {
    let cells = Cells::new(row, operation, "domain_claims", "domain");
    Ok(DomainClaim {
        domain: cells.get("domain")?,
        token: cells.get("token")?,
        claimed_at: cells.get("claimed_at")?,
        verified_at: cells.get("verified_at")?,
        checked_at: cells.get("checked_at")?,
        misses: cells.get("misses")?,
    })
}
