//! The store ports over SQL, once for every engine.
//!
//! The statements are the same for all engines: parameters are `$1`, `$2` …, of which the first is always the tenant (but for what
//! looks for tenants, in `tenancy`, and for lists of rows, which name it in each); comparisons that
//! one engine calls `max` and the other `GREATEST` are spelt out. What must differ is in [`Engine`].
//!
//! # A write
//!
//! One transaction during which nobody else writes in the tenant: has this audit record been written before? Then answer as then. Is
//! the record at the expected revision? Raise the container's revision, write, append the audit record, commit. An engine that undoes
//! a transaction for the sake of another is asked again.

mod api_keys;
mod attempts;
mod audit;
#[cfg(feature = "billing")]
mod billing;
mod call;
mod cells;
mod directory;
mod engine;
mod environments;
mod error;
mod experiments;
mod flags;
mod look;
mod page;
#[cfg(test)]
pub(crate) mod pages;
mod parameters;
mod resets;
mod rows;
mod sessions;
mod statement;
#[cfg(test)]
pub(crate) mod statements;
mod statistics;
#[cfg(feature = "tenancy")]
mod tenancy;
mod transfer;
#[cfg(all(test, feature = "tenancy"))]
pub(crate) mod upgrade;
#[cfg(feature = "metering")]
mod usage;
mod users;
mod watch;
mod write;

use std::future::Future;

use togglebox_core::{AuditRecord, StoreResult, TenantId};

use self::call::Call;
pub(crate) use self::engine::{Access, Engine, Kind, Row, Session};
pub(crate) use self::statement::{Argument, Statement};
use self::write::Write;

/// Every store port over one SQL database: see `Sqlite` and `Postgres`. A clone is another handle on the same
/// connections.
#[derive(Clone, Debug)]
pub struct Database<E> {
    pub(crate) engine: E,
}

impl<E: Engine> Database<E> {
    /// Begins an audited write.
    async fn write<'a>(&self, operation: &'static str, tenant: TenantId, audit: &'a AuditRecord) -> StoreResult<Write<'a, E>> {
        Write::begin(&self.engine, operation, tenant, audit).await
    }

    /// Begins a write that leaves no audit record: sign-ins.
    async fn unaudited(&self, operation: &'static str, tenant: TenantId) -> StoreResult<Call<E>> {
        Call::begin(&self.engine, operation, tenant, Access::Write).await
    }

    /// Begins to add to counters.
    async fn counting(&self, operation: &'static str, tenant: TenantId) -> StoreResult<Call<E>> {
        Call::begin(&self.engine, operation, tenant, Access::Count).await
    }

    /// For a single reading statement.
    async fn reader(&self, operation: &'static str, tenant: TenantId) -> StoreResult<Call<E>> {
        Call::begin(&self.engine, operation, tenant, Access::Read).await
    }

    /// For several reading statements at one moment.
    async fn moment(&self, operation: &'static str, tenant: TenantId) -> StoreResult<Call<E>> {
        Call::begin(&self.engine, operation, tenant, Access::Moment).await
    }

    /// Makes an attempt at a write, and another one when the engine undid it only because others were at work.
    async fn attempt<T, F>(&self, mut attempt: impl FnMut() -> F + Send) -> StoreResult<T>
    where
        T: Send,
        F: Future<Output = StoreResult<T>> + Send,
    {
        /// Whoever made way waits behind those who were let by, so that a second time is rare and a fourth means trouble.
        const ATTEMPTS: usize = 4;
        for _ in 1..ATTEMPTS {
            match attempt().await {
                Err(error) if error::made_way::<E>(&error) => {
                    tracing::debug!(
                        operation = error.operation(),
                        "The database undid a write for the sake of another; once more"
                    );
                }
                outcome => return outcome,
            }
        }
        attempt().await
    }
}
