//! From the files to the store.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, Timestamp};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::metrics::Metrics;
use crate::recorder::{Fill, Generation, Recorder};
use crate::slab::{Drained, NotDrained, abandoned};
use crate::store::{MOST_CELLS, UsageSink, tell_late};
use crate::{Cell, Minute, Watermark};

/// How often, and how patiently.
#[derive(Clone, Copy, Debug)]
pub struct FlusherOptions {
    interval: Duration,
    call: Duration,
    recovery: Duration,
}

impl Default for FlusherOptions {
    /// Every second; a call has five; every minute a look for what other processes left.
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), call: Duration::from_secs(5), recovery: Duration::from_mins(1) }
    }
}

impl FlusherOptions {
    /// How long after a flush the next begins. Longer costs the store less, and makes usage visible later; it loses nothing.
    #[must_use]
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// How long a call of the store may take before it counts as lost.
    #[must_use]
    pub fn with_call_timeout(self, call: Duration) -> Self {
        Self { call, ..self }
    }

    /// How often the directory is looked through for files of processes that are gone.
    #[must_use]
    pub fn with_recovery(self, recovery: Duration) -> Self {
        Self { recovery, ..self }
    }
}

/// What a flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Cells that the store acknowledged.
    pub cells: usize,
    /// Of them, those that came after their minutes were pruned: they do not count. Logged.
    pub late: usize,
    /// Files that were sent to their end and removed.
    pub files: usize,
}

/// What a recovery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Files of other processes that were sent to their end.
    pub files: usize,
    /// Cells in them.
    pub cells: usize,
    /// Of them, those that came after their minutes were pruned: they do not count. The file is kept aside.
    pub late: usize,
    /// Files of which something could not be read. They are kept aside.
    pub damaged: usize,
}

/// How far a flusher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// When the store had everything that was counted until then; at first, when the flusher was made.
    pub sent_at: Timestamp,
    /// How full the files are.
    pub fill: Fill,
}

/// Sends what a [`Recorder`] counts to a store, and what processes that are gone have counted.
///
/// It always sends totals. A call that fails, or whose answer is lost, needs nothing done about it: the next flush sends the totals of
/// then. Dropping any of its futures loses nothing.
#[derive(Debug)]
pub struct Flusher {
    recorder: Arc<Recorder>,
    sink: Arc<dyn UsageSink>,
    options: FlusherOptions,
    metrics: Metrics,
    /// [`Progress::sent_at`], in milliseconds since 1970.
    sent_ms: AtomicI64,
    /// One flush at a time.
    running: Mutex<()>,
    /// And one new file.
    rotating: Mutex<()>,
}

impl Flusher {
    /// Sends what `recorder` counts to `sink`.
    pub fn new(recorder: Arc<Recorder>, sink: Arc<dyn UsageSink>, options: FlusherOptions) -> Self {
        let sent_ms = AtomicI64::new(recorder.clock().now().as_ms());
        Self {
            recorder,
            sink,
            options,
            metrics: Metrics::register(),
            sent_ms,
            running: Mutex::default(),
            rotating: Mutex::default(),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress { sent_at: Timestamp::from_ms(self.sent_ms.load(Ordering::Relaxed)), fill: self.recorder.fill() }
    }

    /// Sends every total that the store has not acknowledged, and then says up to when all is sent. Begins a new file when the current
    /// one is half full, and removes files that are sent to their end.
    ///
    /// # Errors
    /// Those of the store. What was not acknowledged is sent again by the next flush.
    pub async fn flush(&self) -> StoreResult<FlushReport> {
        let _one = self.running.lock().await;
        self.make_room().await;
        let mut report = FlushReport::default();
        let begun = self.recorder.clock().now();
        let outcome = self.send(&mut report, false).await;
        match outcome {
            Ok(()) => self.sent_ms.store(begun.as_ms(), Ordering::Relaxed),
            Err(_) => self.metrics.failed.increment(1),
        }
        let Progress { sent_at, fill } = self.progress();
        self.metrics.filled(fill);
        self.metrics.lags(self.recorder.clock().now().since(sent_at));
        outcome.map(|()| report)
    }

    /// Begins a new file when the current one is half full. Where that can take less than an interval, because many series turn the minute
    /// together or the store is slow, this is to be called more often than [`flush`](Self::flush): what has no room is not counted.
    pub async fn make_room(&self) {
        let _one = self.rotating.lock().await;
        if !self.recorder.is_half_full() {
            return;
        }
        let recorder = Arc::clone(&self.recorder);
        match tokio::task::spawn_blocking(move || recorder.rotate()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                warn!(error = &error as &dyn std::error::Error, "Cannot begin a new file of usage: counting goes on in the old");
            }
            Err(stopped) => warn!(error = &stopped as &dyn std::error::Error, "The making of a new file of usage was cut off"),
        }
    }

    async fn send(&self, report: &mut FlushReport, closed: bool) -> StoreResult<()> {
        let now = self.recorder.clock().now();
        let floor = Minute::of(now).unwrap_or(Minute::EPOCH);
        let generations = self.recorder.settle(floor);
        for generation in &generations {
            for batch in generation.unsent().chunks(MOST_CELLS) {
                let cells: Vec<Cell> = batch.iter().map(|unsent| unsent.cell.clone()).collect();
                report.late += self.merge(&cells).await?;
                report.cells += cells.len();
                generation.acknowledge(batch);
            }
            generation.settle(floor);
        }
        // The current writer first: before the store is told of the end of one, it knows the one that goes on.
        for (place, generation) in generations.iter().enumerate() {
            let ended = closed || place > 0;
            let writer = generation.slab.writer();
            self.advance(&Watermark { writer, upto: floor, seen_at: now, ended }).await?;
            if ended {
                self.retire(generation);
                report.files += 1;
            }
        }
        Ok(())
    }

    /// A file that cannot be removed is found by the next process, which sends the same totals.
    fn retire(&self, generation: &Arc<Generation>) {
        if let Err(error) = generation.slab.remove() {
            warn!(
                writer = %generation.slab.writer(),
                error = &error as &dyn std::error::Error,
                "Cannot remove a file of usage that is sent"
            );
        }
        self.recorder.forget(generation);
    }

    /// Merges cells; says how many were late.
    async fn merge(&self, cells: &[Cell]) -> StoreResult<usize> {
        let report = self.within("usage_sink.merge_cells", self.sink.merge_cells(cells)).await?;
        self.metrics.sent.increment(cells.len() as u64);
        tell_late(cells, &report);
        Ok(report.late.len())
    }

    async fn advance(&self, watermark: &Watermark) -> StoreResult<()> {
        self.within("usage_sink.advance_watermark", self.sink.advance_watermark(watermark)).await
    }

    async fn within<T>(&self, operation: &'static str, call: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        match timeout(self.options.call, call).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(elapsed)),
        }
    }

    /// Sends what processes that are gone have counted, and removes their files. Any number of processes may do so, at once or again.
    /// What cannot be read is logged, and kept aside.
    ///
    /// # Errors
    /// Those of the store and, as `Unavailable`, of the file system. What is left is found the next time.
    pub async fn recover(&self) -> StoreResult<RecoveryReport> {
        let failed = |error: io::Error| StoreError::new(StoreErrorKind::Unavailable, "usage.recover").caused_by(error);
        let mut report = RecoveryReport::default();
        let directory = self.recorder.directory().to_owned();
        let mut slabs = abandoned(&directory).map_err(failed)?;
        loop {
            // Reading a file takes a while.
            let read = tokio::task::spawn_blocking(move || (slabs.next(), slabs)).await;
            let (next, rest) = read.map_err(|stopped| failed(io::Error::other(stopped)))?;
            slabs = rest;
            match next {
                None => return Ok(report),
                Some(Ok(slab)) => self.recover_one(slab, &mut report).await?,
                Some(Err(damaged @ NotDrained::Header(_))) => {
                    report.damaged += 1;
                    self.metrics.damaged.increment(1);
                    error!(
                        error = &damaged as &dyn std::error::Error,
                        "A file of usage is damaged: nothing of it is counted but what was sent before"
                    );
                }
                Some(Err(NotDrained::Io(_, error))) => return Err(failed(error)),
            }
        }
    }

    async fn recover_one(&self, slab: Drained, report: &mut RecoveryReport) -> StoreResult<()> {
        let mut late = 0;
        for batch in slab.cells.chunks(MOST_CELLS) {
            late += self.merge(batch).await?;
        }
        let now = self.recorder.clock().now();
        let upto = Minute::of(now).unwrap_or(Minute::EPOCH);
        self.advance(&Watermark { writer: slab.writer, upto, seen_at: now, ended: true }).await?;
        report.files += 1;
        self.metrics.recovered.increment(1);
        report.cells += slab.cells.len();
        report.late += late;
        let (writer, damage) = (slab.writer, slab.damage);
        info!(%writer, cells = slab.cells.len(), machine.restarted = slab.after_restart, "Counted what a process that is gone had left");
        let outcome = if !damage.is_none() {
            report.damaged += 1;
            self.metrics.damaged.increment(1);
            error!(%writer, ?damage, "A file of usage is damaged: some of it may not be counted");
            slab.set_aside("damaged")
        } else if late > 0 {
            slab.set_aside("late")
        } else {
            slab.remove()
        };
        outcome.map_err(|error| StoreError::new(StoreErrorKind::Unavailable, "usage.recover").caused_by(error))
    }

    /// Ends counting, sends everything, and removes the files. Whatever is not sent when it fails or is dropped stays in the files, for the
    /// next process.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn finish(&self) -> StoreResult<FlushReport> {
        let _one = self.running.lock().await;
        self.recorder.close();
        let mut report = FlushReport::default();
        self.send(&mut report, true).await?;
        Ok(report)
    }

    /// Flushes and recovers until `stop`, then [finishes](Self::finish) within `grace`: one deadline for everything that is left.
    ///
    /// # Errors
    /// What the end failed with: `Unavailable` when time was up. Then the files are there, and the next process sends them.
    pub async fn run(&self, stop: impl Future<Output = ()>, grace: Duration) -> StoreResult<FlushReport> {
        let mut stop = pin!(stop);
        let mut to_recovery = Duration::ZERO;
        loop {
            let round = pin!(self.round(to_recovery.is_zero()));
            if let Either::Left(_) = select(&mut stop, round).await {
                break;
            }
            to_recovery =
                if to_recovery.is_zero() { self.options.recovery } else { to_recovery.saturating_sub(self.options.interval) };
            if timeout(self.options.interval, &mut stop).await.is_ok() {
                break;
            }
        }
        match timeout(grace, self.finish()).await {
            Ok(outcome) => outcome,
            Err(elapsed) => Err(StoreError::new(StoreErrorKind::Unavailable, "usage.finish").caused_by(elapsed)),
        }
    }

    async fn round(&self, recover: bool) {
        if let Err(error) = self.flush().await {
            warn!(error = &error as &dyn std::error::Error, "Usage was not sent; the next flush sends it");
        }
        if recover && let Err(error) = self.recover().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "What processes that are gone have counted was not sent; tried again later"
            );
        }
    }
}
