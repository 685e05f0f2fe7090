//! Tenants themselves.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Revision, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use crate::{Member, Tenant};

/// Where tenants are kept.
#[async_trait]
pub trait TenantStore: Send + Sync + Debug + 'static {
    /// Adds a tenant with its owner as first member, and reserves its subdomain. Versions are given by the store; `domains` is empty.
    ///
    /// # Errors
    /// `AlreadyExists` when the id is taken, `Refused(SUBDOMAIN_TAKEN)`, `Refused(SUBDOMAIN_QUARANTINED)`.
    async fn create(
        &self,
        tenant: TenantId,
        record: &Tenant,
        owner: &Member,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>>;

    /// A tenant, whatever its standing, until it is forgotten.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId) -> StoreResult<Option<Tenant>>;

    /// Replaces name, subdomain, renames, standing, plan, overrides and billing; the rest stays as it is. With another subdomain, that one
    /// is reserved and the old one is quarantined until `quarantined_until`: only this tenant can take it back before.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Refused(SUBDOMAIN_TAKEN)`, `Refused(SUBDOMAIN_QUARANTINED)`.
    async fn change(
        &self,
        tenant: TenantId,
        record: &Tenant,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>>;

    /// Makes the member `to` the owner, if `from` is it, and `to` is an admin. `from` stays an admin.
    ///
    /// # Errors
    /// `NotFound` when the tenant or the member is not there, `Refused(NOT_THE_OWNER)`, `Refused(NOT_AN_ADMIN)`.
    async fn transfer(&self, tenant: TenantId, from: Uuid, to: Uuid, audit: &AuditRecord) -> StoreResult<Written<Tenant>>;

    /// Gives a deleted tenant's names up: marks it as purged, quarantines its subdomain for everybody until `quarantined_until`, and
    /// drops its domains. From then on nothing leads to it, and its data can go.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Refused(NOT_DELETED)`.
    async fn purge(
        &self,
        tenant: TenantId,
        expected: Revision,
        quarantined_until: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Tenant>>;

    /// Gives a [reserved](crate::Unpaid::Reserved) tenant up at once: it is deleted and purged as of the audit record's moment, without a
    /// grace period, and its subdomain is free for anybody from then on, without a quarantine. Nothing led to it; the rest of its end is that
    /// of any purged tenant.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Refused(NOT_RESERVED)`, also when it is deleted.
    async fn discard(&self, tenant: TenantId, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<Tenant>>;

    /// Removes members and invitations of a purged tenant, at most `limit` (1 to 1000) of them; says how many. Fewer than `limit` means
    /// that none are left.
    ///
    /// # Errors
    /// `NotFound`, `Refused(NOT_PURGED)`.
    async fn sweep(&self, tenant: TenantId, limit: usize) -> StoreResult<usize>;

    /// Removes the record of a purged tenant that has no members and invitations any more. The last thing that happens to one; one that
    /// is not there is forgotten already. Its audit records are the audit log's matter, so this leaves none.
    ///
    /// # Errors
    /// `Refused(NOT_PURGED)`, `Refused(NOT_EMPTY)`.
    async fn forget(&self, tenant: TenantId) -> StoreResult<()>;
}
