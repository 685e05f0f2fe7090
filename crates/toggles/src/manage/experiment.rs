//! Managing experiments.

use std::sync::Arc;

use togglebox_core::{Actor, AuditRecord, Revision, TenantId, Written};

use super::race::{self, write};
use super::{Action, Countable, Error, Journal, Resource, Result, Step, document};
use crate::input::NewExperiment;
use crate::store::ExperimentStore;
use crate::{Experiment, ExperimentKey, ExperimentStatus, Scope};

/// Makes, changes and deletes experiments.
#[derive(Clone, Debug)]
pub struct Experiments {
    store: Arc<dyn ExperimentStore>,
    journal: Journal,
}

impl Experiments {
    /// A service over this port.
    pub fn new(store: Arc<dyn ExperimentStore>, journal: Journal) -> Self {
        Self { store, journal }
    }

    /// Makes an experiment, as a draft.
    ///
    /// # Errors
    /// `NotFound` (the environment), `AlreadyExists`, `QuotaReached`, `Store`.
    pub async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        draft: NewExperiment,
        actor: &Actor,
    ) -> Result<Written<Experiment>> {
        let at = self.journal.now();
        let experiment = Experiment {
            key: draft.key,
            definition: draft.definition,
            status: ExperimentStatus::Draft,
            started_at: None,
            started_by: None,
            completed_at: None,
            completed_by: None,
            winner: None,
            created_by: actor.email.clone(),
            created_at: at,
            updated_at: at,
            revision: Revision::ZERO,
        };
        let audit = AuditRecord {
            after: Some(document::experiment(&experiment)),
            ..self.journal.record_in(scope, actor, at, "experiment.create", experiment.key.as_str())
        };
        let quota = self.journal.quota(tenant, Countable::Experiments).await?;
        let outcome = write(|| self.store.create(tenant, scope, &experiment, quota, &audit)).await;
        let resource = || Resource::Experiment(scope.clone(), experiment.key.clone());
        let refused = |error| Error::of_creation(error, resource(), Resource::Environment(scope.clone()));
        self.journal.settle(tenant, scope, outcome, refused).await
    }

    /// Takes a step in an experiment's life: edits its draft, shares its traffic anew, starts it and so on.
    ///
    /// The actor's address is what is recorded as `startedBy` and `completedBy`.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Status`, `UnknownVariation`, `Invalid`, `Store`.
    pub async fn advance(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
        step: &Step,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<Experiment>> {
        let find = || self.find(tenant, scope, key);
        let attempt = race::change(expected, find, |current| async move {
            let (at, read, before) = (self.journal.now(), current.revision, document::experiment(&current));
            let next = step.apply(current, &actor.email, at)?;
            let audit = AuditRecord {
                before: Some(before),
                after: Some(document::experiment(&next)),
                ..self.journal.record_in(scope, actor, at, step.audit_action(), key.as_str())
            };
            Ok(write(|| self.store.replace(tenant, scope, &next, read, &audit)).await.into())
        })
        .await?;
        let refused = |error| Error::of_write(error, Resource::Experiment(scope.clone(), key.clone()));
        self.journal.settle(tenant, scope, attempt, refused).await
    }

    /// Deletes an experiment with its statistics, unless it is running.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Status`, `Store`.
    pub async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
        actor: &Actor,
        expected: Option<Revision>,
    ) -> Result<Written<()>> {
        let find = || self.find(tenant, scope, key);
        let attempt = race::change(expected, find, |current| async move {
            if Action::Delete.next(current.status).is_none() {
                return Err(Error::Status { status: current.status, action: Action::Delete });
            }
            let audit = AuditRecord {
                before: Some(document::experiment(&current)),
                ..self.journal.record_in(scope, actor, self.journal.now(), "experiment.delete", key.as_str())
            };
            Ok(write(|| self.store.delete(tenant, scope, key, current.revision, &audit)).await.into())
        })
        .await?;
        let refused = |error| Error::of_write(error, Resource::Experiment(scope.clone(), key.clone()));
        self.journal.settle(tenant, scope, attempt, refused).await
    }

    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ExperimentKey) -> Result<Experiment> {
        let found = self.store.find(tenant, scope, key).await?;
        found.ok_or_else(|| Error::NotFound(Resource::Experiment(scope.clone(), key.clone())))
    }
}
