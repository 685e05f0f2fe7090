//! Ten thousand generated courses of events: calls that fail before and after they are made, are repeated, are done in part, come late
//! and out of order; processes that die at any point between two calls. The total is exact in all of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use togglebox_core::testkit::{At, Fault, Faults, Faulty};
use togglebox_core::{EntropyExt as _, ManualClock, SeededEntropy, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_metering::store::{MergeReport, UsageLedger as _, UsageQuery, UsageSink, UsageStore as _};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{Cell, Flusher, Grain, Minute, RecordError, Recorder, Span, Usage, Watermark};
use uuid::Uuid;

use crate::support::{clock_at, directory, files, flusher, open_as, requests, store};

const SCHEDULES: u64 = 10_000;
const STEPS: u32 = 20;
const FIRST: u32 = 1440;
const OPERATIONS: [&str; 3] = ["read", "write", "list"];

/// Numbers from a seed.
#[derive(Debug)]
struct Draw(SeededEntropy);

impl Draw {
    fn below(&self, limit: u32) -> u32 {
        u32::from_le_bytes(self.0.bytes()) % limit
    }

    fn place(&self, length: usize) -> usize {
        self.below(u32::try_from(length).unwrap()).try_into().unwrap()
    }
}

/// A store that takes in part of a batch and fails, and to which old batches come once more.
#[derive(Debug)]
struct Unruly {
    inner: Faulty<MemoryStore>,
    draw: Draw,
    old: Mutex<Vec<Vec<Cell>>>,
    calm: std::sync::atomic::AtomicBool,
}

impl Unruly {
    fn is_calm(&self) -> bool {
        self.calm.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[async_trait]
impl UsageSink for Unruly {
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        if self.is_calm() {
            return self.inner.inner().merge_cells(cells).await;
        }
        let (late, part) = {
            let mut old = self.old.lock().unwrap();
            old.push(cells.to_vec());
            let late = (self.draw.below(4) == 0).then(|| old[self.draw.place(old.len())].clone());
            (late, (self.draw.below(6) == 0).then(|| self.draw.place(cells.len() + 1)))
        };
        if let Some(late) = late {
            self.inner.inner().merge_cells(&late).await?;
        }
        if let Some(part) = part {
            self.inner.inner().merge_cells(&cells[..part]).await?;
            return Err(StoreError::new(StoreErrorKind::Unavailable, "usage_sink.merge_cells"));
        }
        self.inner.merge_cells(cells).await
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        if self.is_calm() {
            self.inner.inner().advance_watermark(watermark).await
        } else {
            self.inner.advance_watermark(watermark).await
        }
    }
}

fn tenant(n: u32) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(u128::from(n) + 1))
}

struct Course {
    directory: TempDir,
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    ledger: Arc<Unruly>,
    recorder: Arc<Recorder>,
    flusher: Flusher,
    draw: Draw,
    /// By tenant and operation.
    counted: BTreeMap<(u32, usize), u64>,
    restarts: u32,
}

impl Course {
    fn new(seed: u64) -> Self {
        let (directory, clock, store) = (directory(), clock_at(FIRST), store());
        let faults = Arc::new(Faults::seeded(seed));
        for fault in [Fault::Before, Fault::After, Fault::Twice] {
            faults.inject(At::any().chance(0.15), fault);
        }
        let ledger = Arc::new(Unruly {
            inner: Faulty::new(Arc::clone(&store), faults),
            draw: Draw(SeededEntropy::new(seed ^ 0xabcd)),
            old: Mutex::default(),
            calm: false.into(),
        });
        let recorder = open_as(directory.path(), 8, &clock, seed.is_multiple_of(2));
        let flusher = flusher(&recorder, Arc::<Unruly>::clone(&ledger));
        let draw = Draw(SeededEntropy::new(seed));
        Self { directory, clock, store, ledger, recorder, flusher, draw, counted: BTreeMap::new(), restarts: 0 }
    }

    async fn step(&mut self) {
        match self.draw.below(16) {
            0..=8 => self.count(),
            9 => self.clock.advance(Duration::from_secs(self.draw.below(90).into())),
            10 => self.clock.set(Minute::from_number(FIRST + self.draw.below(120)).start()),
            // Whether it succeeds is up to the faults.
            11 | 12 => drop(self.flusher.flush().await),
            13 => drop(self.flusher.recover().await),
            14 => self.restart(),
            _ => self.roll_up().await,
        }
    }

    fn count(&mut self) {
        let (of, operation, quantity) = (self.draw.below(2), self.draw.place(3), u64::from(self.draw.below(100)));
        let usage = Usage { tenant: tenant(of), meter: requests(), values: &["live", OPERATIONS[operation]] };
        match self.recorder.record(&usage, quantity) {
            Ok(()) => *self.counted.entry((of, operation)).or_default() += quantity,
            Err(RecordError::Full) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// As after a SIGKILL: what is in the files is all that is left.
    fn restart(&mut self) {
        self.restarts += 1;
        self.recorder = open_as(self.directory.path(), 8, &self.clock, self.restarts.is_multiple_of(2));
        self.flusher = flusher(&self.recorder, Arc::<Unruly>::clone(&self.ledger));
    }

    async fn roll_up(&self) {
        let until = Minute::from_number(2 * FIRST).hour();
        for stale in self.store.stale_hours(until, 2).await.unwrap() {
            self.store.rollup(stale.tenant, stale.meter, stale.hour).await.unwrap();
        }
    }

    /// Everything works again, and all that is left is sent. Old batches come once more.
    async fn end(&self) {
        self.ledger.calm.store(true, std::sync::atomic::Ordering::SeqCst);
        self.flusher.finish().await.unwrap();
        self.flusher.recover().await.unwrap();
        let old = self.ledger.old.lock().unwrap().clone();
        for batch in old.iter().rev() {
            self.store.merge_cells(batch).await.unwrap();
        }
        assert!(files(self.directory.path()).is_empty());
        assert_eq!(self.store.watermarks().await.unwrap(), []);
    }

    async fn check(&self, seed: u64) {
        // No minute is pruned, so these are all cells.
        assert_eq!(self.store.total(), self.counted.values().sum::<u64>(), "seed {seed}");
        let span = Span::new(Minute::from_number(FIRST), Minute::from_number(2 * FIRST)).unwrap();
        for grain in [Grain::Hour, Grain::Day] {
            let query = UsageQuery::new(requests(), span, grain).unwrap().by("operation");
            for of in 0..2 {
                let buckets = self.store.series(tenant(of), &query).await.unwrap();
                for (place, operation) in OPERATIONS.iter().enumerate() {
                    let stored =
                        buckets.iter().filter(|bucket| bucket.value.as_deref() == Some(operation)).map(|bucket| bucket.total);
                    let counted = self.counted.get(&(of, place)).copied().unwrap_or_default();
                    assert_eq!(stored.sum::<u64>(), counted, "seed {seed}, {grain:?}, tenant {of}, {operation}");
                }
            }
        }
    }
}

/// Runs the courses of these seeds; says how often a process died, and what went wrong with calls.
async fn run(seeds: std::ops::Range<u64>) -> (u32, u64) {
    let (mut restarts, mut faults) = (0, 0);
    for seed in seeds {
        let mut course = Course::new(seed);
        for _ in 0..STEPS {
            course.step().await;
        }
        course.end().await;
        course.check(seed).await;
        restarts += course.restarts;
        faults += course.ledger.inner.faults().counts().injected();
    }
    (restarts, faults)
}

/// In four parts, so that they can run beside each other.
macro_rules! parts {
    ($($name:ident: $part:literal;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let each = SCHEDULES / 4;
            let (restarts, faults) = run($part * each..($part + 1) * each).await;
            // The courses are what they are meant to be.
            assert!(u64::from(restarts) > each && faults > each, "{restarts} restarts and {faults} faults in {each} courses");
        }
    )*};
}

parts! {
    totals_are_exact_in_the_first_quarter_of_ten_thousand_courses: 0;
    totals_are_exact_in_the_second_quarter_of_ten_thousand_courses: 1;
    totals_are_exact_in_the_third_quarter_of_ten_thousand_courses: 2;
    totals_are_exact_in_the_last_quarter_of_ten_thousand_courses: 3;
}
