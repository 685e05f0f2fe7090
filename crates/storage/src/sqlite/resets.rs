//! Password resets.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_auth::store::PasswordResetStore;
use togglebox_auth::{PasswordHash, PasswordReset, User};
use togglebox_core::{AuditRecord, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::cells::Cells;
use super::error::failed;
use super::{Sqlite, bind, sessions, users};

pub(super) const FIND: &str = "-- password_resets.find
SELECT token_hash, user, expires_at, created_at FROM password_resets WHERE tenant = ?1 AND token_hash = ?2";

const CREATE: &str = "-- password_resets.create
INSERT INTO password_resets (tenant, token_hash, user, expires_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const FORGET: &str = "-- password_resets.forget
DELETE FROM password_resets WHERE tenant = ?1 AND expires_at < ?2";

pub(super) const REMOVE_ALL: &str = "-- password_resets.remove_all
DELETE FROM password_resets WHERE tenant = ?1 AND user = ?2";

#[async_trait]
impl PasswordResetStore for Sqlite {
    async fn create(&self, tenant: TenantId, reset: &PasswordReset) -> StoreResult<()> {
        let mut write = self.write("password_resets.create", tenant).await?;
        write.execute(sqlx::query(FORGET).bind(bind::tenant(&tenant)).bind(reset.created_at.as_ms())).await?;
        let query = sqlx::query(CREATE)
            .bind(bind::tenant(&tenant))
            .bind(reset.token_hash.as_slice())
            .bind(bind::id(&reset.user))
            .bind(reset.expires_at.as_ms())
            .bind(reset.created_at.as_ms());
        write.execute(query).await?;
        write.commit_unaudited().await
    }

    async fn find(&self, tenant: TenantId, token_hash: &[u8; 32]) -> StoreResult<Option<(PasswordReset, User)>> {
        const OPERATION: &str = "password_resets.find";
        let mut moment = self.moment(OPERATION).await?;
        let Some(reset) = find(&mut moment, OPERATION, tenant, token_hash).await? else { return Ok(None) };
        let user = users::find(&mut moment, OPERATION, tenant, reset.user).await?;
        // The foreign key sees to it that there is one.
        Ok(user.map(|user| (reset, user)))
    }

    async fn complete(
        &self,
        tenant: TenantId,
        token_hash: &[u8; 32],
        password: &PasswordHash,
        now: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        let mut write = self.write("password_resets.complete", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            // The reset is used up; the audit record still tells whose it was.
            let user = audit.target.parse::<Uuid>().ok();
            let stands = match user {
                Some(user) => users::find(write.connection(), operation, tenant, user).await?,
                None => None,
            };
            return write.repeated(stands, revision);
        }
        let reset = find(write.connection(), operation, tenant, token_hash).await?;
        let reset = reset.filter(|reset| now < reset.expires_at).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        let user = users::find(write.connection(), operation, tenant, reset.user).await?;
        let user = user.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
        let revision = write.bump_accounts().await?;
        let user = User { password: password.clone(), updated_at: now, tokens_valid_from: now, revision, ..user };
        users::put(&mut write, tenant, &user).await?;
        write.execute(sqlx::query(REMOVE_ALL).bind(bind::tenant(&tenant)).bind(bind::id(&user.id))).await?;
        sessions::remove_all(&mut write, tenant, user.id).await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: user, revision })
    }
}

async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    token_hash: &[u8; 32],
) -> StoreResult<Option<PasswordReset>> {
    let query = sqlx::query(FIND).bind(bind::tenant(&tenant)).bind(token_hash.as_slice());
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| reset_of(&row, operation)).transpose()
}

fn reset_of(row: &SqliteRow, operation: &'static str) -> StoreResult<PasswordReset> {
    let cells = Cells::new(row, operation, "password_resets", "user");
    Ok(PasswordReset {
        token_hash: cells.get("token_hash")?,
        user: cells.get("user")?,
        expires_at: cells.get("expires_at")?,
        created_at: cells.get("created_at")?,
    })
}
