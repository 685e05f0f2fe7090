//! What changes are dated, recorded and announced with.

use std::error::Error as StdError;
use std::sync::Arc;

use togglebox_core::{
    Actor, AuditRecord, Change, ChangeBus, Clock, Entropy, EntropyExt, Revision, StoreError, StoreResult, TenantId, Timestamp,
    Written,
};
use uuid::Uuid;

use super::{Error, Result};
use crate::Scope;

/// Clock, randomness and change bus: what every service needs besides its port.
#[derive(Clone, Debug)]
pub struct Journal {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    changes: Arc<dyn ChangeBus>,
}

impl Journal {
    /// A journal of these.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, changes: Arc<dyn ChangeBus>) -> Self {
        Self { clock, entropy, changes }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn id(&self) -> Uuid {
        self.entropy.uuid()
    }

    /// The record of a change to `target`; its place, before and after are still to be filled in.
    pub(super) fn record(&self, actor: &Actor, at: Timestamp, action: &str, target: &str) -> AuditRecord {
        AuditRecord {
            id: self.id(),
            at,
            actor: actor.clone(),
            action: action.to_owned(),
            platform: None,
            environment: None,
            target: target.to_owned(),
            before: None,
            after: None,
        }
    }

    /// Like [`record`](Self::record), of something inside an environment.
    pub(super) fn record_in(&self, scope: &Scope, actor: &Actor, at: Timestamp, action: &str, target: &str) -> AuditRecord {
        AuditRecord {
            platform: Some(scope.platform.to_string()),
            environment: Some(scope.environment.to_string()),
            ..self.record(actor, at, action, target)
        }
    }

    /// Announces a change inside an environment, if it was made.
    pub(super) async fn settle<T>(
        &self,
        tenant: TenantId,
        scope: &Scope,
        outcome: StoreResult<Written<T>>,
        refused: impl FnOnce(StoreError) -> Error,
    ) -> Result<Written<T>> {
        let written = outcome.map_err(refused)?;
        let (platform, environment) = (scope.platform.to_string(), scope.environment.to_string());
        self.publish(Change::Environment { tenant, platform, environment, revision: written.revision }).await;
        Ok(written)
    }

    /// Announces a change of the list of platforms and environments.
    pub(super) async fn announce_directory(&self, tenant: TenantId, revision: Revision) {
        self.publish(Change::Directory { tenant, revision }).await;
    }

    async fn publish(&self, change: Change) {
        if let Err(error) = self.changes.publish(change).await {
            let error = &error as &(dyn StdError + 'static);
            tracing::warn!(error, "A change notice was not handed over; nodes will learn of the change by polling");
        }
    }
}
