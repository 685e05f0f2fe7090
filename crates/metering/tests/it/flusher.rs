//! From the files to the store, when things go wrong.

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::testkit::{At, Delay, Fault, Faults, Faulty, Gate};
use togglebox_core::{Clock as _, StoreErrorKind};
use togglebox_metering::store::{Prune, UsageLedger as _, UsageSink};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{FlusherOptions, Minute, RecordError};

use crate::support::{clock_at, directory, files, files_of_kind, flusher, open, request, store};

fn faulty(store: &Arc<MemoryStore>) -> (Arc<Faults>, Arc<Faulty<MemoryStore>>) {
    let faults = Arc::new(Faults::none());
    (Arc::clone(&faults), Arc::new(Faulty::new(Arc::clone(store), faults)))
}

#[tokio::test]
async fn a_flush_whose_outcome_is_unknown_counts_once() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let (faults, ledger) = faulty(&store);
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, ledger);
    for fault in [Fault::Before, Fault::After, Fault::Twice, Fault::Throttled] {
        request(&recorder, &["live", "read"], 5).unwrap();
        faults.inject(At::operation("usage_sink.merge_cells"), fault.clone());
        let outcome = flusher.flush().await;
        assert_eq!(outcome.is_err(), !matches!(fault, Fault::Twice));
        request(&recorder, &["live", "read"], 1).unwrap();
    }
    assert_eq!(flusher.flush().await.unwrap().cells, 1);
    assert_eq!(store.total(), 24);
}

#[tokio::test]
async fn a_store_that_is_away_for_hours_loses_nothing() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let (faults, ledger) = faulty(&store);
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, ledger);
    faults.inject(At::any().next(180), Fault::Before);
    for _ in 0..180 {
        request(&recorder, &["live", "read"], 1).unwrap();
        flusher.flush().await.unwrap_err();
        clock.advance(Duration::from_mins(1));
    }
    assert!(files(directory.path()).len() > 2, "it has gone on in new files");
    flusher.flush().await.unwrap();
    assert_eq!(store.total(), 180);
    assert_eq!(files(directory.path()).len(), 2, "all but the current one are gone");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_given_up_on_and_asked_again() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let (faults, ledger) = faulty(&store);
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, ledger);
    faults.inject(At::any(), Fault::AnsweredLate(Delay::until(&Gate::closed())));
    request(&recorder, &["live", "read"], 5).unwrap();
    assert_eq!(*flusher.flush().await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    flusher.flush().await.unwrap();
    assert_eq!(store.total(), 5);
}

#[tokio::test]
async fn what_a_dead_process_left_is_counted_once_however_often_it_is_recovered() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let dead = open(directory.path(), 64, &clock);
    request(&dead, &["live", "read"], 5).unwrap();
    flusher(&dead, Arc::<MemoryStore>::clone(&store)).flush().await.unwrap();
    request(&dead, &["live", "read"], 6).unwrap();
    drop(dead);

    let (faults, ledger) = faulty(&store);
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, ledger);
    for operation in ["usage_sink.merge_cells", "usage_sink.advance_watermark"] {
        faults.inject(At::operation(operation), Fault::After);
        flusher.recover().await.unwrap_err();
        assert_eq!(store.total(), 11);
        assert_eq!(files(directory.path()).len(), 4, "it stays until all is answered");
    }
    let report = flusher.recover().await.unwrap();
    assert_eq!((report.files, report.cells, report.damaged), (1, 1, 0));
    assert_eq!(flusher.recover().await.unwrap().files, 0);
    assert_eq!((store.total(), files(directory.path()).len()), (11, 2));
    assert_eq!(store.watermarks().await.unwrap(), [], "the dead one has ended");
}

#[tokio::test]
async fn a_living_process_is_not_recovered() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let living = open(directory.path(), 64, &clock);
    request(&living, &["live", "read"], 5).unwrap();
    let recorder = open(directory.path(), 64, &clock);
    assert_eq!(flusher(&recorder, Arc::<MemoryStore>::clone(&store)).recover().await.unwrap().files, 0);
    assert_eq!(store.total(), 0);
}

#[tokio::test]
async fn a_finished_recorder_leaves_nothing_behind_and_counts_no_more() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    request(&recorder, &["live", "read"], 5).unwrap();
    flusher.flush().await.unwrap();
    assert_eq!(store.watermarks().await.unwrap().len(), 1);
    request(&recorder, &["live", "read"], 6).unwrap();
    recorder.rotate().unwrap();
    request(&recorder, &["live", "read"], 7).unwrap();
    flusher.finish().await.unwrap();
    assert_eq!((store.total(), files(directory.path()).len()), (18, 0));
    assert_eq!(store.watermarks().await.unwrap(), []);
    assert!(matches!(request(&recorder, &["live", "read"], 1), Err(RecordError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_shut_down_has_one_deadline_and_what_is_left_is_sent_by_the_next_process() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let (faults, ledger) = faulty(&store);
    let recorder = open(directory.path(), 64, &clock);
    let flusher_of = flusher(&recorder, ledger);
    request(&recorder, &["live", "read"], 5).unwrap();
    faults.inject(At::any().always(), Fault::Late(Delay::until(&Gate::closed())));
    let began = tokio::time::Instant::now();
    let ended = flusher_of.run(async {}, Duration::from_secs(3)).await;
    assert_eq!(*ended.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    drop((flusher_of, recorder));

    let next = open(directory.path(), 64, &clock);
    assert_eq!(flusher(&next, Arc::<MemoryStore>::clone(&store)).recover().await.unwrap().cells, 1);
    assert_eq!(store.total(), 5);
}

#[tokio::test(start_paused = true)]
async fn it_flushes_and_recovers_by_itself_until_it_is_stopped() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let dead = open(directory.path(), 64, &clock);
    request(&dead, &["live", "read"], 1).unwrap();
    drop(dead);
    let recorder = open(directory.path(), 64, &clock);
    request(&recorder, &["live", "read"], 2).unwrap();
    let options = FlusherOptions::default().with_interval(Duration::from_secs(2)).with_recovery(Duration::from_secs(10));
    let ledger: Arc<dyn UsageSink> = Arc::<MemoryStore>::clone(&store);
    let flusher = togglebox_metering::Flusher::new(Arc::clone(&recorder), ledger, options);
    let (seen, counting) = (Arc::clone(&store), Arc::clone(&recorder));
    let stop = async move {
        // Reading files happens on other threads: the rounds are waited for, not the time.
        while seen.total() < 3 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        request(&counting, &["live", "read"], 4).unwrap();
        while seen.total() < 7 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        request(&counting, &["live", "read"], 8).unwrap();
    };
    flusher.run(stop, Duration::from_secs(3)).await.unwrap();
    assert_eq!((store.total(), files(directory.path()).len()), (15, 0));
}

#[tokio::test]
async fn a_watermark_says_up_to_when_all_is_sent() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let (faults, ledger) = faulty(&store);
    let recorder = open(directory.path(), 64, &clock);
    let flusher = flusher(&recorder, ledger);
    let upto = async || store.watermarks().await.unwrap().iter().map(|mark| mark.upto.number()).collect::<Vec<_>>();
    flusher.flush().await.unwrap();
    assert_eq!(upto().await, [10]);
    request(&recorder, &["live", "read"], 5).unwrap();
    clock.advance(Duration::from_mins(1));
    faults.inject(At::operation("usage_sink.merge_cells"), Fault::Before);
    flusher.flush().await.unwrap_err();
    assert_eq!(upto().await, [10], "it is not said of what is not there");
    flusher.flush().await.unwrap();
    assert_eq!(upto().await, [11]);
    assert_eq!(store.watermarks().await.unwrap()[0].seen_at, clock.now());
}

#[tokio::test]
async fn what_comes_after_its_minute_was_pruned_is_told_and_kept_aside() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let dead = open(directory.path(), 64, &clock);
    request(&dead, &["live", "read"], 5).unwrap();
    drop(dead);
    store.prune(Prune::Minutes, Minute::from_number(120), 1000).await.unwrap();
    clock.set(Minute::from_number(200).start());
    let recorder = open(directory.path(), 64, &clock);
    let report = flusher(&recorder, Arc::<MemoryStore>::clone(&store)).recover().await.unwrap();
    assert_eq!((report.files, report.late), (1, 1));
    assert_eq!(store.total(), 0);
    assert_eq!(files_of_kind(directory.path(), "late").len(), 2);
}

#[tokio::test]
async fn a_damaged_file_is_told_and_kept_aside() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let dead = open(directory.path(), 64, &clock);
    request(&dead, &["live", "read"], 5).unwrap();
    request(&dead, &["live", "write"], 7).unwrap();
    drop(dead);
    let slab = &files_of_kind(directory.path(), "slab")[0];
    let mut bytes = std::fs::read(slab).unwrap();
    bytes[4096 + 5] ^= 1;
    std::fs::write(slab, bytes).unwrap();
    let recorder = open(directory.path(), 64, &clock);
    let report = flusher(&recorder, Arc::<MemoryStore>::clone(&store)).recover().await.unwrap();
    assert_eq!((report.damaged, report.cells), (1, 1));
    assert_eq!(store.total(), 7);
    assert_eq!(files_of_kind(directory.path(), "damaged").len(), 2);
}
