//! Hours and days that are kept as sums.

use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::RollUp;
use togglebox_metering::{Hour, MeterId, Totals};

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::series::{self, Reading};
use super::{Borders, json_of};

pub(super) const FIND: &str = "-- usage_hours.find
SELECT revision, stale, totals FROM usage_hours WHERE tenant = $1 AND meter = $2 AND hour = $3 AND revision > 0";

/// From here on whoever raises a cell of the hour waits to mark it.
pub(super) const TAKE: &str = "-- usage_hours.take
UPDATE usage_hours SET stale = 0 WHERE tenant = $1 AND meter = $2 AND hour = $3 RETURNING revision, totals";

const PUT_HOUR: &str = "-- usage_hours.put
UPDATE usage_hours SET revision = $4, totals = $5 WHERE tenant = $1 AND meter = $2 AND hour = $3";

const PUT_DAY: &str = "-- usage_days.put
INSERT INTO usage_days (tenant, meter, day, totals) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, meter, day) DO UPDATE SET totals = excluded.totals";

pub(super) async fn find<E: Engine>(call: &mut Call<E>, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
    let find = call.statement(FIND).bind(meter.as_str()).bind(hour.number());
    let Some(row) = call.optional(find).await? else { return Ok(None) };
    let cells = Cells::new(&row, call.operation(), "usage_hours", "revision");
    let total = cells.get::<Totals>("totals")?.sum();
    Ok(Some(RollUp { total, revision: cells.get("revision")?, stale: cells.get("stale")? }))
}

impl<E: Engine> Database<E> {
    pub(super) async fn roll_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        self.attempt(|| async {
            let mut call = self.metering("usage.rollup", tenant).await?;
            let borders = Borders::find(&mut call).await?;
            if hour.start() < borders.minutes {
                return find(&mut call, meter, hour).await;
            }
            let take = call.statement(TAKE).bind(meter.as_str()).bind(hour.number());
            let Some(row) = call.optional(take).await? else { return Ok(None) };
            let cells = Cells::new(&row, call.operation(), "usage_hours", "revision");
            let (before, kept): (u32, Totals) = (cells.get("revision")?, cells.get("totals")?);

            let mut reading = Reading { call: &mut call, meter, borders };
            let span = hour.span();
            let mut sums = reading.cells(series::HOURS, span.from().number(), span.until().number()).await?;
            let totals = sums.remove(&hour.number()).unwrap_or_default();
            let revision = if before == 0 || totals != kept { before + 1 } else { before };
            if revision > before {
                let json = call.json(&json_of(&totals))?;
                let put = call.statement(PUT_HOUR).bind(meter.as_str()).bind(hour.number()).bind(revision).bind(json);
                call.execute(put).await?;
            }
            let day = hour.day().number();
            let of_day = Reading { call: &mut call, meter, borders }.day(day).await?;
            let json = call.json(&json_of(&of_day))?;
            call.execute(call.statement(PUT_DAY).bind(meter.as_str()).bind(day).bind(json)).await?;
            call.commit().await?;
            Ok(Some(RollUp { total: totals.sum(), revision, stale: false }))
        })
        .await
    }
}
