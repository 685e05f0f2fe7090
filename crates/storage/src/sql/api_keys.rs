//! API keys.

use async_trait::async_trait;
use togglebox_auth::store::ApiKeyStore;
use togglebox_auth::{ApiKey, KeyHash, User};
use togglebox_core::{AuditRecord, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::call::Call;
use super::cells::Cells;
use super::engine::{Engine, Row};
use super::{Database, users};

pub(super) const FIND: &str = "-- api_keys.find
SELECT id, \"user\", name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at FROM api_keys
WHERE tenant = $1 AND id = $2";

pub(super) const LIST: &str = "-- api_keys.list
SELECT id, \"user\", name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at FROM api_keys
WHERE tenant = $1 AND \"user\" = $2 ORDER BY created_at DESC, id";

pub(super) const FIND_BY_HASH: &str = "-- api_keys.find_by_hash
SELECT id, \"user\", name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at FROM api_keys
WHERE tenant = $1 AND hash = $2";

const COUNT: &str = "-- api_keys.count
SELECT count(*) AS count FROM api_keys WHERE tenant = $1 AND \"user\" = $2";

const CREATE: &str = "-- api_keys.create
INSERT INTO api_keys
    (tenant, id, \"user\", name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const DELETE: &str = "-- api_keys.delete
DELETE FROM api_keys WHERE tenant = $1 AND id = $2 AND \"user\" = $3";

const TOUCH: &str = "-- api_keys.touch
UPDATE api_keys SET last_used_at = $3 WHERE tenant = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)";

#[async_trait]
impl<E: Engine> ApiKeyStore for Database<E> {
    async fn create(&self, tenant: TenantId, key: &ApiKey, limit: usize, audit: &AuditRecord) -> StoreResult<Written<ApiKey>> {
        self.attempt(|| async {
            let mut write = self.write("api_keys.create", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                let stands = find(&mut write, key.id).await?;
                return write.repeated(stands, revision);
            }
            let revision = write.bump_accounts().await?;
            let create = write
                .statement(CREATE)
                .bind(key.id)
                .bind(key.user)
                .bind(key.name.as_str())
                .bind(key.hash.0.as_slice())
                .bind(key.prefix.as_str())
                .bind(key.last4.as_str())
                .bind(write.json(&key.permissions)?)
                .bind(key.expires_at)
                .bind(key.last_used_at)
                .bind(key.created_at);
            write.execute(create).await?;
            // Counted with the new one.
            let count = write.statement(COUNT).bind(key.user);
            if write.count(count).await? > limit as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit }));
            }
            write.commit(key.clone(), revision).await
        })
        .await
    }

    async fn list(&self, tenant: TenantId, user: Uuid) -> StoreResult<Vec<ApiKey>> {
        let mut reader = self.reader("api_keys.list", tenant).await?;
        let rows = reader.rows(reader.statement(LIST).bind(user)).await?;
        rows.iter().map(|row| key_of(row, reader.operation())).collect()
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<ApiKey>> {
        let mut reader = self.reader("api_keys.find", tenant).await?;
        find(&mut reader, id).await
    }

    async fn find_by_hash(&self, tenant: TenantId, hashes: &[KeyHash]) -> StoreResult<Option<(ApiKey, User)>> {
        let mut moment = self.moment("api_keys.find_by_hash", tenant).await?;
        for hash in hashes {
            let statement = moment.statement(FIND_BY_HASH).bind(hash.0.as_slice());
            let Some(row) = moment.optional(statement).await? else { continue };
            let key = key_of(&row, moment.operation())?;
            let owner = users::find(&mut moment, key.user).await?;
            // The foreign key sees to it that there is one.
            return Ok(owner.map(|owner| (key, owner)));
        }
        Ok(None)
    }

    async fn delete(&self, tenant: TenantId, user: Uuid, id: Uuid, audit: &AuditRecord) -> StoreResult<Written<()>> {
        self.attempt(|| async {
            let mut write = self.write("api_keys.delete", tenant, audit).await?;
            if let Some(revision) = write.earlier() {
                return Ok(Written { value: (), revision });
            }
            let delete = write.statement(DELETE).bind(id).bind(user);
            if write.execute(delete).await? == 0 {
                return Err(write.error(StoreErrorKind::NotFound));
            }
            let revision = write.bump_accounts().await?;
            write.commit((), revision).await
        })
        .await
    }

    async fn touch(&self, tenant: TenantId, uses: &[(Uuid, Timestamp)]) -> StoreResult<()> {
        if uses.is_empty() {
            return Ok(());
        }
        self.attempt(|| async {
            let mut call = self.counting("api_keys.touch", tenant).await?;
            for (id, at) in uses {
                call.execute(call.statement(TOUCH).bind(*id).bind(*at)).await?;
            }
            call.commit().await
        })
        .await
    }
}

async fn find<E: Engine>(call: &mut Call<E>, id: Uuid) -> StoreResult<Option<ApiKey>> {
    let row = call.optional(call.statement(FIND).bind(id)).await?;
    row.map(|row| key_of(&row, call.operation())).transpose()
}

fn key_of(row: &impl Row, operation: &'static str) -> StoreResult<ApiKey> {
    let cells = Cells::new(row, operation, "api_keys", "id");
    Ok(ApiKey {
        id: cells.get("id")?,
        user: cells.get("user")?,
        name: cells.get("name")?,
        hash: KeyHash(cells.get("hash")?),
        prefix: cells.get("prefix")?,
        last4: cells.get("last4")?,
        permissions: cells.json("permissions")?,
        expires_at: cells.get("expires_at")?,
        last_used_at: cells.get("last_used_at")?,
        created_at: cells.get("created_at")?,
    })
}
