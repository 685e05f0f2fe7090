//! Who belongs to a tenant.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreResult, TenantId, Written};
use uuid::Uuid;

use crate::Member;

/// Where members are kept. They come in by [`TenantStore::create`](super::TenantStore::create) and
/// [`InvitationStore::accept`](super::InvitationStore::accept).
#[async_trait]
pub trait MemberStore: Send + Sync + Debug + 'static {
    /// A member by the account's id.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, user: Uuid) -> StoreResult<Option<Member>>;

    /// The members in the order in which they joined, then by user.
    ///
    /// # Errors
    /// `InvalidCursor`, `Unavailable`, `Corrupt`.
    async fn list(&self, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Member>>;

    /// How many there are. Costs no walk.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count(&self, tenant: TenantId) -> StoreResult<u64>;

    /// Replaces a member's role and address; the rest stays as it is.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Refused(OWNER_STAYS)` when the owner would be less than an admin.
    async fn replace(
        &self,
        tenant: TenantId,
        member: &Member,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>>;

    /// Removes a member.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Refused(OWNER_STAYS)` when it is the owner.
    async fn remove(&self, tenant: TenantId, user: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>>;
}
