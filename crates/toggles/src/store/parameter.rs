//! The port of config parameters.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, StoreResult, TenantId, Written};

use crate::{Parameter, ParameterKey, ParameterVersion, Scope};

/// Where config parameters are kept.
#[async_trait]
pub trait ParameterStore: Send + Sync + Debug + 'static {
    /// A parameter as it stands; `None` when it (or its environment) does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ParameterKey) -> StoreResult<Option<Parameter>>;

    /// Adds a parameter with its first version (`version.version` is 1 and active), unless the environment already holds `limit`. With
    /// it the tenant has no more than `quota` parameters, in all environments together, however many create at once.
    ///
    /// # Errors
    /// `NotFound` when the environment is not there, `AlreadyExists`, `LimitReached`, `QuotaReached`.
    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        limit: usize,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>>;

    /// Adds a version and makes it the active one. The store numbers it: the highest number ever given plus one;
    /// `version.version` and `version.active` are ignored.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>>;

    /// Makes an earlier version the active one. Nothing in the history changes.
    ///
    /// # Errors
    /// `NotFound` when the parameter or the version is not there, `Conflict`.
    async fn activate(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>>;

    /// Deletes a parameter with its history and statistics.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>>;

    /// One version; `None` when it does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn version(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
    ) -> StoreResult<Option<ParameterVersion>>;

    /// The history, highest version first. Empty when the parameter does not exist.
    ///
    /// # Errors
    /// `InvalidCursor`, `Unavailable`, `Corrupt`.
    async fn versions(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        page: &PageRequest,
    ) -> StoreResult<Page<ParameterVersion>>;
}
