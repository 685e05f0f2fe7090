//! A slab as memory: what is stored there is in the file, without a call of the system.
//!
//! The operating system keeps the pages of a file for a killed process, whether a call wrote them or a store to memory did. What a store
//! has no way to say is that there is no space: the process ends by a signal (SIGBUS) then. So only files are mapped that keep what they
//! were given.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use vm_memory::{FileOffset, MmapRegion, VolatileMemory as _};

use super::layout::{UNDER_WAY, Word};

/// A whole file, shared with the operating system.
#[derive(Debug)]
pub(super) struct Mapping(MmapRegion);

impl Mapping {
    /// Maps the first `bytes` of a file, which has them; `None` where its file system may want more space for what it was given once.
    pub(super) fn of(file: &File, bytes: u64) -> io::Result<Option<Self>> {
        if !keeps_its_space(file)? {
            return Ok(None);
        }
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let region = MmapRegion::from_file(FileOffset::new(file.try_clone()?, 0), length).map_err(io::Error::other)?;
        Ok(Some(Self(region)))
    }

    /// Writes a word. That takes three stores, in this order: a process that is killed between them leaves one that says so.
    pub(super) fn put(&self, at: u64, word: Word) -> io::Result<()> {
        let at = usize::try_from(at).map_err(io::Error::other)?;
        let (place, place_of_sum) = (self.half(at)?, self.half(at + size_of::<u64>())?);
        let [total, sum] = word.halves();
        place_of_sum.store(u64::from_ne_bytes(UNDER_WAY), Ordering::Release);
        place.store(total, Ordering::Release);
        place_of_sum.store(sum, Ordering::Release);
        Ok(())
    }

    fn half(&self, at: usize) -> io::Result<&AtomicU64> {
        self.0.get_atomic_ref(at).map_err(io::Error::other)
    }
}

/// Whether blocks that were given to a file stay its own when they are written again. Not so where every write goes elsewhere (btrfs, ZFS,
/// bcachefs, F2FS), and unknown behind a network or another file system.
#[cfg(target_os = "linux")]
fn keeps_its_space(file: &File) -> io::Result<bool> {
    use rustix::fs::FsWord;

    /// `statfs(2)`: ext2 to ext4, XFS, tmpfs.
    const KNOWN: [FsWord; 3] = [0xEF53, 0x5846_5342, 0x0102_1994];
    Ok(KNOWN.contains(&rustix::fs::fstatfs(file)?.f_type))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it asks")]
fn keeps_its_space(_: &File) -> io::Result<bool> {
    Ok(false)
}
