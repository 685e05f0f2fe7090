//! Experiments: one item each.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Revision, StoreResult, TenantId, Written};
use togglebox_toggles::store::ExperimentStore;
use togglebox_toggles::{Experiment, ExperimentKey, Scope};
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::item::{Attributes, Draft, Item};
use super::key::{self, Kind};

const KIND: Kind = Kind::Experiment;

#[async_trait]
impl ExperimentStore for DynamoDb {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ExperimentKey) -> StoreResult<Option<Experiment>> {
        const OPERATION: &str = "experiments.find";
        let found = self.find_record(OPERATION, &mut self.patience(), tenant, scope, KIND, key.as_str()).await?;
        found.map(|found| experiment_of(&found.item, OPERATION)).transpose()
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        let mut write = self.write_in("experiments.create", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, experiment.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| experiment_of(item, operation))? {
                return Ok(written);
            }
            let place = target.vacant(&write)?;
            let claim = write.claim(tenant, KIND, quota).await?;
            let next = place.contents.with_new(audit.at, KIND);
            let experiment = Experiment { revision: next.revision, ..experiment.clone() };
            let put = put(tenant, place.incarnation, &experiment, audit.id, Condition::absent(), operation)?;
            let actions = [place.advance(next), put].into_iter().chain(claim).collect();
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: experiment, revision: next.revision });
            }
        }
    }

    async fn replace(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        let mut write = self.write_in("experiments.replace", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, experiment.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| experiment_of(item, operation))? {
                return Ok(written);
            }
            let (place, item) = target.both(&write)?;
            let stands = experiment_of(&item, operation)?;
            write.expect(stands.revision, expected)?;
            let incarnation = Attributes::new(&item, operation).get("incarnation")?;
            let next = place.contents.with_another(audit.at, expected);
            let Experiment { created_by, created_at, .. } = stands;
            let experiment = Experiment { created_by, created_at, revision: next.revision, ..experiment.clone() };
            let put = put(tenant, place.incarnation, &experiment, incarnation, Condition::is("rev", expected), operation)?;
            if write.commit(vec![place.advance(next), put], next.revision).await? {
                return Ok(Written { value: experiment, revision: next.revision });
            }
        }
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.delete_record("experiments.delete", tenant, scope, KIND, key.as_str(), expected, audit).await
    }
}

fn put(
    tenant: TenantId,
    environment: Uuid,
    experiment: &Experiment,
    incarnation: Uuid,
    when: Condition,
    operation: &'static str,
) -> StoreResult<Action> {
    let draft = Draft::new(&key::record(tenant, environment, KIND, experiment.key.as_str())).with("incarnation", incarnation);
    Ok(Action::Put { item: item_of(draft, experiment, operation)?, when })
}

/// The item of an experiment, of which `draft` has the key and the incarnation.
pub(super) fn item_of(draft: Draft, experiment: &Experiment, operation: &'static str) -> StoreResult<Item> {
    draft
        .with("key", experiment.key.as_str())
        .with("status", experiment.status.as_str())
        .document(operation, &experiment.definition)?
        .maybe("started_at", experiment.started_at)
        .maybe("started_by", experiment.started_by.as_deref())
        .maybe("completed_at", experiment.completed_at)
        .maybe("completed_by", experiment.completed_by.as_deref())
        .maybe("winner", experiment.winner.as_ref().map(togglebox_toggles::VariationKey::as_str))
        .with("created_by", experiment.created_by.as_str())
        .with("created_at", experiment.created_at)
        .with("updated_at", experiment.updated_at)
        .with("rev", experiment.revision)
        .finish(operation)
}

pub(super) fn experiment_of(item: &Item, operation: &'static str) -> StoreResult<Experiment> {
    let attributes = Attributes::new(item, operation);
    Ok(Experiment {
        key: attributes.get("key")?,
        definition: attributes.document()?,
        status: attributes.get("status")?,
        started_at: attributes.maybe("started_at")?,
        started_by: attributes.maybe("started_by")?,
        completed_at: attributes.maybe("completed_at")?,
        completed_by: attributes.maybe("completed_by")?,
        winner: attributes.maybe("winner")?,
        created_by: attributes.get("created_by")?,
        created_at: attributes.get("created_at")?,
        updated_at: attributes.get("updated_at")?,
        revision: attributes.get("rev")?,
    })
}
