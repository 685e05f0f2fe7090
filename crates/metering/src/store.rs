//! What this crate needs of a store.
//!
//! Three ports: what is of one tenant names it first ([`UsageStore`]); a [`UsageSink`] takes in what nodes have counted, of all tenants; the
//! [`UsageLedger`] is a store that does so, for the work that goes over all tenants. Every call
//! may be repeated, and then changes nothing more. A call that fails has changed nothing, except for `Unavailable`, after which part of
//! it or all may be done and repeating is safe. Every call may fail with `Unavailable`, every one that reads with `Corrupt`.
//!
//! What was given to [`merge_cells`](UsageSink::merge_cells) of a store or [`ingest`](UsageStore::ingest) is in every
//! [`series`](UsageStore::series) that starts after they returned, at every grain: roll-ups make reading cheaper, never staler.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};

use crate::{
    Cell, Day, Grain, Hour, Ingested, Labels, Leased, MeterId, Minute, Sealing, Span, Step, Totals, UsageEvent, Watermark,
};

/// The most cells of one call.
pub const MOST_CELLS: usize = 1000;
/// The most events of one call.
pub const MOST_EVENTS: usize = 500;
/// How far ahead of the store's caller an event's time may lie.
pub const AHEAD: Duration = Duration::from_mins(5);

/// A writer of the store's own was named; the name in [`Refused`](StoreErrorKind::Refused).
pub const RESERVED_WRITER: &str = "reserved-writer";
/// A total is larger than [`Cell::MOST`].
pub const TOTAL_TOO_LARGE: &str = "total-too-large";

/// The usage of one tenant.
#[async_trait]
pub trait UsageStore: Send + Sync + Debug + 'static {
    /// Takes in what other services report, at most [`MOST_EVENTS`] at once; says of each what became of it, in their order. An event is
    /// known by source and id, and claimed and counted in one act, so that it counts exactly once however often, and by how many at
    /// once, it is sent. Of a failed call some events may count: send all again.
    ///
    /// An event that counts is told as a duplicate also when its minute is closed meanwhile, until its claim is [pruned](Prune::Claims).
    ///
    /// # Errors
    /// `LimitReached`.
    async fn ingest(&self, tenant: TenantId, events: &[UsageEvent], now: Timestamp) -> StoreResult<Vec<Ingested>>;

    /// Sums, in the order of time and then of values. Buckets in which nothing was counted are left out; a bucket of minutes that were
    /// [pruned](Prune) has what its roll-up has, or nothing at a finer grain than what is left.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn series(&self, tenant: TenantId, query: &UsageQuery) -> StoreResult<Vec<Bucket>>;

    /// Computes an hour, and its day, from what there is of it, and keeps that. Never adds to what was kept: so it may run any number of
    /// times, anywhere, also while cells come in. Each time that this gives something else than before is a revision, the first is 1.
    /// `None` when nothing was ever counted. An hour whose minutes are pruned stays as it is.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn rollup(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>>;

    /// What the last roll-up of an hour gave.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn rolled_up(&self, tenant: TenantId, meter: MeterId, hour: Hour) -> StoreResult<Option<RollUp>>;

    /// Takes a step of a holder in the [pool](crate::Pool) of a quota, in one act: of many at once each sees what those before it left, so
    /// that no more is granted than there is. A step that tells of more than was granted raises it: see [`Pool`](crate::Pool). `None` where there is no such pool, and the step does not begin one; then nothing is done.
    /// Pools of periods that began more than [`POOLS_KEPT`] before one that is begun are removed.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn lease(&self, tenant: TenantId, step: &Step) -> StoreResult<Option<Leased>>;
}

/// For how long a pool is there at the least, from the beginning of its period. Clocks that differ are still in the same one.
pub const POOLS_KEPT: Duration = Duration::from_hours(62 * 24);

/// Pools of periods that began before this are removed when one of `period` is begun.
pub fn pools_from(period: Minute) -> Minute {
    let kept = u32::try_from(POOLS_KEPT.as_secs() / 60).unwrap_or(u32::MAX);
    Minute::from_number(period.number().saturating_sub(kept))
}

/// Where nodes bring what they have counted: the store itself, or what stands before it.
#[async_trait]
pub trait UsageSink: Send + Sync + Debug + 'static {
    /// Takes cells in, at most [`MOST_CELLS`] at once, of any tenants. Each cell is an act of its own: it is raised to the total that is
    /// given, if it was lower. A cell that is raised makes its hour stale. A cell of a minute that was [pruned](Prune::Minutes) is not
    /// taken in, since it cannot be known any more whether it counts already; the report names it.
    ///
    /// # Errors
    /// `LimitReached`, `Refused(RESERVED_WRITER)`, `Refused(TOTAL_TOO_LARGE)`.
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport>;

    /// Notes how far a writer is, [joined](Watermark::joined) with what was known.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()>;
}

/// The usage of all tenants, for the nodes that keep it.
#[async_trait]
pub trait UsageLedger: UsageSink {
    /// How far each writer is that has not ended, in the order of their ids.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn watermarks(&self) -> StoreResult<Vec<Watermark>>;

    /// Hours before `until` that have something that their roll-up has not, or no roll-up: at most `limit` (1 to 1000), the oldest first.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn stale_hours(&self, until: Hour, limit: usize) -> StoreResult<Vec<StaleHour>>;

    /// How much each of `tenants`, at most 1000, has used in the days from `from` to `until`, that one not among them, in their order: as far
    /// as it is added up. Not less than what was rolled up, nor more than what was counted. For those who look at all tenants: a call costs
    /// as much as a read of one tenant's days for each.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn added_up(&self, tenants: &[TenantId], meter: MeterId, from: Day, until: Day) -> StoreResult<Vec<u64>>;

    /// Removes what is older than `before`, at most `limit` (1 to 1000) of it; says how many. Fewer than `limit` means that none are left.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prune(&self, what: Prune, before: Minute, limit: usize) -> StoreResult<usize>;
}

/// Conveniences over [`UsageLedger`].
#[async_trait]
pub trait UsageLedgerExt: UsageLedger {
    /// Up to when all usage is in the store, and what is missing.
    ///
    /// # Errors
    /// Those of [`watermarks`](UsageLedger::watermarks).
    async fn sealed_upto(&self, now: Timestamp, lost_after: Duration) -> StoreResult<Sealing> {
        Ok(Sealing::of(&self.watermarks().await?, now, lost_after))
    }
}

impl<L: UsageLedger + ?Sized> UsageLedgerExt for L {}

/// What can be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Cells of whole hours that are rolled up; not beyond the first stale hour of anybody. From then on cells and events of those
    /// minutes are not taken in any more.
    Minutes,
    /// Roll-ups of hours, of whole days whose minutes are pruned. Those of days stay.
    Hours,
    /// Ids of events whose minutes are pruned. An id that is sent again after that is too late, not a duplicate. Keep them for 35 days:
    /// so far back billing services take corrections.
    Claims,
    /// Watermarks of writers that were seen last before then, ended or lost.
    Watermarks,
}

/// What became of a batch of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeReport {
    /// Cells that were raised, or new.
    pub news: usize,
    /// Cells that were contained already.
    pub known: usize,
    /// Which cells came too late, by their places in the batch, in order.
    pub late: Vec<usize>,
}

/// An hour to be rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleHour {
    /// Which.
    pub hour: Hour,
    /// Whose.
    pub tenant: TenantId,
    /// Of what.
    pub meter: MeterId,
}

/// An hour that was rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollUp {
    /// The sum of the hour.
    pub total: u64,
    /// How often it became another, from 1.
    pub revision: u32,
    /// Whether cells have come in since.
    pub stale: bool,
}

/// A sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its first minute.
    pub start: Minute,
    /// The value of the dimension by which the query splits; `None` for series that do not have it.
    pub value: Option<Box<str>>,
    /// How much; [`Cell::MOST`] when it is more.
    pub total: u64,
}

impl Bucket {
    /// What these have together; the greatest number when it is more.
    pub fn sum(buckets: &[Self]) -> u64 {
        buckets.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.total))
    }
}

/// A query that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidQuery {
    /// The span cuts through buckets.
    #[error("the span must begin and end at the border of a bucket")]
    Cut,
    /// There would be too many buckets.
    #[error("the span must have at most {} buckets", UsageQuery::MOST_BUCKETS)]
    TooLong,
}

/// Which sums are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    meter: MeterId,
    span: Span,
    grain: Grain,
    only: Labels,
    by: Option<Box<str>>,
}

impl UsageQuery {
    /// The most buckets of time of one query: a day of minutes, two months of hours, four years of days.
    pub const MOST_BUCKETS: u32 = 1500;

    /// All that was counted of `meter` in `span`, which has whole buckets of `grain`.
    ///
    /// # Errors
    /// [`InvalidQuery`].
    pub fn new(meter: MeterId, span: Span, grain: Grain) -> Result<Self, InvalidQuery> {
        if !span.is_whole(grain) {
            return Err(InvalidQuery::Cut);
        }
        if span.buckets(grain) > Self::MOST_BUCKETS {
            return Err(InvalidQuery::TooLong);
        }
        Ok(Self { meter, span, grain, only: Labels::none(), by: None })
    }

    /// Queries that have together all that was counted of `meter` in `span`, of any length and cut, each of the coarsest buckets that there is
    /// room for: at most five, in the order of time. What a period comes to that does not begin at midnight.
    ///
    /// # Errors
    /// [`InvalidQuery::TooLong`] for more than four years.
    pub fn covering(meter: MeterId, span: Span) -> Result<Vec<Self>, InvalidQuery> {
        let (mut begin, mut end) = (span.from(), span.until());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        // From the outside to the inside: minutes up to a full hour, hours up to a full day.
        for (coarse, fine) in [(Grain::Hour, Grain::Minute), (Grain::Day, Grain::Hour)] {
            let first = begin.ceil(coarse).min(end);
            let last = end.floor(coarse).max(first);
            before.push((begin, first, fine));
            after.push((last, end, fine));
            (begin, end) = (first, last);
        }
        let middle = std::iter::once((begin, end, Grain::Day));
        let parts = before.into_iter().chain(middle).chain(after.into_iter().rev());
        let queries = parts.filter_map(|(from, until, grain)| Some(Self::new(meter, Span::new(from, until).ok()?, grain)));
        queries.collect()
    }

    /// Only series that have all of these labels.
    #[must_use]
    pub fn only(self, labels: Labels) -> Self {
        Self { only: labels, ..self }
    }

    /// Split by the values of this dimension. There are at most as many of them as the recorders tell apart.
    #[must_use]
    pub fn by(self, dimension: &str) -> Self {
        Self { by: Some(dimension.into()), ..self }
    }

    /// Of what.
    pub const fn meter(&self) -> MeterId {
        self.meter
    }

    /// When.
    pub const fn span(&self) -> Span {
        self.span
    }

    /// How fine.
    pub const fn grain(&self) -> Grain {
        self.grain
    }

    /// Whether a series of the meter is wanted.
    pub fn wants(&self, labels: &Labels) -> bool {
        labels.have(&self.only)
    }

    /// The value of [`Bucket::value`] for a series.
    pub fn value<'a>(&self, labels: &'a Labels) -> Option<&'a str> {
        self.by.as_deref().and_then(|dimension| labels.get(dimension))
    }

    /// What this query shows of the bucket that begins with `start`, of all that was counted in it.
    pub fn buckets(&self, start: Minute, totals: &Totals) -> Vec<Bucket> {
        let mut split: BTreeMap<Option<&str>, Totals> = BTreeMap::new();
        for (labels, total) in totals.iter().filter(|(labels, total)| self.wants(labels) && **total > 0) {
            split.entry(self.value(labels)).or_default().add(Labels::none(), *total);
        }
        split.into_iter().map(|(value, total)| Bucket { start, value: value.map(Box::from), total: total.sum() }).collect()
    }
}

/// What every adapter checks of events before it takes any in.
///
/// # Errors
/// Those of [`ingest`](UsageStore::ingest) that do not depend on what is stored.
pub fn check_events(events: &[UsageEvent], operation: &'static str) -> StoreResult<()> {
    if events.len() > MOST_EVENTS {
        return Err(StoreError::new(StoreErrorKind::LimitReached { limit: MOST_EVENTS }, operation));
    }
    Ok(())
}

/// What every adapter checks of cells before it takes any in.
///
/// # Errors
/// Those of [`merge_cells`](UsageSink::merge_cells) that do not depend on what is stored.
pub fn check_cells(cells: &[Cell], operation: &'static str) -> StoreResult<()> {
    if cells.len() > MOST_CELLS {
        return Err(StoreError::new(StoreErrorKind::LimitReached { limit: MOST_CELLS }, operation));
    }
    if cells.iter().any(|cell| cell.writer.is_reserved()) {
        return Err(StoreError::new(StoreErrorKind::Refused(RESERVED_WRITER), operation));
    }
    if cells.iter().any(|cell| cell.total > Cell::MOST) {
        return Err(StoreError::new(StoreErrorKind::Refused(TOTAL_TOO_LARGE), operation));
    }
    Ok(())
}

/// Tells the log of cells that came too late.
pub(crate) fn tell_late(cells: &[Cell], report: &MergeReport) {
    metrics::counter!("metering_cells_late_total").increment(report.late.len() as u64);
    for cell in report.late.iter().filter_map(|place| cells.get(*place)) {
        tracing::error!(
            tenant.id = %cell.tenant,
            meter = %cell.series.meter,
            minute = %cell.minute,
            writer = %cell.writer,
            total = cell.total,
            "Usage came after its minute was pruned, and may not be counted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_whole_buckets_and_not_too_many() {
        let meter = "m".parse().unwrap();
        let span = |from, until| Span::new(Minute::from_number(from), Minute::from_number(until)).unwrap();
        assert!(UsageQuery::new(meter, span(60, 120), Grain::Hour).is_ok());
        assert_eq!(UsageQuery::new(meter, span(61, 120), Grain::Hour), Err(InvalidQuery::Cut));
        assert_eq!(UsageQuery::new(meter, span(60, 121), Grain::Hour), Err(InvalidQuery::Cut));
        assert!(UsageQuery::new(meter, span(0, 1500), Grain::Minute).is_ok());
        assert_eq!(UsageQuery::new(meter, span(0, 1501), Grain::Minute), Err(InvalidQuery::TooLong));
    }

    #[test]
    fn a_span_that_begins_anywhere_is_covered_by_few_queries() {
        let meter = "m".parse().unwrap();
        let parts = |from, until| {
            let span = Span::new(Minute::from_number(from), Minute::from_number(until)).unwrap();
            let queries = UsageQuery::covering(meter, span).unwrap();
            queries.iter().map(|query| (query.span.from().number(), query.span.until().number(), query.grain)).collect::<Vec<_>>()
        };
        let (day, hour) = (1440, 60);
        assert_eq!(parts(day, 3 * day), [(day, 3 * day, Grain::Day)]);
        let cut = parts(11 * hour, 3 * day + 2 * hour);
        assert_eq!(cut, [(11 * hour, day, Grain::Hour), (day, 3 * day, Grain::Day), (3 * day, 3 * day + 2 * hour, Grain::Hour)]);
        assert_eq!(parts(61, 62), [(61, 62, Grain::Minute)]);
        assert_eq!(parts(hour, 2 * hour), [(hour, 2 * hour, Grain::Hour)]);
        for (from, until) in [(1, 3 * day - 1), (59, 61), (day - 1, day + 1), (hour + 1, day + hour + 1), (7, 59)] {
            let parts = parts(from, until);
            assert!(parts.len() <= 5, "{parts:?}");
            assert_eq!((parts[0].0, parts.last().unwrap().1), (from, until), "{parts:?}");
            assert!(parts.windows(2).all(|two| two[0].1 == two[1].0), "without a gap, and nothing twice: {parts:?}");
        }
        let long = Span::new(Minute::from_number(0), Minute::from_number(1501 * day)).unwrap();
        assert_eq!(UsageQuery::covering(meter, long), Err(InvalidQuery::TooLong));
    }
}
