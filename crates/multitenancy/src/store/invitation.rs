//! Invitations that wait.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Page, PageRequest, StoreResult, TenantId, Written};
use uuid::Uuid;

use crate::{Invitation, Limit, Member, TokenHash};

/// Where invitations are kept, until they are accepted or revoked. Expired ones may be removed at any time; while they are there they
/// are shown, and count.
#[async_trait]
pub trait InvitationStore: Send + Sync + Debug + 'static {
    /// Adds an invitation. One that has expired for the same address goes.
    ///
    /// # Errors
    /// `NotFound` when the tenant is not there, deleted or reserved, `AlreadyExists` when an open one for the address (in whatever case) is there
    /// or the id or the token is taken, `LimitReached` when `at_most` others are there already.
    async fn issue(
        &self,
        tenant: TenantId,
        invitation: &Invitation,
        at_most: usize,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation>;

    /// An invitation by id, expired or not.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Invitation>>;

    /// An invitation by its current token, expired or not.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find_by_token(&self, tenant: TenantId, token: &TokenHash) -> StoreResult<Option<Invitation>>;

    /// The invitations in the order in which they were made, then by id.
    ///
    /// # Errors
    /// `InvalidCursor`, `Unavailable`, `Corrupt`.
    async fn list(&self, tenant: TenantId, page: &PageRequest) -> StoreResult<Page<Invitation>>;

    /// Gives an invitation the token, the sending time, the end and the inviter of `next`, if its token is still `expected`. The rest stays as
    /// it is.
    ///
    /// # Errors
    /// `NotFound`, `Refused(SUPERSEDED)` when it has another token, `AlreadyExists` when the new token is taken.
    async fn reissue(
        &self,
        tenant: TenantId,
        next: &Invitation,
        expected: &TokenHash,
        audit: &AuditRecord,
    ) -> StoreResult<Invitation>;

    /// Removes an invitation.
    ///
    /// # Errors
    /// `NotFound`.
    async fn revoke(&self, tenant: TenantId, id: Uuid, audit: &AuditRecord) -> StoreResult<()>;

    /// Uses an invitation up: if one with this token is open and its inviter is an admin of the tenant at that moment, removes it and adds
    /// `member` in the role that it names, if that leaves no more than `limit` members. Whose address the account has is for the caller to
    /// compare.
    ///
    /// # Errors
    /// `NotFound` when there is no such invitation (any more), it has expired, its inviter is no admin (any more), or the tenant is not there,
    /// deleted or reserved; `AlreadyExists` when the account is a member already; `QuotaReached`. The invitation stays then.
    async fn accept(
        &self,
        tenant: TenantId,
        token: &TokenHash,
        member: &Member,
        limit: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Member>>;
}
