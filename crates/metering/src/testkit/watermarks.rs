//! How far writers are.

use super::UsageStores;
use super::fixtures::{CROWD, at, minute, race, span, writer};
use crate::store::{Prune, UsageLedgerExt as _};
use crate::{Finality, Sealing, Watermark};

fn mark(by: u8, upto: u32, seen: u32) -> Watermark {
    Watermark { writer: writer(by), upto: minute(upto), seen_at: at(seen), ended: false }
}

/// Reports may come in any order.
pub async fn a_watermark_never_goes_back(stores: &UsageStores) {
    for (upto, seen) in [(10, 12), (8, 9), (10, 11), (9, 13)] {
        stores.ledger.advance_watermark(&mark(1, upto, seen)).await.unwrap();
    }
    stores.ledger.advance_watermark(&mark(0, 20, 20)).await.unwrap();
    assert_eq!(stores.ledger.watermarks().await.unwrap(), [mark(0, 20, 20), mark(1, 10, 13)]);
}

/// Many at once, of one writer.
pub async fn of_many_watermarks_at_once_the_furthest_stands(stores: &UsageStores) {
    let all = stores.clone();
    race(move |n| {
        let stores = all.clone();
        async move { stores.ledger.advance_watermark(&mark(1, 100 + u32::from(n), 200 - u32::from(n))).await.unwrap() }
    })
    .await;
    assert_eq!(stores.ledger.watermarks().await.unwrap(), [mark(1, 99 + u32::from(CROWD), 200)]);
}

/// A late report does not bring a writer back.
pub async fn a_writer_that_has_ended_is_waited_for_no_more(stores: &UsageStores) {
    stores.ledger.advance_watermark(&mark(1, 10, 12)).await.unwrap();
    stores.ledger.advance_watermark(&Watermark { ended: true, ..mark(1, 11, 13) }).await.unwrap();
    stores.ledger.advance_watermark(&mark(1, 12, 14)).await.unwrap();
    assert_eq!(stores.ledger.watermarks().await.unwrap(), []);
}

/// The slowest writer that lives, and what one that is lost may have counted.
pub async fn what_is_sealed_is_told_from_the_watermarks(stores: &UsageStores) {
    for mark in [mark(1, 10, 12), mark(2, 29, 30), Watermark { ended: true, ..mark(3, 1, 1) }] {
        stores.ledger.advance_watermark(&mark).await.unwrap();
    }
    let sealing = stores.ledger.sealed_upto(at(20), Sealing::LOST_AFTER).await.unwrap();
    assert_eq!((sealing.upto, sealing.gaps.len()), (minute(10), 0));
    let sealing = stores.ledger.sealed_upto(at(30), Sealing::LOST_AFTER).await.unwrap();
    assert_eq!(sealing.upto, minute(29));
    assert_eq!(sealing.finality(span(10, 11)), Finality::Incomplete);
    assert_eq!(sealing.finality(span(9, 10)), Finality::Sealed);
}

/// Those that nothing is heard of any more.
pub async fn old_watermarks_are_pruned(stores: &UsageStores) {
    for mark in [mark(1, 10, 12), mark(2, 29, 30), Watermark { ended: true, ..mark(3, 1, 1) }] {
        stores.ledger.advance_watermark(&mark).await.unwrap();
    }
    assert_eq!(stores.ledger.prune(Prune::Watermarks, minute(12), 1000).await.unwrap(), 1);
    assert_eq!(stores.ledger.prune(Prune::Watermarks, minute(30), 1000).await.unwrap(), 1);
    assert_eq!(stores.ledger.watermarks().await.unwrap(), [mark(2, 29, 30)]);
}
