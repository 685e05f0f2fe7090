//! Sums, out of days and hours that are rolled up, and otherwise out of cells: at one moment, so that none is counted twice.

use std::collections::{BTreeMap, BTreeSet};

use togglebox_core::{StoreResult, TenantId};
use togglebox_metering::store::{Bucket, UsageQuery};
use togglebox_metering::{Cell as UsageCell, Grain, Labels, MeterId, Minute, Totals};

use super::super::Database;
use super::super::call::Call;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::Borders;

/// What a sum is split into, so that it does not turn over: as many of the lower bits.
const SPLIT: u32 = 32;

// Halves of sums: totals have 63 bits, and there are fewer than 2^31 rows.
pub(super) const MINUTES: &str = "-- usage_cells.minutes
SELECT minute AS start, labels, CAST(SUM(total / 4294967296) AS bigint) AS high, CAST(SUM(total % 4294967296) AS bigint) AS low
FROM usage_cells WHERE tenant = $1 AND meter = $2 AND minute >= $3 AND minute < $4 GROUP BY minute, labels";

pub(super) const HOURS: &str = "-- usage_cells.hours
SELECT minute / 60 AS start, labels, CAST(SUM(total / 4294967296) AS bigint) AS high, CAST(SUM(total % 4294967296) AS bigint) AS low
FROM usage_cells WHERE tenant = $1 AND meter = $2 AND minute >= $3 AND minute < $4 GROUP BY minute / 60, labels";

pub(super) const HOUR_ROWS: &str = "-- usage_hours.span
SELECT hour, revision, stale, totals FROM usage_hours WHERE tenant = $1 AND meter = $2 AND hour >= $3 AND hour < $4 ORDER BY hour";

pub(super) const DAY_ROWS: &str = "-- usage_days.span
SELECT day, totals FROM usage_days WHERE tenant = $1 AND meter = $2 AND day >= $3 AND day < $4";

pub(super) const STALE_DAYS: &str = "-- usage_hours.stale_days
SELECT DISTINCT hour / 24 AS day FROM usage_hours
WHERE tenant = $1 AND meter = $2 AND hour >= $3 AND hour < $4 AND stale = 1";

/// Totals by minute, hour or day.
pub(super) type Sums = BTreeMap<u32, Totals>;

/// The sums of one meter of a tenant, in a call that sees everything at one moment, or keeps what it sees from changing.
pub(super) struct Reading<'c, E: Engine> {
    pub(super) call: &'c mut Call<E>,
    pub(super) meter: MeterId,
    pub(super) borders: Borders,
}

impl<E: Engine> Database<E> {
    pub(super) async fn usage_series(&self, tenant: TenantId, query: &UsageQuery) -> StoreResult<Vec<Bucket>> {
        let mut call = self.moment("usage.series", tenant).await?;
        let borders = Borders::find(&mut call).await?;
        let mut reading = Reading { call: &mut call, meter: query.meter(), borders };
        let grain = query.grain();
        let number = |minute: Minute| minute.number() / grain.minutes();
        let (from, until) = (number(query.span().from()), number(query.span().until()));
        let sums = match grain {
            Grain::Minute => reading.minutes(from, until).await?,
            Grain::Hour => reading.hours(from, until).await?,
            Grain::Day => reading.days(from, until).await?,
        };
        let start = |number: u32| Minute::from_number(number * grain.minutes());
        Ok(sums.iter().flat_map(|(number, totals)| query.buckets(start(*number), totals)).collect())
    }
}

impl<E: Engine> Reading<'_, E> {
    /// The minutes of a span that are kept.
    async fn minutes(&mut self, from: u32, until: u32) -> StoreResult<Sums> {
        self.cells(MINUTES, from.max(self.borders.minutes.number()), until).await
    }

    /// The hours of a span, each out of its roll-up where that has everything, or all that is left.
    pub(super) async fn hours(&mut self, from: u32, until: u32) -> StoreResult<Sums> {
        let find = self.call.statement(HOUR_ROWS).bind(self.meter.as_str()).bind(from).bind(until);
        let rows = self.call.rows(find).await?;
        let (mut sums, mut stale) = (Sums::new(), Vec::<(u32, u32)>::new());
        let mut goes_on = false;
        for row in &rows {
            let cells = Cells::new(row, self.call.operation(), "usage_hours", "hour");
            let hour: u32 = cells.get("hour")?;
            let start = Minute::from_number(hour * 60);
            let is_stale = cells.get::<bool>("stale")? || cells.get::<u32>("revision")? == 0;
            if is_stale && start >= self.borders.minutes {
                // Neighbours are counted together.
                match stale.last_mut().filter(|_| goes_on) {
                    Some((_, last)) => *last = hour + 1,
                    None => stale.push((hour, hour + 1)),
                }
                goes_on = true;
            } else {
                goes_on = false;
                if start >= self.borders.hours {
                    sums.insert(hour, cells.get("totals")?);
                }
            }
        }
        for (first, end) in stale {
            sums.extend(self.cells(HOURS, first * 60, end * 60).await?);
        }
        Ok(sums)
    }

    /// The days of a span, each out of its roll-up unless one of its hours is stale.
    async fn days(&mut self, from: u32, until: u32) -> StoreResult<Sums> {
        let stale = self.call.statement(STALE_DAYS).bind(self.meter.as_str()).bind(from * 24).bind(until * 24);
        let mut days = BTreeSet::new();
        for row in self.call.rows(stale).await? {
            days.insert(Cells::new(&row, self.call.operation(), "usage_hours", "day").get::<u32>("day")?);
        }
        let find = self.call.statement(DAY_ROWS).bind(self.meter.as_str()).bind(from).bind(until);
        let mut sums = Sums::new();
        for row in self.call.rows(find).await? {
            let cells = Cells::new(&row, self.call.operation(), "usage_days", "day");
            let day: u32 = cells.get("day")?;
            if !days.contains(&day) {
                sums.insert(day, cells.get("totals")?);
            }
        }
        for day in days {
            sums.insert(day, self.day(day).await?);
        }
        Ok(sums)
    }

    /// A day out of its hours.
    pub(super) async fn day(&mut self, day: u32) -> StoreResult<Totals> {
        let mut totals = Totals::default();
        for hour in self.hours(day * 24, (day + 1) * 24).await?.values() {
            totals.join(hour);
        }
        Ok(totals)
    }

    /// Adds cells up.
    pub(super) async fn cells(&mut self, sql: &'static str, from: u32, until: u32) -> StoreResult<Sums> {
        let find = self.call.statement(sql).bind(self.meter.as_str()).bind(from).bind(until);
        let mut sums = Sums::new();
        for row in self.call.rows(find).await? {
            let cells = Cells::new(&row, self.call.operation(), "usage_cells", "labels");
            let (high, low): (u64, u64) = (cells.get("high")?, cells.get("low")?);
            let total = (u128::from(high) << SPLIT) + u128::from(low);
            let total = u64::try_from(total).unwrap_or(u64::MAX).min(UsageCell::MOST);
            sums.entry(cells.get("start")?).or_default().add(cells.get::<Labels>("labels")?, total);
        }
        Ok(sums)
    }
}
