//! Usage: what nodes have counted, what other services report, and their sums.
//!
//! A cell holds what one writer has counted of one series in one minute, and only ever rises. Whoever raises one marks its hour stale in
//! the same transaction, and holds the hour's row until the end of it: so a roll-up, which takes that row first, either sees the cell or is
//! followed by the mark.
//!
//! # Locks
//!
//! Counting shares a lock that closing minutes has for itself, so that nothing is counted in a minute that is being closed. Events,
//! roll-ups and leases of one tenant come one after the other. Rows are taken in the order of their keys, cells before hours.

mod cells;
mod events;
mod ledger;
mod pools;
mod pruning;
mod rollups;
mod series;

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::Serialize;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_metering::store::{Bucket, MergeReport, Prune, RollUp, StaleHour, UsageLedger, UsageQuery, UsageSink, UsageStore};
use togglebox_metering::{
    Cell as UsageCell, Day, Hour, Ingested, Labels, Leased, MeterId, Minute, Step, Totals, UsageEvent, Watermark, WriterId,
};

use super::Database;
use super::call::Call;
use super::cells::{Cell, CellResult, Cells};
use super::engine::{Access, Engine, Row};
use super::look::Look;
use super::statement::Statement;

/// Statements for tests that look at their plans.
#[cfg(test)]
pub(super) mod statements {
    use super::super::engine::Engine;
    use super::{events, ledger, pools, pruning, rollups, series};

    /// Of one tenant: they find what they want by an index.
    pub(in super::super) fn indexed() -> Vec<&'static str> {
        vec![
            series::MINUTES,
            series::HOURS,
            series::HOUR_ROWS,
            series::DAY_ROWS,
            series::STALE_DAYS,
            rollups::FIND,
            rollups::TAKE,
            pools::FIND,
            pools::REMOVE,
        ]
    }

    /// Of one tenant, about what is in a list: each is found by its whole key.
    pub(crate) fn listed<E: Engine>() -> [String; 2] {
        [events::claimed_statement::<E>(), events::totals_statement::<E>()]
    }

    /// Of all tenants.
    pub(crate) fn across<E: Engine>() -> Vec<String> {
        let fixed =
            [ledger::STALE_HOURS, pruning::FIRST_STALE, pruning::CELLS, pruning::HOURS, pruning::EVENTS, pruning::WATERMARKS];
        fixed.map(str::to_owned).into_iter().chain([ledger::added_up_statement::<E>()]).collect()
    }
}

const BORDERS: &str = "-- usage_borders.find
SELECT minutes_from, hours_from FROM usage_borders";

/// Where what is closed for good ends.
#[derive(Clone, Copy)]
struct Borders {
    /// The first minute that cells are kept and taken of.
    minutes: Minute,
    /// The first minute whose hour is kept.
    hours: Minute,
}

impl Borders {
    /// By the one row that the schema comes with.
    fn of(row: Option<&impl Row>, operation: &'static str) -> StoreResult<Self> {
        let corrupt = || togglebox_core::StoreError::new(togglebox_core::StoreErrorKind::Corrupt, operation);
        let cells = Cells::new(row.ok_or_else(corrupt)?, operation, "usage_borders", "minutes_from");
        Ok(Self { minutes: cells.get("minutes_from")?, hours: cells.get("hours_from")? })
    }

    async fn find<E: Engine>(call: &mut Call<E>) -> StoreResult<Self> {
        let row = call.optional(Statement::new(BORDERS)).await?;
        Self::of(row.as_ref(), call.operation())
    }
}

impl Cell for Minute {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::from_number(u32::read(row, column)?))
    }
}

impl Cell for MeterId {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(row.text(column)?.parse()?)
    }
}

impl Cell for Labels {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::parse(&row.text(column)?)?)
    }
}

impl Cell for WriterId {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        Ok(Self::from_u128(row.uuid(column)?.as_u128()))
    }
}

/// As an object whose keys are labels.
impl Cell for Totals {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        let totals: BTreeMap<String, u64> = serde_json::from_str(&row.text(column)?)?;
        totals.into_iter().map(|(labels, total)| Ok((Labels::parse(&labels)?, total))).collect()
    }
}

fn json_of(totals: &Totals) -> BTreeMap<&str, u64> {
    totals.iter().map(|(labels, total)| (labels.as_str(), *total)).collect()
}

/// JSON text of the rows that a statement is given.
fn list<E: Engine>(look: &Look<E>, rows: &[impl Serialize]) -> StoreResult<String> {
    super::call::json_text(look.operation(), rows)
}

impl<E: Engine> Database<E> {
    /// Begins a call of the ledger.
    async fn ledger(&self, operation: &'static str, access: Access) -> StoreResult<Look<E>> {
        Look::of(self.engine.begin_ledger(access).await, operation)
    }

    /// Begins to count, or to add up, the usage of a tenant.
    async fn metering(&self, operation: &'static str, tenant: TenantId) -> StoreResult<Call<E>> {
        Call::begin(&self.engine, operation, tenant, Access::Usage).await
    }
}

#[async_trait]
impl<E: Engine> UsageStore for Database<E> {
    async fn ingest(&self, tenant: TenantId, events: &[UsageEvent], now: Timestamp) -> StoreResult<Vec<Ingested>> {
        self.ingest_events(tenant, events, now).await
    }

    async fn series(&self, tenant: TenantId, query: &UsageQuery) -> StoreResult<Vec<Bucket>> {
        self.usage_series(tenant, query).await
    }

    async fn rollup(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        self.roll_up(tenant, meter, hour).await
    }

    async fn rolled_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        let mut reader = self.reader("usage.rolled_up", tenant).await?;
        rollups::find(&mut reader, meter, hour).await
    }

    async fn lease(&self, tenant: TenantId, step: &Step) -> StoreResult<Option<Leased>> {
        self.lease_units(tenant, step).await
    }
}

#[async_trait]
impl<E: Engine> UsageSink for Database<E> {
    async fn merge_cells(&self, cells: &[UsageCell]) -> StoreResult<MergeReport> {
        self.merge_usage(cells).await
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.raise_watermark(watermark).await
    }
}

#[async_trait]
impl<E: Engine> UsageLedger for Database<E> {
    async fn watermarks(&self) -> StoreResult<Vec<Watermark>> {
        self.living_watermarks().await
    }

    async fn stale_hours(&self, until: Hour, limit: usize) -> StoreResult<Vec<StaleHour>> {
        self.hours_to_roll_up(until, limit).await
    }

    async fn added_up(&self, tenants: &[TenantId], meter: MeterId, from: Day, until: Day) -> StoreResult<Vec<u64>> {
        self.added_up_days(tenants, meter, from, until).await
    }

    async fn prune(&self, what: Prune, before: Minute, limit: usize) -> StoreResult<usize> {
        self.prune_usage(what, before, limit).await
    }
}
