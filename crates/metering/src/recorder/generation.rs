//! A slab and what of it the store has.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::RecordError;
use super::series::Counted;
use crate::slab::{Slab, Taken};
use crate::{Cell, Minute};

/// One file of this process; each has a writer of its own.
#[derive(Debug)]
pub(crate) struct Generation {
    /// From 1.
    pub(super) number: u64,
    pub(crate) slab: Slab,
    /// By slot.
    cells: Box<[Tally]>,
    /// Before this slot everything is final and acknowledged.
    settled: AtomicU32,
    /// Whether the disk has failed to take it.
    torn: AtomicBool,
}

/// What of a slot is known in memory.
#[derive(Debug, Default)]
struct Tally {
    series: OnceLock<Arc<Counted>>,
    minute: AtomicU32,
    /// Whether the next total goes into the second word of the slot.
    second: AtomicBool,
    total: AtomicU64,
    acknowledged: AtomicU64,
}

/// A total to be sent, and where it is from.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    pub(crate) slot: u32,
    pub(crate) cell: Cell,
}

impl Generation {
    pub(super) fn new(number: u64, slab: Slab) -> Self {
        let cells = (0..slab.slots()).map(|_| Tally::default()).collect();
        Self { number, slab, cells, settled: AtomicU32::new(0), torn: AtomicBool::new(false) }
    }

    /// Waits until the file is on the disk. Once that has failed it fails until the file is sent and gone: the system tells of pages that were
    /// not written once, and takes them for written from then on.
    pub(super) fn sync(&self) -> io::Result<()> {
        if self.torn.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk has failed to take a part of this file before"));
        }
        self.slab.sync().inspect_err(|_| self.torn.store(true, Ordering::SeqCst))
    }

    fn tally(&self, slot: u32) -> Option<&Tally> {
        self.cells.get(usize::try_from(slot).ok()?)
    }

    /// A slot is in use from now on. Under the lock of its group.
    pub(super) fn begin(&self, taken: Taken, series: &Arc<Counted>, minute: Minute, total: u64) {
        if let Some(tally) = self.tally(taken.slot()) {
            tally.minute.store(minute.number(), Ordering::Relaxed);
            tally.second.store(true, Ordering::Relaxed);
            tally.total.store(total, Ordering::Relaxed);
            // Each slot is taken once. Whoever sees the series sees the rest.
            drop(tally.series.set(Arc::clone(series)));
        }
    }

    /// Adds to the total of a slot, first in the file. Under the lock of its group.
    pub(super) fn raise(&self, taken: Taken, quantity: u64) -> Result<(), RecordError> {
        // There is one for each slot that can be taken.
        let Some(tally) = self.tally(taken.slot()) else { return Err(RecordError::Full) };
        let total = tally.total.load(Ordering::Relaxed).checked_add(quantity);
        let total = total.filter(|total| *total <= Cell::MOST).ok_or(RecordError::Overflow)?;
        let second = tally.second.load(Ordering::Relaxed);
        self.slab.set(taken, second, total).map_err(RecordError::Io)?;
        tally.second.store(!second, Ordering::Relaxed);
        tally.total.store(total, Ordering::Release);
        Ok(())
    }

    /// Every total that the store has not acknowledged.
    pub(crate) fn unsent(&self) -> Vec<Unsent> {
        let unsent = |slot| {
            let tally = self.tally(slot)?;
            let counted = tally.series.get()?;
            let total = tally.total.load(Ordering::Acquire);
            let minute = Minute::from_number(tally.minute.load(Ordering::Relaxed));
            let (tenant, series, writer) = (counted.tenant, counted.series.clone(), self.slab.writer());
            (total > tally.acknowledged.load(Ordering::Acquire))
                .then_some(Unsent { slot, cell: Cell { tenant, series, minute, writer, total } })
        };
        (self.settled.load(Ordering::Acquire)..self.slab.taken()).filter_map(unsent).collect()
    }

    /// The store has these totals, or greater ones.
    pub(crate) fn acknowledge(&self, sent: &[Unsent]) {
        for Unsent { slot, cell } in sent {
            if let Some(tally) = self.tally(*slot) {
                tally.acknowledged.fetch_max(cell.total, Ordering::AcqRel);
            }
        }
    }

    /// Takes note of slots that need not be looked at any more: those of minutes before `floor`, which nobody adds to.
    pub(crate) fn settle(&self, floor: Minute) {
        let is_settled = |slot: &u32| {
            self.tally(*slot).is_some_and(|tally| {
                let acknowledged = tally.acknowledged.load(Ordering::Acquire);
                let closed = tally.minute.load(Ordering::Relaxed) < floor.number();
                tally.series.get().is_some() && closed && acknowledged == tally.total.load(Ordering::Acquire)
            })
        };
        let settled = self.settled.load(Ordering::Acquire);
        let more = (settled..self.slab.taken()).take_while(is_settled).count();
        self.settled.store(settled + u32::try_from(more).unwrap_or(0), Ordering::Release);
    }
}
