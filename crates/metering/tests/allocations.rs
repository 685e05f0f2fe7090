//! Counting allocates nothing. A binary of its own: the counter replaces the allocator.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use tempfile::TempDir;
use togglebox_core::{ManualClock, OsEntropy, TenantId, Timestamp};
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
    let meters = Meters::new([Meter::new("requests", ["operation", "status"]).unwrap()]).unwrap();
    let options = RecorderOptions::in_directory(directory.path()).with_slots(4096);
    let options = if mapped { options.mapped() } else { options };
    let recorder = Recorder::open(meters, options, Arc::<ManualClock>::clone(&clock), Arc::new(OsEntropy)).unwrap();
    let (meter, operations) = ("requests".parse().unwrap(), ["read", "write", "list"]);
    let count = |rounds| {
        for _ in 0..rounds {
            for operation in operations {
                recorder.record(&Usage { tenant: TenantId::DEFAULT, meter, values: &[operation, "304"] }, 3).unwrap();
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
