//! Feature flags: a head that counts versions, and the versions, one of which is active.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::FlagStore;
use togglebox_toggles::{Flag, FlagKey, FlagVersion, Scope};
use uuid::Uuid;

use super::cells::{Cells, DOCUMENT_SCHEMA};
use super::error::failed;
use super::page::{one_more, page_of};
use super::write::Write;
use super::{Sqlite, bind};
use crate::cursor::List;

pub(super) const FIND: &str = "-- flags.find
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision, f.latest_patch
FROM environments AS e
JOIN flags AS f ON f.tenant = e.tenant AND f.environment = e.id
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND f.key = ?4 AND v.active = 1";

pub(super) const LOAD: &str = "-- flags.load
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision
FROM flags AS f
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE f.tenant = ?1 AND f.environment = ?2 AND v.active = 1
ORDER BY f.key";

pub(super) const VERSION: &str = "-- flags.version
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision
FROM environments AS e
JOIN flags AS f ON f.tenant = e.tenant AND f.environment = e.id
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND f.key = ?4 AND v.patch = ?5";

pub(super) const VERSIONS: &str = "-- flags.versions
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision
FROM environments AS e
JOIN flags AS f ON f.tenant = e.tenant AND f.environment = e.id
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE e.tenant = ?1 AND e.platform = ?2 AND e.name = ?3 AND f.key = ?4 AND v.patch < ?5
ORDER BY v.patch DESC LIMIT ?6";

const CREATE: &str = "-- flags.create
INSERT INTO flags (tenant, environment, key, latest_patch, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";

const ADD_VERSION: &str = "-- flags.add_version
INSERT INTO flag_versions (tenant, environment, key, patch, active, schema, document, created_by, updated_at, revision)
VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)";

const RETIRE: &str = "-- flags.retire
UPDATE flag_versions SET active = 0 WHERE tenant = ?1 AND environment = ?2 AND key = ?3 AND active = 1";

const ADVANCE: &str = "-- flags.advance
UPDATE flags SET latest_patch = ?4 WHERE tenant = ?1 AND environment = ?2 AND key = ?3";

const AMEND: &str = "-- flags.amend
UPDATE flag_versions SET schema = ?4, document = ?5, created_by = ?6, updated_at = ?7, revision = ?8
WHERE tenant = ?1 AND environment = ?2 AND key = ?3 AND active = 1";

const DELETE: &str = "-- flags.delete
DELETE FROM flags WHERE tenant = ?1 AND environment = ?2 AND key = ?3";

/// The active version, and the highest version ever given.
struct Head {
    flag: Flag,
    latest: FlagVersion,
}

#[async_trait]
impl FlagStore for Sqlite {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Option<Flag>> {
        const OPERATION: &str = "flags.find";
        let mut reader = self.reader(OPERATION).await?;
        let head = find(&mut reader, OPERATION, tenant, scope, key).await?;
        Ok(head.map(|head| head.flag))
    }

    async fn create(&self, tenant: TenantId, scope: &Scope, flag: &Flag, audit: &AuditRecord) -> StoreResult<Written<Flag>> {
        let mut write = self.write("flags.create", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find(write.connection(), operation, tenant, scope, &flag.key).await?;
            return write.repeated(stands.map(|head| head.flag), revision);
        }
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let flag = Flag { version: FlagVersion::FIRST, active: true, revision, ..flag.clone() };
        let query = sqlx::query(CREATE)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&environment))
            .bind(flag.key.as_str())
            .bind(bind::count(flag.version.patch()))
            .bind(flag.created_at.as_ms());
        write.execute(query).await?;
        add_version(&mut write, tenant, &environment, &flag).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: flag, revision })
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let mut write = self.write("flags.append", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let head = find(write.connection(), operation, tenant, scope, &flag.key).await?;
        if let Some(revision) = earlier {
            return write.repeated(head.map(|head| head.flag), revision);
        }
        let head = head.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(head.flag.revision, expected)?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let created_at = head.flag.created_at;
        let flag = Flag { version: head.latest.next(), active: true, created_at, revision, ..flag.clone() };
        let of_key = |sql| sqlx::query(sql).bind(tenant.as_uuid().as_bytes().as_slice()).bind(bind::id(&environment));
        write.execute(of_key(RETIRE).bind(flag.key.as_str())).await?;
        add_version(&mut write, tenant, &environment, &flag).await?;
        write.execute(of_key(ADVANCE).bind(flag.key.as_str()).bind(bind::count(flag.version.patch()))).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: flag, revision })
    }

    async fn amend(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let mut write = self.write("flags.amend", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let head = find(write.connection(), operation, tenant, scope, &flag.key).await?;
        if let Some(revision) = earlier {
            return write.repeated(head.map(|head| head.flag), revision);
        }
        let head = head.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(head.flag.revision, expected)?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let Flag { version, created_at, .. } = head.flag;
        let flag = Flag { version, active: true, created_at, revision, ..flag.clone() };
        let query = sqlx::query(AMEND)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&environment))
            .bind(flag.key.as_str())
            .bind(DOCUMENT_SCHEMA)
            .bind(bind::json(operation, &flag.definition)?)
            .bind(flag.created_by.as_str())
            .bind(flag.updated_at.as_ms())
            .bind(bind::revision(revision));
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: flag, revision })
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let mut write = self.write("flags.delete", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            return Ok(Written { value: (), revision });
        }
        let head = find(write.connection(), operation, tenant, scope, key).await?;
        let head = head.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(head.flag.revision, expected)?;
        let (environment, revision) = write.bump_environment(scope, audit.at).await?;
        let query = sqlx::query(DELETE).bind(bind::tenant(&tenant)).bind(bind::id(&environment)).bind(key.as_str());
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: (), revision })
    }

    async fn version(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, version: FlagVersion) -> StoreResult<Option<Flag>> {
        const OPERATION: &str = "flags.version";
        let query = sqlx::query(VERSION)
            .bind(bind::tenant(&tenant))
            .bind(scope.platform.as_str())
            .bind(scope.environment.as_str())
            .bind(key.as_str())
            .bind(bind::count(version.patch()));
        let mut reader = self.reader(OPERATION).await?;
        let row = query.fetch_optional(&mut *reader).await.map_err(failed(OPERATION))?;
        row.map(|row| flag_of(&row, OPERATION)).transpose()
    }

    async fn versions(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, page: &PageRequest) -> StoreResult<Page<Flag>> {
        const OPERATION: &str = "flags.versions";
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
            |row| flag_of(row, OPERATION),
            |row| Ok(list.cursor([Cells::new(row, OPERATION, "flag_versions", "key").get("patch")?])),
        )
    }
}

async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    scope: &Scope,
    key: &FlagKey,
) -> StoreResult<Option<Head>> {
    let query = sqlx::query(FIND)
        .bind(bind::tenant(&tenant))
        .bind(scope.platform.as_str())
        .bind(scope.environment.as_str())
        .bind(key.as_str());
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| {
        let latest = Cells::new(&row, operation, "flags", "key").get("latest_patch")?;
        Ok(Head { flag: flag_of(&row, operation)?, latest: FlagVersion::from_patch(latest) })
    })
    .transpose()
}

/// The active version of every flag of an environment, by key.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    environment: &Uuid,
) -> StoreResult<Vec<Flag>> {
    let query = sqlx::query(LOAD).bind(bind::tenant(&tenant)).bind(bind::id(environment));
    let rows = query.fetch_all(connection).await.map_err(failed(operation))?;
    rows.iter().map(|row| flag_of(row, operation)).collect()
}

async fn add_version(write: &mut Write, tenant: TenantId, environment: &Uuid, flag: &Flag) -> StoreResult<()> {
    let query = sqlx::query(ADD_VERSION)
        .bind(bind::tenant(&tenant))
        .bind(bind::id(environment))
        .bind(flag.key.as_str())
        .bind(bind::count(flag.version.patch()))
        .bind(DOCUMENT_SCHEMA)
        .bind(bind::json(write.operation(), &flag.definition)?)
        .bind(flag.created_by.as_str())
        .bind(flag.updated_at.as_ms())
        .bind(bind::revision(flag.revision));
    write.execute(query).await?;
    Ok(())
}

fn flag_of(row: &SqliteRow, operation: &'static str) -> StoreResult<Flag> {
    let cells = Cells::new(row, operation, "flag_versions", "key");
    Ok(Flag {
        key: cells.get("key")?,
        definition: cells.document()?,
        version: FlagVersion::from_patch(cells.get("patch")?),
        active: cells.get("active")?,
        created_by: cells.get("created_by")?,
        created_at: cells.get("created_at")?,
        updated_at: cells.get("updated_at")?,
        revision: cells.get("revision")?,
    })
}
