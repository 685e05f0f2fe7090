//! Experiments.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Revision, StoreResult, TenantId, Written};
use togglebox_toggles::store::ExperimentStore;
use togglebox_toggles::{Experiment, ExperimentKey, Scope, VariationKey};
use uuid::Uuid;

use super::Database;
use super::call::Call;
use super::cells::{Cells, DOCUMENT_SCHEMA};
use super::engine::{Engine, Row};
use super::statement::Statement;
use super::write::{Revised, Turn};

pub(super) const FIND: &str = "-- experiments.find
SELECT x.key, x.status, x.schema, x.document, x.started_at, x.started_by, x.completed_at, x.completed_by, x.winner, x.created_by,
    x.created_at, x.updated_at, x.revision
FROM environments AS e
JOIN experiments AS x ON x.tenant = e.tenant AND x.environment = e.id
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND x.key = $4";

pub(super) const LOAD: &str = "-- experiments.load
SELECT key, status, schema, document, started_at, started_by, completed_at, completed_by, winner, created_by, created_at, updated_at,
    revision
FROM experiments
WHERE tenant = $1 AND environment = $2
ORDER BY key";

const COUNT_ALL: &str = "-- experiments.count_all
SELECT count(*) AS count FROM experiments WHERE tenant = $1";

const CREATE: &str = "-- experiments.create
INSERT INTO experiments (tenant, environment, key, status, schema, document, started_at, started_by, completed_at, completed_by,
    winner, updated_at, revision, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

const REPLACE: &str = "-- experiments.replace
UPDATE experiments SET status = $4, schema = $5, document = $6, started_at = $7, started_by = $8, completed_at = $9,
    completed_by = $10, winner = $11, updated_at = $12, revision = $13
WHERE tenant = $1 AND environment = $2 AND key = $3";

const DELETE: &str = "-- experiments.delete
DELETE FROM experiments WHERE tenant = $1 AND environment = $2 AND key = $3";

impl Revised for Experiment {
    fn revision(&self) -> Revision {
        self.revision
    }
}

#[async_trait]
impl<E: Engine> ExperimentStore for Database<E> {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ExperimentKey) -> StoreResult<Option<Experiment>> {
        let mut reader = self.reader("experiments.find", tenant).await?;
        find(&mut reader, scope, key).await
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        self.attempt(|| async {
            let mut write = self.write("experiments.create", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = find(&mut write, scope, &experiment.key).await?;
                return write.repeated(stands, revision);
            }
            write.queue_for(quota).await?;
            let (environment, revision) = write.bump_environment(scope).await?;
            let experiment = Experiment { revision, ..experiment.clone() };
            let create = bound(&write, CREATE, environment, &experiment)?;
            write.execute(create.bind(experiment.created_by.as_str()).bind(experiment.created_at)).await?;
            write.expect_within(quota, COUNT_ALL).await?;
            write.commit(experiment, revision).await
        })
        .await
    }

    async fn replace(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        self.attempt(|| async {
            let mut write = self.write("experiments.replace", tenant, audit).await?;
            let stands = find(&mut write, scope, &experiment.key).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let (environment, revision) = write.bump_environment(scope).await?;
            let Experiment { created_by, created_at, .. } = stands;
            let experiment = Experiment { created_by, created_at, revision, ..experiment.clone() };
            let replace = bound(&write, REPLACE, environment, &experiment)?;
            write.execute(replace).await?;
            write.commit(experiment, revision).await
        })
        .await
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("experiments.delete", tenant, audit).await?;
            let stands = find(&mut write, scope, key).await?;
            write.delete_record(scope, stands, expected, DELETE, key.as_str()).await
        })
        .await
    }
}

async fn find<E: Engine>(call: &mut Call<E>, scope: &Scope, key: &ExperimentKey) -> StoreResult<Option<Experiment>> {
    let row = call.optional(call.within(FIND, scope).bind(key.as_str())).await?;
    row.map(|row| experiment_of(&row, call.operation())).transpose()
}

/// Every experiment of an environment, by key.
pub(super) async fn load<E: Engine>(call: &mut Call<E>, environment: Uuid) -> StoreResult<Vec<Experiment>> {
    let rows = call.rows(call.statement(LOAD).bind(environment)).await?;
    rows.iter().map(|row| experiment_of(row, call.operation())).collect()
}

/// What creating and replacing have in common: the parameters 1 to 13.
fn bound<E: Engine>(call: &Call<E>, sql: &'static str, environment: Uuid, experiment: &Experiment) -> StoreResult<Statement> {
    Ok(call
        .statement(sql)
        .bind(environment)
        .bind(experiment.key.as_str())
        .bind(experiment.status.as_str())
        .bind(DOCUMENT_SCHEMA)
        .bind(call.json(&experiment.definition)?)
        .bind(experiment.started_at)
        .bind(experiment.started_by.as_deref())
        .bind(experiment.completed_at)
        .bind(experiment.completed_by.as_deref())
        .bind(experiment.winner.as_ref().map(VariationKey::as_str))
        .bind(experiment.updated_at)
        .bind(experiment.revision))
}

fn experiment_of(row: &impl Row, operation: &'static str) -> StoreResult<Experiment> {
    let cells = Cells::new(row, operation, "experiments", "key");
    Ok(Experiment {
        key: cells.get("key")?,
        definition: cells.document()?,
        status: cells.get("status")?,
        started_at: cells.get("started_at")?,
        started_by: cells.get("started_by")?,
        completed_at: cells.get("completed_at")?,
        completed_by: cells.get("completed_by")?,
        winner: cells.get("winner")?,
        created_by: cells.get("created_by")?,
        created_at: cells.get("created_at")?,
        updated_at: cells.get("updated_at")?,
        revision: cells.get("revision")?,
    })
}
