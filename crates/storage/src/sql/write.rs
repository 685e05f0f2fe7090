//! One audited write: what was done before, the container's revision, the audit record.

use std::ops::{Deref, DerefMut};

use togglebox_core::{AuditRecord, Limit, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::Scope;
use uuid::Uuid;

use super::audit;
use super::call::Call;
use super::cells::Cells;
use super::engine::{Access, Engine};

const BUMP_DIRECTORY: &str = "-- tenant_revisions.bump_directory
INSERT INTO tenant_revisions AS kept (tenant, directory) VALUES ($1, 1)
ON CONFLICT (tenant) DO UPDATE SET directory = kept.directory + 1
RETURNING tenant, directory AS revision";

const BUMP_ACCOUNTS: &str = "-- tenant_revisions.bump_accounts
INSERT INTO tenant_revisions AS kept (tenant, accounts) VALUES ($1, 1)
ON CONFLICT (tenant) DO UPDATE SET accounts = kept.accounts + 1
RETURNING tenant, accounts AS revision";

// Changes nothing, and holds the row until the end of the transaction.
const QUEUE: &str = "-- tenant_revisions.queue
INSERT INTO tenant_revisions AS kept (tenant) VALUES ($1)
ON CONFLICT (tenant) DO UPDATE SET directory = kept.directory";

const BUMP_ENVIRONMENT: &str = "-- environments.bump
UPDATE environments
SET contents_revision = contents_revision + 1, changed_at = CASE WHEN changed_at < $4 THEN $4 ELSE changed_at END
WHERE tenant = $1 AND platform = $2 AND name = $3
RETURNING id, contents_revision AS revision";

/// A write under way. Dropped without [`commit`](Self::commit), it leaves nothing behind.
pub(super) struct Write<'a, E: Engine> {
    call: Call<E>,
    audit: &'a AuditRecord,
    earlier: Option<Revision>,
}

/// What is to be done about a record that is to be replaced or deleted.
pub(super) enum Turn<T> {
    /// It is at the revision that the caller has read: go on.
    First(T),
    /// It has been written before, under this audit record: this is what still stands of it, and the revision of then.
    Repeated(Written<T>),
}

/// A record that carries the revision of its last write.
pub(super) trait Revised {
    fn revision(&self) -> Revision;
}

impl<'a, E: Engine> Write<'a, E> {
    /// Begins a write, and looks whether it has been made before.
    pub(super) async fn begin(
        engine: &E,
        operation: &'static str,
        tenant: TenantId,
        audit: &'a AuditRecord,
    ) -> StoreResult<Self> {
        let mut call = Call::begin(engine, operation, tenant, Access::Write).await?;
        let earlier = audit::revision(&mut call, audit.id).await?;
        Ok(Self { call, audit, earlier })
    }

    /// The revision that this write gave when it was made before; `None` when it is new.
    pub(super) const fn earlier(&self) -> Option<Revision> {
        self.earlier
    }

    /// The answer to a write that was made before: what still stands of it.
    pub(super) fn repeated<T>(&self, value: Option<T>, revision: Revision) -> StoreResult<Written<T>> {
        value.map(|value| Written { value, revision }).ok_or_else(|| self.error(StoreErrorKind::NotFound))
    }

    /// Checks the preconditions of a replacement.
    pub(super) fn turn<T: Revised>(&self, stands: Option<T>, expected: Revision) -> StoreResult<Turn<T>> {
        match self.earlier {
            Some(revision) => self.repeated(stands, revision).map(Turn::Repeated),
            None => self.expect(stands, expected).map(Turn::First),
        }
    }

    /// The record that stands, if it is at the expected revision.
    pub(super) fn expect<T: Revised>(&self, stands: Option<T>, expected: Revision) -> StoreResult<T> {
        let stands = stands.ok_or_else(|| self.error(StoreErrorKind::NotFound))?;
        let current = stands.revision();
        if current == expected { Ok(stands) } else { Err(self.error(StoreErrorKind::Conflict { current })) }
    }

    /// Raises the directory's revision.
    pub(super) async fn bump_directory(&mut self) -> StoreResult<Revision> {
        self.bump_tenant(BUMP_DIRECTORY).await
    }

    /// Where there is a quota, makes whoever else creates something under one of this tenant's wait until this write is done. To be called
    /// before anything is written in an environment: that is the order in which everybody locks.
    pub(super) async fn queue_for(&mut self, quota: Limit) -> StoreResult<()> {
        if quota == Limit::Unlimited {
            return Ok(());
        }
        let queue = self.statement(QUEUE);
        self.execute(queue).await?;
        Ok(())
    }

    /// Refuses what was just made if the tenant has more of it now than `quota`, counted by a statement that takes nothing besides the
    /// tenant.
    pub(super) async fn expect_within(&mut self, quota: Limit, count: &'static str) -> StoreResult<()> {
        let Some(limit) = quota.get() else { return Ok(()) };
        let count = self.statement(count);
        let count = self.count(count).await?;
        if count > limit { Err(self.error(StoreErrorKind::QuotaReached { usage: count - 1, limit })) } else { Ok(()) }
    }

    /// Raises the accounts' revision.
    pub(super) async fn bump_accounts(&mut self) -> StoreResult<Revision> {
        self.bump_tenant(BUMP_ACCOUNTS).await
    }

    async fn bump_tenant(&mut self, sql: &'static str) -> StoreResult<Revision> {
        bump(&mut self.call, sql).await
    }

    /// Raises the revision of an environment's contents; says which environment it is.
    pub(super) async fn bump_environment(&mut self, scope: &Scope) -> StoreResult<(Uuid, Revision)> {
        let statement = self.within(BUMP_ENVIRONMENT, scope).bind(self.audit.at);
        let row = self.optional(statement).await?.ok_or_else(|| self.error(StoreErrorKind::NotFound))?;
        let cells = Cells::new(&row, self.operation(), "environments", "id");
        Ok((cells.get("id")?, cells.get("revision")?))
    }

    /// Deletes a record of an environment by a statement that takes the environment's id and the record's key; what hangs on it goes
    /// with it. `stands` is the record as it was found.
    pub(super) async fn delete_record<T: Revised>(
        mut self,
        scope: &Scope,
        stands: Option<T>,
        expected: Revision,
        sql: &'static str,
        key: &str,
    ) -> StoreResult<Written<()>> {
        if let Some(revision) = self.earlier {
            return Ok(Written { value: (), revision });
        }
        self.expect(stands, expected)?;
        let (environment, revision) = self.bump_environment(scope).await?;
        let delete = self.statement(sql).bind(environment).bind(key);
        self.execute(delete).await?;
        self.commit((), revision).await
    }

    /// Appends the audit record and makes everything lasting.
    pub(super) async fn commit<T>(mut self, value: T, revision: Revision) -> StoreResult<Written<T>> {
        audit::append(&mut self.call, self.audit, revision).await?;
        self.call.commit().await?;
        Ok(Written { value, revision })
    }
}

/// Raises the accounts' revision in a call that leaves no audit record.
pub(super) async fn bump_accounts<E: Engine>(call: &mut Call<E>) -> StoreResult<Revision> {
    bump(call, BUMP_ACCOUNTS).await
}

async fn bump<E: Engine>(call: &mut Call<E>, sql: &'static str) -> StoreResult<Revision> {
    let row = call.optional(call.statement(sql)).await?.ok_or_else(|| call.error(StoreErrorKind::Corrupt))?;
    Cells::new(&row, call.operation(), "tenant_revisions", "tenant").get("revision")
}

impl<E: Engine> Deref for Write<'_, E> {
    type Target = Call<E>;

    fn deref(&self) -> &Call<E> {
        &self.call
    }
}

impl<E: Engine> DerefMut for Write<'_, E> {
    fn deref_mut(&mut self) -> &mut Call<E> {
        &mut self.call
    }
}
