//! Many threads count while files are sent and changed.

use std::sync::Arc;
use std::time::Duration;

use togglebox_metering::RecordError;
use togglebox_metering::testkit::MemoryStore;

use crate::support::{clock_at, directory, files, flusher, open, request, store};

const THREADS: u64 = 4;
const EACH: u64 = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_that_count_while_files_are_sent_and_changed_are_counted_exactly() {
    let (directory, clock, store) = (directory(), clock_at(10), store());
    let recorder = open(directory.path(), 16, &clock);
    let counting: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (recorder, clock) = (Arc::clone(&recorder), Arc::clone(&clock));
            std::thread::spawn(move || {
                let own = format!("own-{thread}");
                for n in 0..EACH {
                    let operation = if n % 2 == 0 { "shared" } else { own.as_str() };
                    loop {
                        match request(&recorder, &["live", operation], 1) {
                            Ok(()) => break,
                            // Files fill faster than they are sent here.
                            Err(RecordError::Full) => std::thread::yield_now(),
                            Err(error) => panic!("{error}"),
                        }
                    }
                    if n % 100 == 0 {
                        clock.advance(Duration::from_secs(20));
                    }
                }
            })
        })
        .collect();
    let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
    let mut files_sent = 0;
    while !counting.iter().all(std::thread::JoinHandle::is_finished) {
        files_sent += flusher.flush().await.unwrap().files;
    }
    for thread in counting {
        thread.join().unwrap();
    }
    flusher.finish().await.unwrap();
    assert_eq!(store.total(), THREADS * EACH);
    assert!(files_sent > 0, "files were changed meanwhile");
    assert!(files(directory.path()).is_empty());
}
