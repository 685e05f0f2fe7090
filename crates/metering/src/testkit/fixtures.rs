//! What the promises are tried on.

use std::future::Future;

use togglebox_core::{TenantId, Timestamp};
use uuid::Uuid;

use super::UsageStores;
use crate::store::{Bucket, MergeReport, UsageQuery};
use crate::{Cell, Grain, Hour, Ingested, Labels, MeterId, Minute, Series, Span, UsageEvent, WriterId};

/// How many take part in a race.
pub(super) const CROWD: u8 = 8;
/// The tenant that most promises are about.
pub(super) const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa_0001));
/// Another one.
pub(super) const B: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa_0002));

/// 2028-02-28T00:00Z, the day before a leap day.
const FIRST: u32 = 21_242 * 1440;

/// Minutes into the tests' time, which begins with a day.
pub(super) const fn minute(n: u32) -> Minute {
    Minute::from_number(FIRST + n)
}

pub(super) const fn hour(n: u32) -> Hour {
    minute(60 * n).hour()
}

pub(super) const fn at(n: u32) -> Timestamp {
    minute(n).start()
}

pub(super) fn meter() -> MeterId {
    "api.requests".parse().unwrap()
}

pub(super) fn other_meter() -> MeterId {
    "api.bytes".parse().unwrap()
}

pub(super) const fn writer(n: u8) -> WriterId {
    WriterId::from_u128((0xbeef << 64) + n as u128)
}

pub(super) fn labels<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    Labels::new(pairs).unwrap()
}

/// A total of tenant A.
pub(super) fn cell(at: u32, by: u8, total: u64) -> Cell {
    Cell { tenant: A, series: Series::plain(meter()), minute: minute(at), writer: writer(by), total }
}

pub(super) fn labelled<const N: usize>(pairs: [(&str, &str); N], mut cell: Cell) -> Cell {
    cell.series.labels = labels(pairs);
    cell
}

/// Event `n` of the tests' source.
pub(super) fn event(n: u32, at_minute: u32, quantity: u64) -> UsageEvent {
    UsageEvent::new("tests", &format!("event-{n}"), Series::plain(meter()), quantity, at(at_minute)).unwrap()
}

pub(super) fn span(from: u32, until: u32) -> Span {
    Span::new(minute(from), minute(until)).unwrap()
}

pub(super) fn query(from: u32, until: u32, grain: Grain) -> UsageQuery {
    UsageQuery::new(meter(), span(from, until), grain).unwrap()
}

/// Runs [`CROWD`] calls at once. Their answers stand in the order of the calls, whichever ends first.
pub(super) async fn race<T, F>(call: impl Fn(u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<_> = (0..CROWD).map(|n| tokio::spawn(call(n))).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

/// What a report says of cells that are all taken in.
pub(super) fn merged(news: usize, known: usize) -> MergeReport {
    MergeReport { news, known, late: Vec::new() }
}

impl UsageStores {
    pub(super) async fn merge(&self, cells: &[Cell]) -> MergeReport {
        self.ledger.merge_cells(cells).await.unwrap()
    }

    /// All that tenant A has used of the meter in the first ten days, at this grain.
    pub(super) async fn total(&self, grain: Grain) -> u64 {
        let mut total = 0;
        // In parts, since a query has so many buckets at most.
        for day in 0..10 {
            total += self.sums(&query(day * 1440, (day + 1) * 1440, grain)).await.iter().map(|(_, total)| total).sum::<u64>();
        }
        total
    }

    /// Buckets of tenant A, with their minutes in the tests' time.
    pub(super) async fn sums(&self, query: &UsageQuery) -> Vec<(u32, u64)> {
        let buckets = self.usage.series(A, query).await.unwrap();
        buckets.into_iter().map(|Bucket { start, total, .. }| (start.number() - FIRST, total)).collect()
    }

    pub(super) async fn ingest(&self, events: &[UsageEvent], now: u32) -> Vec<Ingested> {
        self.usage.ingest(A, events, at(now)).await.unwrap()
    }

    /// Rolls up whatever is stale before an hour.
    pub(super) async fn roll_up(&self, until: Hour) {
        for stale in self.ledger.stale_hours(until, 1000).await.unwrap() {
            self.usage.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_time_begins_with_a_day_of_february() {
        assert_eq!(minute(0).to_string(), "2028-02-28T00:00Z");
        assert_eq!(minute(2 * 1440).to_string(), "2028-03-01T00:00Z");
    }
}
