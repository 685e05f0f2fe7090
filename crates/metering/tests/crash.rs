//! Processes that are killed while they count. A binary of its own: it runs itself as the process that is killed.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{Clock as _, EntropyExt as _, SeededEntropy, StoreResult, TenantId};
use togglebox_metering::store::{MergeReport, UsageQuery, UsageSink, UsageStore as _};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{Cell, Grain, Labels, Minute, RecordError, Series, Span, Watermark, WriterId};

use crate::support::{clock_at, directory, files, files_of_kind, flusher, open, open_as, request, requests, store};

const KILLS: u32 = 200;
const THREADS: usize = 2;
const OPERATIONS: [&str; THREADS] = ["read", "write"];
/// Names the directory to the process that is killed.
const CHILD: &str = "TOGGLEBOX_METERING_CHILD";
/// Whether it counts in memory that is the file.
const MAPPED: &str = "TOGGLEBOX_METERING_MAPPED";
const FIRST: u32 = 1440;
const SLOTS: u32 = 32;

/// A total on its way to the store: thread, minute, writer, total. Anything as short as this goes through a pipe whole or not at all.
const CELL_BYTES: usize = 1 + 4 + 16 + 8;
const CELL: u8 = 0x80;

/// The store of the process that is killed: whatever is in the pipe has arrived, since the other end reads it in any case.
#[derive(Debug)]
struct Pipe(File, MemoryStore);

#[async_trait]
impl UsageSink for Pipe {
    async fn merge_cells(&self, cells: &[Cell]) -> StoreResult<MergeReport> {
        for cell in cells {
            let operation = cell.series.labels.get("operation").unwrap();
            let thread = OPERATIONS.iter().position(|known| *known == operation).unwrap();
            let mut bytes = vec![CELL + u8::try_from(thread).unwrap()];
            bytes.extend(cell.minute.number().to_le_bytes());
            bytes.extend(cell.writer.as_u128().to_le_bytes());
            bytes.extend(cell.total.to_le_bytes());
            assert_eq!(bytes.len(), CELL_BYTES);
            (&self.0).write_all(&bytes).unwrap();
        }
        self.1.merge_cells(cells).await
    }

    async fn advance_watermark(&self, watermark: &Watermark) -> StoreResult<()> {
        self.1.advance_watermark(watermark).await
    }
}

/// Counts for ever, on several threads, and says so after each increment; sends, changes files and recovers beside that.
fn count_until_killed(directory: &Path) -> ! {
    let pipe = || File::from(std::io::stderr().as_fd().try_clone_to_owned().unwrap());
    let clock = clock_at(FIRST);
    let recorder = open_as(directory, SLOTS, &clock, std::env::var_os(MAPPED).is_some());
    for (thread, operation) in OPERATIONS.into_iter().enumerate() {
        let (recorder, mut pipe) = (Arc::clone(&recorder), pipe());
        std::thread::spawn(move || {
            loop {
                match request(&recorder, &["live", operation], 1) {
                    Ok(()) => pipe.write_all(&[u8::try_from(thread).unwrap()]).unwrap(),
                    Err(RecordError::Full) => std::thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
            }
        });
    }
    let flusher = flusher(&recorder, Arc::new(Pipe(pipe(), MemoryStore::new())));
    runtime().block_on(async {
        loop {
            flusher.recover().await.unwrap();
            for _ in 0..20 {
                flusher.flush().await.unwrap();
                // An hour in which cells of all kinds are begun.
                let next = (Minute::of(clock.now()).unwrap().number() + 1 - FIRST) % 60;
                clock.set(Minute::from_number(FIRST + next).start());
            }
        }
    })
}

/// Lets a process count in this directory, and kills it after so many acknowledgements. What it acknowledged, by thread; and what it sent
/// is in the store.
async fn killed(directory: &Path, after: u64, store: &MemoryStore, mapped: bool) -> [u64; THREADS] {
    let test = "however_processes_are_killed_what_they_acknowledged_is_counted_once";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, directory)
        .envs(mapped.then_some((MAPPED, "1")))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let (mut acknowledged, mut cells, mut killed) = ([0; THREADS], Vec::new(), false);
    let (mut buffer, mut kept) = ([0; 4096], Vec::new());
    loop {
        let length = pipe.read(&mut buffer).unwrap();
        if length == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..length]);
        let mut rest = &kept[..];
        while let Some(first) = rest.first() {
            if let Some(count) = acknowledged.get_mut(usize::from(*first)) {
                *count += 1;
                rest = &rest[1..];
            } else if *first < CELL {
                drop(pipe.read_to_end(&mut kept.clone()));
                panic!("it did not go on: {}", String::from_utf8_lossy(rest));
            } else if rest.len() >= CELL_BYTES {
                cells.push(cell(&rest[..CELL_BYTES]));
                rest = &rest[CELL_BYTES..];
            } else {
                break;
            }
        }
        kept = rest.to_vec();
        if !killed && acknowledged.iter().sum::<u64>() >= after {
            child.kill().unwrap();
            killed = true;
        }
    }
    assert!(killed, "it ended by itself: {:?}", String::from_utf8_lossy(&kept));
    assert!(kept.is_empty(), "a total came in part");
    child.wait().unwrap();
    for batch in cells.chunks(1000) {
        store.merge_cells(batch).await.unwrap();
    }
    acknowledged
}

fn cell(bytes: &[u8]) -> Cell {
    let operation = OPERATIONS[usize::from(bytes[0] - CELL)];
    let labels = Labels::new([("environment", "live"), ("operation", operation)]).unwrap();
    Cell {
        tenant: TenantId::DEFAULT,
        series: Series { meter: requests(), labels },
        minute: Minute::from_number(u32::from_le_bytes(bytes[1..5].try_into().unwrap())),
        writer: WriterId::from_u128(u128::from_le_bytes(bytes[5..21].try_into().unwrap())),
        total: u64::from_le_bytes(bytes[21..29].try_into().unwrap()),
    }
}

async fn stored(store: &MemoryStore) -> [u64; THREADS] {
    let span = Span::new(Minute::from_number(FIRST), Minute::from_number(FIRST + 60)).unwrap();
    let query = UsageQuery::new(requests(), span, Grain::Hour).unwrap().by("operation");
    let buckets = store.series(TenantId::DEFAULT, &query).await.unwrap();
    OPERATIONS.map(|operation| {
        buckets.iter().filter(|bucket| bucket.value.as_deref() == Some(operation)).map(|bucket| bucket.total).sum()
    })
}

#[test]
fn however_processes_are_killed_what_they_acknowledged_is_counted_once() {
    match std::env::var_os(CHILD) {
        Some(directory) => count_until_killed(&PathBuf::from(directory)),
        None => runtime().block_on(kill_and_compare(false)),
    }
}

#[test]
fn what_killed_processes_counted_in_memory_is_counted_once() {
    runtime().block_on(kill_and_compare(true));
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Of each thread, one increment may be counted that it could not acknowledge any more.
async fn kill_and_compare(mapped: bool) {
    let (directory, store, draw) = (directory(), store(), SeededEntropy::new(7));
    let (mut before, mut acknowledged, mut in_flight, mut total) = ([0; THREADS], [0; THREADS], 0, 0);
    for kill in 1..=KILLS {
        let after = u64::from(u16::from_le_bytes(draw.bytes()) % 3000) + 1;
        let of_this = killed(directory.path(), after, &store, mapped).await;
        in_flight += 1;
        for thread in 0..THREADS {
            acknowledged[thread] += of_this[thread];
            total += of_this[thread];
        }
        // Every other time the next process finds the files, and is killed while it sends them.
        if kill % 2 == 1 && kill < KILLS {
            continue;
        }
        let clock = clock_at(FIRST);
        clock.advance(Duration::from_hours(1));
        let recorder = open(directory.path(), SLOTS, &clock);
        let flusher = flusher(&recorder, Arc::<MemoryStore>::clone(&store));
        assert_eq!(flusher.recover().await.unwrap().damaged, 0, "kill {kill}");
        flusher.finish().await.unwrap();
        assert!(files(directory.path()).is_empty() && files_of_kind(directory.path(), "damaged").is_empty());
        let now = stored(&store).await;
        for thread in 0..THREADS {
            let counted = now[thread] - before[thread];
            let (least, most) = (acknowledged[thread], acknowledged[thread] + in_flight);
            assert!((least..=most).contains(&counted), "kill {kill}, thread {thread}: {counted} is not from {least} to {most}");
        }
        (before, acknowledged, in_flight) = (now, [0; THREADS], 0);
    }
    assert!(total > u64::from(KILLS) * 500, "{total} acknowledgements");
}
