//! Config parameters: a head that points at one of immutable versions.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::ParameterStore;
use togglebox_toggles::{Parameter, ParameterKey, ParameterVersion, Scope};
use uuid::Uuid;

use super::Database;
use super::call::Call;
use super::cells::{Cells, DOCUMENT_SCHEMA};
use super::engine::{Engine, Row};
use super::page::{one_more, page_of};
use super::write::{Revised, Turn, Write};
use crate::cursor::List;

pub(super) const FIND: &str = "-- parameters.find
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version, p.latest_version, p.revision
FROM environments AS e
JOIN parameters AS p ON p.tenant = e.tenant AND p.environment = e.id
JOIN parameter_versions AS v
    ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key AND v.version = p.active_version
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND p.key = $4";

pub(super) const LOAD: &str = "-- parameters.load
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version, p.latest_version, p.revision
FROM parameters AS p
JOIN parameter_versions AS v
    ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key AND v.version = p.active_version
WHERE p.tenant = $1 AND p.environment = $2
ORDER BY p.key";

pub(super) const VERSION: &str = "-- parameters.version
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version
FROM environments AS e
JOIN parameters AS p ON p.tenant = e.tenant AND p.environment = e.id
JOIN parameter_versions AS v ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND p.key = $4 AND v.version = $5";

// The environment is looked up apart: after a join, PostgreSQL would not trust the order of the index.
pub(super) const VERSIONS: &str = "-- parameters.versions
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version
FROM parameter_versions AS v
JOIN parameters AS p ON p.tenant = v.tenant AND p.environment = v.environment AND p.key = v.key
WHERE v.tenant = $1 AND v.environment = (SELECT id FROM environments WHERE tenant = $1 AND platform = $2 AND name = $3)
    AND v.key = $4 AND v.version < $5
ORDER BY v.version DESC LIMIT $6";

const COUNT: &str = "-- parameters.count
SELECT count(*) AS count FROM parameters WHERE tenant = $1 AND environment = $2";

const COUNT_ALL: &str = "-- parameters.count_all
SELECT count(*) AS count FROM parameters WHERE tenant = $1";

const CREATE: &str = "-- parameters.create
INSERT INTO parameters (tenant, environment, key, active_version, latest_version, revision) VALUES ($1, $2, $3, 1, 1, $4)";

const ADD_VERSION: &str = "-- parameters.add_version
INSERT INTO parameter_versions (tenant, environment, key, version, schema, document, created_by, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const POINT: &str = "-- parameters.point
UPDATE parameters SET active_version = $4, latest_version = CASE WHEN latest_version < $4 THEN $4 ELSE latest_version END,
    revision = $5
WHERE tenant = $1 AND environment = $2 AND key = $3";

const DELETE: &str = "-- parameters.delete
DELETE FROM parameters WHERE tenant = $1 AND environment = $2 AND key = $3";

impl Revised for Parameter {
    fn revision(&self) -> Revision {
        self.revision
    }
}

#[async_trait]
impl<E: Engine> ParameterStore for Database<E> {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ParameterKey) -> StoreResult<Option<Parameter>> {
        let mut reader = self.reader("parameters.find", tenant).await?;
        find(&mut reader, scope, key).await
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        limit: usize,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        self.attempt(|| async {
            let mut write = self.write("parameters.create", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = find(&mut write, scope, &version.key).await?;
                return write.repeated(stands, revision);
            }
            write.queue_for(quota).await?;
            let (environment, revision) = write.bump_environment(scope).await?;
            let create = write.statement(CREATE).bind(environment).bind(version.key.as_str()).bind(revision);
            write.execute(create).await?;
            // Counted with the new one, so that a name that is taken is told before a limit that is reached.
            let count = write.statement(COUNT).bind(environment);
            if write.count(count).await? > limit as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit }));
            }
            write.expect_within(quota, COUNT_ALL).await?;
            let active = ParameterVersion { version: 1, active: true, ..version.clone() };
            add_version(&mut write, environment, &active).await?;
            write.commit(Parameter { active, latest_version: 1, revision }, revision).await
        })
        .await
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        self.attempt(|| async {
            let mut write = self.write("parameters.append", tenant, audit).await?;
            let stands = find(&mut write, scope, &version.key).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let (environment, revision) = write.bump_environment(scope).await?;
            let latest_version = stands.latest_version + 1;
            let active = ParameterVersion { version: latest_version, active: true, ..version.clone() };
            add_version(&mut write, environment, &active).await?;
            point(&mut write, environment, &active.key, latest_version, revision).await?;
            write.commit(Parameter { active, latest_version, revision }, revision).await
        })
        .await
    }

    async fn activate(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        self.attempt(|| async {
            let mut write = self.write("parameters.activate", tenant, audit).await?;
            let stands = find(&mut write, scope, key).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let wanted = find_version(&mut write, scope, key, version).await?;
            let wanted = wanted.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let (environment, revision) = write.bump_environment(scope).await?;
            point(&mut write, environment, key, version, revision).await?;
            let active = ParameterVersion { active: true, ..wanted };
            write.commit(Parameter { active, revision, ..stands }, revision).await
        })
        .await
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("parameters.delete", tenant, audit).await?;
            let stands = find(&mut write, scope, key).await?;
            write.delete_record(scope, stands, expected, DELETE, key.as_str()).await
        })
        .await
    }

    async fn version(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
    ) -> StoreResult<Option<ParameterVersion>> {
        let mut reader = self.reader("parameters.version", tenant).await?;
        find_version(&mut reader, scope, key, version).await
    }

    async fn versions(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        page: &PageRequest,
    ) -> StoreResult<Page<ParameterVersion>> {
        const OPERATION: &str = "parameters.versions";
        let parts = [Some(scope.platform.as_str()), Some(scope.environment.as_str()), Some(key.as_str())];
        let list = List::new(OPERATION, tenant, &parts);
        let [below] = page.cursor().map_or(Ok([i64::MAX]), |cursor| list.position(cursor))?;
        let mut reader = self.reader(OPERATION, tenant).await?;
        let statement = reader.within(VERSIONS, scope).bind(key.as_str()).bind(below).bind(one_more(page));
        page_of(
            &reader.rows(statement).await?,
            page,
            |row| version_of(row, OPERATION),
            |row| Ok(list.cursor([Cells::new(row, OPERATION, "parameter_versions", "key").get("version")?])),
        )
    }
}

async fn find<E: Engine>(call: &mut Call<E>, scope: &Scope, key: &ParameterKey) -> StoreResult<Option<Parameter>> {
    let row = call.optional(call.within(FIND, scope).bind(key.as_str())).await?;
    row.map(|row| parameter_of(&row, call.operation())).transpose()
}

async fn find_version<E: Engine>(
    call: &mut Call<E>,
    scope: &Scope,
    key: &ParameterKey,
    version: u64,
) -> StoreResult<Option<ParameterVersion>> {
    let row = call.optional(call.within(VERSION, scope).bind(key.as_str()).bind(version)).await?;
    row.map(|row| version_of(&row, call.operation())).transpose()
}

/// Every parameter of an environment, by key.
pub(super) async fn load<E: Engine>(call: &mut Call<E>, environment: Uuid) -> StoreResult<Vec<Parameter>> {
    let rows = call.rows(call.statement(LOAD).bind(environment)).await?;
    rows.iter().map(|row| parameter_of(row, call.operation())).collect()
}

async fn add_version<E: Engine>(write: &mut Write<'_, E>, environment: Uuid, version: &ParameterVersion) -> StoreResult<()> {
    let add = write.statement(ADD_VERSION).bind(environment).bind(version.key.as_str()).bind(version.version);
    let add = add.bind(DOCUMENT_SCHEMA).bind(write.json(&version.definition)?);
    write.execute(add.bind(version.created_by.as_str()).bind(version.created_at)).await?;
    Ok(())
}

async fn point<E: Engine>(
    write: &mut Write<'_, E>,
    environment: Uuid,
    key: &ParameterKey,
    version: u64,
    revision: Revision,
) -> StoreResult<()> {
    let point = write.statement(POINT).bind(environment).bind(key.as_str()).bind(version).bind(revision);
    write.execute(point).await?;
    Ok(())
}

fn parameter_of(row: &impl Row, operation: &'static str) -> StoreResult<Parameter> {
    let cells = Cells::new(row, operation, "parameters", "key");
    Ok(Parameter {
        active: version_of(row, operation)?,
        latest_version: cells.get("latest_version")?,
        revision: cells.get("revision")?,
    })
}

fn version_of(row: &impl Row, operation: &'static str) -> StoreResult<ParameterVersion> {
    let cells = Cells::new(row, operation, "parameter_versions", "key");
    let version: u64 = cells.get("version")?;
    Ok(ParameterVersion {
        key: cells.get("key")?,
        version,
        definition: cells.document()?,
        active: version == cells.get::<u64>("active_version")?,
        created_by: cells.get("created_by")?,
        created_at: cells.get("created_at")?,
    })
}
