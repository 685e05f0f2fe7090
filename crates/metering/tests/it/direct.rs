//! Counting without a disk.

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::testkit::{At, Fault, Faults, Faulty};
use togglebox_core::{Clock, EntropyExt as _, ManualClock, OsEntropy, SeededEntropy, StoreErrorKind, TenantId};
use togglebox_metering::store::{UsageQuery, UsageSink, UsageStore as _};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{DirectRecorder, Grain, RecordError, Usage};
use tokio::task::JoinSet;

use crate::support::{clock_at, meters, requests, store};

fn direct(ledger: Arc<dyn UsageSink>, clock: &Arc<ManualClock>) -> Arc<DirectRecorder> {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Arc::new(DirectRecorder::new(meters(), ledger, clock, &OsEntropy))
}

fn over(store: &Arc<MemoryStore>) -> Arc<dyn UsageSink> {
    Arc::<MemoryStore>::clone(store)
}

fn add(recorder: &DirectRecorder, quantity: u64) -> Result<(), RecordError> {
    recorder.add(&Usage { tenant: TenantId::DEFAULT, meter: requests(), values: &["live", "read"] }, quantity)
}

#[tokio::test]
async fn what_was_written_is_counted_and_the_rest_with_the_next() {
    let (clock, store) = (clock_at(10), store());
    let recorder = direct(over(&store), &clock);
    add(&recorder, 1).unwrap();
    assert_eq!(store.total(), 0);
    recorder.write().await.unwrap();
    recorder.write().await.unwrap();
    assert_eq!(store.total(), 1);
    add(&recorder, 2).unwrap();
    clock.advance(Duration::from_mins(1));
    add(&recorder, 4).unwrap();
    recorder.write().await.unwrap();
    assert_eq!(store.total(), 7);
    // Another process is another writer.
    let other = direct(over(&store), &clock);
    add(&other, 8).unwrap();
    other.write().await.unwrap();
    assert_eq!(store.total(), 15);
}

#[tokio::test]
async fn however_calls_end_an_answer_that_went_out_is_counted_once() {
    let (clock, store, draw) = (clock_at(10_000), store(), SeededEntropy::new(5));
    let faults = Arc::new(Faults::none());
    let recorder = direct(Arc::new(Faulty::new(Arc::clone(&store), Arc::clone(&faults))), &clock);
    let (mut answered, mut counted) = (0, 0);
    for _ in 0..500 {
        let [byte, step] = draw.bytes();
        match byte % 5 {
            0 => faults.inject(At::any(), Fault::Before),
            1 => faults.inject(At::any(), Fault::After),
            2 => faults.inject(At::any(), Fault::Twice),
            _ => {}
        }
        add(&recorder, 1).unwrap();
        counted += 1;
        if recorder.write().await.is_ok() {
            // Those before are in it, too.
            answered = counted;
        }
        assert!((answered..=counted).contains(&store.total()), "{answered} {} {counted}", store.total());
        if step < 40 {
            clock.advance(Duration::from_secs(u64::from(step)));
        } else if step < 50 {
            // It steps back, into minutes that are sent and forgotten.
            clock.set(clock.now().minus(Duration::from_mins(3)));
        }
    }
    recorder.write().await.unwrap();
    assert_eq!(store.total(), 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_all_count() {
    let (clock, store) = (clock_at(10), store());
    let recorder = direct(over(&store), &clock);
    let mut requests = JoinSet::new();
    for _ in 0..8 {
        let (recorder, store) = (Arc::clone(&recorder), Arc::clone(&store));
        requests.spawn(async move {
            for answered in 1..=50 {
                add(&recorder, 1).unwrap();
                recorder.write().await.unwrap();
                assert!(store.total() >= answered);
            }
        });
    }
    requests.join_all().await;
    assert_eq!(store.total(), 400);
}

#[tokio::test]
async fn what_cannot_be_counted_is_told() {
    let (clock, store) = (clock_at(10), store());
    let recorder = direct(over(&store), &clock);
    let usage =
        |meter: &str, values| recorder.add(&Usage { tenant: TenantId::DEFAULT, meter: meter.parse().unwrap(), values }, 1);
    assert!(matches!(usage("other", &["live", "read"]), Err(RecordError::UnknownMeter(_))));
    assert!(matches!(usage("requests", &["live"]), Err(RecordError::Dimensions { dimensions: 2, given: 1, .. })));
    assert!(matches!(usage("requests", &["live", "a,b"]), Err(RecordError::Labels(_))));
    add(&recorder, u64::MAX >> 1).unwrap();
    assert!(matches!(add(&recorder, 1), Err(RecordError::Overflow)));
    // The store is away: it is told, and nothing is lost.
    let faults = Arc::new(Faults::none());
    let recorder = direct(Arc::new(Faulty::new(Arc::clone(&store), Arc::clone(&faults))), &clock);
    add(&recorder, 1).unwrap();
    faults.inject(At::any(), Fault::Before);
    assert_eq!(*recorder.write().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    recorder.write().await.unwrap();
}

#[tokio::test]
async fn series_beyond_a_thousand_of_a_tenant_and_minute_are_others() {
    let (clock, store) = (clock_at(10), store());
    let recorder = direct(over(&store), &clock);
    let add = |n: u32| {
        let value = n.to_string();
        recorder.add(&Usage { tenant: TenantId::DEFAULT, meter: requests(), values: &[&value, "read"] }, 1).unwrap();
    };
    for n in 0..1200 {
        add(n);
    }
    recorder.write().await.unwrap();
    assert_eq!(store.total(), 1200, "each is counted");
    let minute = |start| togglebox_metering::Span::new(start, start.plus(1)).unwrap();
    let by = async |at: u32| {
        let span = minute(togglebox_metering::Minute::from_number(at));
        let query = UsageQuery::new(requests(), span, Grain::Minute).unwrap().by("environment");
        store.series(TenantId::DEFAULT, &query).await.unwrap()
    };
    let buckets = by(10).await;
    assert_eq!(buckets.len(), 1001);
    assert_eq!(buckets.iter().find(|bucket| bucket.value.as_deref() == Some("~other")).unwrap().total, 200);
    clock.advance(Duration::from_mins(1));
    add(5000);
    recorder.write().await.unwrap();
    assert_eq!(by(11).await[0].value.as_deref(), Some("5000"));
}
