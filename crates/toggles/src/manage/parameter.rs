//! Managing config parameters.

use std::sync::Arc;

use togglebox_core::{Actor, AuditRecord, Revision, TenantId, Timestamp, Written};

use super::race::{self, Attempt, write};
use super::{Countable, Error, Journal, Resource, Result, document, history};
use crate::input::{NewParameter, ParameterPatch, RollbackTarget};
use crate::store::ParameterStore;
use crate::{Parameter, ParameterDefinition, ParameterKey, ParameterVersion, Scope};

/// Makes, changes and deletes config parameters.
#[derive(Clone, Debug)]
pub struct Parameters {
    store: Arc<dyn ParameterStore>,
    journal: Journal,
}

impl Parameters {
    /// A service over this port.
    pub fn new(store: Arc<dyn ParameterStore>, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Makes a parameter with its first version.
    ///
    /// # Errors
    /// `NotFound` (the environment), `AlreadyExists`, `LimitReached`, `QuotaReached`, `Store`.
    pub async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        draft: NewParameter,
        actor: &Actor,
    ) -> Result<Written<Parameter>> {
        let at = self.journal.now();
        let version = version(&draft.key, 1, draft.definition, actor, at);
        let audit = AuditRecord {
            after: Some(document::parameter(1, &version.definition)),
            ..self.journal.record_in(scope, actor, at, "parameter.create", draft.key.as_str())
        };
        let limit = Parameter::MAX_PER_ENVIRONMENT;
        let quota = self.journal.quota(tenant, Countable::Parameters).await?;
        let outcome = write(|| self.store.create(tenant, scope, &version, limit, quota, &audit)).await;
        let resource = || Resource::Parameter(scope.clone(), draft.key.clone());
        let refused = |error| Error::of_creation(error, resource(), Resource::Environment(scope.clone()));
        self.journal.settle(tenant, scope, outcome, refused).await
    }

    /// Adds a version that says what `patch` changes, and makes it the active one. An empty patch makes a version too.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`, `Store`.
    pub async fn update(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        patch: &ParameterPatch,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Parameter>> {
        let find = || self.find(tenant, scope, key);
        let attempt = race::change(expected, find, |current| async move {
            let at = self.journal.now();
            let definition = patch.clone().apply(&current.active.definition)?;
            // The store numbers it the same: it writes only while the parameter is as it was read.
            let next = version(key, current.latest_version + 1, definition, actor, at);
            let audit = AuditRecord {
                before: Some(document::parameter(current.active.version, &current.active.definition)),
                after: Some(document::parameter(next.version, &next.definition)),
                ..self.journal.record_in(scope, actor, at, "parameter.update", key.as_str())
            };
            Ok(write(|| self.store.append(tenant, scope, &next, current.revision, &audit)).await.into())
        })
        .await?;
        let refused = |error| Error::of_write(error, Resource::Parameter(scope.clone(), key.clone()));
        self.journal.settle(tenant, scope, attempt, refused).await
    }

    /// Makes an earlier version the active one. When it is active already, nothing is written.
    ///
    /// # Errors
    /// `NotFound` (the version, also when the parameter itself is not there), `Conflict`, `Store`.
    pub async fn rollback(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        target: &RollbackTarget,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Parameter>> {
        let missing = || Resource::ParameterVersion(scope.clone(), key.clone(), target.version.clone());
        let number = target.number().ok_or_else(|| Error::NotFound(missing()))?;
        let find = || async move { self.store.find(tenant, scope, key).await?.ok_or_else(|| Error::NotFound(missing())) };
        let attempt = race::change(expected, find, |current| async move {
            if current.active.version == number {
                let revision = current.revision;
                return Ok(Attempt::Unneeded(Written { value: current, revision }));
            }
            let earlier = self.store.version(tenant, scope, key, number).await?.ok_or_else(|| Error::NotFound(missing()))?;
            let audit = AuditRecord {
                before: Some(document::parameter(current.active.version, &current.active.definition)),
                after: Some(document::parameter(earlier.version, &earlier.definition)),
                ..self.journal.record_in(scope, actor, self.journal.now(), "parameter.rollback", key.as_str())
            };
            Ok(write(|| self.store.activate(tenant, scope, key, number, current.revision, &audit)).await.into())
        })
        .await?;
        self.journal.settle(tenant, scope, attempt, |error| Error::of_write(error, missing())).await
    }

    /// Deletes a parameter with its history and statistics.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<()>> {
        let find = || self.find(tenant, scope, key);
        let attempt = race::change(expected, find, |current| async move {
            let audit = AuditRecord {
                before: Some(document::parameter(current.active.version, &current.active.definition)),
                ..self.journal.record_in(scope, actor, self.journal.now(), "parameter.delete", key.as_str())
            };
            Ok(write(|| self.store.delete(tenant, scope, key, current.revision, &audit)).await.into())
        })
        .await?;
        let refused = |error| Error::of_write(error, Resource::Parameter(scope.clone(), key.clone()));
        self.journal.settle(tenant, scope, attempt, refused).await
    }

    /// The whole history, highest version first; empty when there is no such parameter.
    ///
    /// # Errors
    /// `Store`.
    pub async fn versions(&self, tenant: TenantId, scope: &Scope, key: &ParameterKey) -> Result<Vec<ParameterVersion>> {
        let read = |wanted| async move { self.store.versions(tenant, scope, key, &wanted).await };
        Ok(history::whole(read).await?)
    }

    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ParameterKey) -> Result<Parameter> {
        let found = self.store.find(tenant, scope, key).await?;
        found.ok_or_else(|| Error::NotFound(Resource::Parameter(scope.clone(), key.clone())))
    }
}

fn version(
    key: &ParameterKey,
    number: u64,
    definition: ParameterDefinition,
    author: &Actor,
    created_at: Timestamp,
) -> ParameterVersion {
    let created_by = author.email.clone();
    ParameterVersion { key: key.clone(), version: number, definition, active: true, created_by, created_at }
}
