//! Platforms and environments.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::{DirectoryStore, Revisions};
use togglebox_toggles::{Directory, Environment, Platform, PlatformName, Scope};

use super::cells::Cells;
use super::error::failed;
use super::{Sqlite, bind};

pub(super) const REVISION: &str = "-- directory.revision
SELECT tenant, directory AS revision FROM tenant_revisions WHERE tenant = ?1";

pub(super) const PLATFORMS: &str = "-- directory.platforms
SELECT name, id, description, created_by, created_at, revision FROM platforms WHERE tenant = ?1";

pub(super) const PLATFORM: &str = "-- directory.platform
SELECT name, id, description, created_by, created_at, revision FROM platforms WHERE tenant = ?1 AND name = ?2";

pub(super) const ENVIRONMENTS: &str = "-- directory.environments
SELECT id, platform, name, description, created_by, created_at, revision FROM environments WHERE tenant = ?1";

pub(super) const ENVIRONMENT: &str = "-- directory.environment
SELECT id, platform, name, description, created_by, created_at, revision FROM environments
WHERE tenant = ?1 AND platform = ?2 AND name = ?3";

pub(super) const REVISIONS: &str = "-- directory.revisions
SELECT platform, name, contents_revision FROM environments WHERE tenant = ?1";

const CREATE_PLATFORM: &str = "-- directory.create_platform
INSERT INTO platforms (tenant, name, id, description, created_by, created_at, revision) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const REPLACE_PLATFORM: &str = "-- directory.replace_platform
UPDATE platforms SET description = ?3, revision = ?4 WHERE tenant = ?1 AND name = ?2";

const DELETE_PLATFORM: &str = "-- directory.delete_platform
DELETE FROM platforms WHERE tenant = ?1 AND name = ?2";

const CREATE_ENVIRONMENT: &str = "-- directory.create_environment
INSERT INTO environments
    (tenant, platform, name, id, description, created_by, created_at, revision, contents_revision, changed_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?7)";

const REPLACE_ENVIRONMENT: &str = "-- directory.replace_environment
UPDATE environments SET description = ?4, revision = ?5 WHERE tenant = ?1 AND platform = ?2 AND name = ?3";

const DELETE_ENVIRONMENT: &str = "-- directory.delete_environment
DELETE FROM environments WHERE tenant = ?1 AND platform = ?2 AND name = ?3";

#[async_trait]
impl DirectoryStore for Sqlite {
    async fn directory(&self, tenant: TenantId) -> StoreResult<Directory> {
        const OPERATION: &str = "directory.directory";
        let mut moment = self.moment(OPERATION).await?;
        let revision = revision(&mut moment, OPERATION, tenant).await?;
        let query = sqlx::query(PLATFORMS).bind(bind::tenant(&tenant));
        let rows = query.fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let platforms = rows.iter().map(|row| {
            let platform = platform(row, OPERATION)?;
            Ok((platform.name.clone(), platform))
        });
        let platforms = platforms.collect::<StoreResult<_>>()?;
        let query = sqlx::query(ENVIRONMENTS).bind(bind::tenant(&tenant));
        let rows = query.fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let environments = rows.iter().map(|row| {
            let environment = environment(row, OPERATION)?;
            Ok((environment.scope(), environment))
        });
        Ok(Directory { revision, platforms, environments: environments.collect::<StoreResult<_>>()? })
    }

    async fn revisions(&self, tenant: TenantId) -> StoreResult<Revisions> {
        const OPERATION: &str = "directory.revisions";
        let mut moment = self.moment(OPERATION).await?;
        let directory = revision(&mut moment, OPERATION, tenant).await?;
        let query = sqlx::query(REVISIONS).bind(bind::tenant(&tenant));
        let rows = query.fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let mut environments = BTreeMap::new();
        for row in &rows {
            let cells = Cells::new(row, OPERATION, "environments", "name");
            environments.insert(Scope::new(cells.get("platform")?, cells.get("name")?), cells.get("contents_revision")?);
        }
        Ok(Revisions { directory, environments })
    }

    async fn create_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        let mut write = self.write("directory.create_platform", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find_platform(write.connection(), operation, tenant, &platform.name).await?;
            return write.repeated(stands, revision);
        }
        let revision = write.bump_directory().await?;
        let query = sqlx::query(CREATE_PLATFORM)
            .bind(bind::tenant(&tenant))
            .bind(platform.name.as_str())
            .bind(bind::id(&platform.id))
            .bind(platform.description.as_deref())
            .bind(bind::optional_json(operation, platform.created_by.as_ref())?)
            .bind(platform.created_at.as_ms())
            .bind(bind::revision(revision));
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: Platform { revision, ..platform.clone() }, revision })
    }

    async fn replace_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        let mut write = self.write("directory.replace_platform", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let stands = find_platform(write.connection(), operation, tenant, &platform.name).await?;
        if let Some(revision) = earlier {
            return write.repeated(stands, revision);
        }
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let revision = write.bump_directory().await?;
        let query = sqlx::query(REPLACE_PLATFORM)
            .bind(bind::tenant(&tenant))
            .bind(platform.name.as_str())
            .bind(platform.description.as_deref())
            .bind(bind::revision(revision));
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: Platform { description: platform.description.clone(), revision, ..stands }, revision })
    }

    async fn delete_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let mut write = self.write("directory.delete_platform", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            return Ok(Written { value: (), revision });
        }
        let stands = find_platform(write.connection(), operation, tenant, name).await?;
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let revision = write.bump_directory().await?;
        write.execute(sqlx::query(DELETE_PLATFORM).bind(bind::tenant(&tenant)).bind(name.as_str())).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: (), revision })
    }

    async fn create_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        let mut write = self.write("directory.create_environment", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find_environment(write.connection(), operation, tenant, &environment.scope()).await?;
            return write.repeated(stands, revision);
        }
        let revision = write.bump_directory().await?;
        let query = sqlx::query(CREATE_ENVIRONMENT)
            .bind(bind::tenant(&tenant))
            .bind(environment.platform.as_str())
            .bind(environment.name.as_str())
            .bind(bind::id(&environment.id))
            .bind(environment.description.as_deref())
            .bind(bind::optional_json(operation, environment.created_by.as_ref())?)
            .bind(environment.created_at.as_ms())
            .bind(bind::revision(revision));
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: Environment { revision, ..environment.clone() }, revision })
    }

    async fn replace_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        let mut write = self.write("directory.replace_environment", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let stands = find_environment(write.connection(), operation, tenant, &environment.scope()).await?;
        if let Some(revision) = earlier {
            return write.repeated(stands, revision);
        }
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let revision = write.bump_directory().await?;
        let query = sqlx::query(REPLACE_ENVIRONMENT)
            .bind(bind::tenant(&tenant))
            .bind(environment.platform.as_str())
            .bind(environment.name.as_str())
            .bind(environment.description.as_deref())
            .bind(bind::revision(revision));
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: Environment { description: environment.description.clone(), revision, ..stands }, revision })
    }

    async fn delete_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let mut write = self.write("directory.delete_environment", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            return Ok(Written { value: (), revision });
        }
        let stands = find_environment(write.connection(), operation, tenant, scope).await?;
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        let revision = write.bump_directory().await?;
        let query = sqlx::query(DELETE_ENVIRONMENT)
            .bind(bind::tenant(&tenant))
            .bind(scope.platform.as_str())
            .bind(scope.environment.as_str());
        write.execute(query).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: (), revision })
    }
}

async fn revision(connection: &mut SqliteConnection, operation: &'static str, tenant: TenantId) -> StoreResult<Revision> {
    let query = sqlx::query(REVISION).bind(bind::tenant(&tenant));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map_or(Ok(Revision::ZERO), |row| Cells::new(&row, operation, "tenant_revisions", "tenant").get("revision"))
}

async fn find_platform(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    name: &PlatformName,
) -> StoreResult<Option<Platform>> {
    let query = sqlx::query(PLATFORM).bind(bind::tenant(&tenant)).bind(name.as_str());
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| platform(&row, operation)).transpose()
}

async fn find_environment(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    scope: &Scope,
) -> StoreResult<Option<Environment>> {
    let query =
        sqlx::query(ENVIRONMENT).bind(bind::tenant(&tenant)).bind(scope.platform.as_str()).bind(scope.environment.as_str());
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| environment(&row, operation)).transpose()
}

fn platform(row: &SqliteRow, operation: &'static str) -> StoreResult<Platform> {
    let cells = Cells::new(row, operation, "platforms", "name");
    Ok(Platform {
        id: cells.get("id")?,
        name: cells.get("name")?,
        description: cells.get("description")?,
        created_by: cells.optional_json("created_by")?,
        created_at: cells.get("created_at")?,
        revision: cells.get("revision")?,
    })
}

fn environment(row: &SqliteRow, operation: &'static str) -> StoreResult<Environment> {
    let cells = Cells::new(row, operation, "environments", "id");
    Ok(Environment {
        id: cells.get("id")?,
        platform: cells.get("platform")?,
        name: cells.get("name")?,
        description: cells.get("description")?,
        created_by: cells.optional_json("created_by")?,
        created_at: cells.get("created_at")?,
        revision: cells.get("revision")?,
    })
}
