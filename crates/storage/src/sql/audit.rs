//! The audit log.

use async_trait::async_trait;
use togglebox_core::{AuditFilter, AuditLog, AuditRecord, Page, PageRequest, Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::Database;
use super::call::Call;
use super::cells::Cells;
use super::engine::{Engine, Row};
use super::page::{one_more, page_of};
use crate::cursor::List;

const REVISION: &str = "-- audit.revision
SELECT id, revision FROM audit_log WHERE tenant = $1 AND id = $2";

const APPEND: &str = "-- audit.append
INSERT INTO audit_log (tenant, id, at, actor, action, platform, environment, target, before, after, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

pub(super) const PRUNE: &str = "-- audit.prune
DELETE FROM audit_log WHERE tenant = $1 AND id IN (
    SELECT id FROM audit_log WHERE tenant = $1 AND at < $2 ORDER BY at, sequence LIMIT $3
)";

/// The revision that the write with this audit record gave, if it was made.
pub(super) async fn revision<E: Engine>(call: &mut Call<E>, id: Uuid) -> StoreResult<Option<Revision>> {
    let row = call.optional(call.statement(REVISION).bind(id)).await?;
    row.map(|row| Cells::new(&row, call.operation(), "audit_log", "id").get("revision")).transpose()
}

pub(super) async fn append<E: Engine>(call: &mut Call<E>, record: &AuditRecord, revision: Revision) -> StoreResult<()> {
    let statement = call
        .statement(APPEND)
        .bind(record.id)
        .bind(record.at)
        .bind(call.json(&record.actor)?)
        .bind(record.action.as_str())
        .bind(record.platform.as_deref())
        .bind(record.environment.as_deref())
        .bind(record.target.as_str())
        .bind(call.optional_json(record.before.as_ref())?)
        .bind(call.optional_json(record.after.as_ref())?)
        .bind(revision);
    call.execute(statement).await?;
    Ok(())
}

/// One statement for each combination of restrictions, so that each can use the index that fits it. Only fixed words are joined.
pub(super) fn list_statement(filter: &AuditFilter, goes_on: bool) -> String {
    let mut sql = "-- audit.list
SELECT sequence, id, at, actor, action, platform, environment, target, before, after FROM audit_log WHERE tenant = $1"
        .to_owned();
    for (wanted, condition) in [
        (filter.platform.is_some(), " AND platform = $2"),
        (filter.environment.is_some(), " AND environment = $3"),
        (filter.target.is_some(), " AND target = $4"),
        (goes_on, " AND (at, sequence) < ($5, $6)"),
    ] {
        if wanted {
            sql.push_str(condition);
        }
    }
    sql.push_str(" ORDER BY at DESC, sequence DESC LIMIT $7");
    sql
}

#[async_trait]
impl<E: Engine> AuditLog for Database<E> {
    async fn list(&self, tenant: TenantId, filter: &AuditFilter, page: &PageRequest) -> StoreResult<Page<AuditRecord>> {
        const OPERATION: &str = "audit.list";
        let restrictions = [filter.platform.as_deref(), filter.environment.as_deref(), filter.target.as_deref()];
        let list = List::new(OPERATION, tenant, &restrictions);
        let after: Option<[i64; 2]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let [at, sequence] = after.unwrap_or_default();
        let [platform, environment, target] = restrictions;
        let mut reader = self.reader(OPERATION, tenant).await?;
        let statement = reader.statement(list_statement(filter, after.is_some()));
        let statement = statement.bind(platform).bind(environment).bind(target).bind(at).bind(sequence).bind(one_more(page));
        page_of(&reader.rows(statement).await?, page, record, |row| {
            let cells = Cells::new(row, OPERATION, "audit_log", "id");
            Ok(list.cursor([cells.get("at")?, cells.get("sequence")?]))
        })
    }

    async fn prune(&self, tenant: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.attempt(|| async {
            let mut call = self.unaudited("audit.prune", tenant).await?;
            let removed = call.execute(call.statement(PRUNE).bind(before).bind(limit as u64)).await?;
            call.commit().await?;
            Ok(usize::try_from(removed).unwrap_or(usize::MAX))
        })
        .await
    }
}

fn record(row: &impl Row) -> StoreResult<AuditRecord> {
    let cells = Cells::new(row, "audit.list", "audit_log", "id");
    Ok(AuditRecord {
        id: cells.get("id")?,
        at: cells.get("at")?,
        actor: cells.json("actor")?,
        action: cells.get("action")?,
        platform: cells.get("platform")?,
        environment: cells.get("environment")?,
        target: cells.get("target")?,
        before: cells.optional_json("before")?,
        after: cells.optional_json("after")?,
    })
}
