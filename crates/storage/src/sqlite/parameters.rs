//! Config parameters: a head that points at one of immutable versions.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::ParameterStore;
use togglebox_toggles::{Parameter, ParameterKey, ParameterVersion, Scope};
use uuid::Uuid;

use super::cells::{Cells, DOCUMENT_SCHEMA};
use super::error::failed;
use super::page::{one_more, page_of};
use super::write::Write;
use super::{Sqlite, bind};
use crate::cursor::List;

pub(super) const FIND: &str = "-- parameters.find
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version, p.latest_version, p.revision
FROM environments AS e
JOIN parameters AS p ON p.tenant = e.tenant AND p.environment = e.id
JOIN parameter_versions AS v
    ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key AND v.version = p.active_version
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND p.key = ?4";

pub(super) const LOAD: &str = "-- parameters.load
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version, p.latest_version, p.revision
FROM parameters AS p
JOIN parameter_versions AS v
    ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key AND v.version = p.active_version
WHERE p.tenant = ?1 AND p.environment = ?2
ORDER BY p.key";

pub(super) const VERSION: &str = "-- parameters.version
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version
FROM environments AS e
JOIN parameters AS p ON p.tenant = e.tenant AND p.environment = e.id
JOIN parameter_versions AS v ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND p.key = ?4 AND v.version = ?5";

pub(super) const VERSIONS: &str = "-- parameters.versions
SELECT v.key, v.version, v.schema, v.document, v.created_by, v.created_at, p.active_version
FROM environments AS e
JOIN parameters AS p ON p.tenant = e.tenant AND p.environment = e.id
JOIN parameter_versions AS v ON v.tenant = p.tenant AND v.environment = p.environment AND v.key = p.key
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND p.key = ?4 AND v.version < ?5
ORDER BY v.version DESC LIMIT ?6";

const COUNT: &str = "-- parameters.count
SELECT count(*) FROM parameters WHERE tenant = ?1 AND environment = ?2";

const CREATE: &str = "-- parameters.create
INSERT INTO parameters (tenant, environment, key, active_version, latest_version, revision) VALUES (?1, ?2, ?3, 1, 1, ?4)";

const ADD_VERSION: &str = "-- parameters.add_version
INSERT INTO parameter_versions (tenant, environment, key, version, schema, document, created_by, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const POINT: &str = "-- parameters.point
UPDATE parameters SET active_version = ?4, latest_version = max(latest_version, ?4), revision = ?5
WHERE tenant = ?1 AND environment = ?2 AND key = ?3";

const DELETE: &str = "-- parameters.delete
DELETE FROM parameters WHERE tenant = ?1 AND environment = ?2 AND key = ?3";

#[async_trait]
impl ParameterStore for Sqlite {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ParameterKey) -> StoreResult<Option<Parameter>> {
        const OPERATION: &str = "parameters.find";
        let mut reader = self.reader(OPERATION).await?;
        find(&mut reader, OPERATION, tenant, scope, key).await
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        limit: usize,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let mut write = self.write("parameters.create", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find(write.connection(), operation, tenant, scope, &version.key).await?;
            return write.repeated(stands, revision);
        }
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let query = sqlx::query(CREATE)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&environment))
            .bind(version.key.as_str())
            .bind(bind::revision(revision));
        write.execute(query).await?;
        // Counted with the new one, so that a name that is taken is told before a limit that is reached.
        let held = write.count(sqlx::query(COUNT).bind(bind::tenant(&tenant)).bind(bind::id(&environment))).await?;
        if held > limit as u64 {
            return Err(write.error(StoreErrorKind::LimitReached { limit }));
        }
        let active = ParameterVersion { version: 1, active: true, ..version.clone() };
        add_version(&mut write, tenant, &environment, &active).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: Parameter { active, latest_version: 1, revision }, revision })
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let mut write = self.write("parameters.append", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let stands = find(write.connection(), operation, tenant, scope, &version.key).await?;
        if let Some(revision) = earlier {
            return write.repeated(stands, revision);
        }
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let latest_version = stands.latest_version + 1;
        let active = ParameterVersion { version: latest_version, active: true, ..version.clone() };
        add_version(&mut write, tenant, &environment, &active).await?;
        point(&mut write, tenant, &environment, &active.key, latest_version, revision).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: Parameter { active, latest_version, revision }, revision })
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
        let mut write = self.write("parameters.activate", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let stands = find(write.connection(), operation, tenant, scope, key).await?;
        if let Some(revision) = earlier {
            return write.repeated(stands, revision);
        }
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let wanted = find_version(write.connection(), operation, tenant, scope, key, version).await?;
        let wanted = wanted.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        point(&mut write, tenant, &environment, key, version, revision).await?;
        write.commit(audit, revision).await?;
        let active = ParameterVersion { active: true, ..wanted };
        Ok(Written { value: Parameter { active, revision, ..stands }, revision })
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let mut write = self.write("parameters.delete", tenant).await?;
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

    async fn version(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
    ) -> StoreResult<Option<ParameterVersion>> {
        const OPERATION: &str = "parameters.version";
        let mut reader = self.reader(OPERATION).await?;
        find_version(&mut reader, OPERATION, tenant, scope, key, version).await
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
        let query = sqlx::query(VERSIONS)
            .bind(bind::tenant(&tenant))
            .bind(scope.platform.as_str())
            .bind(scope.environment.as_str())
            .bind(key.as_str())
            .bind(below)
            .bind(one_more(page));
        let mut reader = self.reader(OPERATION).await?;
        let rows = query.fetch_all(&mut *reader).await.map_err(failed(OPERATION))?;
        page_of(
            &rows,
            page,
            |row| version_of(row, OPERATION),
            |row| Ok(list.cursor([Cells::new(row, OPERATION, "parameter_versions", "key").get("version")?])),
        )
    }
}

async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    scope: &Scope,
    key: &ParameterKey,
) -> StoreResult<Option<Parameter>> {
    let query = sqlx::query(FIND)
        .bind(bind::tenant(&tenant))
        .bind(scope.platform.as_str())
        .bind(scope.environment.as_str())
        .bind(key.as_str());
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| parameter_of(&row, operation)).transpose()
}

async fn find_version(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    scope: &Scope,
    key: &ParameterKey,
    version: u64,
) -> StoreResult<Option<ParameterVersion>> {
    let query = sqlx::query(VERSION)
        .bind(bind::tenant(&tenant))
        .bind(scope.platform.as_str())
        .bind(scope.environment.as_str())
        .bind(key.as_str())
        .bind(bind::count(version));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| version_of(&row, operation)).transpose()
}

/// Every parameter of an environment, by key.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    environment: &Uuid,
) -> StoreResult<Vec<Parameter>> {
    let query = sqlx::query(LOAD).bind(bind::tenant(&tenant)).bind(bind::id(environment));
    let rows = query.fetch_all(connection).await.map_err(failed(operation))?;
    rows.iter().map(|row| parameter_of(row, operation)).collect()
}

async fn add_version(write: &mut Write, tenant: TenantId, environment: &Uuid, version: &ParameterVersion) -> StoreResult<()> {
    let query = sqlx::query(ADD_VERSION)
        .bind(bind::tenant(&tenant))
        .bind(bind::id(environment))
        .bind(version.key.as_str())
        .bind(bind::count(version.version))
        .bind(DOCUMENT_SCHEMA)
        .bind(bind::json(write.operation(), &version.definition)?)
        .bind(version.created_by.as_str())
        .bind(version.created_at.as_ms());
    write.execute(query).await?;
    Ok(())
}

async fn point(
    write: &mut Write,
    tenant: TenantId,
    environment: &Uuid,
    key: &ParameterKey,
    version: u64,
    revision: Revision,
) -> StoreResult<()> {
    let query = sqlx::query(POINT)
        .bind(bind::tenant(&tenant))
        .bind(bind::id(environment))
        .bind(key.as_str())
        .bind(bind::count(version))
        .bind(bind::revision(revision));
    write.execute(query).await?;
    Ok(())
}

fn parameter_of(row: &SqliteRow, operation: &'static str) -> StoreResult<Parameter> {
    let cells = Cells::new(row, operation, "parameters", "key");
    Ok(Parameter {
        active: version_of(row, operation)?,
        latest_version: cells.get("latest_version")?,
        revision: cells.get("revision")?,
    })
}

fn version_of(row: &SqliteRow, operation: &'static str) -> StoreResult<ParameterVersion> {
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
