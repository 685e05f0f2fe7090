//! What processes that are gone have left.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use togglebox_core::Timestamp;

use super::layout::{self, ENTRY_BYTES, HEADER_BYTES, Header, SLOT_BYTES, Slot};
use super::{NAMES, Paths, SLAB, UNMADE, boot_id, if_there};
use crate::{Cell, Labels, Series, WriterId};

/// What could not be read of a slab. It is told and left out: nothing is guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Slots whose key or total does not add up, or that name a series that the dictionary does not have.
    pub slots: u32,
    /// Slots of which one of the two totals does not add up: the last increment may be missing.
    pub torn: u32,
    /// Slots that the file is too short for.
    pub cut: u32,
}

impl Damage {
    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// A slab of a process that is gone, and all that could be read of it. It stays locked as long as this lives.
#[derive(Debug)]
pub struct Drained {
    /// Who counted.
    pub writer: WriterId,
    /// When the slab was made.
    pub made_at: Timestamp,
    /// Whether the machine was started anew since. Then what was not on disk is missing: at most what was counted since the last flush
    /// that the store answered.
    pub after_restart: bool,
    /// The final totals.
    pub cells: Vec<Cell>,
    /// What is missing.
    pub damage: Damage,
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Drained {
    /// Removes the files: everything in them is in the store.
    ///
    /// # Errors
    /// Those of the file system; the next drain finds the files again.
    pub fn remove(self) -> io::Result<()> {
        Paths::of_slab(&self.path).remove()
    }

    /// Puts the files aside, under a name that nobody drains: `<name>.slab.<why>`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn set_aside(self, why: &str) -> io::Result<()> {
        set_aside(&self.path.with_extension(NAMES), why)?;
        set_aside(&self.path, why)
    }

    /// The slab's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn set_aside(path: &Path, why: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(why);
    if_there(fs::rename(path, name))
}

/// A slab that gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotDrained {
    /// Its header cannot be read. It was put aside, as `<name>.slab.damaged`.
    #[error("the header of {0} cannot be read")]
    Header(PathBuf),
    /// The file system does not let us.
    #[error("{0} cannot be read")]
    Io(PathBuf, #[source] io::Error),
}

/// The slabs in a directory that no process has open, one at a time. Those of living processes are passed over. What is left of a slab
/// that was never finished is removed.
///
/// # Errors
/// Those of the file system, when the directory itself cannot be read.
pub fn abandoned(directory: &Path) -> io::Result<impl Iterator<Item = Result<Drained, NotDrained>> + use<>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory)? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths.into_iter().filter_map(|path| match path.extension().and_then(OsStr::to_str) {
        Some(SLAB) => drain(&path).transpose(),
        Some(UNMADE) => remove_unmade(&path).err().map(|error| Err(NotDrained::Io(path, error))),
        _ => None,
    }))
}

/// Opens and locks a file that nobody else has locked; `None` if somebody has, or has removed it meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        outcome => outcome?,
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
        // Whoever had the lock before may have drained it.
        Ok(()) => Ok((file.metadata()?.nlink() > 0).then_some(file)),
    }
}

/// A process that died while it made a slab has counted nothing in it.
fn remove_unmade(path: &Path) -> io::Result<()> {
    let Some(file) = lock(path)? else { return Ok(()) };
    // It may have become a slab between being found and being locked: then the name is gone.
    let same = fs::metadata(path).is_ok_and(|named| file.metadata().is_ok_and(|locked| named.ino() == locked.ino()));
    if same {
        if_there(fs::remove_file(path.with_extension(NAMES)))?;
        if_there(fs::remove_file(path))?;
    }
    Ok(())
}

fn drain(path: &Path) -> Result<Option<Drained>, NotDrained> {
    let failed = |error| NotDrained::Io(path.to_owned(), error);
    let Some(mut file) = lock(path).map_err(failed)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let names_path = path.with_extension(NAMES);
    let Some(header) = Header::read(&bytes) else {
        set_aside(&names_path, "damaged").map_err(failed)?;
        set_aside(path, "damaged").map_err(failed)?;
        return Err(NotDrained::Header(path.to_owned()));
    };
    let names = match fs::read(&names_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        outcome => outcome.map_err(failed)?,
    };
    let (cells, damage) = read(&header, &bytes, &names);
    let boot = boot_id();
    Ok(Some(Drained {
        writer: header.writer,
        made_at: header.made_at,
        after_restart: header.boot != boot || boot.iter().all(|byte| *byte == 0),
        cells,
        damage,
        path: path.to_owned(),
        _file: file,
    }))
}

/// All cells that can be read. Labels are shared among cells of one series.
fn read(header: &Header, slab: &[u8], names: &[u8]) -> (Vec<Cell>, Damage) {
    let writer = header.writer;
    let entries: Vec<_> =
        (0_u32..).zip(names.chunks_exact(ENTRY_BYTES)).map(|(at, entry)| layout::read_entry(writer, at, entry)).collect();
    let (mut cells, mut damage) = (Vec::new(), Damage::default());
    let body = slab.get(HEADER_BYTES..).unwrap_or_default();
    let (mut slots, mut there) = (body.chunks_exact(SLOT_BYTES), 0_u32);
    for (at, bytes) in (0..header.slots).zip(slots.by_ref()) {
        there += 1;
        match layout::read_slot(writer, at, bytes) {
            Slot::Unused => {}
            Slot::Damaged => damage.slots += 1,
            Slot::Sound { key, total, torn } => {
                let entry = usize::try_from(key.series).ok().and_then(|place| entries.get(place)?.as_ref());
                let Some((tenant, series, _)) = entry.filter(|(.., sum)| *sum == key.entry) else {
                    damage.slots += 1;
                    continue;
                };
                damage.torn += u32::from(torn);
                let series = Series { meter: series.meter, labels: Labels::clone(&series.labels) };
                cells.push(Cell { tenant: *tenant, series, minute: key.minute, writer, total: total.min(Cell::MOST) });
            }
        }
    }
    damage.cut = header.slots - there;
    (cells, damage)
}

#[cfg(test)]
mod tests;
