//! Experiments.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::ExperimentStore;
use togglebox_toggles::{Experiment, ExperimentKey, Scope, VariationKey};
use uuid::Uuid;

use super::cells::{Cells, DOCUMENT_SCHEMA};
use super::error::failed;
use super::{Sqlite, bind};

pub(super) const FIND: &str = "-- experiments.find
SELECT x.key, x.status, x.schema, x.document, x.started_at, x.started_by, x.completed_at, x.completed_by, x.winner, x.created_by,
    x.created_at, x.updated_at, x.revision
FROM environments AS e
JOIN experiments AS x ON x.tenant = e.tenant AND x.environment = e.id
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND x.key = ?4";

pub(super) const LOAD: &str = "-- experiments.load
SELECT key, status, schema, document, started_at, started_by, completed_at, completed_by, winner, created_by, created_at, updated_at,
    revision
FROM experiments
WHERE tenant = ?1 AND environment = ?2
ORDER BY key";

const CREATE: &str = "-- experiments.create
INSERT INTO experiments (tenant, environment, key, status, schema, document, started_at, started_by, completed_at, completed_by,
    winner, updated_at, revision, created_by, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

const REPLACE: &str = "-- experiments.replace
UPDATE experiments SET status = ?4, schema = ?5, document = ?6, started_at = ?7, started_by = ?8, completed_at = ?9,
    completed_by = ?10, winner = ?11, updated_at = ?12, revision = ?13
WHERE tenant = ?1 AND environment = ?2 AND key = ?3";

const DELETE: &str = "-- experiments.delete
DELETE FROM experiments WHERE tenant = ?1 AND environment = ?2 AND key = ?3";

type Query = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

#[async_trait]
impl ExperimentStore for Sqlite {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ExperimentKey) -> StoreResult<Option<Experiment>> {
        const OPERATION: &str = "experiments.find";
        let mut reader = self.reader(OPERATION).await?;
        find(&mut reader, OPERATION, tenant, scope, key).await
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        let mut write = self.write("experiments.create", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find(write.connection(), operation, tenant, scope, &experiment.key).await?;
            return write.repeated(stands, revision);
        }
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let experiment = Experiment { revision, ..experiment.clone() };
        let query = bound(CREATE, operation, tenant, environment, &experiment)?
            .bind(experiment.created_by.clone())
            .bind(experiment.created_at.as_ms());
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: experiment, revision })
    }

    async fn replace(
        &self,
        tenant: TenantId,
        scope: &Scope,
        experiment: &Experiment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Experiment>> {
        let mut write = self.write("experiments.replace", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let stands = find(write.connection(), operation, tenant, scope, &experiment.key).await?;
        if let Some(revision) = earlier {
            return write.repeated(stands, revision);
        }
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let Experiment { created_by, created_at, .. } = stands;
        let experiment = Experiment { created_by, created_at, revision, ..experiment.clone() };
        write.execute(bound(REPLACE, operation, tenant, environment, &experiment)?).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: experiment, revision })
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ExperimentKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let mut write = self.write("experiments.delete", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            return Ok(Written { value: (), revision });
        }
        let stands = find(write.connection(), operation, tenant, scope, key).await?;
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let query = sqlx::query(DELETE).bind(bind::tenant(&tenant)).bind(bind::id(&environment)).bind(key.as_str());
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: (), revision })
    }
}

async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    scope: &Scope,
    key: &ExperimentKey,
) -> StoreResult<Option<Experiment>> {
    let query = sqlx::query(FIND)
        .bind(bind::tenant(&tenant))
        .bind(scope.platform.as_str())
        .bind(scope.environment.as_str())
        .bind(key.as_str());
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| experiment_of(&row, operation)).transpose()
}

/// Every experiment of an environment, by key.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    environment: &Uuid,
) -> StoreResult<Vec<Experiment>> {
    let query = sqlx::query(LOAD).bind(bind::tenant(&tenant)).bind(bind::id(environment));
    let rows = query.fetch_all(connection).await.map_err(failed(operation))?;
    rows.iter().map(|row| experiment_of(row, operation)).collect()
}

/// What creating and replacing have in common: the parameters 1 to 13.
fn bound(
    sql: &'static str,
    operation: &'static str,
    tenant: TenantId,
    environment: Uuid,
    experiment: &Experiment,
) -> StoreResult<Query> {
    Ok(sqlx::query(sql)
        .bind(bind::tenant(&tenant).to_vec())
        .bind(bind::id(&environment).to_vec())
        .bind(experiment.key.as_str().to_owned())
        .bind(experiment.status.as_str())
        .bind(DOCUMENT_SCHEMA)
        .bind(bind::json(operation, &experiment.definition)?)
        .bind(bind::time(experiment.started_at))
        .bind(experiment.started_by.clone())
        .bind(bind::time(experiment.completed_at))
        .bind(experiment.completed_by.clone())
        .bind(experiment.winner.as_ref().map(VariationKey::to_string))
        .bind(experiment.updated_at.as_ms())
        .bind(bind::revision(experiment.revision)))
}

fn experiment_of(row: &SqliteRow, operation: &'static str) -> StoreResult<Experiment> {
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
