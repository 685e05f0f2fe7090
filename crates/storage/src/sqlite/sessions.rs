//! Sessions.

use async_trait::async_trait;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_auth::Session;
use togglebox_auth::store::{Rotation, SessionStore};
use togglebox_core::{Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::cells::Cells;
use super::error::failed;
use super::write::Write;
use super::{Sqlite, bind, users};

pub(super) const FIND: &str = "-- sessions.find
SELECT id, user, current_token, previous_token, rotated_at, created_at, expires_at, revoked_at FROM sessions
WHERE tenant = ?1 AND id = ?2";

const CREATE: &str = "-- sessions.create
INSERT INTO sessions (tenant, id, user, current_token, previous_token, rotated_at, created_at, expires_at, revoked_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

pub(super) const FORGET: &str = "-- sessions.forget
DELETE FROM sessions WHERE tenant = ?1 AND user = ?2 AND expires_at < ?3";

/// Of the other sessions of the user that go on, all but the newest.
pub(super) const END_OLDEST: &str = "-- sessions.end_oldest
UPDATE sessions SET revoked_at = ?4 WHERE tenant = ?1 AND id IN (
    SELECT id FROM sessions WHERE tenant = ?1 AND user = ?2 AND revoked_at IS NULL AND id <> ?3
    ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?5
)";

const ROTATE: &str = "-- sessions.rotate
UPDATE sessions SET previous_token = current_token, current_token = ?4, rotated_at = ?5, expires_at = ?6
WHERE tenant = ?1 AND id = ?2 AND current_token = ?3 AND revoked_at IS NULL";

const REVOKE: &str = "-- sessions.revoke
UPDATE sessions SET revoked_at = ?3 WHERE tenant = ?1 AND id = ?2 AND revoked_at IS NULL";

pub(super) const END_ALL_BUT: &str = "-- sessions.end_all_but
UPDATE sessions SET revoked_at = ?3 WHERE tenant = ?1 AND user = ?2 AND revoked_at IS NULL AND id IS NOT ?4";

pub(super) const REMOVE_ALL: &str = "-- sessions.remove_all
DELETE FROM sessions WHERE tenant = ?1 AND user = ?2";

#[async_trait]
impl SessionStore for Sqlite {
    async fn create(&self, tenant: TenantId, session: &Session, limit: usize) -> StoreResult<Option<Revision>> {
        let mut write = self.write("sessions.create", tenant).await?;
        let forget =
            sqlx::query(FORGET).bind(bind::tenant(&tenant)).bind(bind::id(&session.user)).bind(session.created_at.as_ms());
        write.execute(forget).await?;
        let query = sqlx::query(CREATE)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&session.id))
            .bind(bind::id(&session.user))
            .bind(bind::id(&session.current))
            .bind(session.previous.as_ref().map(bind::id))
            .bind(session.rotated_at.as_ms())
            .bind(session.created_at.as_ms())
            .bind(session.expires_at.as_ms())
            .bind(bind::time(session.revoked_at));
        write.execute(query).await?;
        let others = bind::count(u64::try_from(limit.saturating_sub(1)).unwrap_or(u64::MAX));
        let end = sqlx::query(END_OLDEST)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&session.user))
            .bind(bind::id(&session.id))
            .bind(session.created_at.as_ms())
            .bind(others);
        let revision = if write.execute(end).await? == 0 { None } else { Some(write.bump_accounts().await?) };
        write.commit_unaudited().await?;
        Ok(revision)
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Session>> {
        const OPERATION: &str = "sessions.find";
        let mut reader = self.reader(OPERATION).await?;
        find(&mut reader, OPERATION, tenant, id).await
    }

    async fn rotate(
        &self,
        tenant: TenantId,
        id: Uuid,
        current: Uuid,
        next: Uuid,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> StoreResult<Rotation> {
        let mut write = self.write("sessions.rotate", tenant).await?;
        let operation = write.operation();
        let query = sqlx::query(ROTATE)
            .bind(bind::tenant(&tenant))
            .bind(bind::id(&id))
            .bind(bind::id(&current))
            .bind(bind::id(&next))
            .bind(at.as_ms())
            .bind(expires_at.as_ms());
        let rotated = write.execute(query).await? == 1;
        let session = find(write.connection(), operation, tenant, id).await?;
        write.commit_unaudited().await?;
        Ok(match session {
            Some(session) if rotated => Rotation::Done(session),
            Some(session) if session.revoked_at.is_none() => Rotation::Superseded(session),
            _ => Rotation::Ended,
        })
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, at: Timestamp) -> StoreResult<Revision> {
        let mut write = self.write("sessions.revoke", tenant).await?;
        let query = sqlx::query(REVOKE).bind(bind::tenant(&tenant)).bind(bind::id(&id)).bind(at.as_ms());
        if write.execute(query).await? == 0 {
            let operation = write.operation();
            return users::revision(write.connection(), operation, tenant).await;
        }
        let revision = write.bump_accounts().await?;
        write.commit_unaudited().await?;
        Ok(revision)
    }
}

async fn find(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    id: Uuid,
) -> StoreResult<Option<Session>> {
    let query = sqlx::query(FIND).bind(bind::tenant(&tenant)).bind(bind::id(&id));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| session_of(&row, operation)).transpose()
}

/// Ends the sessions of a user, but for the one that is kept.
pub(super) async fn end_all_but(
    write: &mut Write,
    tenant: TenantId,
    user: Uuid,
    kept: Option<Uuid>,
    at: Timestamp,
) -> StoreResult<()> {
    let query = sqlx::query(END_ALL_BUT)
        .bind(bind::tenant(&tenant))
        .bind(bind::id(&user))
        .bind(at.as_ms())
        .bind(kept.as_ref().map(bind::id));
    write.execute(query).await?;
    Ok(())
}

/// Removes every session of a user.
pub(super) async fn remove_all(write: &mut Write, tenant: TenantId, user: Uuid) -> StoreResult<()> {
    write.execute(sqlx::query(REMOVE_ALL).bind(bind::tenant(&tenant)).bind(bind::id(&user))).await?;
    Ok(())
}

fn session_of(row: &SqliteRow, operation: &'static str) -> StoreResult<Session> {
    let cells = Cells::new(row, operation, "sessions", "id");
    Ok(Session {
        id: cells.get("id")?,
        user: cells.get("user")?,
        current: cells.get("current_token")?,
        previous: cells.get("previous_token")?,
        rotated_at: cells.get("rotated_at")?,
        created_at: cells.get("created_at")?,
        expires_at: cells.get("expires_at")?,
        revoked_at: cells.get("revoked_at")?,
    })
}
