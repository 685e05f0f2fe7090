//! What changes are dated, recorded and announced with.

use std::error::Error as StdError;
use std::sync::Arc;

use togglebox_core::{
    Actor, AuditRecord, Change, ChangeBus, Clock, Entropy, EntropyExt, Limit, Revision, StoreError, TenantId, Timestamp, Written,
};
use uuid::Uuid;

use super::quota::Unlimited;
use super::race::Attempt;
use super::{Countable, Error, QuotaSource, Result};
use crate::Scope;

/// Clock, randomness, change bus, and how many things tenants may have: what every service needs besides its port.
#[derive(Clone, Debug)]
pub struct Journal {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    changes: Arc<dyn ChangeBus>,
    quotas: Arc<dyn QuotaSource>,
}

impl Journal {
    /// A journal of these. Tenants may have as many things as they like.
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, changes: Arc<dyn ChangeBus>) -> Self {
        Self { clock, entropy, changes, quotas: Arc::new(Unlimited) }
    }

    /// The same, for tenants that may have only so many things.
    #[must_use]
    pub fn within(self, quotas: Arc<dyn QuotaSource>) -> Self {
        Self { quotas, ..self }
    }

    /// How many things of a kind the tenant may have.
    pub(super) async fn quota(&self, tenant: TenantId, kind: Countable) -> Result<Limit> {
        Ok(self.quotas.quotas(tenant).await?.of(kind))
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
        attempt: impl Into<Attempt<T>>,
        refused: impl FnOnce(StoreError) -> Error,
    ) -> Result<Written<T>> {
        let notice = |revision| {
            let (platform, environment) = (scope.platform.to_string(), scope.environment.to_string());
            Change::Environment { tenant, platform, environment, revision }
        };
        self.announce(attempt.into(), refused, notice).await
    }

    /// Announces a change of the list of platforms and environments, if it was made.
    pub(super) async fn settle_directory<T>(
        &self,
        tenant: TenantId,
        attempt: impl Into<Attempt<T>>,
        refused: impl FnOnce(StoreError) -> Error,
    ) -> Result<Written<T>> {
        self.announce(attempt.into(), refused, |revision| Change::Directory { tenant, revision }).await
    }

    async fn announce<T>(
        &self,
        attempt: Attempt<T>,
        refused: impl FnOnce(StoreError) -> Error,
        notice: impl FnOnce(Revision) -> Change,
    ) -> Result<Written<T>> {
        let written = match attempt {
            Attempt::Unneeded(stands) => return Ok(stands),
            Attempt::Made(outcome) => outcome.map_err(refused)?,
        };
        self.publish(notice(written.revision)).await;
        Ok(written)
    }

    async fn publish(&self, change: Change) {
        if let Err(error) = self.changes.publish(change).await {
            let error = &error as &(dyn StdError + 'static);
            tracing::warn!(error, "A change notice was not handed over; nodes will learn of the change by polling");
        }
    }
}
