//! Counting where no disk outlasts the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use togglebox_core::{Clock, Entropy, StoreResult};

use crate::store::{MOST_CELLS, UsageSink};
use crate::{Cell, CellKey, Labels, Meters, Minute, RecordError, Series, Usage, WriterId};

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
}

#[derive(Debug, Default)]
struct Counts {
    /// The latest minute that was counted in. A clock that steps back does not lead behind it: a total that was sent and forgotten would begin
    /// again from nothing.
    last: Minute,
    of: HashMap<CellKey, Count>,
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
        Self { meters, sink, clock, writer: WriterId::random(entropy), counts: Mutex::default() }
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
        counts.last = counts.last.max(now);
        let key = CellKey { tenant, series: Series { meter, labels }, minute: counts.last, writer: self.writer };
        let count = counts.of.entry(key).or_default();
        count.total = count.total.checked_add(quantity).filter(|total| *total <= Cell::MOST).ok_or(RecordError::Overflow)?;
        Ok(())
    }

    /// Brings everything that was counted so far to the store.
    ///
    /// # Errors
    /// Those of the store. What was not acknowledged is in the next call.
    pub async fn write(&self) -> StoreResult<()> {
        let cells = self.unsent();
        for part in cells.chunks(MOST_CELLS) {
            self.sink.merge_cells(part).await?;
            self.acknowledge(part);
        }
        Ok(())
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
