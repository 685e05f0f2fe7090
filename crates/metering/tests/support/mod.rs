//! Recorders in directories of their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use togglebox_core::{Clock, ManualClock, OsEntropy, TenantId};
use togglebox_metering::testkit::MemoryStore;
use togglebox_metering::{
    Flusher, FlusherOptions, Meter, MeterId, Meters, Minute, RecordError, Recorder, RecorderOptions, Usage, store::UsageSink,
};

/// In memory where there is such a place: files are made and synced thousands of times.
pub(crate) fn directory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

pub(crate) fn meters() -> Meters {
    Meters::new([Meter::new("requests", ["environment", "operation"]).unwrap(), Meter::new("bytes", []).unwrap()]).unwrap()
}

pub(crate) fn requests() -> MeterId {
    "requests".parse().unwrap()
}

pub(crate) fn open(directory: &Path, slots: u32, clock: &Arc<ManualClock>) -> Arc<Recorder> {
    open_as(directory, slots, clock, false)
}

/// One that counts by calls, or in memory.
pub(crate) fn open_as(directory: &Path, slots: u32, clock: &Arc<ManualClock>, mapped: bool) -> Arc<Recorder> {
    let options = RecorderOptions::in_directory(directory).with_slots(slots).with_series_per_tenant(8);
    let options = if mapped { options.mapped() } else { options };
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Arc::new(Recorder::open(meters(), options, clock, Arc::new(OsEntropy)).unwrap())
}

pub(crate) fn flusher(recorder: &Arc<Recorder>, ledger: Arc<dyn UsageSink>) -> Flusher {
    Flusher::new(Arc::clone(recorder), ledger, FlusherOptions::default())
}

/// A request of the default tenant.
pub(crate) fn request(recorder: &Recorder, values: &[&str], quantity: u64) -> Result<(), RecordError> {
    recorder.record(&Usage { tenant: TenantId::DEFAULT, meter: requests(), values }, quantity)
}

/// A clock at minute `n`.
pub(crate) fn clock_at(n: u32) -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Minute::from_number(n).start()))
}

/// A store that only this test has.
pub(crate) fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

/// What a directory has.
pub(crate) fn files(directory: &Path) -> Vec<String> {
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

/// Its files whose names end so.
pub(crate) fn files_of_kind(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = files(directory).into_iter().map(|name| directory.join(name));
    paths.filter(|path| path.extension().is_some_and(|kind| kind == extension)).collect()
}
