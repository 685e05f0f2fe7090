//! Managing flags.

use std::sync::Arc;

use togglebox_core::{Actor, AuditRecord, Revision, TenantId, Written};

use super::race::{self, Attempt, write};
use super::{Countable, Error, Journal, Resource, Result, document, history};
use crate::input::{FlagPatch, FlagRollback, FlagRollout, FlagToggle, NewFlag};
use crate::store::FlagStore;
use crate::{Flag, FlagDefinition, FlagKey, FlagVersion, Scope};

/// Makes, changes and deletes flags.
#[derive(Clone, Debug)]
pub struct Flags {
    store: Arc<dyn FlagStore>,
    journal: Journal,
}

impl Flags {
    /// A service over this port.
    pub fn new(store: Arc<dyn FlagStore>, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Makes a flag with its first version.
    ///
    /// # Errors
    /// `NotFound` (the environment), `AlreadyExists`, `QuotaReached`, `Store`.
    pub async fn create(&self, tenant: TenantId, scope: &Scope, draft: NewFlag, actor: &Actor) -> Result<Written<Flag>> {
        let at = self.journal.now();
        let flag = Flag {
            key: draft.key,
            definition: draft.definition,
            version: FlagVersion::FIRST,
            active: true,
            created_by: actor.email.clone(),
            created_at: at,
            updated_at: at,
            revision: Revision::ZERO,
        };
        let audit = AuditRecord {
            after: Some(document::flag(&flag)),
            ..self.journal.record_in(scope, actor, at, "flag.create", flag.key.as_str())
        };
        let quota = self.journal.quota(tenant, Countable::Flags).await?;
        let outcome = write(|| self.store.create(tenant, scope, &flag, quota, &audit)).await;
        let resource = || Resource::Flag(scope.clone(), flag.key.clone());
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
        key: &FlagKey,
        patch: &FlagPatch,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Flag>> {
        let edit = Edit::Patch(patch);
        self.change(tenant, scope, key, &edit, actor, expected).await
    }

    /// Sets the master switch of the active version in place.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn toggle(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        toggle: FlagToggle,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Flag>> {
        self.change(tenant, scope, key, &Edit::Toggle(toggle), actor, expected).await
    }

    /// Changes the split of the active version in place.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn rollout(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        rollout: FlagRollout,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Flag>> {
        self.change(tenant, scope, key, &Edit::Rollout(rollout), actor, expected).await
    }

    /// Adds a version with the content of an earlier one, and makes it the active one. When the active version is meant, nothing is
    /// written.
    ///
    /// # Errors
    /// `NotFound` (the flag or its version), `Conflict`, `Store`.
    pub async fn rollback(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        target: FlagRollback,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Flag>> {
        self.change(tenant, scope, key, &Edit::Restore(target.version), actor, expected).await
    }

    /// Deletes a flag with its history and statistics.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Store`.
    pub async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<()>> {
        let find = || self.find(tenant, scope, key);
        let attempt = race::change(expected, find, |current| async move {
            let audit = AuditRecord {
                before: Some(document::flag(&current)),
                ..self.journal.record_in(scope, actor, self.journal.now(), "flag.delete", key.as_str())
            };
            Ok(write(|| self.store.delete(tenant, scope, key, current.revision, &audit)).await.into())
        })
        .await?;
        let refused = |error| Error::of_write(error, Resource::Flag(scope.clone(), key.clone()));
        self.journal.settle(tenant, scope, attempt, refused).await
    }

    /// One version, by its text (`1.0.n`).
    ///
    /// # Errors
    /// `NotFound` (the version, also when the flag itself is not there), `Store`.
    pub async fn version(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, version: &str) -> Result<Flag> {
        let found = match version.parse() {
            Ok(version) => self.store.version(tenant, scope, key, version).await?,
            // Not how a version is written, so there is none.
            Err(_) => None,
        };
        found.ok_or_else(|| Error::NotFound(Resource::FlagVersion(scope.clone(), key.clone(), version.to_owned())))
    }

    /// The whole history, highest version first; empty when there is no such flag.
    ///
    /// # Errors
    /// `Store`.
    pub async fn versions(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> Result<Vec<Flag>> {
        let read = |wanted| async move { self.store.versions(tenant, scope, key, &wanted).await };
        Ok(history::whole(read).await?)
    }

    async fn change(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        edit: &Edit<'_>,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Flag>> {
        let find = || self.find(tenant, scope, key);
        let attempt = race::change(expected, find, |current| async move {
            let (at, read, before) = (self.journal.now(), current.revision, document::flag(&current));
            let definition = match edit {
                Edit::Restore(version) if *version == current.version => {
                    return Ok(Attempt::Unneeded(Written { value: current, revision: read }));
                }
                Edit::Restore(version) => self.version(tenant, scope, key, &version.to_string()).await?.definition,
                Edit::Patch(patch) => (*patch).clone().apply(&current.definition)?,
                Edit::Toggle(toggle) => FlagDefinition { enabled: toggle.enabled, ..current.definition.clone() },
                Edit::Rollout(rollout) => rollout.apply(&current.definition),
            };
            let mut next = Flag { definition, updated_at: at, ..current };
            if edit.adds_a_version() {
                // The store numbers it the same: the active version is the highest, and it writes only while that is as it was read.
                next.version = next.version.next();
                next.created_by.clone_from(&actor.email);
            }
            let audit = AuditRecord {
                before: Some(before),
                after: Some(document::flag(&next)),
                ..self.journal.record_in(scope, actor, at, edit.audit_action(), key.as_str())
            };
            let outcome = if edit.adds_a_version() {
                write(|| self.store.append(tenant, scope, &next, read, &audit)).await
            } else {
                write(|| self.store.amend(tenant, scope, &next, read, &audit)).await
            };
            Ok(outcome.into())
        })
        .await?;
        let refused = |error| Error::of_write(error, Resource::Flag(scope.clone(), key.clone()));
        self.journal.settle(tenant, scope, attempt, refused).await
    }

    async fn find(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> Result<Flag> {
        let found = self.store.find(tenant, scope, key).await?;
        found.ok_or_else(|| Error::NotFound(Resource::Flag(scope.clone(), key.clone())))
    }
}

/// One way of changing a flag.
#[derive(Debug)]
enum Edit<'a> {
    Patch(&'a FlagPatch),
    Toggle(FlagToggle),
    Rollout(FlagRollout),
    Restore(FlagVersion),
}

impl Edit<'_> {
    const fn audit_action(&self) -> &'static str {
        match self {
            Self::Patch(_) => "flag.update",
            Self::Toggle(_) => "flag.toggle",
            Self::Rollout(_) => "flag.rollout",
            Self::Restore(_) => "flag.rollback",
        }
    }

    /// The contract changes switch and split in place; what stood before is in the audit record.
    const fn adds_a_version(&self) -> bool {
        matches!(self, Self::Patch(_) | Self::Restore(_))
    }
}
