//! What is removed, a part at a time.

use togglebox_core::StoreResult;
use togglebox_metering::store::Prune;
use togglebox_metering::{Grain, Hour, Minute};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::{Access, Engine};
use super::super::look::Look;
use super::super::statement::Statement;
use super::{BORDERS, Borders};

pub(super) const FIRST_STALE: &str = "-- usage_hours.first_stale
SELECT hour FROM usage_hours WHERE stale = 1 ORDER BY hour LIMIT 1";

const CLOSE: &str = "-- usage_borders.close
UPDATE usage_borders SET
    minutes_from = CASE WHEN minutes_from < $1 THEN $1 ELSE minutes_from END,
    hours_from = CASE WHEN hours_from < $2 THEN $2 ELSE hours_from END";

pub(super) const CELLS: &str = "-- usage_cells.prune
DELETE FROM usage_cells WHERE (tenant, meter, minute, labels, writer) IN (
    SELECT tenant, meter, minute, labels, writer FROM usage_cells WHERE minute < $1 ORDER BY minute LIMIT $2
)";

pub(super) const HOURS: &str = "-- usage_hours.prune
DELETE FROM usage_hours WHERE (tenant, meter, hour) IN (
    SELECT tenant, meter, hour FROM usage_hours WHERE hour < $1 ORDER BY hour LIMIT $2
)";

pub(super) const EVENTS: &str = "-- usage_events.prune
DELETE FROM usage_events WHERE (tenant, source, id) IN (
    SELECT tenant, source, id FROM usage_events WHERE minute < $1 ORDER BY minute LIMIT $2
)";

pub(super) const WATERMARKS: &str = "-- usage_watermarks.prune
DELETE FROM usage_watermarks WHERE writer IN (SELECT writer FROM usage_watermarks WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)";

impl<E: Engine> Database<E> {
    pub(super) async fn prune_usage(&self, what: Prune, before: Minute, limit: usize) -> StoreResult<usize> {
        const OPERATION: &str = "usage_ledger.prune";
        let limit = limit.clamp(1, 1000) as u64;
        self.attempt(|| async {
            // Only what moves a border must be alone.
            let access = if matches!(what, Prune::Minutes | Prune::Hours) { Access::Write } else { Access::Count };
            let mut ledger = self.ledger(OPERATION, access).await?;
            let borders = Borders::of(ledger.optional(Statement::new(BORDERS)).await?.as_ref(), OPERATION)?;
            let remove = match what {
                Prune::Minutes => {
                    let reach = first_stale(&mut ledger).await?.map_or(before, |hour| hour.start().min(before));
                    let from = borders.minutes.max(reach.floor(Grain::Hour));
                    close(&mut ledger, Borders { minutes: from, ..borders }).await?;
                    Statement::new(CELLS).bind(from.number())
                }
                Prune::Hours => {
                    let from = borders.hours.max(before.min(borders.minutes).floor(Grain::Day));
                    close(&mut ledger, Borders { hours: from, ..borders }).await?;
                    Statement::new(HOURS).bind(from.hour().number())
                }
                Prune::Claims => Statement::new(EVENTS).bind(before.min(borders.minutes).number()),
                Prune::Watermarks => Statement::new(WATERMARKS).bind(before.start()),
            };
            let removed = ledger.execute(remove.bind(limit)).await?;
            ledger.commit().await?;
            Ok(usize::try_from(removed).unwrap_or(usize::MAX))
        })
        .await
    }
}

async fn first_stale<E: Engine>(ledger: &mut Look<E>) -> StoreResult<Option<Hour>> {
    let row = ledger.optional(Statement::new(FIRST_STALE)).await?;
    row.map(|row| Cells::new(&row, ledger.operation(), "usage_hours", "hour").get("hour")).transpose()
}

async fn close<E: Engine>(ledger: &mut Look<E>, borders: Borders) -> StoreResult<()> {
    ledger.execute(Statement::new(CLOSE).bind(borders.minutes.number()).bind(borders.hours.number())).await.map(drop)
}
