//! The port of platforms and environments.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Revision, StoreResult, TenantId, Written};

use crate::{Directory, Environment, Platform, PlatformName, Scope};

/// Every revision of a tenant at one moment: what nodes poll.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// Of the list of platforms and environments.
    pub directory: Revision,
    /// Of each environment's contents.
    pub environments: BTreeMap<Scope, Revision>,
}

/// Where platforms and environments are kept.
#[async_trait]
pub trait DirectoryStore: Send + Sync + Debug + 'static {
    /// Everything, at one revision.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn directory(&self, tenant: TenantId) -> StoreResult<Directory>;

    /// All revisions: the directory and which environments there are at one moment, each environment's contents at that one or another
    /// within the call. Cheap: nodes ask every two seconds.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn revisions(&self, tenant: TenantId) -> StoreResult<Revisions>;

    /// The same of several tenants, one after the other as they are given: each tenant's as if asked for alone, at some time within the
    /// call. A store that can tell them together does: nodes ask for a hundred tenants at once.
    ///
    /// # Errors
    /// The first one, of whichever tenant.
    async fn revisions_of(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revisions>> {
        let mut all = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            all.push(self.revisions(*tenant).await?);
        }
        Ok(all)
    }

    /// Adds a platform; its `revision` is ignored and given by the store. With it the tenant has no more than `quota` platforms,
    /// however many create at once.
    ///
    /// # Errors
    /// `AlreadyExists` when the name is taken, `QuotaReached`.
    async fn create_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>>;

    /// Replaces a platform's description.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn replace_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>>;

    /// Deletes a platform with everything below it: environments, their contents and histories, statistics. Audit records stay.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn delete_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>>;

    /// Adds an environment, whose contents begin at revision zero. With it the tenant has no more than `quota` environments, in all
    /// platforms together, however many create at once.
    ///
    /// # Errors
    /// `NotFound` when the platform is not there, `AlreadyExists` when the name is taken, `QuotaReached`.
    async fn create_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>>;

    /// Replaces an environment's description.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn replace_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>>;

    /// Deletes an environment with everything in it. Audit records stay.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn delete_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>>;
}
