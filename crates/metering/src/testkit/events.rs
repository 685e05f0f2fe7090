//! Events with ids.

use togglebox_core::StoreErrorKind;

use super::UsageStores;
use super::fixtures::{A, B, CROWD, at, cell, event, labels, meter, query, race};
use crate::store::MOST_EVENTS;
use crate::{Grain, Ingested, Rejection, Series, UsageEvent};

/// In one call or in many.
pub async fn an_event_counts_once_however_often_it_is_sent(stores: &UsageStores) {
    let events = [event(1, 0, 3), event(2, 0, 4), event(1, 0, 3)];
    assert_eq!(stores.ingest(&events, 1).await, [Ingested::New, Ingested::New, Ingested::Duplicate]);
    for _ in 0..3 {
        assert_eq!(stores.ingest(&events, 1).await, [Ingested::Duplicate; 3]);
    }
    // The id decides, not what else it says now.
    assert_eq!(stores.ingest(&[event(1, 70, 100)], 71).await, [Ingested::Duplicate]);
    assert_eq!(stores.total(Grain::Minute).await, 7);
    assert_eq!(stores.ingest(&[], 1).await, []);
}

/// Everybody sends the same events, in different orders and with others between.
pub async fn of_many_who_send_one_event_at_once_exactly_one_is_told_that_it_is_new(stores: &UsageStores) {
    for round in 0..5 {
        let all = stores.clone();
        let answers = race(move |n| {
            let stores = all.clone();
            let mut events: Vec<_> = (0..10).map(|shared| event(round * 1000 + shared, 0, 1)).collect();
            if n % 2 == 1 {
                events.reverse();
            }
            events.push(event(round * 1000 + 100 + u32::from(n), 0, 1));
            async move { stores.ingest(&events, 1).await }
        })
        .await;
        let new = answers.iter().flatten().filter(|answer| **answer == Ingested::New).count();
        assert_eq!(new, 10 + usize::from(CROWD));
        assert_eq!(stores.total(Grain::Minute).await, u64::from(round + 1) * (10 + u64::from(CROWD)));
    }
}

/// The same id from another service, or of another tenant, is another event.
pub async fn an_id_is_of_its_source_and_tenant(stores: &UsageStores) {
    let from = |source| UsageEvent::new(source, "event-1", Series::plain(meter()), 1, at(0)).unwrap();
    assert_eq!(stores.ingest(&[from("tests"), from("other"), from("tests")], 1).await[..2], [Ingested::New; 2]);
    assert_eq!(stores.usage.ingest(B, &[from("tests")], at(1)).await.unwrap(), [Ingested::New]);
    assert_eq!(stores.total(Grain::Hour).await, 2);
}

/// What lies ahead is refused, and may be sent again when its time has come.
pub async fn an_event_from_the_future_does_not_count(stores: &UsageStores) {
    assert_eq!(
        stores.ingest(&[event(1, 106, 1), event(2, 105, 1)], 100).await,
        [Ingested::Rejected(Rejection::Ahead), Ingested::New]
    );
    assert_eq!(stores.total(Grain::Minute).await, 1);
    assert_eq!(stores.ingest(&[event(1, 106, 1)], 101).await, [Ingested::New]);
}

/// Events add to what the nodes counted, and the other way round.
pub async fn events_and_cells_add_up(stores: &UsageStores) {
    stores.merge(&[cell(0, 1, 10)]).await;
    stores.ingest(&[event(1, 0, 5)], 1).await;
    stores.merge(&[cell(0, 1, 20)]).await;
    stores.ingest(&[event(2, 0, 5)], 1).await;
    assert_eq!(stores.sums(&query(0, 60, Grain::Minute)).await, [(0, 30)]);
    let labels = labels([("key", "k1")]);
    let series = Series { meter: meter(), labels: labels.clone() };
    stores.ingest(&[UsageEvent::new("tests", "3", series, 7, at(0)).unwrap()], 1).await;
    assert_eq!(stores.sums(&query(0, 60, Grain::Minute).only(labels)).await, [(0, 7)]);
}

/// Five hundred at once; not one more.
pub async fn a_batch_has_at_most_five_hundred_events(stores: &UsageStores) {
    let mut events: Vec<_> = (0..u32::try_from(MOST_EVENTS).unwrap()).map(|n| event(n, n, 1)).collect();
    assert_eq!(stores.ingest(&events, 500).await, vec![Ingested::New; MOST_EVENTS]);
    events.push(event(1000, 0, 1));
    let refused = stores.usage.ingest(A, &events, at(500)).await.unwrap_err();
    assert_eq!(*refused.kind(), StoreErrorKind::LimitReached { limit: MOST_EVENTS });
    assert_eq!(stores.total(Grain::Minute).await, 500);
}

/// The total of a minute never becomes another number by overflowing.
pub async fn an_event_beyond_the_greatest_total_does_not_count(stores: &UsageStores) {
    let most = UsageEvent::MOST;
    let events: Vec<_> = (0..500).map(|n| event(n, 0, most)).collect();
    let more: Vec<_> = (500..1000).map(|n| event(n, 0, most)).collect();
    let last: Vec<_> = (1000..1030).map(|n| event(n, 0, most)).collect();
    let mut answers = Vec::new();
    for events in [events, more, last] {
        answers.extend(stores.ingest(&events, 1).await);
    }
    let fits = usize::try_from(crate::Cell::MOST / most).unwrap();
    // A store may spread events over several cells: then more of them fit, and the sum stops at the greatest.
    assert!(answers[..fits].iter().all(|answer| *answer == Ingested::New));
    assert!(answers[fits..].iter().all(|answer| matches!(answer, Ingested::New | Ingested::Rejected(Rejection::Overflow))));
    let total = stores.sums(&query(0, 60, Grain::Minute)).await[0].1;
    let counted = answers.iter().filter(|answer| **answer == Ingested::New).count();
    assert_eq!(total, u64::min(most.saturating_mul(counted as u64), crate::Cell::MOST));
}
