//! The port of experiments.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Revision, StoreResult, TenantId, Written};

use crate::{Experiment, ExperimentKey, Scope};

/// Where experiments are kept.
#[async_trait]
pub trait ExperimentStore: Send + Sync + Debug + 'static {
    /// An experiment as it stands; `None` when it (or its environment) does not exist.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ExperimentKey) -> StoreResult<Option<Experiment>>;

    /// Adds an experiment. `experiment.revision` is given by the store. With it the tenant has no more than `quota` experiments, in all
    /// environments together and whatever their status, however many create at once.
    ///
    /// # Errors
    /// `NotFound` when the environment is not there, `AlreadyExists`, `QuotaReached`.
    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>>;

    /// Replaces an experiment: its document and its status alike, so that a transition and an edit exclude each other.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn replace(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>>;

    /// Deletes an experiment with its statistics.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`.
    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>>;
}
