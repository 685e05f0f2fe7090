//! How a database is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteSynchronous;

/// What an acknowledged write survives. The end of the process, however sudden, it survives either way, and the file stays whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Also a loss of power: every commit waits for the disk (`synchronous = FULL`).
    #[default]
    PowerLoss,
    /// The last writes may be lost when the machine (not the process) goes down (`synchronous = NORMAL`). Saves the wait for the disk,
    /// about half a write's time on a solid-state disk.
    ProcessEnd,
}

impl Durability {
    pub(super) const fn synchronous(self) -> SqliteSynchronous {
        match self {
            Self::PowerLoss => SqliteSynchronous::Full,
            Self::ProcessEnd => SqliteSynchronous::Normal,
        }
    }
}

/// How a database is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteOptions {
    path: PathBuf,
    durability: Durability,
    busy_timeout: Duration,
    readers: u32,
}

impl SqliteOptions {
    /// The file at `path`. It is made when it is not there, readable by its owner only; its folder must be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), durability: Durability::default(), busy_timeout: Duration::from_secs(5), readers: 4 }
    }

    /// What an acknowledged write survives.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long a call waits for its turn, behind writers of this process and of others, before it answers `Unavailable`.
    #[must_use]
    pub const fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many connections read at once; at least one.
    #[must_use]
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn durability(&self) -> Durability {
        self.durability
    }

    pub(super) const fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    pub(super) const fn readers(&self) -> u32 {
        self.readers
    }
}
