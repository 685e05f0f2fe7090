//! Sessions.

use async_trait::async_trait;
use togglebox_auth::Session;
use togglebox_auth::store::{Rotation, SessionStore};
use togglebox_core::{Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::call::Call;
use super::cells::Cells;
use super::engine::{Engine, Row};
use super::write::{Write, bump_accounts};
use super::{Database, users};

pub(super) const FIND: &str = "-- sessions.find
SELECT id, \"user\", current_token, previous_token, rotated_at, created_at, expires_at, revoked_at FROM sessions
WHERE tenant = $1 AND id = $2";

const CREATE: &str = "-- sessions.create
INSERT INTO sessions (tenant, id, \"user\", current_token, previous_token, rotated_at, created_at, expires_at, revoked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

pub(super) const FORGET: &str = "-- sessions.forget
DELETE FROM sessions WHERE tenant = $1 AND \"user\" = $2 AND expires_at < $3";

/// Of the other sessions of the user that go on, all but the newest.
pub(super) const END_OLDEST: &str = "-- sessions.end_oldest
UPDATE sessions SET revoked_at = $4 WHERE tenant = $1 AND id IN (
    SELECT id FROM sessions WHERE tenant = $1 AND \"user\" = $2 AND revoked_at IS NULL AND id <> $3
    ORDER BY created_at DESC, id DESC LIMIT 9223372036854775807 OFFSET $5
)";

const ROTATE: &str = "-- sessions.rotate
UPDATE sessions SET previous_token = current_token, current_token = $4, rotated_at = $5, expires_at = $6
WHERE tenant = $1 AND id = $2 AND current_token = $3 AND revoked_at IS NULL";

const REVOKE: &str = "-- sessions.revoke
UPDATE sessions SET revoked_at = $3 WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL";

pub(super) const END_ALL_BUT: &str = "-- sessions.end_all_but
UPDATE sessions SET revoked_at = $3 WHERE tenant = $1 AND \"user\" = $2 AND revoked_at IS NULL AND id IS DISTINCT FROM $4";

pub(super) const REMOVE_ALL: &str = "-- sessions.remove_all
DELETE FROM sessions WHERE tenant = $1 AND \"user\" = $2";

#[async_trait]
impl<E: Engine> SessionStore for Database<E> {
    async fn create(&self, tenant: TenantId, session: &Session, limit: usize) -> StoreResult<Option<Revision>> {
        let others = i64::try_from(limit.saturating_sub(1)).unwrap_or(i64::MAX);
        self.attempt(|| async {
            let mut call = self.unaudited("sessions.create", tenant).await?;
            call.execute(call.statement(FORGET).bind(session.user).bind(session.created_at)).await?;
            let create = call
                .statement(CREATE)
                .bind(session.id)
                .bind(session.user)
                .bind(session.current)
                .bind(session.previous)
                .bind(session.rotated_at)
                .bind(session.created_at)
                .bind(session.expires_at)
                .bind(session.revoked_at);
            call.execute(create).await?;
            let end = call.statement(END_OLDEST).bind(session.user).bind(session.id).bind(session.created_at).bind(others);
            let revision = if call.execute(end).await? == 0 { None } else { Some(bump_accounts(&mut call).await?) };
            call.commit().await?;
            Ok(revision)
        })
        .await
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Session>> {
        let mut reader = self.reader("sessions.find", tenant).await?;
        find(&mut reader, id).await
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
        self.attempt(|| async {
            let mut call = self.unaudited("sessions.rotate", tenant).await?;
            let rotate = call.statement(ROTATE).bind(id).bind(current).bind(next).bind(at).bind(expires_at);
            let rotated = call.execute(rotate).await? == 1;
            let session = find(&mut call, id).await?;
            call.commit().await?;
            Ok(match session {
                Some(session) if rotated => Rotation::Done(session),
                Some(session) if session.revoked_at.is_none() => Rotation::Superseded(session),
                _ => Rotation::Ended,
            })
        })
        .await
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, at: Timestamp) -> StoreResult<Revision> {
        self.attempt(|| async {
            let mut call = self.unaudited("sessions.revoke", tenant).await?;
            if call.execute(call.statement(REVOKE).bind(id).bind(at)).await? == 0 {
                return users::revision(&mut call).await;
            }
            let revision = bump_accounts(&mut call).await?;
            call.commit().await?;
            Ok(revision)
        })
        .await
    }
}

async fn find<E: Engine>(call: &mut Call<E>, id: Uuid) -> StoreResult<Option<Session>> {
    let row = call.optional(call.statement(FIND).bind(id)).await?;
    row.map(|row| session_of(&row, call.operation())).transpose()
}

/// Ends the sessions of a user, but for the one that is kept.
pub(super) async fn end_all_but<E: Engine>(
    write: &mut Write<'_, E>,
    user: Uuid,
    kept: Option<Uuid>,
    at: Timestamp,
) -> StoreResult<()> {
    let end = write.statement(END_ALL_BUT).bind(user).bind(at).bind(kept);
    write.execute(end).await?;
    Ok(())
}

/// Removes every session of a user.
pub(super) async fn remove_all<E: Engine>(write: &mut Write<'_, E>, user: Uuid) -> StoreResult<()> {
    let remove = write.statement(REMOVE_ALL).bind(user);
    write.execute(remove).await?;
    Ok(())
}

fn session_of(row: &impl Row, operation: &'static str) -> StoreResult<Session> {
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
