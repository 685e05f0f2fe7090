//! Users.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Row};
use togglebox_auth::store::{Ending, LAST_ADMIN, UserList, UserStore};
use togglebox_auth::{Role, User};
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::cells::Cells;
use super::error::failed;
use super::write::Write;
use super::{Sqlite, bind, sessions};

const REVISION: &str = "-- users.revision
SELECT tenant, accounts AS revision FROM tenant_revisions WHERE tenant = ?1";

pub(super) const FIND: &str = "-- users.find
SELECT id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision FROM users
WHERE tenant = ?1 AND id = ?2";

pub(super) const FIND_BY_EMAIL: &str = "-- users.find_by_email
SELECT id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision FROM users
WHERE tenant = ?1 AND email_key = ?2";

pub(super) const ADMINS: &str = "-- users.admins
SELECT count(*) FROM users WHERE tenant = ?1 AND role = ?2";

const CREATE: &str = "-- users.create
INSERT INTO users
    (tenant, id, name, email, email_key, password, role, updated_at, tokens_valid_from, revision, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const REPLACE: &str = "-- users.replace
UPDATE users SET name = ?3, email = ?4, email_key = ?5, password = ?6, role = ?7, updated_at = ?8, tokens_valid_from = ?9,
    revision = ?10
WHERE tenant = ?1 AND id = ?2";

const DELETE: &str = "-- users.delete
DELETE FROM users WHERE tenant = ?1 AND id = ?2";

/// The two statements behind a list, with or without a role: (part of the list, how many there are). Only fixed words are joined.
pub(super) fn list_statements(role: Option<Role>) -> (String, String) {
    let condition = if role.is_some() { " AND role = ?2" } else { "" };
    let part = format!(
        "-- users.list
SELECT id, name, email, password, role, created_at, updated_at, tokens_valid_from, revision FROM users
WHERE tenant = ?1{condition} ORDER BY created_at DESC, id LIMIT ?3 OFFSET ?4"
    );
    (part, format!("-- users.total\nSELECT count(*) FROM users WHERE tenant = ?1{condition}"))
}

#[async_trait]
impl UserStore for Sqlite {
    async fn revision(&self, tenant: TenantId) -> StoreResult<Revision> {
        const OPERATION: &str = "users.revision";
        let mut reader = self.reader(OPERATION).await?;
        revision(&mut reader, OPERATION, tenant).await
    }

    async fn create(&self, tenant: TenantId, user: &User, audit: &AuditRecord) -> StoreResult<Written<User>> {
        let mut write = self.write("users.create", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find(write.connection(), operation, tenant, user.id).await?;
            return write.repeated(stands, revision);
        }
        let revision = write.bump_accounts().await?;
        let user = User { revision, ..user.clone() };
        write.execute(bound(CREATE, tenant, &user).bind(user.created_at.as_ms())).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: user, revision })
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<User>> {
        const OPERATION: &str = "users.find";
        let mut reader = self.reader(OPERATION).await?;
        find(&mut reader, OPERATION, tenant, id).await
    }

    async fn find_by_email(&self, tenant: TenantId, email_key: &str) -> StoreResult<Option<User>> {
        const OPERATION: &str = "users.find_by_email";
        let query = sqlx::query(FIND_BY_EMAIL).bind(bind::tenant(&tenant)).bind(email_key);
        let mut reader = self.reader(OPERATION).await?;
        let row = query.fetch_optional(&mut *reader).await.map_err(failed(OPERATION))?;
        row.map(|row| user_of(&row, OPERATION)).transpose()
    }

    async fn list(&self, tenant: TenantId, role: Option<Role>, offset: u64, limit: u64) -> StoreResult<UserList> {
        const OPERATION: &str = "users.list";
        let (part, total) = list_statements(role);
        let role = role.map(Role::as_str);
        let mut moment = self.moment(OPERATION).await?;
        let query = sqlx::query(AssertSqlSafe(total)).bind(bind::tenant(&tenant)).bind(role);
        let total: i64 = query.fetch_one(&mut *moment).await.and_then(|row| row.try_get(0)).map_err(failed(OPERATION))?;
        let query = sqlx::query(AssertSqlSafe(part)).bind(bind::tenant(&tenant)).bind(role);
        let query = query.bind(bind::count(limit.clamp(1, 1000))).bind(bind::count(offset));
        let rows = query.fetch_all(&mut *moment).await.map_err(failed(OPERATION))?;
        let users = rows.iter().map(|row| user_of(row, OPERATION)).collect::<StoreResult<_>>()?;
        Ok(UserList { users, total: u64::try_from(total).unwrap_or(0) })
    }

    async fn replace(
        &self,
        tenant: TenantId,
        user: &User,
        expected: Revision,
        ending: Ending,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        let mut write = self.write("users.replace", tenant).await?;
        let operation = write.operation();
        let earlier = write.earlier(audit).await?;
        let stands = find(write.connection(), operation, tenant, user.id).await?;
        if let Some(revision) = earlier {
            return write.repeated(stands, revision);
        }
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        if user.role != Role::Admin {
            keep_an_admin(&mut write, tenant, &stands).await?;
        }
        let revision = write.bump_accounts().await?;
        let user = User { created_at: stands.created_at, revision, ..user.clone() };
        write.execute(bound(REPLACE, tenant, &user)).await?;
        match ending {
            Ending::None => {}
            Ending::All => sessions::end_all_but(&mut write, tenant, user.id, None, audit.at).await?,
            Ending::AllBut(kept) => sessions::end_all_but(&mut write, tenant, user.id, Some(kept), audit.at).await?,
        }
        write.commit(audit, revision).await?;
        Ok(Written { value: user, revision })
    }

    async fn delete(&self, tenant: TenantId, id: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        let mut write = self.write("users.delete", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            return Ok(Written { value: (), revision });
        }
        let stands = find(write.connection(), operation, tenant, id).await?;
        let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        write.expect(stands.revision, expected)?;
        keep_an_admin(&mut write, tenant, &stands).await?;
        let revision = write.bump_accounts().await?;
        write.execute(sqlx::query(DELETE).bind(bind::tenant(&tenant)).bind(bind::id(&id))).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: (), revision })
    }
}

/// Refuses to take the last admin away. Writes queue, so that two of them cannot each take one of the last two.
async fn keep_an_admin(write: &mut Write, tenant: TenantId, losing: &User) -> StoreResult<()> {
    if losing.role != Role::Admin {
        return Ok(());
    }
    let admins = write.count(sqlx::query(ADMINS).bind(bind::tenant(&tenant)).bind(Role::Admin.as_str())).await?;
    if admins > 1 { Ok(()) } else { Err(write.error(StoreErrorKind::Refused(LAST_ADMIN))) }
}

/// The accounts' revision.
pub(super) async fn revision(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
) -> StoreResult<Revision> {
    let query = sqlx::query(REVISION).bind(bind::tenant(&tenant));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map_or(Ok(Revision::ZERO), |row| Cells::new(&row, operation, "tenant_revisions", "tenant").get("revision"))
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    id: Uuid,
) -> StoreResult<Option<User>> {
    let query = sqlx::query(FIND).bind(bind::tenant(&tenant)).bind(bind::id(&id));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| user_of(&row, operation)).transpose()
}

/// Writes a user that is there already. Its sessions and rights are the caller's business.
pub(super) async fn put(write: &mut Write, tenant: TenantId, user: &User) -> StoreResult<()> {
    write.execute(bound(REPLACE, tenant, user)).await?;
    Ok(())
}

/// What creating and replacing have in common: the parameters 1 to 10.
fn bound(
    sql: &'static str,
    tenant: TenantId,
    user: &User,
) -> sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments> {
    sqlx::query(sql)
        .bind(bind::tenant(&tenant).to_vec())
        .bind(bind::id(&user.id).to_vec())
        .bind(user.name.clone())
        .bind(user.email.as_str().to_owned())
        .bind(user.email.key())
        .bind(user.password.expose().to_owned())
        .bind(user.role.as_str())
        .bind(user.updated_at.as_ms())
        .bind(user.tokens_valid_from.as_ms())
        .bind(bind::revision(user.revision))
}

pub(super) fn user_of(row: &SqliteRow, operation: &'static str) -> StoreResult<User> {
    let cells = Cells::new(row, operation, "users", "id");
    Ok(User {
        id: cells.get("id")?,
        name: cells.get("name")?,
        email: cells.get("email")?,
        password: cells.get("password")?,
        role: cells.get("role")?,
        created_at: cells.get("created_at")?,
        updated_at: cells.get("updated_at")?,
        tokens_valid_from: cells.get::<Timestamp>("tokens_valid_from")?,
        revision: cells.get("revision")?,
    })
}
