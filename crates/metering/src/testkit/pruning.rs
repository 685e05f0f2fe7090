//! What is removed, and what stays of it.

use super::UsageStores;
use super::fixtures::{A, B, CROWD, cell, event, hour, labelled, labels, meter, minute, query, race};
use crate::store::{MergeReport, Prune, RollUp};
use crate::{Grain, Ingested, Rejection};

impl UsageStores {
    async fn prune(&self, what: Prune, before: u32) -> usize {
        self.ledger.prune(what, minute(before), 1000).await.unwrap()
    }

    /// Three hours of two days, rolled up, and the minutes of the first day pruned.
    async fn closed_day(&self) {
        let labelled = labelled([("a", "b")], cell(61, 1, 4));
        self.merge(&[cell(0, 1, 1), cell(1, 1, 2), labelled, cell(1440, 1, 8)]).await;
        self.roll_up(hour(48)).await;
        assert_eq!(self.prune(Prune::Minutes, 1440).await, 3);
    }
}

/// Hours and days keep what the minutes had, with its labels.
pub async fn pruned_minutes_stay_in_hours_and_days(stores: &UsageStores) {
    stores.closed_day().await;
    assert_eq!(stores.sums(&query(0, 1440, Grain::Minute)).await, []);
    assert_eq!(stores.sums(&query(1440, 1500, Grain::Minute)).await, [(1440, 8)]);
    assert_eq!(stores.sums(&query(0, 2 * 1440, Grain::Hour)).await, [(0, 3), (60, 4), (1440, 8)]);
    assert_eq!(stores.sums(&query(0, 2 * 1440, Grain::Day)).await, [(0, 7), (1440, 8)]);
    assert_eq!(stores.sums(&query(0, 1440, Grain::Day).only(labels([("a", "b")]))).await, [(0, 4)]);
    assert_eq!(stores.prune(Prune::Minutes, 1440).await, 0);
}

/// Nothing goes that is not in a roll-up yet, of whichever tenant.
pub async fn no_minute_of_a_stale_hour_is_pruned(stores: &UsageStores) {
    stores.merge(&[cell(0, 1, 1), cell(60, 1, 2), cell(120, 1, 4), crate::Cell { tenant: B, ..cell(60, 1, 8) }]).await;
    assert_eq!(stores.prune(Prune::Minutes, 1440).await, 0);
    for number in [0, 1, 2] {
        stores.usage.rollup(A, meter(), hour(number)).await.unwrap();
    }
    assert_eq!(stores.prune(Prune::Minutes, 1440).await, 1, "the other tenant's second hour is in the way");
    assert_eq!(stores.sums(&query(0, 180, Grain::Minute)).await, [(60, 2), (120, 4)]);
    assert_eq!(stores.total(Grain::Day).await, 7);
    // A time within an hour is not a border: the hour stays whole.
    stores.roll_up(hour(24)).await;
    assert_eq!(stores.prune(Prune::Minutes, 119).await, 0);
    assert_eq!(stores.prune(Prune::Minutes, 120).await, 2);
}

/// Whether such a cell counts already cannot be told any more: it is named, and changes nothing; the others of its batch count.
pub async fn a_cell_of_a_pruned_minute_is_late_and_does_not_count(stores: &UsageStores) {
    stores.closed_day().await;
    let late = [cell(1441, 1, 16), cell(0, 1, 1), cell(1439, 9, 100), cell(1440, 1, 8)];
    assert_eq!(stores.merge(&late).await, MergeReport { news: 1, known: 1, late: vec![1, 2] });
    assert_eq!(stores.sums(&query(0, 2 * 1440, Grain::Day)).await, [(0, 7), (1440, 24)]);
    assert_eq!(stores.ledger.stale_hours(hour(48), 10).await.unwrap().len(), 1);
}

/// There is nothing to work it out from.
pub async fn rolling_up_what_is_pruned_changes_nothing(stores: &UsageStores) {
    stores.closed_day().await;
    let stands = Some(RollUp { total: 3, revision: 1, stale: false });
    assert_eq!(stores.usage.rollup(A, meter(), hour(0)).await.unwrap(), stands);
    assert_eq!(stores.usage.rollup(A, meter(), hour(5)).await.unwrap(), None);
    assert_eq!(stores.total(Grain::Day).await, 15);
}

/// A day is kept when its hours are gone, and only whole days go.
pub async fn pruned_hours_stay_in_days(stores: &UsageStores) {
    stores.closed_day().await;
    assert_eq!(stores.prune(Prune::Hours, 1439).await, 0);
    assert_eq!(stores.prune(Prune::Hours, 3 * 1440).await, 2, "not those whose minutes are there");
    assert_eq!(stores.sums(&query(0, 2 * 1440, Grain::Hour)).await, [(1440, 8)]);
    assert_eq!(stores.sums(&query(0, 2 * 1440, Grain::Day)).await, [(0, 7), (1440, 8)]);
    assert_eq!(stores.sums(&query(0, 1440, Grain::Day).only(labels([("a", "b")]))).await, [(0, 4)]);
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(0)).await.unwrap(), None);
}

/// A few at a time, and no sum is ever of a part.
pub async fn pruning_goes_in_parts(stores: &UsageStores) {
    let cells: Vec<_> = (0..10).flat_map(|at| [cell(at, 1, 1), cell(at, 2, 1)]).collect();
    stores.merge(&cells).await;
    stores.roll_up(hour(1)).await;
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(stores.ledger.prune(Prune::Minutes, minute(60), 7).await.unwrap());
        assert_eq!(stores.sums(&query(0, 60, Grain::Minute)).await, []);
        assert_eq!(stores.total(Grain::Hour).await, 20);
    }
    assert_eq!(removed.iter().sum::<usize>(), 20);
    assert!(removed.iter().all(|part| *part <= 7), "{removed:?}");
}

/// Of merges, roll-ups and pruning at once: what was taken in is in the sums, what came too late was told.
pub async fn cells_and_pruning_at_once_agree_on_what_counts(stores: &UsageStores) {
    for round in 0..10 {
        let (all, first) = (stores.clone(), 60 * round);
        let taken = race(move |n| {
            let stores = all.clone();
            async move {
                if n == CROWD - 1 {
                    stores.roll_up(hour(round + 1)).await;
                    stores.prune(Prune::Minutes, first + 60).await;
                    return 0;
                }
                let report = stores.merge(&[cell(first, n, 1), cell(first + 30, n, 1)]).await;
                assert_eq!(report.news + report.late.len(), 2);
                report.news
            }
        })
        .await;
        stores.roll_up(hour(24)).await;
        let sums = stores.sums(&query(first, first + 60, Grain::Hour)).await;
        assert_eq!(sums.iter().map(|(_, total)| total).sum::<u64>(), taken.into_iter().sum::<usize>() as u64);
    }
}

/// As long as the minute of an event is open, its id is known; and for as long after that as it is kept.
pub async fn a_claim_outlives_its_minute(stores: &UsageStores) {
    assert_eq!(stores.ingest(&[event(1, 0, 5), event(2, 1440, 5)], 1440).await, [Ingested::New; 2]);
    assert_eq!(stores.prune(Prune::Claims, 2000).await, 0, "while the minutes are there");
    stores.roll_up(hour(48)).await;
    stores.prune(Prune::Minutes, 1440).await;
    assert_eq!(stores.ingest(&[event(1, 0, 5)], 1440).await, [Ingested::Duplicate]);
    assert_eq!(stores.prune(Prune::Claims, 2000).await, 1);
    let late = Ingested::Rejected(Rejection::TooLate { from: minute(1440) });
    assert_eq!(stores.ingest(&[event(1, 0, 5), event(2, 1440, 5)], 1440).await, [late, Ingested::Duplicate]);
    assert_eq!(stores.total(Grain::Day).await, 10);
}
