//! Users.

use std::collections::HashMap;

use async_trait::async_trait;
use togglebox_auth::store::{Ending, LAST_ADMIN, UserList, UserStore};
use togglebox_auth::{Role, User};
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use uuid::Uuid;

use super::call::Call;
use super::cells::Cells;
use super::engine::{Engine, Row};
use super::statement::Statement;
use super::write::{Revised, Turn, Write};
use super::{Database, sessions, watch};

const REVISION: &str = "-- users.revision
SELECT tenant, accounts AS revision FROM tenant_revisions WHERE tenant = $1";

pub(super) const FIND: &str = "-- users.find
SELECT id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision FROM users
WHERE tenant = $1 AND id = $2";

pub(super) const FIND_BY_EMAIL: &str = "-- users.find_by_email
SELECT id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision FROM users
WHERE tenant = $1 AND email_key = $2";

pub(super) const ADMINS: &str = "-- users.admins
SELECT count(*) AS count FROM users WHERE tenant = $1 AND role = $2";

const CREATE: &str = "-- users.create
INSERT INTO users
    (tenant, id, name, email, email_key, password, role, updated_at, tokens_valid_from, revision, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const REPLACE: &str = "-- users.replace
UPDATE users SET name = $3, email = $4, email_key = $5, password = $6, role = $7, updated_at = $8, tokens_valid_from = $9,
    revision = $10
WHERE tenant = $1 AND id = $2";

const DELETE: &str = "-- users.delete
DELETE FROM users WHERE tenant = $1 AND id = $2";

/// The two statements behind a list, with or without a role: (part of the list, how many there are). Only fixed words are joined.
pub(super) fn list_statements(role: Option<Role>) -> (String, String) {
    let condition = if role.is_some() { " AND role = $2" } else { "" };
    let part = format!(
        "-- users.list
SELECT id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision FROM users
WHERE tenant = $1{condition} ORDER BY created_at DESC, id LIMIT $3 OFFSET $4"
    );
    (part, format!("-- users.total\nSELECT count(*) AS count FROM users WHERE tenant = $1{condition}"))
}

impl Revised for User {
    fn revision(&self) -> Revision {
        self.revision
    }
}

/// The same of the tenants in a list.
pub(super) fn revisions<E: Engine>() -> String {
    let given = watch::given::<E>();
    format!(
        "-- users.revision_of_each
SELECT tenant, accounts AS revision FROM tenant_revisions WHERE tenant IN (SELECT given.tenant FROM {given})"
    )
}

#[async_trait]
impl<E: Engine> UserStore for Database<E> {
    async fn revision(&self, tenant: TenantId) -> StoreResult<Revision> {
        let mut reader = self.reader("users.revision", tenant).await?;
        revision(&mut reader).await
    }

    async fn revision_of_each(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revision>> {
        const OPERATION: &str = "users.revision_of_each";
        let mut of_each = HashMap::with_capacity(tenants.len());
        for row in &self.watch(OPERATION, revisions::<E>(), tenants).await? {
            let cells = Cells::new(row, OPERATION, "tenant_revisions", "tenant");
            of_each.insert(cells.get::<TenantId>("tenant")?, cells.get("revision")?);
        }
        Ok(tenants.iter().map(|tenant| of_each.get(tenant).copied().unwrap_or_default()).collect())
    }

    async fn create(&self, tenant: TenantId, user: &User, audit: &AuditRecord) -> StoreResult<Written<User>> {
        self.attempt(|| async {
            let mut write = self.write("users.create", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = find(&mut write, user.id).await?;
                return write.repeated(stands, revision);
            }
            let revision = write.bump_accounts().await?;
            let user = User { revision, ..user.clone() };
            let create = bound(&write, CREATE, &user).bind(user.created_at);
            write.execute(create).await?;
            write.commit(user, revision).await
        })
        .await
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<User>> {
        let mut reader = self.reader("users.find", tenant).await?;
        find(&mut reader, id).await
    }

    async fn find_by_email(&self, tenant: TenantId, email_key: &str) -> StoreResult<Option<User>> {
        let mut reader = self.reader("users.find_by_email", tenant).await?;
        let row = reader.optional(reader.statement(FIND_BY_EMAIL).bind(email_key)).await?;
        row.map(|row| user_of(&row, reader.operation())).transpose()
    }

    async fn list(&self, tenant: TenantId, role: Option<Role>, offset: u64, limit: u64) -> StoreResult<UserList> {
        const OPERATION: &str = "users.list";
        let (part, total) = list_statements(role);
        let role = role.map(Role::as_str);
        let mut moment = self.moment(OPERATION, tenant).await?;
        let total = moment.count(moment.statement(total).bind(role)).await?;
        let part = moment.statement(part).bind(role).bind(limit.clamp(1, 1000)).bind(offset);
        let rows = moment.rows(part).await?;
        let users = rows.iter().map(|row| user_of(row, OPERATION)).collect::<StoreResult<_>>()?;
        Ok(UserList { users, total })
    }

    async fn replace(
        &self,
        tenant: TenantId,
        user: &User,
        expected: Revision,
        ending: Ending,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        self.attempt(|| async {
            let mut write = self.write("users.replace", tenant, audit).await?;
            let stands = find(&mut write, user.id).await?;
            let stands = match write.turn(stands, expected)? {
                Turn::First(stands) => stands,
                Turn::Repeated(written) => return Ok(written),
            };
            if user.role != Role::Admin {
                keep_an_admin(&mut write, &stands).await?;
            }
            let revision = write.bump_accounts().await?;
            let user = User { created_at: stands.created_at, revision, ..user.clone() };
            put(&mut write, &user).await?;
            match ending {
                Ending::None => {}
                Ending::All => sessions::end_all_but(&mut write, user.id, None, audit.at).await?,
                Ending::AllBut(kept) => sessions::end_all_but(&mut write, user.id, Some(kept), audit.at).await?,
            }
            write.commit(user, revision).await
        })
        .await
    }

    async fn delete(&self, tenant: TenantId, id: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("users.delete", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                return Ok(Written { value: (), revision });
            }
            let stands = find(&mut write, id).await?;
            let stands = write.expect(stands, expected)?;
            keep_an_admin(&mut write, &stands).await?;
            let revision = write.bump_accounts().await?;
            let delete = write.statement(DELETE).bind(id);
            write.execute(delete).await?;
            write.commit((), revision).await
        })
        .await
    }
}

/// Refuses to take the last admin away. Writes queue, so that two of them cannot each take one of the last two.
async fn keep_an_admin<E: Engine>(write: &mut Write<'_, E>, losing: &User) -> StoreResult<()> {
    if losing.role != Role::Admin {
        return Ok(());
    }
    let admins = write.statement(ADMINS).bind(Role::Admin.as_str());
    if write.count(admins).await? > 1 { Ok(()) } else { Err(write.error(StoreErrorKind::Refused(LAST_ADMIN))) }
}

/// The accounts' revision.
pub(super) async fn revision<E: Engine>(call: &mut Call<E>) -> StoreResult<Revision> {
    let row = call.optional(call.statement(REVISION)).await?;
    row.map_or(Ok(Revision::ZERO), |row| Cells::new(&row, call.operation(), "tenant_revisions", "tenant").get("revision"))
}

pub(super) async fn find<E: Engine>(call: &mut Call<E>, id: Uuid) -> StoreResult<Option<User>> {
    let row = call.optional(call.statement(FIND).bind(id)).await?;
    row.map(|row| user_of(&row, call.operation())).transpose()
}

/// Writes a user that is there already. Its sessions and rights are the caller's business.
pub(super) async fn put<E: Engine>(write: &mut Write<'_, E>, user: &User) -> StoreResult<()> {
    let replace = bound(write, REPLACE, user);
    write.execute(replace).await?;
    Ok(())
}

/// What creating and replacing have in common: the parameters 1 to 10.
fn bound<E: Engine>(call: &Call<E>, sql: &'static str, user: &User) -> Statement {
    call.statement(sql)
        .bind(user.id)
        .bind(user.name.as_deref())
        .bind(user.email.as_str())
        .bind(user.email.key())
        .bind(user.password.expose())
        .bind(user.role.as_str())
        .bind(user.updated_at)
        .bind(user.tokens_valid_from)
        .bind(user.revision)
}

fn user_of(row: &impl Row, operation: &'static str) -> StoreResult<User> {
    let cells = Cells::new(row, operation, "users", "id");
    Ok(User {
        id: cells.get("id")?,
        name: cells.get("name")?,
        email: cells.get("email")?,
        password: cells.get("password")?,
        role: cells.get("role")?,
        created_at: cells.get("created_at")?,
        updated_at: cells.get("updated_at")?,
        tokens_valid_from: cells.get("tokens_valid_from")?,
        revision: cells.get("revision")?,
    })
}
