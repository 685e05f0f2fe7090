//! Hours that are rolled up.

use std::collections::BTreeMap;

use togglebox_core::{EntropyExt as _, SeededEntropy};

use super::UsageStores;
use super::fixtures::{A, B, CROWD, cell, event, hour, labelled, meter, minute, other_meter, query, race};
use crate::store::{RollUp, StaleHour};
use crate::{Cell, CellSet, Grain, Ingested, UsageEvent};

const fn rolled(total: u64, revision: u32) -> RollUp {
    RollUp { total, revision, stale: false }
}

/// An hour is the sum of its minutes, over all labels and writers; a day that of its hours.
pub async fn a_rolled_up_hour_is_the_sum_of_its_minutes(stores: &UsageStores) {
    stores
        .merge(&[cell(59, 1, 100), cell(60, 1, 1), cell(60, 2, 2), labelled([("a", "b")], cell(119, 1, 4)), cell(120, 1, 200)])
        .await;
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(1)).await.unwrap(), None);
    assert_eq!(stores.usage.rollup(A, meter(), hour(1)).await.unwrap(), Some(rolled(7, 1)));
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(1)).await.unwrap(), Some(rolled(7, 1)));
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(0)).await.unwrap(), None);
    assert_eq!(stores.sums(&query(0, 1440, Grain::Day)).await, [(0, 307)]);
}

/// Of each, in the order in which they are asked after, in the days that are asked after; not what is in no roll-up yet.
pub async fn what_is_added_up_is_told_of_many_tenants_at_once(stores: &UsageStores) {
    let of_b = |at, total| Cell { tenant: B, ..cell(at, 1, total) };
    let days = [cell(10, 1, 1), cell(1439, 2, 2), cell(1440, 1, 4), cell(2880, 1, 8), of_b(70, 16), of_b(1500, 32)];
    stores.merge(&days).await;
    stores.merge(&[labelled([("a", "b")], cell(20, 1, 64))]).await;
    let other = Cell { series: crate::Series::plain(other_meter()), ..cell(30, 1, 1000) };
    stores.merge(&[other]).await;
    let (day, nobody) = (minute(0).day(), togglebox_core::TenantId::from_uuid(uuid::Uuid::from_u128(9)));
    let added_up = async |tenants: &[_], from, until| {
        stores.ledger.added_up(tenants, meter(), day.plus(from), day.plus(until)).await.unwrap()
    };
    assert_eq!(added_up(&[B, nobody, A], 0, 3).await, [0, 0, 0]);
    stores.roll_up(hour(100)).await;
    assert_eq!(added_up(&[B, nobody, A], 0, 3).await, [48, 0, 79]);
    assert_eq!(added_up(&[A, B], 0, 1).await, [67, 16]);
    assert_eq!(added_up(&[A, B], 1, 2).await, [4, 32]);
    assert_eq!(added_up(&[A, B, A], 2, 3).await, [8, 0, 8]);
    assert_eq!(added_up(&[A], 1, 1).await, [0]);
    assert_eq!(added_up(&[], 0, 3).await, [0; 0]);
    let mut many: Vec<_> = (0..999).map(|n| togglebox_core::TenantId::from_uuid(uuid::Uuid::from_u128(100 + n))).collect();
    many.push(A);
    let told = added_up(&many, 0, 3).await;
    assert_eq!((told.len(), told[999], told.iter().sum()), (1000, 79, 79));
}

/// It is worked out anew each time: nothing is added to what was there.
pub async fn rolling_up_again_changes_nothing(stores: &UsageStores) {
    stores.merge(&[cell(0, 1, 5), cell(1, 1, 6)]).await;
    for _ in 0..5 {
        assert_eq!(stores.usage.rollup(A, meter(), hour(0)).await.unwrap(), Some(rolled(11, 1)));
    }
    assert_eq!(stores.total(Grain::Day).await, 11);
}

/// Where nothing was counted there is nothing to roll up, and nothing comes of it.
pub async fn an_hour_without_usage_has_no_roll_up(stores: &UsageStores) {
    assert_eq!(stores.usage.rollup(A, meter(), hour(0)).await.unwrap(), None);
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(0)).await.unwrap(), None);
    assert_eq!(stores.ledger.stale_hours(hour(24), 10).await.unwrap(), []);
}

/// A cell that comes after the roll-up is told of, and is in the next one, which is another revision. One that brings nothing is not.
pub async fn a_late_cell_makes_the_hour_stale_and_its_next_revision(stores: &UsageStores) {
    stores.merge(&[cell(0, 1, 5)]).await;
    stores.roll_up(hour(1)).await;
    stores.merge(&[cell(0, 1, 4), cell(0, 1, 5)]).await;
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(0)).await.unwrap(), Some(rolled(5, 1)));
    stores.merge(&[cell(0, 2, 1)]).await;
    let stale = Some(RollUp { total: 5, revision: 1, stale: true });
    assert_eq!(stores.usage.rolled_up(A, meter(), hour(0)).await.unwrap(), stale);
    assert_eq!(stores.usage.rollup(A, meter(), hour(0)).await.unwrap(), Some(rolled(6, 2)));
    assert_eq!(stores.ingest(&[event(1, 59, 4)], 60).await, [Ingested::New]);
    assert_eq!(stores.usage.rollup(A, meter(), hour(0)).await.unwrap(), Some(rolled(10, 3)));
}

/// The oldest first, whosoever they are, until they are rolled up.
pub async fn stale_hours_are_told_oldest_first_until_they_are_rolled_up(stores: &UsageStores) {
    stores.merge(&[cell(60, 1, 1), Cell { tenant: B, ..cell(0, 1, 1) }, cell(120, 1, 1), cell(121, 1, 1)]).await;
    let stale = |hour, tenant| StaleHour { hour, tenant, meter: meter() };
    let all = [stale(hour(0), B), stale(hour(1), A), stale(hour(2), A)];
    assert_eq!(stores.ledger.stale_hours(hour(24), 10).await.unwrap(), all);
    assert_eq!(stores.ledger.stale_hours(hour(24), 2).await.unwrap(), all[..2]);
    assert_eq!(stores.ledger.stale_hours(hour(1), 10).await.unwrap(), all[..1]);
    stores.usage.rollup(A, meter(), hour(1)).await.unwrap();
    assert_eq!(stores.ledger.stale_hours(hour(24), 10).await.unwrap(), [all[0], all[2]]);
    stores.roll_up(hour(24)).await;
    assert_eq!(stores.ledger.stale_hours(hour(24), 10).await.unwrap(), []);
}

/// Whatever comes in while it is rolled up is in it, or leaves the hour stale.
pub async fn a_roll_up_among_merges_loses_nothing(stores: &UsageStores) {
    for round in 0..10 {
        let all = stores.clone();
        race(move |n| {
            let stores = all.clone();
            async move {
                if n % 2 == 0 {
                    stores.merge(&[cell(60 * round, n, 1 + u64::from(n)), cell(60 * round + 1, n, 10)]).await;
                } else {
                    stores.usage.rollup(A, meter(), hour(round)).await.unwrap();
                }
            }
        })
        .await;
        stores.roll_up(hour(24)).await;
        let expected: u64 = (0..CROWD).step_by(2).map(|n| 11 + u64::from(n)).sum();
        let rolled = stores.usage.rolled_up(A, meter(), hour(round)).await.unwrap().unwrap();
        assert_eq!((rolled.total, rolled.stale), (expected, false));
    }
}

/// Cells in any order, rolled up now and then, give what counting all of them at the end gives.
pub async fn roll_ups_equal_a_recount(stores: &UsageStores) {
    let (draw, mut all) = (SeededEntropy::new(20), CellSet::default());
    let below = |limit: u32| u32::from_le_bytes(draw.bytes()) % limit;
    for _ in 0..30 {
        let cells: Vec<Cell> = (0..40)
            .map(|_| {
                let by = u8::try_from(below(4)).unwrap();
                let cell = cell(below(3 * 1440), by, u64::from(below(1000)) + 1);
                if below(2) == 0 { cell } else { labelled([("key", "k1")], cell) }
            })
            .collect();
        stores.merge(&cells).await;
        for cell in &cells {
            all.merge(cell);
        }
        if below(3) == 0 {
            stores.roll_up(hour(below(72))).await;
        }
    }
    for done in [false, true] {
        for number in 0..72 {
            let expected = all.sum(|key| key.minute.hour() == hour(number));
            let sums = stores.sums(&query(60 * number, 60 * (number + 1), Grain::Hour)).await;
            assert_eq!(sums.iter().map(|(_, total)| total).sum::<u64>(), expected);
            if done {
                let rolled = stores.usage.rolled_up(A, meter(), hour(number)).await.unwrap();
                assert_eq!(rolled.map_or(0, |rolled| rolled.total), expected);
            }
        }
        for day in 0..3 {
            let expected = all.sum(|key| key.minute.day() == minute(1440 * day).day());
            assert_eq!(stores.sums(&query(1440 * day, 1440 * (day + 1), Grain::Day)).await, [(1440 * day, expected)]);
        }
        stores.roll_up(hour(72)).await;
    }
}

/// How many events are counted again by hand; more by a recipe (`just usage-recount`).
#[expect(clippy::disallowed_methods, reason = "a recipe asks for more")]
fn events_to_recount() -> u32 {
    std::env::var("TOGGLEBOX_TEST_EVENTS").ok().map_or(3_000, |text| text.parse().unwrap())
}

/// Events in no order, a tenth of them again, with roll-ups in between: minutes, hours and days are what adding all of them up gives. And
/// whatever work is done again, it changes nothing.
pub async fn events_in_no_order_equal_a_recount(stores: &UsageStores) {
    const DAYS: u32 = 3;
    const BATCH: u32 = 450;
    const AGAIN: usize = 50;
    let (draw, mut minutes, mut before) = (SeededEntropy::new(26), BTreeMap::<u32, u64>::new(), Vec::<UsageEvent>::new());
    let below = |limit: u32| u32::from_le_bytes(draw.bytes()) % limit;
    let mut sent = 0;
    while sent < events_to_recount() {
        // What one service reports at a time is of some hours; which hours those are follows no order.
        let first = below(DAYS * 24 - 2) * 60;
        let mut events: Vec<UsageEvent> = before.drain(..before.len().min(AGAIN)).collect();
        let known = events.len();
        for _ in 0..BATCH {
            let (at, quantity) = (first + below(180), u64::from(below(1000)) + 1);
            events.push(event(sent, at, quantity));
            *minutes.entry(at).or_default() += quantity;
            sent += 1;
        }
        let answers = stores.ingest(&events, DAYS * 1440).await;
        let (again, new) = answers.split_at(known);
        assert!(again.iter().all(|answer| *answer == Ingested::Duplicate));
        assert!(new.iter().all(|answer| *answer == Ingested::New));
        before = events.split_off(known + usize::try_from(below(BATCH - 100)).unwrap());
        if below(4) == 0 {
            stores.roll_up(hour(below(DAYS * 24))).await;
        }
    }
    stores.roll_up(hour(DAYS * 24)).await;
    let recount = |grain: u32| {
        let mut sums = BTreeMap::<u32, u64>::new();
        for (at, total) in &minutes {
            *sums.entry(at / grain * grain).or_default() += total;
        }
        sums.into_iter().collect::<Vec<_>>()
    };
    let mut revisions = Vec::new();
    for round in 0..3 {
        let mut by_minute = Vec::new();
        for day in 0..DAYS {
            by_minute.extend(stores.sums(&query(day * 1440, (day + 1) * 1440, Grain::Minute)).await);
        }
        assert_eq!(by_minute, recount(1));
        assert_eq!(stores.sums(&query(0, DAYS * 1440, Grain::Hour)).await, recount(60));
        assert_eq!(stores.sums(&query(0, DAYS * 1440, Grain::Day)).await, recount(1440));
        let mut rolled = Vec::new();
        for (at, total) in recount(60) {
            let rolled_up = stores.usage.rollup(A, meter(), hour(at / 60)).await.unwrap().unwrap();
            assert_eq!((rolled_up.total, rolled_up.stale), (total, false));
            rolled.push(rolled_up.revision);
        }
        if round > 0 {
            assert_eq!(rolled, revisions, "the same work again is no revision");
        }
        revisions = rolled;
    }
}
