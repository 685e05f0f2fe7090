//! Password resets.

use async_trait::async_trait;
use togglebox_auth::store::PasswordResetStore;
use togglebox_auth::{PasswordHash, PasswordReset, User};
use togglebox_core::{AuditRecord, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::call::Call;
use super::cells::Cells;
use super::engine::{Engine, Row};
use super::{Database, sessions, users};

pub(super) const FIND: &str = "-- password_resets.find
SELECT token_hash, \"user\", expires_at, created_at FROM password_resets WHERE tenant = $1 AND token_hash = $2";

const CREATE: &str = "-- password_resets.create
INSERT INTO password_resets (tenant, token_hash, \"user\", expires_at, created_at) VALUES ($1, $2, $3, $4, $5)";

pub(super) const FORGET: &str = "-- password_resets.forget
DELETE FROM password_resets WHERE tenant = $1 AND expires_at < $2";

pub(super) const REMOVE_ALL: &str = "-- password_resets.remove_all
DELETE FROM password_resets WHERE tenant = $1 AND \"user\" = $2";

#[async_trait]
impl<E: Engine> PasswordResetStore for Database<E> {
    async fn create(&self, tenant: TenantId, reset: &PasswordReset) -> StoreResult<()> {
        self.attempt(|| async {
            let mut call = self.unaudited("password_resets.create", tenant).await?;
            call.execute(call.statement(FORGET).bind(reset.created_at)).await?;
            let create = call.statement(CREATE).bind(reset.token_hash.as_slice()).bind(reset.user);
            call.execute(create.bind(reset.expires_at).bind(reset.created_at)).await?;
            call.commit().await
        })
        .await
    }

    async fn find(&self, tenant: TenantId, token_hash: &[u8; 32]) -> StoreResult<Option<(PasswordReset, User)>> {
        let mut moment = self.moment("password_resets.find", tenant).await?;
        let Some(reset) = find(&mut moment, token_hash).await? else { return Ok(None) };
        let user = users::find(&mut moment, reset.user).await?;
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
        self.attempt(|| async {
            let mut write = self.write("password_resets.complete", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                // The reset is used up; the audit record still tells whose it was.
                let stands = match audit.target.parse::<Uuid>() {
                    Ok(user) => users::find(&mut write, user).await?,
                    Err(_) => None,
                };
                return write.repeated(stands, revision);
            }
            let reset = find(&mut write, token_hash).await?;
            let reset = reset.filter(|reset| now < reset.expires_at).ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let user = users::find(&mut write, reset.user).await?;
            let user = user.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let revision = write.bump_accounts().await?;
            let user = User { password: password.clone(), updated_at: now, tokens_valid_from: now, revision, ..user };
            users::put(&mut write, &user).await?;
            let remove = write.statement(REMOVE_ALL).bind(user.id);
            write.execute(remove).await?;
            sessions::remove_all(&mut write, user.id).await?;
            write.commit(user, revision).await
        })
        .await
    }
}

async fn find<E: Engine>(call: &mut Call<E>, token_hash: &[u8; 32]) -> StoreResult<Option<PasswordReset>> {
    let row = call.optional(call.statement(FIND).bind(token_hash.as_slice())).await?;
    row.map(|row| reset_of(&row, call.operation())).transpose()
}

fn reset_of(row: &impl Row, operation: &'static str) -> StoreResult<PasswordReset> {
    let cells = Cells::new(row, operation, "password_resets", "user");
    Ok(PasswordReset {
        token_hash: cells.get("token_hash")?,
        user: cells.get("user")?,
        expires_at: cells.get("expires_at")?,
        created_at: cells.get("created_at")?,
    })
}
