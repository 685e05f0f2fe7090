//! Platforms and environments.

use std::collections::HashMap;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Revision, StoreResult, TenantId, Written};
use togglebox_toggles::store::{DirectoryStore, Revisions};
use togglebox_toggles::{Directory, Environment, Platform, PlatformName, Scope};

use super::Database;
use super::call::Call;
use super::cells::Cells;
use super::engine::{Engine, Row};
use super::watch;
use super::write::{Revised, Turn};

pub(super) const REVISION: &str = "-- directory.revision
SELECT tenant, directory AS revision FROM tenant_revisions WHERE tenant = $1";

pub(super) const PLATFORMS: &str = "-- directory.platforms
SELECT name, id, description, created_by, created_at, revision FROM platforms WHERE tenant = $1";

pub(super) const PLATFORM: &str = "-- directory.platform
SELECT name, id, description, created_by, created_at, revision FROM platforms WHERE tenant = $1 AND name = $2";

pub(super) const ENVIRONMENTS: &str = "-- directory.environments
SELECT id, platform, name, description, created_by, created_at, revision FROM environments WHERE tenant = $1";

pub(super) const ENVIRONMENT: &str = "-- directory.environment
SELECT id, platform, name, description, created_by, created_at, revision FROM environments
WHERE tenant = $1 AND platform = $2 AND name = $3";

/// All revisions at one moment: nodes ask for it every other second, for every tenant that they serve. The row without a platform is the
/// directory's.
pub(super) const REVISIONS: &str = "-- directory.revisions
SELECT NULL AS platform, NULL AS name, directory AS revision FROM tenant_revisions WHERE tenant = $1
UNION ALL SELECT platform, name, contents_revision FROM environments WHERE tenant = $1";

/// The same of the tenants in a list.
pub(super) fn revisions_of<E: Engine>() -> String {
    let given = watch::given::<E>();
    format!(
        "-- directory.revisions_of
SELECT tenant, NULL AS platform, NULL AS name, directory AS revision FROM tenant_revisions
WHERE tenant IN (SELECT given.tenant FROM {given})
UNION ALL SELECT tenant, platform, name, contents_revision FROM environments
WHERE tenant IN (SELECT given.tenant FROM {given})"
    )
}

const CREATE_PLATFORM: &str = "-- directory.create_platform
INSERT INTO platforms (tenant, name, id, description, created_by, created_at, revision) VALUES ($1, $2, $3, $4, $5, $6, $7)";

const COUNT_PLATFORMS: &str = "-- directory.count_platforms
SELECT count(*) AS count FROM platforms WHERE tenant = $1";

const REPLACE_PLATFORM: &str = "-- directory.replace_platform
UPDATE platforms SET description = $3, revision = $4 WHERE tenant = $1 AND name = $2";

const DELETE_PLATFORM: &str = "-- directory.delete_platform
DELETE FROM platforms WHERE tenant = $1 AND name = $2";

const CREATE_ENVIRONMENT: &str = "-- directory.create_environment
INSERT INTO environments
    (tenant, platform, name, id, description, created_by, created_at, revision, contents_revision, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $7)";

const COUNT_ENVIRONMENTS: &str = "-- directory.count_environments
SELECT count(*) AS count FROM environments WHERE tenant = $1";

const REPLACE_ENVIRONMENT: &str = "-- directory.replace_environment
UPDATE environments SET description = $4, revision = $5 WHERE tenant = $1 AND platform = $2 AND name = $3";

const DELETE_ENVIRONMENT: &str = "-- directory.delete_environment
DELETE FROM environments WHERE tenant = $1 AND platform = $2 AND name = $3";

/// Adds what a row of [`REVISIONS`] tells.
fn note(revisions: &mut Revisions, row: &impl Row, operation: &'static str) -> StoreResult<()> {
    let cells = Cells::new(row, operation, "environments", "name");
    let revision = cells.get("revision")?;
    match cells.get("platform")? {
        Some(platform) => {
            revisions.environments.insert(Scope::new(platform, cells.get("name")?), revision);
        }
        None => revisions.directory = revision,
    }
    Ok(())
}

impl Revised for Platform {
    fn revision(&self) -> Revision {
        self.revision
    }
}

impl Revised for Environment {
    fn revision(&self) -> Revision {
        self.revision
    }
}

#[async_trait]
impl<E: Engine> DirectoryStore for Database<E> {
    async fn directory(&self, tenant: TenantId) -> StoreResult<Directory> {
        const OPERATION: &str = "directory.directory";
        let mut moment = self.moment(OPERATION, tenant).await?;
        let revision = revision(&mut moment).await?;
        let rows = moment.rows(moment.statement(PLATFORMS)).await?;
        let platforms = rows.iter().map(|row| {
            let platform = platform(row, OPERATION)?;
            Ok((platform.name.clone(), platform))
        });
        let platforms = platforms.collect::<StoreResult<_>>()?;
        let rows = moment.rows(moment.statement(ENVIRONMENTS)).await?;
        let environments = rows.iter().map(|row| {
            let environment = environment(row, OPERATION)?;
            Ok((environment.scope(), environment))
        });
        Ok(Directory { revision, platforms, environments: environments.collect::<StoreResult<_>>()? })
    }

    async fn revisions(&self, tenant: TenantId) -> StoreResult<Revisions> {
        const OPERATION: &str = "directory.revisions";
        let mut reader = self.reader(OPERATION, tenant).await?;
        let mut revisions = Revisions::default();
        for row in &reader.rows(reader.statement(REVISIONS)).await? {
            note(&mut revisions, row, OPERATION)?;
        }
        Ok(revisions)
    }

    async fn revisions_of(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revisions>> {
        const OPERATION: &str = "directory.revisions_of";
        let mut of_each: HashMap<TenantId, Revisions> = HashMap::with_capacity(tenants.len());
        for row in &self.watch(OPERATION, revisions_of::<E>(), tenants).await? {
            let tenant = Cells::new(row, OPERATION, "tenant_revisions", "tenant").get("tenant")?;
            note(of_each.entry(tenant).or_default(), row, OPERATION)?;
        }
        // A tenant may be asked for twice.
        Ok(tenants.iter().map(|tenant| of_each.get(tenant).cloned().unwrap_or_default()).collect())
    }

    async fn create_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        self.attempt(|| async {
            let mut write = self.write("directory.create_platform", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = find_platform(&mut write, &platform.name).await?;
                return write.repeated(stands, revision);
            }
            let revision = write.bump_directory().await?;
            let create = write.statement(CREATE_PLATFORM).bind(platform.name.as_str()).bind(platform.id);
            let create = create.bind(platform.description.as_deref());
            let create = create.bind(write.optional_json(platform.created_by.as_ref())?).bind(platform.created_at);
            write.execute(create.bind(revision)).await?;
            write.expect_within(quota, COUNT_PLATFORMS).await?;
            write.commit(Platform { revision, ..platform.clone() }, revision).await
        })
        .await
    }

    async fn replace_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        self.attempt(|| async {
            let mut write = self.write("directory.replace_platform", tenant, audit).await?;
            let stands = find_platform(&mut write, &platform.name).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let revision = write.bump_directory().await?;
            let replace = write.statement(REPLACE_PLATFORM).bind(platform.name.as_str());
            write.execute(replace.bind(platform.description.as_deref()).bind(revision)).await?;
            write.commit(Platform { description: platform.description.clone(), revision, ..stands }, revision).await
        })
        .await
    }

    async fn delete_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("directory.delete_platform", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                return Ok(Written { value: (), revision });
            }
            let stands = find_platform(&mut write, name).await?;
            write.expect(stands, expected)?;
            let revision = write.bump_directory().await?;
            let delete = write.statement(DELETE_PLATFORM).bind(name.as_str());
            write.execute(delete).await?;
            write.commit((), revision).await
        })
        .await
    }

    async fn create_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        self.attempt(|| async {
            let mut write = self.write("directory.create_environment", tenant, audit).await?;
            let scope = environment.scope();
            if let Some(revision) = write.earlier() {
                let stands = find_environment(&mut write, &scope).await?;
                return write.repeated(stands, revision);
            }
            let revision = write.bump_directory().await?;
            let create = write.within(CREATE_ENVIRONMENT, &scope).bind(environment.id);
            let create = create.bind(environment.description.as_deref());
            let create = create.bind(write.optional_json(environment.created_by.as_ref())?).bind(environment.created_at);
            write.execute(create.bind(revision)).await?;
            write.expect_within(quota, COUNT_ENVIRONMENTS).await?;
            write.commit(Environment { revision, ..environment.clone() }, revision).await
        })
        .await
    }

    async fn replace_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        self.attempt(|| async {
            let mut write = self.write("directory.replace_environment", tenant, audit).await?;
            let scope = environment.scope();
            let stands = find_environment(&mut write, &scope).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            let revision = write.bump_directory().await?;
            let replace = write.within(REPLACE_ENVIRONMENT, &scope);
            write.execute(replace.bind(environment.description.as_deref()).bind(revision)).await?;
            write.commit(Environment { description: environment.description.clone(), revision, ..stands }, revision).await
        })
        .await
    }

    async fn delete_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("directory.delete_environment", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                return Ok(Written { value: (), revision });
            }
            let stands = find_environment(&mut write, scope).await?;
            write.expect(stands, expected)?;
            let revision = write.bump_directory().await?;
            let delete = write.within(DELETE_ENVIRONMENT, scope);
            write.execute(delete).await?;
            write.commit((), revision).await
        })
        .await
    }
}

async fn revision<E: Engine>(call: &mut Call<E>) -> StoreResult<Revision> {
    let row = call.optional(call.statement(REVISION)).await?;
    row.map_or(Ok(Revision::ZERO), |row| Cells::new(&row, call.operation(), "tenant_revisions", "tenant").get("revision"))
}

async fn find_platform<E: Engine>(call: &mut Call<E>, name: &PlatformName) -> StoreResult<Option<Platform>> {
    let row = call.optional(call.statement(PLATFORM).bind(name.as_str())).await?;
    row.map(|row| platform(&row, call.operation())).transpose()
}

async fn find_environment<E: Engine>(call: &mut Call<E>, scope: &Scope) -> StoreResult<Option<Environment>> {
    let row = call.optional(call.within(ENVIRONMENT, scope)).await?;
    row.map(|row| environment(&row, call.operation())).transpose()
}

fn platform(row: &impl Row, operation: &'static str) -> StoreResult<Platform> {
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

fn environment(row: &impl Row, operation: &'static str) -> StoreResult<Environment> {
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
