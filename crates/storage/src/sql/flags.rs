//! Feature flags: a head that counts versions, and the versions, one of which is active.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, StoreResult, TenantId, Written};
use togglebox_toggles::store::FlagStore;
use togglebox_toggles::{Flag, FlagKey, FlagVersion, Scope};
use uuid::Uuid;

use super::Database;
use super::call::Call;
use super::cells::{Cells, DOCUMENT_SCHEMA};
use super::engine::{Engine, Row};
use super::page::{one_more, page_of};
use super::write::{Revised, Turn, Write};
use crate::cursor::List;

pub(super) const FIND: &str = "-- flags.find
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision, f.latest_patch
FROM environments AS e
JOIN flags AS f ON f.tenant = e.tenant AND f.environment = e.id
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND f.key = $4 AND v.active = 1";

pub(super) const LOAD: &str = "-- flags.load
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision
FROM flags AS f
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE f.tenant = $1 AND f.environment = $2 AND v.active = 1
ORDER BY f.key";

pub(super) const VERSION: &str = "-- flags.version
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision
FROM environments AS e
JOIN flags AS f ON f.tenant = e.tenant AND f.environment = e.id
JOIN flag_versions AS v ON v.tenant = f.tenant AND v.environment = f.environment AND v.key = f.key
WHERE e.tenant = $1 AND e.platform = $2 AND e.name = $3 AND f.key = $4 AND v.patch = $5";

// The environment is looked up apart: after a join, PostgreSQL would not trust the order of the index.
pub(super) const VERSIONS: &str = "-- flags.versions
SELECT v.key, v.patch, v.active, v.schema, v.document, v.created_by, f.created_at, v.updated_at, v.revision
FROM flag_versions AS v
JOIN flags AS f ON f.tenant = v.tenant AND f.environment = v.environment AND f.key = v.key
WHERE v.tenant = $1 AND v.environment = (SELECT id FROM environments WHERE tenant = $1 AND platform = $2 AND name = $3)
    AND v.key = $4 AND v.patch < $5
ORDER BY v.patch DESC LIMIT $6";

const COUNT_ALL: &str = "-- flags.count_all
SELECT count(*) AS count FROM flags WHERE tenant = $1";

const CREATE: &str = "-- flags.create
INSERT INTO flags (tenant, environment, key, latest_patch, created_at) VALUES ($1, $2, $3, $4, $5)";

const ADD_VERSION: &str = "-- flags.add_version
INSERT INTO flag_versions (tenant, environment, key, patch, active, schema, document, created_by, updated_at, revision)
VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9)";

const RETIRE: &str = "-- flags.retire
UPDATE flag_versions SET active = 0 WHERE tenant = $1 AND environment = $2 AND key = $3 AND active = 1";

const ADVANCE: &str = "-- flags.advance
UPDATE flags SET latest_patch = $4 WHERE tenant = $1 AND environment = $2 AND key = $3";

const AMEND: &str = "-- flags.amend
UPDATE flag_versions SET schema = $4, document = $5, created_by = $6, updated_at = $7, revision = $8
WHERE tenant = $1 AND environment = $2 AND key = $3 AND active = 1";

const DELETE: &str = "-- flags.delete
DELETE FROM flags WHERE tenant = $1 AND environment = $2 AND key = $3";

/// The active version, and the highest version ever given.
struct Head {
    flag: Flag,
    latest: FlagVersion,
}

impl Revised for Head {
    fn revision(&self) -> Revision {
        self.flag.revision
    }
}

#[async_trait]
impl<E: Engine> FlagStore for Database<E> {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Option<Flag>> {
        let mut reader = self.reader("flags.find", tenant).await?;
        Ok(find(&mut reader, scope, key).await?.map(|head| head.flag))
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        self.attempt(|| async {
            let mut write = self.write("flags.create", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = find(&mut write, scope, &flag.key).await?;
                return write.repeated(stands.map(|head| head.flag), revision);
            }
            write.queue_for(quota).await?;
            let (environment, revision) = write.bump_environment(scope).await?;
            let flag = Flag { version: FlagVersion::FIRST, active: true, revision, ..flag.clone() };
            let create = write.statement(CREATE).bind(environment).bind(flag.key.as_str());
            write.execute(create.bind(flag.version.patch()).bind(flag.created_at)).await?;
            write.expect_within(quota, COUNT_ALL).await?;
            add_version(&mut write, environment, &flag).await?;
            write.commit(flag, revision).await
        })
        .await
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        self.attempt(|| async {
            let mut write = self.write("flags.append", tenant, audit).await?;
            let stands = find(&mut write, scope, &flag.key).await?;
            let head = match write.turn(stands, expected)? {
                Turn::First(head) => head,
                Turn::Repeated(written) => return Ok(written.map(|head| head.flag)),
            };
            let (environment, revision) = write.bump_environment(scope).await?;
            let created_at = head.flag.created_at;
            let flag = Flag { version: head.latest.next(), active: true, created_at, revision, ..flag.clone() };
            let retire = write.statement(RETIRE).bind(environment).bind(flag.key.as_str());
            write.execute(retire).await?;
            add_version(&mut write, environment, &flag).await?;
            let advance = write.statement(ADVANCE).bind(environment).bind(flag.key.as_str()).bind(flag.version.patch());
            write.execute(advance).await?;
            write.commit(flag, revision).await
        })
        .await
    }

    async fn amend(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        self.attempt(|| async {
            let mut write = self.write("flags.amend", tenant, audit).await?;
            let stands = find(&mut write, scope, &flag.key).await?;
            let head = match write.turn(stands, expected)? {
                Turn::First(head) => head,
                Turn::Repeated(written) => return Ok(written.map(|head| head.flag)),
            };
            let (environment, revision) = write.bump_environment(scope).await?;
            let Flag { version, created_at, .. } = head.flag;
            let flag = Flag { version, active: true, created_at, revision, ..flag.clone() };
            let amend = write.statement(AMEND).bind(environment).bind(flag.key.as_str()).bind(DOCUMENT_SCHEMA);
            let amend = amend.bind(write.json(&flag.definition)?).bind(flag.created_by.as_str());
            write.execute(amend.bind(flag.updated_at).bind(revision)).await?;
            write.commit(flag, revision).await
        })
        .await
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("flags.delete", tenant, audit).await?;
            let stands = find(&mut write, scope, key).await?;
            write.delete_record(scope, stands, expected, DELETE, key.as_str()).await
        })
        .await
    }

    async fn version(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, version: FlagVersion) -> StoreResult<Option<Flag>> {
        let mut reader = self.reader("flags.version", tenant).await?;
        let statement = reader.within(VERSION, scope).bind(key.as_str()).bind(version.patch());
        let row = reader.optional(statement).await?;
        row.map(|row| flag_of(&row, reader.operation())).transpose()
    }

    async fn versions(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, page: &PageRequest) -> StoreResult<Page<Flag>> {
        const OPERATION: &str = "flags.versions";
        let parts = [Some(scope.platform.as_str()), Some(scope.environment.as_str()), Some(key.as_str())];
        let list = List::new(OPERATION, tenant, &parts);
        let [below] = page.cursor().map_or(Ok([i64::MAX]), |cursor| list.position(cursor))?;
        let mut reader = self.reader(OPERATION, tenant).await?;
        let statement = reader.within(VERSIONS, scope).bind(key.as_str()).bind(below).bind(one_more(page));
        page_of(
            &reader.rows(statement).await?,
            page,
            |row| flag_of(row, OPERATION),
            |row| Ok(list.cursor([Cells::new(row, OPERATION, "flag_versions", "key").get("patch")?])),
        )
    }
}

async fn find<E: Engine>(call: &mut Call<E>, scope: &Scope, key: &FlagKey) -> StoreResult<Option<Head>> {
    let statement = call.within(FIND, scope).bind(key.as_str());
    let row = call.optional(statement).await?;
    row.map(|row| {
        let latest = Cells::new(&row, call.operation(), "flags", "key").get("latest_patch")?;
        Ok(Head { flag: flag_of(&row, call.operation())?, latest: FlagVersion::from_patch(latest) })
    })
    .transpose()
}

/// The active version of every flag of an environment, by key.
pub(super) async fn load<E: Engine>(call: &mut Call<E>, environment: Uuid) -> StoreResult<Vec<Flag>> {
    let rows = call.rows(call.statement(LOAD).bind(environment)).await?;
    rows.iter().map(|row| flag_of(row, call.operation())).collect()
}

async fn add_version<E: Engine>(write: &mut Write<'_, E>, environment: Uuid, flag: &Flag) -> StoreResult<()> {
    let add = write.statement(ADD_VERSION).bind(environment).bind(flag.key.as_str()).bind(flag.version.patch());
    let add = add.bind(DOCUMENT_SCHEMA).bind(write.json(&flag.definition)?).bind(flag.created_by.as_str());
    write.execute(add.bind(flag.updated_at).bind(flag.revision)).await?;
    Ok(())
}

fn flag_of(row: &impl Row, operation: &'static str) -> StoreResult<Flag> {
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
