//! What counting costs a request.
//!
//! `cargo bench -p togglebox-metering --bench record`. Two threads count among ten thousand cells; each call is timed by itself. The
//! directory is a temporary one: name another with `TMPDIR` to measure its file system.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and ends where it cannot measure")]

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use tempfile::TempDir;
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_metering::{Meter, MeterId, Meters, Recorder, RecorderOptions, Usage};
use uuid::Uuid;

const TENANTS: u64 = 1_000;
const OPERATIONS: [&str; 10] = ["get", "list", "put", "delete", "stream", "batch", "flags", "configs", "assign", "convert"];
const CALLS: usize = 1_000_000;

/// Numbers in an order that no cache foresees.
struct Order(u64);

impl Order {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn count(recorder: &Recorder, meter: MeterId, tenant: u64, operation: u64) {
    let tenant = TenantId::from_uuid(Uuid::from_u128(u128::from(tenant) + 1));
    let operation = OPERATIONS[usize::try_from(operation).unwrap()];
    recorder.record(&Usage { tenant, meter, values: &[black_box("live"), operation] }, 1).unwrap();
}

fn main() {
    println!(
        "record() among {} cells, {CALLS} calls of each thread; the timing itself costs some 25 ns",
        TENANTS * OPERATIONS.len() as u64
    );
    println!("{:<28} {:>10} {:>10} {:>10} {:>12}", "", "p50, ns", "p99, ns", "p99.9, ns", "calls/s");
    for mapped in [false, true] {
        let directory = TempDir::new().unwrap();
        let options = RecorderOptions::in_directory(directory.path()).with_slots(1 << 18);
        measure(if mapped { options.mapped() } else { options });
    }
}

fn measure(options: RecorderOptions) {
    let meters = Meters::new([Meter::new("requests", ["environment", "operation"]).unwrap()]).unwrap();
    let recorder = Recorder::open(meters, options, Arc::new(SystemClock), Arc::new(OsEntropy)).unwrap();
    let meter = "requests".parse().unwrap();
    for tenant in 0..TENANTS {
        for operation in 0..OPERATIONS.len() as u64 {
            count(&recorder, meter, tenant, operation);
        }
    }
    println!("{}", if recorder.is_mapped() { "in memory that is the file" } else { "by a call for each" });
    for (name, threads, tenants) in [("1 thread", 1, TENANTS), ("2 threads", 2, TENANTS), ("2 threads, one cell", 2, 0)] {
        let barrier = Barrier::new(threads);
        let began = Instant::now();
        let mut took: Vec<u64> = std::thread::scope(|scope| {
            let work = |thread: usize| {
                let (recorder, barrier) = (&recorder, &barrier);
                move || {
                    let mut order = Order(thread as u64);
                    barrier.wait();
                    let one = |order: &mut Order| {
                        let place =
                            if tenants == 0 { (0, 0) } else { (order.below(tenants), order.below(OPERATIONS.len() as u64)) };
                        let began = Instant::now();
                        count(recorder, meter, place.0, place.1);
                        u64::try_from(began.elapsed().as_nanos()).unwrap()
                    };
                    (0..CALLS).map(|_| one(&mut order)).collect::<Vec<_>>()
                }
            };
            let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let rate = took.len() as u128 * 1_000_000_000 / began.elapsed().as_nanos();
        took.sort_unstable();
        let at = |per_mille: usize| took[took.len() * per_mille / 1000];
        println!("{name:<28} {:>10} {:>10} {:>10} {rate:>12}", at(500), at(990), at(999));
    }
}
