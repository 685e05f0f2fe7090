//! API keys.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_auth::store::ApiKeyStore;
use togglebox_auth::{ApiKey, KeyHash, User};
use togglebox_core::{AuditRecord, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::cells::Cells;
use super::error::failed;
use super::{Sqlite, bind, users};

pub(super) const FIND: &str = "-- api_keys.find
SELECT id, user, name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at FROM api_keys
WHERE tenant = ?1 AND id = ?2";

pub(super) const LIST: &str = "-- api_keys.list
SELECT id, user, name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at FROM api_keys
WHERE tenant = ?1 AND user = ?2 ORDER BY created_at DESC, id";

pub(super) const FIND_BY_HASH: &str = "-- api_keys.find_by_hash
SELECT id, user, name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at FROM api_keys
WHERE tenant = ?1 AND hash = ?2";

const COUNT: &str = "-- api_keys.count
SELECT count(*) FROM api_keys WHERE tenant = ?1 AND user = ?2";

const CREATE: &str = "-- api_keys.create
INSERT INTO api_keys
    (tenant, id, user, name, hash, prefix, last4, permissions, expires_at, last_used_at, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

const DELETE: &str = "-- api_keys.delete
DELETE FROM api_keys WHERE tenant = ?1 AND id = ?2 AND user = ?3";

const TOUCH: &str = "-- api_keys.touch
UPDATE api_keys SET last_used_at = ?3 WHERE tenant = ?1 AND id = ?2 AND (last_used_at IS NULL OR last_used_at < ?3)";

#[async_trait]
impl ApiKeyStore for Sqlite {
    async fn create(&self, tenant: TenantId, key: &ApiKey, limit: usize, audit: &AuditRecord) -> StoreResult<Written<ApiKey>> {
        let mut write = self.write("api_keys.create", tenant).await?;
        let operation = write.operation();
        if let Some(revision) = write.earlier(audit).await? {
            let stands = find(write.connection(), operation, tenant, key.id).await?;
            return write.repeated(stands, revision);
        }
        let revision = write.bump_accounts().await?;
        let query = sqlx::query(CREATE)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&key.id))
            .bind(bind::id(&key.user))
            .bind(key.name.as_str())
            .bind(key.hash.0.as_slice())
            .bind(key.prefix.as_str())
            .bind(key.last4.as_str())
            .bind(bind::json(operation, &key.permissions)?)
            .bind(bind::time(key.expires_at))
            .bind(bind::time(key.last_used_at))
            .bind(key.created_at.as_ms());
        write.execute(query).await?;
        // Counted with the new one.
        let held = write.count(sqlx::query(COUNT).bind(bind::tenant(&tenant)).bind(bind::id(&key.user))).await?;
        if held > limit as u64 {
            return Err(write.error(StoreErrorKind::LimitReached { limit }));
        }
        write.commit(audit, revision).await?;
        Ok(Written { value: key.clone(), revision })
    }

    async fn list(&self, tenant: TenantId, user: Uuid) -> StoreResult<Vec<ApiKey>> {
        const OPERATION: &str = "api_keys.list";
        let query = sqlx::query(LIST).bind(bind::tenant(&tenant)).bind(bind::id(&user));
        let mut reader = self.reader(OPERATION).await?;
        let rows = query.fetch_all(&mut *reader).await.map_err(failed(OPERATION))?;
        rows.iter().map(|row| key_of(row, OPERATION)).collect()
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<ApiKey>> {
        const OPERATION: &str = "api_keys.find";
        let mut reader = self.reader(OPERATION).await?;
        find(&mut reader, OPERATION, tenant, id).await
    }

    async fn find_by_hash(&self, tenant: TenantId, hashes: &[KeyHash]) -> StoreResult<Option<(ApiKey, User)>> {
        const OPERATION: &str = "api_keys.find_by_hash";
        let mut moment = self.moment(OPERATION).await?;
        for hash in hashes {
            let query = sqlx::query(FIND_BY_HASH).bind(bind::tenant(&tenant)).bind(hash.0.as_slice());
            let Some(row) = query.fetch_optional(&mut *moment).await.map_err(failed(OPERATION))? else { continue };
            let key = key_of(&row, OPERATION)?;
            let owner = users::find(&mut moment, OPERATION, tenant, key.user).await?;
            // The foreign key sees to it that there is one.
            return Ok(owner.map(|owner| (key, owner)));
        }
        Ok(None)
    }

    async fn delete(&self, tenant: TenantId, user: Uuid, id: Uuid, audit: &AuditRecord) -> StoreResult<Written<()>> {
        let mut write = self.write("api_keys.delete", tenant).await?;
        if let Some(revision) = write.earlier(audit).await? {
            return Ok(Written { value: (), revision });
        }
        let query = sqlx::query(DELETE).bind(bind::tenant(&tenant)).bind(bind::id(&id)).bind(bind::id(&user));
        if write.execute(query).await? == 0 {
            return Err(write.error(StoreErrorKind::NotFound));
        }
        let revision = write.bump_accounts().await?;
        write.commit(audit, revision).await?;
        Ok(Written { value: (), revision })
    }

    async fn touch(&self, tenant: TenantId, uses: &[(Uuid, Timestamp)]) -> StoreResult<()> {
        if uses.is_empty() {
            return Ok(());
        }
        let mut write = self.write("api_keys.touch", tenant).await?;
        for (id, at) in uses {
            let query = sqlx::query(TOUCH).bind(bind::tenant(&tenant)).bind(bind::id(id)).bind(at.as_ms());
            write.execute(query).await?;
        }
        write.commit_unaudited().await
    }
}

async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    id: Uuid,
) -> StoreResult<Option<ApiKey>> {
    let query = sqlx::query(FIND).bind(bind::tenant(&tenant)).bind(bind::id(&id));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| key_of(&row, operation)).transpose()
}

fn key_of(row: &SqliteRow, operation: &'static str) -> StoreResult<ApiKey> {
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
