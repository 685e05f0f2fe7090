//! The audit log.

use async_trait::async_trait;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use togglebox_core::{AuditFilter, AuditLog, AuditRecord, Page, PageRequest, Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::cells::Cells;
use super::error::failed;
use super::page::{one_more, page_of};
use super::{Sqlite, bind};
use crate::cursor::List;

const REVISION: &str = "-- audit.revision
SELECT id, revision FROM audit_log WHERE tenant = ?1 AND id = ?2";

const APPEND: &str = "-- audit.append
INSERT INTO audit_log (tenant, id, at, actor, action, platform, environment, target, before, after, revision)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

pub(super) const PRUNE: &str = "-- audit.prune
DELETE FROM audit_log WHERE sequence IN (
    SELECT sequence FROM audit_log WHERE tenant = ?1 AND at < ?2 ORDER BY at, sequence LIMIT ?3
)";

/// The revision that the write with this audit record gave, if it was made.
pub(super) async fn revision(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    id: Uuid,
) -> StoreResult<Option<Revision>> {
    let query = sqlx::query(REVISION).bind(bind::tenant(&tenant)).bind(bind::id(&id));
    let row = query.fetch_optional(connection).await.map_err(failed(operation))?;
    row.map(|row| Cells::new(&row, operation, "audit_log", "id").get("revision")).transpose()
}

pub(super) async fn append(
    connection: &mut SqliteConnection,
    operation: &'static str,
    tenant: TenantId,
    record: &AuditRecord,
    revision: Revision,
) -> StoreResult<()> {
    let query = sqlx::query(APPEND)
        .bind(bind::tenant(&tenant))
        .bind(bind::id(&record.id))
        .bind(record.at.as_ms())
        .bind(bind::json(operation, &record.actor)?)
        .bind(record.action.as_str())
        .bind(record.platform.as_deref())
        .bind(record.environment.as_deref())
        .bind(record.target.as_str())
        .bind(bind::optional_json(operation, record.before.as_ref())?)
        .bind(bind::optional_json(operation, record.after.as_ref())?)
        .bind(bind::revision(revision));
    query.execute(connection).await.map_err(failed(operation))?;
    Ok(())
}

/// One statement for each combination of restrictions, so that each can use the index that fits it. Only fixed words are joined.
pub(super) fn list_statement(filter: &AuditFilter, goes_on: bool) -> String {
    let mut sql = "-- audit.list
SELECT sequence, id, at, actor, action, platform, environment, target, before, after FROM audit_log WHERE tenant = ?1"
        .to_owned();
    for (wanted, condition) in [
        (filter.platform.is_some(), " AND platform = ?2"),
        (filter.environment.is_some(), " AND environment = ?3"),
        (filter.target.is_some(), " AND target = ?4"),
        (goes_on, " AND (at, sequence) < (?5, ?6)"),
    ] {
        if wanted {
            sql.push_str(condition);
        }
    }
    sql.push_str(" ORDER BY at DESC, sequence DESC LIMIT ?7");
    sql
}

#[async_trait]
impl AuditLog for Sqlite {
    async fn list(&self, tenant: TenantId, filter: &AuditFilter, page: &PageRequest) -> StoreResult<Page<AuditRecord>> {
        const OPERATION: &str = "audit.list";
        let restrictions = [filter.platform.as_deref(), filter.environment.as_deref(), filter.target.as_deref()];
        let list = List::new(OPERATION, tenant, &restrictions);
        let after: Option<[i64; 2]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let [at, sequence] = after.unwrap_or_default();
        let [platform, environment, target] = restrictions;
        let query = sqlx::query(AssertSqlSafe(list_statement(filter, after.is_some())))
            .bind(bind::tenant(&tenant))
            .bind(platform)
            .bind(environment)
            .bind(target)
            .bind(at)
            .bind(sequence)
            .bind(one_more(page));
        let mut reader = self.reader(OPERATION).await?;
        let rows = query.fetch_all(&mut *reader).await.map_err(failed(OPERATION))?;
        page_of(&rows, page, record, |row| {
            let cells = Cells::new(row, OPERATION, "audit_log", "id");
            Ok(list.cursor([cells.get("at")?, cells.get("sequence")?]))
        })
    }

    async fn prune(&self, tenant: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let mut write = self.write("audit.prune", tenant).await?;
        let limit = bind::count(u64::try_from(limit).unwrap_or(u64::MAX));
        let removed = write.execute(sqlx::query(PRUNE).bind(bind::tenant(&tenant)).bind(before.as_ms()).bind(limit)).await?;
        write.commit_unaudited().await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }
}

fn record(row: &SqliteRow) -> StoreResult<AuditRecord> {
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
