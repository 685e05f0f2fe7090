//! One write: a transaction, the container's revision, the audit record.

use sqlx::sqlite::{Sqlite as Driver, SqliteConnection};
use sqlx::{Row, Transaction};
use togglebox_core::{AuditRecord, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use togglebox_toggles::Scope;
use uuid::Uuid;

use super::cells::Cells;
use super::error::failed;
use super::{audit, bind};

const BUMP_DIRECTORY: &str = "-- tenant_revisions.bump_directory
INSERT INTO tenant_revisions (tenant, directory) VALUES (?1, 1)
ON CONFLICT (tenant) DO UPDATE SET directory = directory + 1
RETURNING tenant, directory AS revision";

const BUMP_ACCOUNTS: &str = "-- tenant_revisions.bump_accounts
INSERT INTO tenant_revisions (tenant, accounts) VALUES (?1, 1)
ON CONFLICT (tenant) DO UPDATE SET accounts = accounts + 1
RETURNING tenant, accounts AS revision";

const BUMP_ENVIRONMENT: &str = "-- environments.bump
UPDATE environments SET contents_revision = contents_revision + 1, changed_at = max(changed_at, ?4)
WHERE tenant = ?1 AND platform = ?2 AND name = ?3
RETURNING id, contents_revision AS revision";

/// A write under way. Dropped without [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Write {
    tx: Transaction<'static, Driver>,
    operation: &'static str,
    tenant: TenantId,
}

impl Write {
    pub(super) const fn new(tx: Transaction<'static, Driver>, operation: &'static str, tenant: TenantId) -> Self {
        Self { tx, operation, tenant }
    }

    /// The connection that writes. What it reads includes what this write has done so far.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// The port call.
    pub(super) const fn operation(&self) -> &'static str {
        self.operation
    }

    /// An error of this port call.
    pub(super) const fn error(&self, kind: StoreErrorKind) -> StoreError {
        StoreError::new(kind, self.operation)
    }

    /// The revision that this write gave when it was made before; `None` when it is new.
    pub(super) async fn earlier(&mut self, record: &AuditRecord) -> StoreResult<Option<Revision>> {
        audit::revision(&mut self.tx, self.operation, self.tenant, record.id).await
    }

    /// The answer to a write that was made before: what still stands of it.
    pub(super) fn repeated<T>(&self, value: Option<T>, revision: Revision) -> StoreResult<Written<T>> {
        value.map(|value| Written { value, revision }).ok_or_else(|| self.error(StoreErrorKind::NotFound))
    }

    /// Checks the precondition of a replacement.
    pub(super) fn expect(&self, current: Revision, expected: Revision) -> StoreResult<()> {
        if current == expected { Ok(()) } else { Err(self.error(StoreErrorKind::Conflict { current })) }
    }

    /// Raises the directory's revision.
    pub(super) async fn bump_directory(&mut self) -> StoreResult<Revision> {
        self.bump_tenant(BUMP_DIRECTORY).await
    }

    /// Raises the accounts' revision.
    pub(super) async fn bump_accounts(&mut self) -> StoreResult<Revision> {
        self.bump_tenant(BUMP_ACCOUNTS).await
    }

    async fn bump_tenant(&mut self, sql: &'static str) -> StoreResult<Revision> {
        let query = sqlx::query(sql).bind(bind::tenant(&self.tenant));
        let row = query.fetch_one(&mut *self.tx).await.map_err(failed(self.operation))?;
        Cells::new(&row, self.operation, "tenant_revisions", "tenant").get("revision")
    }

    /// Raises the revision of an environment's contents; says which environment it is.
    pub(super) async fn bump_environment(&mut self, scope: &Scope, at: Timestamp) -> StoreResult<(Uuid, Revision)> {
        let query = sqlx::query(BUMP_ENVIRONMENT)
            .bind(bind::tenant(&self.tenant))
            .bind(scope.platform.as_str())
            .bind(scope.environment.as_str())
            .bind(at.as_ms());
        let row = query.fetch_optional(&mut *self.tx).await.map_err(failed(self.operation))?;
        let row = row.ok_or_else(|| self.error(StoreErrorKind::NotFound))?;
        let cells = Cells::new(&row, self.operation, "environments", "id");
        Ok((cells.get("id")?, cells.get("revision")?))
    }

    /// Runs a statement; says how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        query: sqlx::query::Query<'_, Driver, sqlx::sqlite::SqliteArguments>,
    ) -> StoreResult<u64> {
        let result = query.execute(&mut *self.tx).await.map_err(failed(self.operation))?;
        Ok(result.rows_affected())
    }

    /// Runs a statement that counts rows.
    pub(super) async fn count(
        &mut self,
        query: sqlx::query::Query<'_, Driver, sqlx::sqlite::SqliteArguments>,
    ) -> StoreResult<u64> {
        let row = query.fetch_one(&mut *self.tx).await.map_err(failed(self.operation))?;
        let count: i64 = row.try_get(0).map_err(failed(self.operation))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Appends the audit record and makes everything lasting.
    pub(super) async fn commit(mut self, record: &AuditRecord, revision: Revision) -> StoreResult<()> {
        audit::append(&mut self.tx, self.operation, self.tenant, record, revision).await?;
        self.commit_unaudited().await
    }

    /// Makes everything lasting. For what has no audit record: sign-ins, counters.
    pub(super) async fn commit_unaudited(self) -> StoreResult<()> {
        self.tx.commit().await.map_err(failed(self.operation))
    }
}
