//! The port of flags.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, StoreResult, TenantId, Written};

use crate::{Flag, FlagKey, FlagVersion, Scope};

/// Where flags are kept.
#[async_trait]
pub trait FlagStore: Send + Sync + Debug + 'static {
    /// The active version of a flag; `None` when the flag (or its environment) does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Option<Flag>>;

    /// Adds a flag with its first version. `flag.revision` is given by the store. With it the tenant has no more than `quota` flags, in
    /// all environments together, however many create at once.
    ///
    /// # Errors
    /// `NotFound` when the environment is not there, `AlreadyExists`, `QuotaReached`.
    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>>;

    /// Adds a version and makes it the active one. The store numbers it: the highest version ever given, next;
    /// `flag.version` and `flag.active` are ignored.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` (the active version is not at `expected`).
    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>>;

    /// Replaces the active version in place: the contract shows no new version for a toggle or a change of the rollout. What stood
    /// before is in the audit record.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` (the active version is not at `expected`).
    async fn amend(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>>;

    /// Deletes a flag with its history and statistics.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>>;

    /// One version; `None` when it does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn version(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, version: FlagVersion) -> StoreResult<Option<Flag>>;

    /// The history, highest version first. Empty when the flag does not exist.
    ///
    /// # Errors
    /// `InvalidCursor`, `Unavailable`, `Corrupt`.
    async fn versions(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, page: &PageRequest) -> StoreResult<Page<Flag>>;
}
