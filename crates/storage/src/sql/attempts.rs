//! Failed sign-ins.

use async_trait::async_trait;
use togglebox_auth::store::AttemptStore;
use togglebox_auth::{AttemptPolicy, AttemptState};
use togglebox_core::{StoreResult, TenantId, Timestamp};

use super::Database;
use super::call::Call;
use super::cells::Cells;
use super::engine::Engine;

pub(super) const FIND: &str = "-- attempts.find
SELECT subject, failures, opened_at, locked_until FROM attempts WHERE tenant = $1 AND subject = $2";

const PUT: &str = "-- attempts.put
INSERT INTO attempts (tenant, subject, failures, opened_at, locked_until, over_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant, subject) DO UPDATE
SET failures = excluded.failures, opened_at = excluded.opened_at, locked_until = excluded.locked_until, over_at = excluded.over_at";

pub(super) const FORGET: &str = "-- attempts.forget
DELETE FROM attempts WHERE tenant = $1 AND over_at <= $2";

const CLEAR: &str = "-- attempts.clear
DELETE FROM attempts WHERE tenant = $1 AND subject = $2";

/// What is stored of a subject. Times that are over are left out when it is read.
#[derive(Default)]
struct Attempts {
    failures: u32,
    /// When the first of these failures happened: the window's start.
    opened_at: Option<Timestamp>,
    locked_until: Option<Timestamp>,
}

#[async_trait]
impl<E: Engine> AttemptStore for Database<E> {
    async fn state(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState> {
        let mut reader = self.reader("attempts.state", tenant).await?;
        let Attempts { failures, locked_until, .. } = find(&mut reader, subject, policy, now).await?;
        Ok(AttemptState { failures, locked_until })
    }

    async fn fail(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState> {
        self.attempt(|| async {
            let mut call = self.unaudited("attempts.fail", tenant).await?;
            let before = find(&mut call, subject, policy, now).await?;
            let failures = before.failures.saturating_add(1);
            let (failures, locked_until) = if failures >= policy.failures {
                (0, before.locked_until.max(Some(now.plus(policy.lock))))
            } else {
                (failures, before.locked_until)
            };
            let opened_at = before.opened_at.unwrap_or(now);
            let over_at = locked_until.max(Some(opened_at.plus(policy.window)));
            call.execute(call.statement(FORGET).bind(now)).await?;
            let put = call.statement(PUT).bind(subject).bind(failures).bind(opened_at).bind(locked_until).bind(over_at);
            call.execute(put).await?;
            call.commit().await?;
            Ok(AttemptState { failures, locked_until })
        })
        .await
    }

    async fn clear(&self, tenant: TenantId, subject: &str) -> StoreResult<()> {
        self.attempt(|| async {
            let mut call = self.unaudited("attempts.clear", tenant).await?;
            if call.execute(call.statement(CLEAR).bind(subject)).await? == 0 {
                // Most who sign in never failed: nothing to wait for the disk for.
                return Ok(());
            }
            call.commit().await
        })
        .await
    }
}

async fn find<E: Engine>(call: &mut Call<E>, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<Attempts> {
    let statement = call.statement(FIND).bind(subject);
    let Some(row) = call.optional(statement).await? else { return Ok(Attempts::default()) };
    let cells = Cells::new(&row, call.operation(), "attempts", "subject");
    let (failures, opened_at): (u32, Timestamp) = (cells.get("failures")?, cells.get("opened_at")?);
    let locked_until = cells.get::<Option<Timestamp>>("locked_until")?.filter(|until| now < *until);
    if failures > 0 && now < opened_at.plus(policy.window) {
        Ok(Attempts { failures, opened_at: Some(opened_at), locked_until })
    } else {
        Ok(Attempts { failures: 0, opened_at: None, locked_until })
    }
}
