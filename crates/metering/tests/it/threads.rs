//! Many threads count while files are sent and changed.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use togglebox_core::{Clock as _, ManualClock, OsEntropy, TenantId};
use togglebox_metering::store::{UsageQuery, UsageStore as _};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{Grain, Meter, MeterId, Meters, Minute, PartlyRecorded, RecordError, Recorder, RecorderOptions, Span};

use crate::support::{clock_at, directory, files, flusher, open, request, store};

const THREADS: u64 = 4;
const EACH: u64 = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_that_count_while_files_are_sent_and_changed_are_counted_exactly() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 16, &clock);
    let one = |recorder: &Recorder, _: &ManualClock, operation: &str| {
        while let Err(error) = request(recorder, &["live", operation], 1) {
            wait_for_room(&error);
        }
    };
    count_and_send(&recorder, &clock, &store, one).await;
    assert_eq!(store.total(), THREADS * EACH);
    assert!(files(directory.path()).is_empty());
}

/// The same, where each increment is one of two meters together. What is refused goes on where it stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn meters_that_are_counted_together_while_files_change_are_each_counted_exactly() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open_two(&directory, &clock);
    let [requests, bytes] = meters();
    let both = move |recorder: &Recorder, clock: &ManualClock, operation: &str| {
        let mut left = &[(requests, 1), (bytes, 3)][..];
        while let Err(PartlyRecorded { recorded, error }) =
            recorder.record_each(clock.now(), TenantId::DEFAULT, &["live", operation], left)
        {
            left = &left[recorded..];
            wait_for_room(&error);
        }
    };
    count_and_send(&recorder, &clock, &store, both).await;
    let span = Span::new(Minute::EPOCH, Minute::from_number(1440)).unwrap();
    for (meter, each) in [(requests, 1), (bytes, 3)] {
        let query = UsageQuery::new(meter, span, Grain::Minute).unwrap();
        let sum: u64 = store.series(TenantId::DEFAULT, &query).await.unwrap().iter().map(|bucket| bucket.total).sum();
        assert_eq!(sum, THREADS * EACH * each, "{meter}");
    }
}

/// Each thread counts what all count and what is its own, in turn, while files are sent; then the rest is sent.
async fn count_and_send(
    recorder: &Arc<Recorder>,
    clock: &Arc<ManualClock>,
    store: &Arc<MemoryStore>,
    count: impl Fn(&Recorder, &ManualClock, &str) + Copy + Send + 'static,
) {
    let counting: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (recorder, clock) = (Arc::clone(recorder), Arc::clone(clock));
            std::thread::spawn(move || {
                let own = format!("own-{thread}");
                for n in 0..EACH {
                    count(&recorder, &clock, if n % 2 == 0 { "shared" } else { own.as_str() });
                    if n % 100 == 0 {
                        clock.advance(Duration::from_secs(20));
                    }
                }
            })
        })
        .collect();
    let flusher = flusher(recorder, Arc::<MemoryStore>::clone(store));
    let mut files_sent = 0;
    while !counting.iter().all(std::thread::JoinHandle::is_finished) {
        files_sent += flusher.flush().await.unwrap().files;
    }
    for thread in counting {
        thread.join().unwrap();
    }
    flusher.finish().await.unwrap();
    assert!(files_sent > 0, "files were changed meanwhile");
}

/// Files fill faster than they are sent here; nothing else is to be wrong.
fn wait_for_room(error: &RecordError) {
    assert!(matches!(error, RecordError::Full), "{error}");
    std::thread::yield_now();
}

fn meters() -> [MeterId; 2] {
    ["requests", "bytes"].map(|name| name.parse().unwrap())
}

fn open_two(directory: &TempDir, clock: &Arc<ManualClock>) -> Arc<Recorder> {
    let meters = meters().map(|meter| Meter::new(meter.as_str(), ["environment", "operation"]).unwrap());
    let options = RecorderOptions::in_directory(directory.path()).with_slots(16).with_series_per_tenant(6);
    let clock = Arc::<ManualClock>::clone(clock);
    Arc::new(Recorder::open(Meters::new(meters).unwrap(), options, clock, Arc::new(OsEntropy)).unwrap())
}
