//! Counting allocates nothing. A binary of its own: the counter replaces the allocator.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use tempfile::TempDir;
use togglebox_core::{Clock as _, ManualClock, OsEntropy, TenantId, Timestamp};
use togglebox_metering::{Meter, Meters, Recorder, RecorderOptions, Usage};

#[test]
fn counting_in_known_series_allocates_nothing() {
    for mapped in [false, true] {
        measured(mapped);
    }
}

fn measured(mapped: bool) {
    let directory = TempDir::new().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let dimensions = ["operation", "status", "from", "to"];
    let meters = Meters::new(["requests", "bytes"].map(|name| Meter::new(name, dimensions).unwrap())).unwrap();
    let options = RecorderOptions::in_directory(directory.path()).with_slots(4096);
    let options = if mapped { options.mapped() } else { options };
    let recorder = Recorder::open(meters, options, Arc::<ManualClock>::clone(&clock), Arc::new(OsEntropy)).unwrap();
    let ([meter, bytes], operations) = (["requests", "bytes"].map(|name| name.parse().unwrap()), ["read", "write", "list"]);
    // As long as labels may be, about.
    let long = "x".repeat(60);
    let count = |rounds| {
        for _ in 0..rounds {
            for operation in operations {
                let (tenant, values) = (TenantId::DEFAULT, [operation, "304", long.as_str(), long.as_str()]);
                recorder.record(&Usage { tenant, meter, values: &values }, 3).unwrap();
                recorder.record_each(clock.now(), tenant, &values, &[(meter, 1), (bytes, 700)]).unwrap();
            }
        }
    };
    let first = measure(|| count(1));
    assert!(first.count_total > 0, "series are made, and the counter counts");
    let made = measure(|| {
        // New cells, too.
        for _ in 0..100 {
            count(10);
            clock.advance(Duration::from_mins(1));
        }
    });
    assert_eq!(made.count_total, 0);
    recorder.rotate().unwrap();
    let made = measure(|| count(10));
    assert_eq!(made.count_total, 0, "nor in a new file");
}
