//! Managing platforms and environments.

use std::sync::Arc;

use togglebox_core::{Actor, AuditRecord, Revision, TenantId, Written};

use super::race::{self, Attempt, write};
use super::{Countable, Error, Journal, Resource, Result, document};
use crate::input::{EnvironmentPatch, NewEnvironment, NewPlatform, PlatformPatch};
use crate::store::DirectoryStore;
use crate::{Environment, Platform, PlatformName, Scope};

/// Makes, changes and deletes platforms and environments.
#[derive(Clone, Debug)]
pub struct Directories {
    store: Arc<dyn DirectoryStore>,
    journal: Journal,
}

impl Directories {
    /// A service over this port.
    pub fn new(store: Arc<dyn DirectoryStore>, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Makes a platform.
    ///
    /// # Errors
    /// `AlreadyExists`, `QuotaReached`, `Store`.
    pub async fn create_platform(&self, tenant: TenantId, draft: NewPlatform, actor: &Actor) -> Result<Written<Platform>> {
        let platform = Platform {
            id: self.journal.id(),
            name: draft.name,
            description: draft.description,
            created_by: Some(actor.clone()),
            created_at: self.journal.now(),
            revision: Revision::ZERO,
        };
        let audit = AuditRecord {
            after: Some(document::platform(&platform)),
            ..self.journal.record(actor, platform.created_at, "platform.create", platform.name.as_str())
        };
        let quota = self.journal.quota(tenant, Countable::Platforms).await?;
        let outcome = write(|| self.store.create_platform(tenant, &platform, quota, &audit)).await;
        self.journal
            .settle_directory(tenant, outcome, |error| Error::of_write(error, Resource::Platform(platform.name.clone())))
            .await
    }

    /// Changes a platform's description. An empty patch writes nothing.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn update_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        patch: &PlatformPatch,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Platform>> {
        let find = || self.platform(tenant, name);
        let attempt = race::change(expected, find, |current| async move {
            let read = current.revision;
            let Some(description) = patch.description.clone() else {
                return Ok(Attempt::Unneeded(Written { value: current, revision: read }));
            };
            let before = document::platform(&current);
            let next = Platform { description: Some(description), ..current };
            let audit = AuditRecord {
                before: Some(before),
                after: Some(document::platform(&next)),
                ..self.journal.record(actor, self.journal.now(), "platform.update", name.as_str())
            };
            Ok(write(|| self.store.replace_platform(tenant, &next, read, &audit)).await.into())
        })
        .await?;
        self.journal.settle_directory(tenant, attempt, |error| Error::of_write(error, Resource::Platform(name.clone()))).await
    }

    /// Deletes a platform with everything below it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn delete_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<()>> {
        let find = || self.platform(tenant, name);
        let attempt = race::change(expected, find, |current| async move {
            let audit = AuditRecord {
                before: Some(document::platform(&current)),
                ..self.journal.record(actor, self.journal.now(), "platform.delete", name.as_str())
            };
            Ok(write(|| self.store.delete_platform(tenant, name, current.revision, &audit)).await.into())
        })
        .await?;
        self.journal.settle_directory(tenant, attempt, |error| Error::of_write(error, Resource::Platform(name.clone()))).await
    }

    /// Makes an environment of a platform.
    ///
    /// # Errors
    /// `NotFound` (the platform), `AlreadyExists`, `QuotaReached`, `Store`.
    pub async fn create_environment(
        &self,
        tenant: TenantId,
        platform: &PlatformName,
        draft: NewEnvironment,
        actor: &Actor,
    ) -> Result<Written<Environment>> {
        let environment = Environment {
            id: self.journal.id(),
            platform: platform.clone(),
            name: draft.name,
            description: draft.description,
            created_by: Some(actor.clone()),
            created_at: self.journal.now(),
            revision: Revision::ZERO,
        };
        let audit = AuditRecord {
            after: Some(document::environment(&environment)),
            platform: Some(platform.to_string()),
            ..self.journal.record(actor, environment.created_at, "environment.create", environment.name.as_str())
        };
        let quota = self.journal.quota(tenant, Countable::Environments).await?;
        let outcome = write(|| self.store.create_environment(tenant, &environment, quota, &audit)).await;
        let (resource, place) = (Resource::Environment(environment.scope()), Resource::Platform(platform.clone()));
        self.journal.settle_directory(tenant, outcome, |error| Error::of_creation(error, resource, place)).await
    }

    /// Changes an environment's description. An empty patch writes nothing.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn update_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        patch: &EnvironmentPatch,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Environment>> {
        let find = || self.environment(tenant, scope);
        let attempt = race::change(expected, find, |current| async move {
            let read = current.revision;
            let Some(description) = patch.description.clone() else {
                return Ok(Attempt::Unneeded(Written { value: current, revision: read }));
            };
            let before = document::environment(&current);
            let next = Environment { description: Some(description), ..current };
            let audit = AuditRecord {
                before: Some(before),
                after: Some(document::environment(&next)),
                platform: Some(scope.platform.to_string()),
                ..self.journal.record(actor, self.journal.now(), "environment.update", scope.environment.as_str())
            };
            Ok(write(|| self.store.replace_environment(tenant, &next, read, &audit)).await.into())
        })
        .await?;
        self.journal.settle_directory(tenant, attempt, |error| Error::of_write(error, Resource::Environment(scope.clone()))).await
    }

    /// Deletes an environment with everything in it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn delete_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<()>> {
        let find = || self.environment(tenant, scope);
        let attempt = race::change(expected, find, |current| async move {
            let audit = AuditRecord {
                before: Some(document::environment(&current)),
                platform: Some(scope.platform.to_string()),
                ..self.journal.record(actor, self.journal.now(), "environment.delete", scope.environment.as_str())
            };
            Ok(write(|| self.store.delete_environment(tenant, scope, current.revision, &audit)).await.into())
        })
        .await?;
        self.journal.settle_directory(tenant, attempt, |error| Error::of_write(error, Resource::Environment(scope.clone()))).await
    }

    async fn platform(&self, tenant: TenantId, name: &PlatformName) -> Result<Platform> {
        let found = self.store.directory(tenant).await?.platforms.remove(name);
        found.ok_or_else(|| Error::NotFound(Resource::Platform(name.clone())))
    }

    async fn environment(&self, tenant: TenantId, scope: &Scope) -> Result<Environment> {
        let found = self.store.directory(tenant).await?.environments.remove(scope);
        found.ok_or_else(|| Error::NotFound(Resource::Environment(scope.clone())))
    }
}
