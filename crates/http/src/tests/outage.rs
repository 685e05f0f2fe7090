//! A store that can be taken away: its calls fail while it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use togglebox_core::{
    AuditRecord, Limit, Page, PageRequest, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Written,
};
use togglebox_storage::Sqlite;
use togglebox_toggles::store::{DirectoryStore, EnvironmentState, EnvironmentStore, FlagStore, Revisions};
use togglebox_toggles::{Directory, Environment, Flag, FlagKey, FlagVersion, Platform, PlatformName, Scope};

/// Whether the store is away. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outage(Arc<AtomicBool>);

impl Outage {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn check(&self, operation: &'static str) -> StoreResult<()> {
        let away = self.0.load(Ordering::SeqCst);
        if away { Err(StoreError::new(StoreErrorKind::Unavailable, operation).caused_by("driver: secret-host")) } else { Ok(()) }
    }
}

/// A store with an outage now and then.
#[derive(Debug)]
pub(crate) struct Interrupted {
    store: Sqlite,
    outage: Outage,
}

impl Interrupted {
    pub(crate) fn new(store: Sqlite, outage: Outage) -> Self {
        Self { store, outage }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl DirectoryStore for Interrupted {
    async fn directory(&self, tenant: TenantId) -> StoreResult<Directory> {
        self.outage.check("directory")?;
        self.store.directory(tenant).await
    }

    async fn revisions(&self, tenant: TenantId) -> StoreResult<Revisions> {
        self.outage.check("revisions")?;
        self.store.revisions(tenant).await
    }

    async fn revisions_of(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revisions>> {
        self.outage.check("revisions_of")?;
        self.store.revisions_of(tenants).await
    }

    async fn create_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        self.outage.check("create_platform")?;
        self.store.create_platform(tenant, platform, quota, audit).await
    }

    async fn replace_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        self.outage.check("replace_platform")?;
        self.store.replace_platform(tenant, platform, expected, audit).await
    }

    async fn delete_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.outage.check("delete_platform")?;
        self.store.delete_platform(tenant, name, expected, audit).await
    }

    async fn create_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        self.outage.check("create_environment")?;
        self.store.create_environment(tenant, environment, quota, audit).await
    }

    async fn replace_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        self.outage.check("replace_environment")?;
        self.store.replace_environment(tenant, environment, expected, audit).await
    }

    async fn delete_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.outage.check("delete_environment")?;
        self.store.delete_environment(tenant, scope, expected, audit).await
    }
}

#[async_trait]
impl EnvironmentStore for Interrupted {
    async fn load(&self, tenant: TenantId, scope: &Scope) -> StoreResult<Option<EnvironmentState>> {
        self.outage.check("load")?;
        self.store.load(tenant, scope).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl FlagStore for Interrupted {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Option<Flag>> {
        self.outage.check("find")?;
        FlagStore::find(&self.store, tenant, scope, key).await
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        self.outage.check("create")?;
        FlagStore::create(&self.store, tenant, scope, flag, quota, audit).await
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        self.outage.check("append")?;
        FlagStore::append(&self.store, tenant, scope, flag, expected, audit).await
    }

    async fn amend(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        self.outage.check("amend")?;
        FlagStore::amend(&self.store, tenant, scope, flag, expected, audit).await
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.outage.check("delete")?;
        FlagStore::delete(&self.store, tenant, scope, key, expected, audit).await
    }

    async fn version(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, version: FlagVersion) -> StoreResult<Option<Flag>> {
        self.outage.check("version")?;
        FlagStore::version(&self.store, tenant, scope, key, version).await
    }

    async fn versions(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, page: &PageRequest) -> StoreResult<Page<Flag>> {
        self.outage.check("versions")?;
        FlagStore::versions(&self.store, tenant, scope, key, page).await
    }
}
