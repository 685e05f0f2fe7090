//! What is counted, and as what.

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{ManualClock, OsEntropy, TenantId, Timestamp};
use togglebox_metering::store::{UsageQuery, UsageStore as _};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{Cell, Grain, Meter, Meters, Minute, RecordError, Recorder, RecorderOptions, Span, Usage};

use crate::support::{clock_at, directory, files_of_kind, flusher, meters, open, open_as, request, requests, store};

/// Sums by minute, and by operation if asked to.
async fn sums(store: &MemoryStore, by: Option<&str>) -> Vec<(u32, Option<String>, u64)> {
    let span = Span::new(Minute::EPOCH, Minute::from_number(1440)).unwrap();
    let query = UsageQuery::new(requests(), span, Grain::Minute).unwrap();
    let query = match by {
        Some(dimension) => query.by(dimension),
        None => query,
    };
    let buckets = store.series(TenantId::DEFAULT, &query).await.unwrap();
    buckets.into_iter().map(|bucket| (bucket.start.number(), bucket.value.map(String::from), bucket.total)).collect()
}

#[tokio::test]
async fn what_is_recorded_is_in_the_store_after_a_flush() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    for quantity in [1, 2, 0, 3] {
        request(&recorder, &["live", "read"], quantity).unwrap();
    }
    request(&recorder, &["live", "write"], 10).unwrap();
    recorder.record(&Usage { tenant: TenantId::DEFAULT, meter: "bytes".parse().unwrap(), values: &[] }, 7).unwrap();
    assert_eq!(store.total(), 0);
    assert_eq!(flusher.flush().await.unwrap().cells, 3);
    assert_eq!(sums(&store, Some("operation")).await, [(10, Some("read".into()), 6), (10, Some("write".into()), 10)]);
    assert_eq!(store.total(), 23);
    assert_eq!(flusher.flush().await.unwrap().cells, 0, "what is acknowledged is not sent again");
}

#[tokio::test]
async fn what_is_counted_in_memory_is_what_calls_would_have_written() {
    let clock = clock_at(10);
    let sent = async |mapped| {
        let (directory, store) = (directory(), store());
        let recorder = open_as(directory.path(), 64, &clock, mapped);
        // The directory is in memory, which keeps its space; where there is no such place nobody knows.
        assert_eq!(recorder.is_mapped(), mapped && directory.path().starts_with("/dev/shm"));
        for quantity in 1..=50 {
            request(&recorder, &["live", "read"], 2 * quantity).unwrap();
            request(&recorder, &["live", "write"], 2 * quantity - 1).unwrap();
        }
        // As if the process were gone: only what is in the file is left.
        drop(recorder);
        let next = flusher(&open(directory.path(), 64, &clock), Arc::<MemoryStore>::clone(&store));
        assert_eq!(next.recover().await.unwrap().damaged, 0);
        sums(&store, Some("operation")).await
    };
    assert_eq!(sent(true).await, sent(false).await);
    assert_eq!(sent(true).await, [(10, Some("read".into()), 2550), (10, Some("write".into()), 2500)]);
}

#[tokio::test]
async fn each_minute_is_counted_by_itself_and_a_clock_that_steps_back_leads_nowhere() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    request(&recorder, &["live", "read"], 1).unwrap();
    clock.advance(Duration::from_mins(1));
    request(&recorder, &["live", "read"], 2).unwrap();
    clock.set(Minute::from_number(3).start());
    request(&recorder, &["live", "read"], 4).unwrap();
    flusher.flush().await.unwrap();
    request(&recorder, &["live", "write"], 8).unwrap();
    flusher.flush().await.unwrap();
    // The other series had no minute yet: before a flush that closed minutes, it would have been 3.
    assert_eq!(sums(&store, None).await, [(3, None, 8), (10, None, 1), (11, None, 6)]);

    clock.set(Minute::from_number(20).start());
    flusher.flush().await.unwrap();
    clock.set(Minute::from_number(5).start());
    request(&recorder, &["test", "read"], 16).unwrap();
    flusher.flush().await.unwrap();
    assert_eq!(sums(&store, None).await.last(), Some(&(20, None, 16)), "minutes that are closed stay closed");
}

#[tokio::test]
async fn series_that_are_too_many_are_counted_as_other() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    for n in 0..20 {
        for _ in 0..2 {
            request(&recorder, &["live", &format!("operation-{n}")], 1).unwrap();
        }
    }
    // Another tenant has room of its own.
    let other = TenantId::from_uuid("00000000-0000-0000-0000-000000000001".parse().unwrap());
    recorder.record(&Usage { tenant: other, meter: requests(), values: &["live", "read"] }, 1).unwrap();
    flusher.flush().await.unwrap();
    let sums = sums(&store, Some("operation")).await;
    assert_eq!(sums.len(), 9);
    assert_eq!(sums.iter().map(|(.., total)| total).sum::<u64>(), 40);
    assert!(sums.contains(&(10, Some("~other".into()), 24)));
    assert!(!sums.iter().any(|(_, value, _)| value.is_none()));
}

/// Totals go into two places in turn: where the latest is broken, the one before it is there.
#[tokio::test]
async fn what_breaks_costs_the_last_increment_only() {
    let clock = clock_at(10);
    for mapped in [false, true] {
        let (directory, store) = (directory(), store());
        let recorder = open_as(directory.path(), 64, &clock, mapped);
        for quantity in [1, 2, 4, 8, 16] {
            request(&recorder, &["live", "read"], quantity).unwrap();
        }
        drop(recorder);
        let slab = files_of_kind(directory.path(), "slab").remove(0);
        let mut bytes = std::fs::read(&slab).unwrap();
        // The first slot's two places, each a total and its sum.
        let totals = [4096 + 32, 4096 + 48];
        assert_eq!(totals.map(|at| bytes[at]), [31, 15]);
        bytes[totals[0]] ^= 0x40;
        std::fs::write(&slab, &bytes).unwrap();
        let next = flusher(&open(directory.path(), 64, &clock), Arc::<MemoryStore>::clone(&store));
        assert_eq!(next.recover().await.unwrap().damaged, 1);
        assert_eq!(sums(&store, None).await, [(10, None, 15)]);
    }
}

#[tokio::test]
async fn meters_with_the_same_values_are_counted_together_and_apart() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let names = ["requests", "bytes", "answers"];
    let meters = Meters::new(names.map(|name| Meter::new(name, ["environment", "operation"]).unwrap())).unwrap();
    let options = RecorderOptions::in_directory(directory.path()).with_slots(64).with_series_per_tenant(4);
    let recorder = Arc::new(Recorder::open(meters, options, Arc::<ManualClock>::clone(&clock), Arc::new(OsEntropy)).unwrap());
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    let [requests, bytes, answers] = names.map(|name| name.parse().unwrap());
    let count = |minute, operation, quantities: &[_]| {
        recorder.record_each(Minute::from_number(minute).start(), TenantId::DEFAULT, &["live", operation], quantities)
    };
    count(10, "read", &[(requests, 1), (bytes, 100)]).unwrap();
    count(10, "read", &[(requests, 1), (answers, 10), (bytes, 0)]).unwrap();
    count(10, "read", &[]).unwrap();
    count(10, "write", &[(requests, 1), (bytes, 200)]).unwrap();
    count(9, "read", &[(bytes, 1000)]).unwrap();
    // The fourth series, requests that write, is the last that is told apart; what is known goes on.
    count(11, "list", &[(requests, 1), (bytes, 300)]).unwrap();
    count(11, "read", &[(bytes, 2000)]).unwrap();
    let unknown = count(11, "read", &[(requests, 1), ("unknown".parse().unwrap(), 1), (bytes, 1)]).unwrap_err();
    assert_eq!((unknown.recorded, unknown.error.to_string().as_str()), (1, "there is no meter unknown"));
    flusher.flush().await.unwrap();
    let span = Span::new(Minute::EPOCH, Minute::from_number(1440)).unwrap();
    let sums = async |meter| {
        let query = UsageQuery::new(meter, span, Grain::Minute).unwrap().by("operation");
        let buckets = store.series(TenantId::DEFAULT, &query).await.unwrap();
        let sums = buckets.into_iter().map(|bucket| (bucket.start.number(), bucket.value.unwrap().to_string(), bucket.total));
        sums.collect::<Vec<_>>()
    };
    let expected = |sums: &[(u32, &str, u64)]| sums.iter().map(|sum| (sum.0, sum.1.to_owned(), sum.2)).collect::<Vec<_>>();
    assert_eq!(sums(requests).await, expected(&[(10, "read", 2), (10, "write", 1), (11, "read", 1), (11, "~other", 1)]));
    assert_eq!(sums(bytes).await, expected(&[(10, "read", 1100), (10, "~other", 200), (11, "read", 2000), (11, "~other", 300)]));
    assert_eq!(sums(answers).await, expected(&[(10, "read", 10)]));
}

#[test]
fn usage_that_cannot_be_is_refused_with_what_is_wrong() {
    let (directory, clock) = (directory(), clock_at(10));
    let recorder = open(directory.path(), 64, &clock);
    let meter = "unknown".parse().unwrap();
    let unknown = recorder.record(&Usage { tenant: TenantId::DEFAULT, meter, values: &[] }, 1);
    assert_eq!(unknown.unwrap_err().to_string(), "there is no meter unknown");
    let few = request(&recorder, &["live"], 1).unwrap_err();
    assert_eq!(few.to_string(), "meter requests has 2 dimensions, not 1");
    assert!(matches!(request(&recorder, &["live", ""], 1), Err(RecordError::Labels(_))));
    assert!(matches!(request(&recorder, &["live", "~other"], 1), Err(RecordError::Labels(_))));
    assert!(matches!(request(&recorder, &["live", "a"], Cell::MOST + 1), Err(RecordError::Overflow)));
    request(&recorder, &["live", "a"], Cell::MOST).unwrap();
    assert!(matches!(request(&recorder, &["live", "a"], 1), Err(RecordError::Overflow)));
    clock.set(Timestamp::from_ms(-1));
    assert!(matches!(request(&recorder, &["live", "a"], 1), Err(RecordError::Clock(_))));
}

#[tokio::test]
async fn a_full_file_refuses_and_what_it_has_is_sent() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 2, &clock);
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    request(&recorder, &["live", "a"], 1).unwrap();
    request(&recorder, &["live", "b"], 2).unwrap();
    assert!(matches!(request(&recorder, &["live", "c"], 4), Err(RecordError::Full)));
    request(&recorder, &["live", "a"], 8).unwrap();
    let report = flusher.flush().await.unwrap();
    assert_eq!((report.cells, report.files), (2, 1), "the next file is begun, and the old one is gone");
    request(&recorder, &["live", "c"], 16).unwrap();
    flusher.flush().await.unwrap();
    assert_eq!(store.total(), 27);
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let missing = directory().path().join("missing");
    let options = togglebox_metering::RecorderOptions::in_directory(missing);
    let clock = clock_at(1);
    assert!(togglebox_metering::Recorder::open(meters(), options, clock, Arc::new(togglebox_core::OsEntropy)).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_for_the_disk_is_counted_however_many_wait() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 64, &clock);
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..16 {
        let recorder = Arc::clone(&recorder);
        waiting.spawn(async move {
            for _ in 0..20 {
                request(&recorder, &["live", &format!("o{}", number % 3)], 1).unwrap();
                recorder.sync().await.unwrap();
            }
        });
    }
    // Files are changed meanwhile.
    recorder.rotate().unwrap();
    waiting.join_all().await;
    drop(recorder);
    let next = open(directory.path(), 64, &clock);
    flusher(&next, Arc::<MemoryStore>::clone(&store)).recover().await.unwrap();
    assert_eq!(store.total(), 320);
}
