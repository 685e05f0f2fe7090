//! A store in memory that keeps the promises of the ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use togglebox_core::{StoreResult, TenantId, Timestamp};

use super::UsageStores;
use crate::store::{
    AHEAD, Bucket, MergeReport, Prune, RollUp, StaleHour, UsageLedger, UsageQuery, UsageSink, UsageStore, check_cells,
    check_events, pools_from,
};
use crate::{
    Cell, CellKey, Day, Grain, Hour, Ingested, Labels, Leased, MeterId, Minute, Pool, Rejection, Step, Totals, UsageEvent,
    Watermark, WriterId,
};

/// Usage in memory. For tests, and for programs that need not remember.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

/// Totals by labels and writer.
type Writers = BTreeMap<(Labels, WriterId), u64>;

#[derive(Debug, Default)]
struct State {
    /// By tenant, meter and minute.
    cells: BTreeMap<(TenantId, MeterId, Minute), Writers>,
    /// Roll-ups, and notes that there has to be one.
    hours: BTreeMap<(TenantId, MeterId, Hour), HourRow>,
    days: BTreeMap<(TenantId, MeterId, Day), Totals>,
    /// Minutes of claimed events, by tenant, source and id.
    claims: BTreeMap<(TenantId, Box<str>, Box<str>), Minute>,
    watermarks: BTreeMap<WriterId, Watermark>,
    /// By tenant, meter and the beginning of the period.
    pools: BTreeMap<(TenantId, MeterId, Minute), Pool>,
    /// Minutes before this are pruned, or being pruned.
    minutes_from: Minute,
    /// Hours before this day are.
    hours_from: Minute,
}

#[derive(Debug, Default)]
struct HourRow {
    totals: Totals,
    /// 0 when it was never rolled up.
    revision: u32,
    stale: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The ports of an empty store: what the suite asks for.
    #[expect(clippy::unused_async, reason = "other stores need to be waited for")]
    pub async fn fresh() -> UsageStores {
        UsageStores::over(&Arc::new(Self::new()))
    }

    /// The sum of all cells of all tenants that are not pruned.
    pub fn total(&self) -> u64 {
        let state = self.lock();
        let totals: Totals = state.cells.values().flatten().map(|((labels, _), total)| (labels.clone(), *total)).collect();
        totals.sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Sets a total that has become another.
    fn set(&mut self, key: CellKey, total: u64) {
        let CellKey { tenant, series, minute, writer } = key;
        self.cells.entry((tenant, series.meter, minute)).or_default().insert((series.labels, writer), total);
        self.hours.entry((tenant, series.meter, minute.hour())).or_default().stale = true;
    }

    fn get(&self, key: &CellKey) -> Option<u64> {
        let minute = self.cells.get(&(key.tenant, key.series.meter, key.minute))?;
        minute.get(&(key.series.labels.clone(), key.writer)).copied()
    }

    fn ingest(&mut self, tenant: TenantId, event: &UsageEvent, now: Timestamp) -> Ingested {
        let claim = (tenant, Box::from(event.source()), Box::from(event.id()));
        if self.claims.contains_key(&claim) {
            return Ingested::Duplicate;
        }
        if event.minute() < self.minutes_from {
            return Ingested::Rejected(Rejection::TooLate { from: self.minutes_from });
        }
        if event.minute().start() > now.plus(AHEAD) {
            return Ingested::Rejected(Rejection::Ahead);
        }
        let key = CellKey { tenant, series: event.series().clone(), minute: event.minute(), writer: WriterId::events(0) };
        let total = self.get(&key).unwrap_or_default().saturating_add(event.quantity());
        if total > Cell::MOST {
            return Ingested::Rejected(Rejection::Overflow);
        }
        self.set(key, total);
        self.claims.insert(claim, event.minute());
        Ingested::New
    }

    /// What was counted in a minute.
    fn minute(&self, tenant: TenantId, meter: MeterId, minute: Minute) -> Totals {
        let mut totals = Totals::default();
        // What is half removed is not shown.
        if minute >= self.minutes_from {
            for ((labels, _), total) in self.cells.get(&(tenant, meter, minute)).into_iter().flatten() {
                totals.add(labels.clone(), *total);
            }
        }
        totals
    }

    /// What was counted in an hour: the cells if they are there, and otherwise their roll-up.
    fn hour(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> Totals {
        if hour.start() < self.minutes_from {
            let closed = hour.start() >= self.hours_from;
            return self.hours.get(&(tenant, meter, hour)).filter(|_| closed).map(|row| row.totals.clone()).unwrap_or_default();
        }
        let span = hour.span();
        let mut totals = Totals::default();
        for ((_, _, minute), _) in self.cells.range((tenant, meter, span.from())..(tenant, meter, span.until())) {
            totals.join(&self.minute(tenant, meter, *minute));
        }
        totals
    }

    fn day(&self, tenant: TenantId, meter: MeterId, day: Day) -> Totals {
        if day.start() < self.hours_from {
            return self.days.get(&(tenant, meter, day)).cloned().unwrap_or_default();
        }
        let mut totals = Totals::default();
        for hour in day.hours() {
            totals.join(&self.hour(tenant, meter, hour));
        }
        totals
    }

    fn rollup(&mut self, tenant: TenantId, meter: MeterId, hour: Hour) -> Option<RollUp> {
        if hour.start() >= self.minutes_from {
            let totals = self.hour(tenant, meter, hour);
            let row = self.hours.get_mut(&(tenant, meter, hour))?;
            if row.revision == 0 || row.totals != totals {
                row.revision += 1;
                row.totals = totals;
            }
            row.stale = false;
            let day = self.day(tenant, meter, hour.day());
            self.days.insert((tenant, meter, hour.day()), day);
        }
        self.rolled_up(tenant, meter, hour)
    }

    fn rolled_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> Option<RollUp> {
        let row = self.hours.get(&(tenant, meter, hour)).filter(|row| row.revision > 0)?;
        Some(RollUp { total: row.totals.sum(), revision: row.revision, stale: row.stale })
    }

    fn prune_minutes(&mut self, before: Minute, limit: usize) -> usize {
        let stale = self.hours.iter().filter(|(_, row)| row.stale).map(|((_, _, hour), _)| hour.start()).min();
        let reach = stale.unwrap_or(before).min(before).floor(Grain::Hour);
        self.minutes_from = self.minutes_from.max(reach);
        let mut left = limit;
        for ((_, _, minute), cells) in &mut self.cells {
            if *minute < self.minutes_from {
                while left > 0 && cells.pop_first().is_some() {
                    left -= 1;
                }
            }
        }
        self.cells.retain(|_, cells| !cells.is_empty());
        limit - left
    }

    fn prune(&mut self, what: Prune, before: Minute, limit: usize) -> usize {
        match what {
            Prune::Minutes => self.prune_minutes(before, limit),
            Prune::Hours => {
                self.hours_from = self.hours_from.max(before.min(self.minutes_from).floor(Grain::Day));
                let from = self.hours_from;
                take(&mut self.hours, limit, |(_, _, hour), _| hour.start() < from)
            }
            Prune::Claims => {
                let from = before.min(self.minutes_from);
                take(&mut self.claims, limit, |_, minute| *minute < from)
            }
            Prune::Watermarks => take(&mut self.watermarks, limit, |_, mark| mark.seen_at < before.start()),
        }
    }
}

/// Removes at most `limit` of what `which` picks; says how many.
fn take<K: Clone + Ord, V>(map: &mut BTreeMap<K, V>, limit: usize, which: impl Fn(&K, &V) -> bool) -> usize {
    let picked: BTreeSet<K> =
        map.iter().filter(|(key, value)| which(key, value)).map(|(key, _)| key.clone()).take(limit).collect();
    map.retain(|key, _| !picked.contains(key));
    picked.len()
}

#[async_trait]
impl UsageStore for MemoryStore {
    async fn ingest(&self, tenant: TenantId, events: &[UsageEvent], now: Timestamp) -> StoreResult<Vec<Ingested>> {
        check_events(events, "usage.ingest")?;
        let mut state = self.lock();
        Ok(events.iter().map(|event| state.ingest(tenant, event, now)).collect())
    }

    async fn series(&self, tenant: TenantId, query: &UsageQuery) -> StoreResult<Vec<Bucket>> {
        let (state, span, meter, grain) = (self.lock(), query.span(), query.meter(), query.grain());
        let mut buckets = Vec::new();
        let mut start = span.from();
        while start < span.until() {
            let totals = match grain {
                Grain::Minute => state.minute(tenant, meter, start),
                Grain::Hour => state.hour(tenant, meter, start.hour()),
                Grain::Day => state.day(tenant, meter, start.day()),
            };
            buckets.extend(query.buckets(start, &totals));
            start = start.plus(grain.minutes());
        }
        Ok(buckets)
    }

    async fn rollup(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        Ok(self.lock().rollup(tenant, meter, hour))
    }

    async fn rolled_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>> {
        Ok(self.lock().rolled_up(tenant, meter, hour))
    }

    async fn lease(&self, tenant: TenantId, step: &Step) -> StoreResult<Option<Leased>> {
        let mut state = self.lock();
        let key = (tenant, step.meter, step.period);
        if let Some(pool) = state.pools.get_mut(&key) {
            return Ok(Some(pool.take(step)));
        }
        let Some(used) = step.used else { return Ok(None) };
        let mut pool = Pool::begun(used);
        let leased = pool.take(step);
        let from = pools_from(step.period);
        state.pools.retain(|(of, meter, period), _| *of != tenant || *meter != step.meter || *period >= from);
        state.pools.insert(key, pool);
        Ok(Some(leased))
    }
}

#[async_trait]
impl UsageSink for MemoryStore {
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        check_cells(cells, "usage_sink.merge_cells")?;
        let (mut state, mut report) = (self.lock(), MergeReport::default());
        for (place, cell) in cells.iter().enumerate() {
            let key = cell.key();
            if cell.minute < state.minutes_from {
                report.late.push(place);
            } else if state.get(&key).is_some_and(|there| there >= cell.total) {
                report.known += 1;
            } else {
                report.news += 1;
                state.set(key, cell.total);
            }
        }
        Ok(report)
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        let mut state = self.lock();
        let known = state.watermarks.entry(watermark.writer).or_insert(*watermark);
        *known = known.joined(*watermark);
        Ok(())
    }
}

#[async_trait]
impl UsageLedger for MemoryStore {
    async fn watermarks(&self) -> StoreResult<Vec<Watermark>> {
        Ok(self.lock().watermarks.values().filter(|mark| !mark.ended).copied().collect())
    }

    async fn stale_hours(&self, until: Hour, limit: usize) -> StoreResult<Vec<StaleHour>> {
        let state = self.lock();
        let stale = state.hours.iter().filter(|((_, _, hour), row)| row.stale && *hour < until);
        let mut hours: Vec<_> =
            stale.map(|((tenant, meter, hour), _)| StaleHour { hour: *hour, tenant: *tenant, meter: *meter }).collect();
        hours.sort();
        hours.truncate(limit);
        Ok(hours)
    }

    async fn added_up(&self, tenants: &[TenantId], meter: MeterId, from: Day, until: Day) -> StoreResult<Vec<u64>> {
        let state = self.lock();
        let sum = |tenant: &TenantId| {
            let days = state.days.range((*tenant, meter, from)..(*tenant, meter, until));
            days.fold(Totals::default(), |mut sum, (_, day)| {
                sum.join(day);
                sum
            })
        };
        Ok(tenants.iter().map(|tenant| sum(tenant).sum()).collect())
    }

    async fn prune(&self, what: Prune, before: Minute, limit: usize) -> StoreResult<usize> {
        Ok(self.lock().prune(what, before, limit))
    }
}
