//! Counting where no disk outlasts the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use togglebox_core::{Clock, Entropy, StoreError, StoreErrorKind, StoreResult, TenantId};

use crate::store::{MOST_CELLS, UsageSink};
use crate::{Cell, CellKey, Labels, MeterId, Meters, Minute, PartlyRecorded, RecordError, Series, Usage, WriterId};

/// Counts in memory, and in the store before an answer goes out: for platforms that may end a process at any time and give it no disk (AWS
/// Lambda and the like). Where there is a disk, a [`Recorder`](crate::Recorder) costs a thousandth of it.
///
/// [`add`](Self::add) what a request used, [`write`](Self::write) and only then answer: what a client was told is counted, however the
/// process ends. The process is a writer of its own, and sends totals: a call whose outcome is unknown is made again and counts nothing twice,
/// and so does one that is made for several requests at once.
pub struct DirectRecorder {
    meters: Meters,
    sink: Arc<dyn UsageSink>,
    clock: Arc<dyn Clock>,
    writer: WriterId,
    counts: Mutex<Counts>,
    /// One call of the store at a time: whoever waits meanwhile has theirs in the next, together.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// How many series of a tenant are told apart in a minute; what is beyond them counts as [other](Labels::OTHER).
const SERIES: usize = 1000;

#[derive(Debug, Default)]
struct Counts {
    /// The latest minute that was counted in. A clock that steps back does not lead behind it: a total that was sent and forgotten would begin
    /// again from nothing.
    last: Minute,
    of: HashMap<CellKey, Count>,
    /// How many series of each tenant there are in the latest minute.
    series: HashMap<TenantId, usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    total: u64,
    /// What the store has acknowledged of it.
    sent: u64,
}

impl fmt::Debug for DirectRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectRecorder").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl DirectRecorder {
    /// Counts these meters, as a writer that nobody was before.
    pub fn new(meters: Meters, sink: Arc<dyn UsageSink>, clock: Arc<dyn Clock>, entropy: &dyn Entropy) -> Self {
        Self { meters, sink, clock, writer: WriterId::random(entropy), counts: Mutex::default(), writing: Arc::default() }
    }

    /// Counts in memory. It counts for good with the next [`write`](Self::write).
    ///
    /// # Errors
    /// As [`Recorder::record`](crate::Recorder::record), but for those of a disk.
    pub fn add(&self, usage: &Usage<'_>, quantity: u64) -> Result<(), RecordError> {
        let Usage { tenant, meter, values } = *usage;
        let known = self.meters.get(meter).ok_or(RecordError::UnknownMeter(meter))?;
        let dimensions = known.dimensions().len();
        if dimensions != values.len() {
            return Err(RecordError::Dimensions { meter, dimensions, given: values.len() });
        }
        let labels = Labels::new(known.dimensions().zip(values.iter().copied()))?;
        let now = Minute::of(self.clock.now())?;
        if quantity == 0 {
            return Ok(());
        }
        let mut counts = self.counts();
        if now > counts.last {
            counts.last = now;
            counts.series.clear();
        }
        let mut key = CellKey { tenant, series: Series { meter, labels }, minute: counts.last, writer: self.writer };
        if !counts.of.contains_key(&key) {
            let told_apart = counts.series.entry(tenant).or_default();
            if *told_apart < SERIES {
                *told_apart += 1;
            } else {
                key.series.labels = Labels::other(known.dimensions())?;
            }
        }
        let count = counts.of.entry(key).or_default();
        count.total = count.total.checked_add(quantity).filter(|total| *total <= Cell::MOST).ok_or(RecordError::Overflow)?;
        Ok(())
    }

    /// Several meters of one tenant, which have the same values of their dimensions.
    ///
    /// # Errors
    /// As [`Recorder::record_each`](crate::Recorder::record_each), but for those of a disk.
    pub fn add_each(&self, tenant: TenantId, values: &[&str], quantities: &[(MeterId, u64)]) -> Result<(), PartlyRecorded> {
        quantities.iter().enumerate().try_for_each(|(recorded, (meter, quantity))| {
            let usage = Usage { tenant, meter: *meter, values };
            self.add(&usage, *quantity).map_err(|error| PartlyRecorded { recorded, error })
        })
    }

    /// Brings everything that was counted so far to the store.
    ///
    /// # Errors
    /// Those of the store. What was not acknowledged is in the next call.
    pub async fn write(self: &Arc<Self>) -> StoreResult<()> {
        let writing = Arc::clone(&self.writing).lock_owned().await;
        let recorder = Arc::clone(self);
        // Whoever waits may give up; the call goes on, and those who wait behind it have nothing to repeat.
        let sending = tokio::spawn(async move {
            let _one = writing;
            let cells = recorder.unsent();
            for part in cells.chunks(MOST_CELLS) {
                recorder.sink.merge_cells(part).await?;
                recorder.acknowledge(part);
            }
            Ok(())
        });
        let failed = |stopped| StoreError::new(StoreErrorKind::Unavailable, "usage.write").caused_by(stopped);
        sending.await.map_err(failed)?
    }

    fn unsent(&self) -> Vec<Cell> {
        let counts = self.counts();
        let unsent = counts.of.iter().filter(|(_, count)| count.total > count.sent);
        let cell = |(key, count): (&CellKey, &Count)| {
            let CellKey { tenant, series, minute, writer } = key.clone();
            Cell { tenant, series, minute, writer, total: count.total }
        };
        unsent.map(cell).collect()
    }

    /// Forgets what needs no further thought: cells of minutes that are over.
    fn acknowledge(&self, cells: &[Cell]) {
        let mut counts = self.counts();
        for cell in cells {
            if let Some(count) = counts.of.get_mut(&cell.key()) {
                count.sent = count.sent.max(cell.total);
            }
        }
        let last = counts.last;
        counts.of.retain(|key, count| count.total > count.sent || key.minute == last);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A total is whole at any time.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
