//! Cells that come in, and what is read of them.

use std::sync::Arc;

use togglebox_core::StoreErrorKind;

use super::UsageStores;
use super::fixtures::{A, B, CROWD, cell, hour, labelled, labels, merged, meter, minute, other_meter, query, race, span};
use crate::store::{MOST_CELLS, RESERVED_WRITER, TOTAL_TOO_LARGE, UsageQuery};
use crate::{Cell, Grain, Labels, MeterId, Series, WriterId};

const GRAINS: [Grain; 3] = [Grain::Minute, Grain::Hour, Grain::Day];

/// What was merged is in every sum that starts later, at every grain, also where the hour was rolled up before.
pub async fn a_merged_cell_is_in_every_sum_that_starts_later(stores: &UsageStores) {
    assert_eq!(stores.total(Grain::Hour).await, 0);
    let mut sum = 0;
    for (n, total) in [5, 7, 11, 13].into_iter().enumerate() {
        let n = u32::try_from(n).unwrap();
        assert_eq!(stores.merge(&[cell(n * 59, 1, total)]).await, merged(1, 0));
        sum += total;
        for grain in GRAINS {
            assert_eq!(stores.total(grain).await, sum, "{grain:?}");
        }
        stores.roll_up(hour(24)).await;
    }
}

/// The greater total stands, in whichever order they come.
pub async fn merging_takes_the_greater_total(stores: &UsageStores) {
    assert_eq!(stores.merge(&[cell(0, 1, 5)]).await, merged(1, 0));
    assert_eq!(stores.merge(&[cell(0, 1, 3)]).await, merged(0, 1));
    assert_eq!(stores.merge(&[cell(0, 1, 5)]).await, merged(0, 1));
    assert_eq!(stores.merge(&[cell(0, 1, 9), cell(0, 1, 8), cell(1, 1, 1)]).await, merged(2, 1));
    assert_eq!(stores.sums(&query(0, 60, Grain::Minute)).await, [(0, 9), (1, 1)]);
}

/// Each writer has a total of its own.
pub async fn a_minute_is_the_sum_over_its_writers(stores: &UsageStores) {
    let cells: Vec<Cell> = (0..5).map(|by| cell(3, by, 10 + u64::from(by))).collect();
    stores.merge(&cells).await;
    assert_eq!(stores.sums(&query(0, 60, Grain::Minute)).await, [(3, 60)]);
}

/// Batches of the same cells, with rising totals, all at once.
pub async fn of_many_reports_of_one_cell_at_once_the_greatest_stands(stores: &UsageStores) {
    for round in 0..10_u64 {
        let stores_of = stores.clone();
        race(move |n| {
            let stores = stores_of.clone();
            let total = round * 10 + u64::from(n) + 1;
            // In opposite orders, so that locks taken in the order of a batch would meet crosswise.
            let mut cells: Vec<_> = (0..20).map(|at| cell(at, 1, total)).collect();
            if n % 2 == 1 {
                cells.reverse();
            }
            async move { stores.merge(&cells).await }
        })
        .await;
        let greatest = round * 10 + u64::from(CROWD);
        assert_eq!(stores.sums(&query(0, 60, Grain::Hour)).await, [(0, 20 * greatest)]);
    }
}

/// Nobody's count is lost to another's.
pub async fn writers_at_once_all_count(stores: &UsageStores) {
    let all = stores.clone();
    race(move |n| {
        let stores = all.clone();
        async move {
            for total in 1..=20 {
                stores.merge(&[cell(0, n, total), cell(61, n, 2 * total)]).await;
            }
        }
    })
    .await;
    assert_eq!(stores.sums(&query(0, 120, Grain::Hour)).await, [(0, 20 * u64::from(CROWD)), (60, 40 * u64::from(CROWD))]);
}

/// A thousand at once, also of many tenants and meters; not one more.
pub async fn a_batch_has_at_most_a_thousand_cells(stores: &UsageStores) {
    let n = |place: usize| u32::try_from(place).unwrap();
    let mut cells: Vec<Cell> = (0..MOST_CELLS).map(|place| cell(n(place), 1, 1)).collect();
    cells[1].tenant = B;
    cells[2].series = Series::plain(other_meter());
    assert_eq!(stores.merge(&cells).await, merged(MOST_CELLS, 0));
    assert_eq!(stores.total(Grain::Minute).await, 998);
    cells.push(cell(2000, 1, 1));
    let refused = stores.ledger.merge_cells(&cells).await.unwrap_err();
    assert_eq!(*refused.kind(), StoreErrorKind::LimitReached { limit: MOST_CELLS });
    assert_eq!(stores.total(Grain::Minute).await, 998);
    assert_eq!(stores.merge(&[]).await, merged(0, 0));
}

/// Events are added up under writers that nobody else may write under; a batch with such a cell is refused as a whole.
pub async fn the_stores_own_writers_and_impossible_totals_are_refused(stores: &UsageStores) {
    let reserved = Cell { writer: WriterId::events(3), ..cell(0, 1, 1) };
    let large = cell(0, 1, Cell::MOST + 1);
    for (wrong, why) in [(reserved, RESERVED_WRITER), (large, TOTAL_TOO_LARGE)] {
        let refused = stores.ledger.merge_cells(&[cell(0, 2, 1), wrong]).await.unwrap_err();
        assert_eq!(*refused.kind(), StoreErrorKind::Refused(why));
    }
    assert_eq!(stores.total(Grain::Hour).await, 0);
}

/// The greatest total, the longest names and every character read back; sums of more than there are numbers for stop at the greatest.
pub async fn the_greatest_total_and_the_longest_labels_read_back(stores: &UsageStores) {
    let longest: MeterId = "m".repeat(MeterId::MOST_BYTES).parse().unwrap();
    let value = "ü'\"\\%_;😀 x".to_owned() + &"z".repeat(40);
    let dimension = "d".repeat(16);
    let labels = Labels::new([(dimension.as_str(), value.as_str()), ("a", &"y".repeat(64)), ("b", &"y".repeat(40))]).unwrap();
    let series = Series { meter: longest, labels: labels.clone() };
    stores.merge(&[Cell { series, ..cell(0, 1, Cell::MOST) }]).await;
    let query = UsageQuery::new(longest, span(0, 60), Grain::Hour).unwrap();
    let buckets = stores.usage.series(A, &query.clone().only(labels).by(&dimension)).await.unwrap();
    assert_eq!(buckets.len(), 1);
    assert_eq!((buckets[0].value.as_deref(), buckets[0].total), (Some(value.as_str()), Cell::MOST));

    stores.merge(&[Cell { series: Series::plain(longest), ..cell(1, 1, 5) }]).await;
    assert_eq!(stores.usage.series(A, &query).await.unwrap()[0].total, Cell::MOST);
}

/// Sums go by minute, hour and day of UTC; a bucket belongs to the span that its first minute lies in.
pub async fn sums_are_by_minute_hour_and_day(stores: &UsageStores) {
    let minutes = [0, 59, 60, 1439, 1440, 2 * 1440 - 1, 2 * 1440];
    let cells: Vec<Cell> = minutes.iter().enumerate().map(|(n, at)| cell(*at, 1, 1 << n)).collect();
    stores.merge(&cells).await;
    assert_eq!(stores.sums(&query(0, 60, Grain::Minute)).await, [(0, 1), (59, 2)]);
    assert_eq!(stores.sums(&query(59, 60, Grain::Minute)).await, [(59, 2)]);
    assert_eq!(stores.sums(&query(0, 1440, Grain::Hour)).await, [(0, 3), (60, 4), (1380, 8)]);
    assert_eq!(stores.sums(&query(0, 3 * 1440, Grain::Day)).await, [(0, 15), (1440, 48), (2880, 64)]);
    assert_eq!(stores.sums(&query(1440, 2 * 1440, Grain::Day)).await, [(1440, 48)]);
    assert_eq!(stores.sums(&query(3 * 1440, 4 * 1440, Grain::Hour)).await, []);
}

/// Sums of some series only, and split by a dimension, at every grain and also when they are rolled up.
pub async fn sums_are_narrowed_and_split_by_labels(stores: &UsageStores) {
    let live = |operation, total| labelled([("environment", "live"), ("operation", operation)], cell(0, 1, total));
    let test = |operation, total| labelled([("environment", "test"), ("operation", operation)], cell(1, 1, total));
    stores.merge(&[live("read", 1), live("write", 2), test("read", 4), test("write", 8), cell(2, 1, 16)]).await;
    for rolled in [false, true] {
        for grain in [Grain::Hour, Grain::Day] {
            let all = query(0, 1440, grain);
            assert_eq!(stores.sums(&all).await, [(0, 31)], "{rolled} {grain:?}");
            assert_eq!(stores.sums(&all.clone().only(labels([("environment", "live")]))).await, [(0, 3)]);
            let both = labels([("environment", "test"), ("operation", "read")]);
            assert_eq!(stores.sums(&all.clone().only(both)).await, [(0, 4)]);
            assert_eq!(stores.sums(&all.clone().only(labels([("environment", "li")]))).await, []);
            let split = stores.usage.series(A, &all.by("operation")).await.unwrap();
            let split: Vec<_> = split.iter().map(|bucket| (bucket.value.as_deref(), bucket.total)).collect();
            assert_eq!(split, [(None, 16), (Some("read"), 5), (Some("write"), 10)]);
        }
        let minutes = stores.usage.series(A, &query(0, 60, Grain::Minute).by("operation")).await.unwrap();
        let minutes: Vec<_> = minutes.iter().map(|bucket| (bucket.start, bucket.value.as_deref(), bucket.total)).collect();
        let expected = [
            (minute(0), Some("read"), 1),
            (minute(0), Some("write"), 2),
            (minute(1), Some("read"), 4),
            (minute(1), Some("write"), 8),
            (minute(2), None, 16),
        ];
        assert_eq!(minutes, expected);
        stores.roll_up(hour(1)).await;
    }
}

/// What one tenant counts is nowhere in what another one reads, nor is one meter's in another's.
pub async fn tenants_and_meters_are_counted_apart(stores: &UsageStores) {
    let other = |cell: Cell| Cell { series: Series::plain(other_meter()), ..cell };
    stores.merge(&[cell(0, 1, 1), Cell { tenant: B, ..cell(0, 1, 2) }, other(cell(0, 1, 4))]).await;
    for _ in 0..2 {
        for grain in GRAINS {
            let query = |meter| UsageQuery::new(meter, span(0, 1440), grain).unwrap();
            for (tenant, meter, total) in [(A, meter(), 1), (B, meter(), 2), (A, other_meter(), 4)] {
                let buckets = stores.usage.series(tenant, &query(meter)).await.unwrap();
                assert_eq!(buckets.iter().map(|bucket| bucket.total).collect::<Vec<_>>(), [total]);
            }
            assert_eq!(stores.usage.series(B, &query(other_meter())).await.unwrap(), []);
        }
        stores.roll_up(hour(1)).await;
    }
}

/// Reading goes on while cells come in, and never goes back.
pub async fn sums_never_fall_while_cells_come_in(stores: &UsageStores) {
    let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (writing, done) = (stores.clone(), Arc::clone(&ended));
    let writer = tokio::spawn(async move {
        for total in 1..=50 {
            writing.merge(&[cell(0, 1, total), cell(70, 2, total)]).await;
            writing.roll_up(hour(2)).await;
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    let mut last = 0;
    loop {
        let over = ended.load(std::sync::atomic::Ordering::SeqCst);
        let total = stores.sums(&query(0, 1440, Grain::Day)).await.iter().map(|(_, total)| total).sum();
        assert!(total >= last, "{total} after {last}");
        last = total;
        if over {
            break;
        }
    }
    writer.await.unwrap();
    assert_eq!(last, 100);
}
