//! Custom domains.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, StoreResult, TenantId, Written};

use crate::{DomainClaim, DomainName, Tenant};

/// Where claims to domains are kept.
#[async_trait]
pub trait DomainStore: Send + Sync + Debug + 'static {
    /// Adds a claim that is yet to be shown. Others may claim the same domain; nothing leads anywhere yet, and the revision stays.
    ///
    /// # Errors
    /// `NotFound` when the tenant is not there, deleted or reserved, `AlreadyExists` when it claims the domain already, `LimitReached` when it has
    /// [`DomainName::MAX_PER_TENANT`] claims.
    async fn claim(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<DomainClaim>;

    /// The tenant's claim to a domain.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, domain: &DomainName) -> StoreResult<Option<DomainClaim>>;

    /// The tenant's claims, by domain. There are few.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn list(&self, tenant: TenantId) -> StoreResult<Vec<DomainClaim>>;

    /// Lets a claimed domain lead to the tenant, if it leads to none. The claim keeps when; one that was verified before keeps the first
    /// moment.
    ///
    /// # Errors
    /// `NotFound` when the tenant does not claim it, or is not there, deleted or reserved; `Refused(DOMAIN_TAKEN)`.
    async fn verify(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>>;

    /// Notes when the record of a verified domain was looked for, and how often in a row it was not there, as `claim` has them; unless one was
    /// noted that is not earlier. The rest of the claim stays as it is, nobody's act is recorded, and the revision stays.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such verified claim, with the same token.
    async fn note_check(&self, tenant: TenantId, claim: &DomainClaim) -> StoreResult<()>;

    /// Ends that a verified domain leads to the tenant, if its record was missing as often in a row as `claim` says. The claim stays, as one that
    /// is yet to be shown, and has not been looked at.
    ///
    /// # Errors
    /// `NotFound` when the tenant has no such verified claim, with the same token and as many misses.
    async fn lapse(&self, tenant: TenantId, claim: &DomainClaim, audit: &AuditRecord) -> StoreResult<Written<Tenant>>;

    /// Removes a claim, verified or not. A verified domain leads nowhere from then on.
    ///
    /// # Errors
    /// `NotFound`.
    async fn release(&self, tenant: TenantId, domain: &DomainName, audit: &AuditRecord) -> StoreResult<Written<Tenant>>;
}
