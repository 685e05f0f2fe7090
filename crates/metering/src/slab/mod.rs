//! The file in which a process counts.
//!
//! It is written at every increment, by a call or as memory, and never waited for: the operating system keeps what a killed process wrote. A file belongs to one
//! process from its making on, by a lock, and is only ever read after that process: nobody goes on counting in it, so that a total that
//! rolled back, as after a power loss or from a copy of the disk, never hides increments under a greater total that the store has.

mod drain;
mod layout;
#[cfg(feature = "mapped")]
mod mapping;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FallocateFlags;
use togglebox_core::{Entropy, TenantId, Timestamp};

pub use self::drain::{Damage, Drained, NotDrained, abandoned};
use self::layout::{BOOT_BYTES, ENTRY_BYTES, Header, SlotKey, Word};
use crate::{Minute, Series, WriterId};

const SLAB: &str = "slab";
const NAMES: &str = "names";
/// Of a slab that is being made.
const UNMADE: &str = "unmade";

/// A slab of this process. Dropping it leaves the files as they are, for whoever drains them.
#[derive(Debug)]
pub(crate) struct Slab {
    directory: PathBuf,
    writer: WriterId,
    /// Locked.
    file: File,
    names: File,
    /// How many series are in the dictionary.
    entries: Mutex<u32>,
    slots: u32,
    /// The first slot that nobody has taken; may go beyond the last.
    next: AtomicU32,
    /// The file as memory; without it, a call writes each total.
    #[cfg(feature = "mapped")]
    mapping: Option<mapping::Mapping>,
}

/// How a slab is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making {
    /// For how many cells it has room.
    pub(crate) slots: u32,
    /// Whether totals are stored in memory that is the file, where the file system is known to keep the space.
    #[cfg(feature = "mapped")]
    pub(crate) mapped: bool,
}

/// An entry of the dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    place: u32,
    sum: u32,
}

/// A slot that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    slot: u32,
    sum: u32,
}

impl Taken {
    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }
}

/// There is no slot left.
#[derive(Debug)]
pub(crate) enum TakeError {
    Full,
    Io(io::Error),
}

impl Slab {
    /// Makes a slab in a directory that is there, under a writer that never was. The space is taken at once, so that a disk that becomes full
    /// later does not matter.
    pub(crate) fn create(directory: &Path, making: Making, entropy: &dyn Entropy, now: Timestamp) -> io::Result<Self> {
        let writer = WriterId::random(entropy);
        let paths = Paths::of(directory, writer);
        let made = Self::make(directory, &paths, writer, making, now);
        if made.is_err() {
            // What is left of it has no use. If it cannot be removed either, whoever drains the directory does.
            drop(fs::remove_file(&paths.unmade));
            drop(fs::remove_file(&paths.names));
        }
        made
    }

    fn make(directory: &Path, paths: &Paths, writer: WriterId, making: Making, now: Timestamp) -> io::Result<Self> {
        let slots = making.slots;
        let open = |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = open(&paths.unmade)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other("somebody else has locked the new slab"),
        })?;
        let names = open(&paths.names)?;
        allocate(&file, layout::slot_at(slots))?;
        let header = Header { writer, slots, made_at: now, boot: boot_id() };
        file.write_all_at(&header.write(), 0)?;
        // So that a slab that is there by name has a header, also after a power loss.
        file.sync_all()?;
        fs::rename(&paths.unmade, &paths.slab)?;
        File::open(directory)?.sync_all()?;
        #[cfg(feature = "mapped")]
        let mapping = if making.mapped { mapping::Mapping::of(&file, layout::slot_at(slots))? } else { None };
        let (directory, entries, next) = (directory.to_owned(), Mutex::new(0), AtomicU32::new(0));
        Ok(Self {
            directory,
            writer,
            file,
            names,
            entries,
            slots,
            next,
            #[cfg(feature = "mapped")]
            mapping,
        })
    }

    pub(crate) const fn writer(&self) -> WriterId {
        self.writer
    }

    pub(crate) const fn slots(&self) -> u32 {
        self.slots
    }

    /// How many slots were taken.
    pub(crate) fn taken(&self) -> u32 {
        self.next.load(Ordering::Acquire).min(self.slots)
    }

    /// Adds a series to the dictionary.
    pub(crate) fn enter(&self, tenant: TenantId, series: &Series) -> io::Result<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let place = *entries;
        let (bytes, sum) = layout::write_entry(self.writer, place, tenant, series);
        self.names.write_all_at(&bytes, u64::from(place) * ENTRY_BYTES as u64)?;
        // An entry that was not written whole is written over by the next.
        *entries += 1;
        Ok(Entry { place, sum })
    }

    /// Takes a slot for a total of a series in a minute, which has this much at first, in its first word.
    pub(crate) fn take(&self, entry: Entry, minute: Minute, total: u64) -> Result<Taken, TakeError> {
        // Looked at first, so that those who ask in vain for years do not come around.
        let next = self.next.load(Ordering::Relaxed);
        let slot = if next < self.slots { self.next.fetch_add(1, Ordering::AcqRel) } else { next };
        if slot >= self.slots {
            return Err(TakeError::Full);
        }
        let key = SlotKey { series: entry.place, minute, entry: entry.sum };
        let (bytes, sum) = layout::write_slot(self.writer, slot, key, total);
        self.file.write_all_at(&bytes, layout::slot_at(slot)).map_err(TakeError::Io)?;
        Ok(Taken { slot, sum })
    }

    /// Sets the total of a slot that one took, in the word that does not have the last one.
    pub(crate) fn set(&self, taken: Taken, second: bool, total: u64) -> io::Result<()> {
        self.put(layout::word_at(taken.slot, second), Word::new(taken.sum, total))
    }

    fn put(&self, at: u64, word: Word) -> io::Result<()> {
        #[cfg(feature = "mapped")]
        if let Some(mapping) = &self.mapping {
            return mapping.put(at, word);
        }
        self.file.write_all_at(&word.bytes().0, at)
    }

    /// Whether totals are stored in memory that is the file.
    #[cfg(feature = "mapped")]
    pub(crate) const fn is_mapped(&self) -> bool {
        self.mapping.is_some()
    }

    /// Waits until everything that was written is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.names.sync_data()?;
        self.file.sync_data()
    }

    /// Removes the files: everything in them is in the store.
    pub(crate) fn remove(&self) -> io::Result<()> {
        Paths::of(&self.directory, self.writer).remove()
    }
}

/// Takes the blocks of a file, which is of `bytes` zeros afterwards.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // As `posix_fallocate` does: a file system that cannot is written to.
        Err(error) if error == rustix::io::Errno::OPNOTSUPP => {
            let zeros = vec![0; 1 << 20];
            let mut at = 0;
            while at < bytes {
                let part = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(zeros.len());
                file.write_all_at(&zeros[..part], at)?;
                at += part as u64;
            }
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

/// Which start of the machine this is; zeros where it does not say.
fn boot_id() -> [u8; BOOT_BYTES] {
    let mut boot = [0; BOOT_BYTES];
    if let Ok(text) = fs::read("/proc/sys/kernel/random/boot_id")
        && let Some(text) = text.get(..BOOT_BYTES)
    {
        boot.copy_from_slice(text);
    }
    boot
}

struct Paths {
    slab: PathBuf,
    names: PathBuf,
    unmade: PathBuf,
}

impl Paths {
    fn of(directory: &Path, writer: WriterId) -> Self {
        let [slab, names, unmade] = [SLAB, NAMES, UNMADE].map(|kind| directory.join(format!("{writer}.{kind}")));
        Self { slab, names, unmade }
    }

    fn of_slab(slab: &Path) -> Self {
        Self { slab: slab.to_owned(), names: slab.with_extension(NAMES), unmade: slab.with_extension(UNMADE) }
    }

    /// Whoever holds the lock removes the files in an order that a crash may cut off anywhere: what is left is taken for a slab that was
    /// never finished.
    fn remove(&self) -> io::Result<()> {
        if_there(fs::rename(&self.slab, &self.unmade))?;
        if_there(fs::remove_file(&self.names))?;
        if_there(fs::remove_file(&self.unmade))
    }
}

/// A file that is not there needs nothing done to it.
fn if_there(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
