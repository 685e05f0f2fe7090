//! The hot path: counting, without waiting for anything.

mod generation;
mod series;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Guard};
use togglebox_core::{Clock, Entropy, TenantId, Timestamp};

pub(crate) use self::generation::Generation;
pub use self::series::Usage;
use self::series::{Counted, Counting, Group, GroupKey, Joined, Open, Place, of};
use crate::slab::{Making, Slab, TakeError};
use crate::{BeforeEpoch, Cell, InvalidLabels, Labels, MeterId, Meters, Minute, Series};

/// Usage that was not counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// There is no room for another cell: the disk is full, or so much is counted that files fill faster than they are sent. Refuse the
    /// request, or send the usage to the store yourself.
    #[error("there is no room left to count in")]
    Full,
    /// The file could not be written.
    #[error("the file of counts cannot be written")]
    Io(#[source] io::Error),
    /// Nobody gave this meter at the start.
    #[error("there is no meter {0}")]
    UnknownMeter(MeterId),
    /// Not one value for each dimension.
    #[error("meter {meter} has {dimensions} dimensions, not {given}")]
    Dimensions {
        /// Which meter.
        meter: MeterId,
        /// How many it has.
        dimensions: usize,
        /// How many values were given.
        given: usize,
    },
    /// A value that cannot be.
    #[error(transparent)]
    Labels(#[from] InvalidLabels),
    /// The total of the minute would be larger than [`Cell::MOST`].
    #[error("the total of the minute would be more than 2^63 - 1")]
    Overflow,
    /// The clock shows a time before 1970.
    #[error(transparent)]
    Clock(#[from] BeforeEpoch),
    /// The recorder has been closed.
    #[error("counting has ended")]
    Closed,
}

/// Some of what was to be counted together was not.
#[derive(Debug, thiserror::Error)]
#[error("of several that were to be counted, {recorded} were")]
pub struct PartlyRecorded {
    /// How many were, of those that were given.
    pub recorded: usize,
    /// Why the next one was not.
    #[source]
    pub error: RecordError,
}

/// Where and how much is counted.
#[derive(Clone, Debug)]
pub struct RecorderOptions {
    directory: PathBuf,
    making: Making,
    series_per_tenant: usize,
}

impl RecorderOptions {
    /// Counts in files in this directory, which is there, on a disk that outlasts the process. Other processes may use the same one.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        let making = Making {
            slots: 65_536,
            #[cfg(feature = "mapped")]
            mapped: false,
        };
        Self { directory: directory.into(), making, series_per_tenant: 1000 }
    }

    /// How many cells a file has room for: one for each series in each minute in which it is used. 64 bytes on disk and about as many in
    /// memory. At least 2; 65,536 unless told otherwise.
    #[must_use]
    pub fn with_slots(self, slots: u32) -> Self {
        let mut making = self.making;
        making.slots = slots.max(2);
        Self { making, ..self }
    }

    /// Counts in memory that is the file, instead of by a call of the system for each increment: a fraction of the time, and the same
    /// promises. Where the file system is not known to keep the space that a file was given (ext2 to ext4, XFS and tmpfs do), calls are made
    /// all the same, since memory cannot say that a disk is full; see [`Recorder::is_mapped`]. What memory cannot say either is that the disk
    /// cannot be read any more, or that somebody has cut the file: the process ends with SIGBUS then.
    #[cfg(feature = "mapped")]
    #[must_use]
    pub fn mapped(self) -> Self {
        Self { making: Making { mapped: true, ..self.making }, ..self }
    }

    /// How many series of a tenant are told apart; what would be one too many is counted under [`Labels::OTHER`]. At least 1; 1,000
    /// unless told otherwise.
    #[must_use]
    pub fn with_series_per_tenant(self, series: usize) -> Self {
        Self { series_per_tenant: series.max(1), ..self }
    }
}

/// Counts. Shared by all threads of a process; [`Flusher`](crate::Flusher) sends what it counted.
///
/// What [`record`](Self::record) acknowledged is in the file: a panic, an abort or a SIGKILL loses nothing of it.
pub struct Recorder {
    meters: Meters,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    options: RecorderOptions,
    groups: papaya::HashMap<GroupKey, Arc<Group>, foldhash::fast::RandomState>,
    registry: Mutex<Registry>,
    current: ArcSwap<Generation>,
    /// Full ones, that are still being sent.
    retired: Mutex<Vec<Arc<Generation>>>,
    /// Nobody counts in minutes before this.
    floor: AtomicU32,
    closed: AtomicBool,
    syncs: Syncs,
}

/// How full the files of a recorder are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Cells in the current file.
    pub taken: u32,
    /// How many it has room for. At half of them the flusher begins a new one.
    pub slots: u32,
    /// Earlier files that have something which the store has not acknowledged.
    pub retired: usize,
}

impl Fill {
    /// How much of the current file is taken, from 0 to 1.
    pub fn ratio(self) -> f64 {
        f64::from(self.taken) / f64::from(self.slots.max(1))
    }
}

/// Who waits for the disk.
#[derive(Debug, Default)]
struct Syncs {
    asked: AtomicU64,
    /// How many of those who asked have what they counted on the disk. Held while the disk is waited for: who comes meanwhile waits for the
    /// next time, together.
    done: Arc<tokio::sync::Mutex<u64>>,
}

#[derive(Debug, Default)]
struct Registry {
    /// By number.
    all: Vec<Entered>,
    of_tenant: HashMap<TenantId, usize>,
}

/// A group, and the places of the meters that were entered in it: known here, so that nobody waits for a group while all wait for the registry.
#[derive(Debug)]
struct Entered {
    group: Arc<Group>,
    meters: Vec<usize>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder of these meters, with a new file.
    ///
    /// # Errors
    /// Those of the file system, also when the disk has no room for the file.
    pub fn open(meters: Meters, options: RecorderOptions, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> io::Result<Self> {
        let slab = Slab::create(&options.directory, options.making, &*entropy, clock.now())?;
        Ok(Self {
            meters,
            clock,
            entropy,
            options,
            groups: papaya::HashMap::default(),
            registry: Mutex::default(),
            current: ArcSwap::from_pointee(Generation::new(1, slab)),
            retired: Mutex::default(),
            floor: AtomicU32::new(0),
            closed: AtomicBool::new(false),
            syncs: Syncs::default(),
        })
    }

    /// Counts. What it returns `Ok` for is counted exactly once, as long as the disk lives; after an error it is not counted, except for
    /// [`RecordError::Io`], after which it may be.
    ///
    /// Takes about a microsecond, a fraction of one where files are mapped, and allocates nothing, except for a series that is new, or one
    /// beyond those that are told apart.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn record(&self, usage: &Usage<'_>, quantity: u64) -> Result<(), RecordError> {
        let Usage { tenant, meter, values } = *usage;
        self.record_each(self.clock.now(), tenant, values, &[(meter, quantity)]).map_err(|partly| partly.error)
    }

    /// Counts several meters of one tenant, which have the same values of their dimensions: hardly more than one of them costs. They count
    /// in the minute of `now`, which is what the recorder's clock showed a moment ago, or in the first one that is not sent yet.
    ///
    /// # Errors
    /// One could not be counted, as [`record`](Self::record) tells it. Those before it are; those after it were not tried.
    pub fn record_each(
        &self,
        now: Timestamp,
        tenant: TenantId,
        values: &[&str],
        quantities: &[(MeterId, u64)],
    ) -> Result<(), PartlyRecorded> {
        let now = Minute::of(now).map_err(|error| PartlyRecorded { recorded: 0, error: error.into() })?;
        let (known, joined) = (self.groups.pin(), Joined::new(values));
        let mut held = known.get(&joined.of(tenant)).map(|group| group.lock());
        // Asked under the lock: see `settle`.
        let mut at = held.as_ref().map(|_| self.at(now));
        for (recorded, (meter, quantity)) in quantities.iter().enumerate() {
            let counting = held.as_mut().zip(self.meters.place(*meter)).and_then(|(held, meter)| of(held, meter));
            let outcome = match (counting, &at) {
                (Some(counting), Some(Ok(at))) => at.count(counting, *quantity),
                (Some(_), Some(Err(Closed))) => Err(RecordError::Closed),
                _ => {
                    // Whoever enters a series locks its group.
                    (held, at) = (None, None);
                    self.record_new(&Usage { tenant, meter: *meter, values }, *quantity, now)
                }
            };
            outcome.map_err(|error| PartlyRecorded { recorded, error })?;
        }
        Ok(())
    }

    /// Counts in a series that is not known by its values, or not with this meter.
    fn record_new(&self, usage: &Usage<'_>, quantity: u64, now: Minute) -> Result<(), RecordError> {
        let (group, meter, series) = self.enter(usage)?;
        let mut group = group.lock();
        let at = self.at(now).map_err(|Closed| RecordError::Closed)?;
        if of(&mut group, meter).is_none() {
            group.push(Counting { meter, series: Arc::new(Counted { tenant: usage.tenant, series }), place: None });
        }
        match of(&mut group, meter) {
            Some(counting) => at.count(counting, quantity),
            None => Err(RecordError::UnknownMeter(usage.meter)),
        }
    }

    /// Where and when is counted. To be asked under the lock of what is counted.
    fn at(&self, now: Minute) -> Result<At, Closed> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Closed);
        }
        // A clock that steps back does not lead into minutes that are sent.
        let floor = Minute::from_number(self.floor.load(Ordering::SeqCst));
        Ok(At { generation: self.current.load(), minute: now.max(floor) })
    }

    /// Waits until everything that was recorded before is on the disk, so that it outlives a power loss as well. Those who wait at the same
    /// time share one wait of the disk.
    ///
    /// # Errors
    /// Those of the disk: then nobody knows what is on it.
    pub async fn sync(self: &Arc<Self>) -> io::Result<()> {
        let own = self.syncs.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = Arc::clone(&self.syncs.done).lock_owned().await;
        if *done >= own {
            return Ok(());
        }
        let recorder = Arc::clone(self);
        // Whoever waits may give up: the disk goes on, and the next who waits has what comes of it.
        let syncing = tokio::task::spawn_blocking(move || {
            let asked = recorder.syncs.asked.load(Ordering::SeqCst);
            recorder.sync_files()?;
            *done = asked;
            Ok(())
        });
        syncing.await.map_err(io::Error::other)?
    }

    fn sync_files(&self) -> io::Result<()> {
        // In this order: what is retired meanwhile is current before.
        let current = self.current.load_full();
        if let Err(error) = current.sync() {
            // Where a new file can be made, what is counted from here on can be waited for again.
            return self.rotate().and(Err(error));
        }
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner).clone();
        retired.iter().try_for_each(|generation| generation.sync())
    }

    /// Under what usage is counted: in which group, which has the series or is to have it, with the meter of which place.
    fn enter(&self, usage: &Usage<'_>) -> Result<(Arc<Group>, usize, Series), RecordError> {
        let Usage { tenant, meter, values } = *usage;
        let unknown = RecordError::UnknownMeter(meter);
        let Some((place, known)) = self.meters.place(meter).zip(self.meters.get(meter)) else { return Err(unknown) };
        let dimensions = known.dimensions().len();
        if dimensions != values.len() {
            return Err(RecordError::Dimensions { meter, dimensions, given: values.len() });
        }
        // Also of those that are not told apart: what is no value is an error, not "other".
        let labels = Labels::new(known.dimensions().zip(values.iter().copied()))?;
        let (own, others) = (Joined::new(values), Joined::new(&vec![Labels::OTHER; dimensions]));
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let Registry { all, of_tenant } = &mut *registry;
        let groups = self.groups.pin();
        // Somebody else may have been faster.
        let is_told_apart = groups.get(&own.of(tenant)).is_some_and(|group| all[group.number].meters.contains(&place)) || {
            let of_tenant = of_tenant.entry(tenant).or_default();
            let has_room = *of_tenant < self.options.series_per_tenant;
            *of_tenant += usize::from(has_room);
            has_room
        };
        let (key, labels) =
            if is_told_apart { (own.of(tenant), labels) } else { (others.of(tenant), Labels::other(known.dimensions())?) };
        let number = groups.get(&key).map_or(all.len(), |group| group.number);
        if number == all.len() {
            let group = Arc::new(Group::new(number));
            groups.insert(key.to_key(), Arc::clone(&group));
            all.push(Entered { group, meters: Vec::new() });
        }
        let Entered { group, meters } = &mut all[number];
        if !meters.contains(&place) {
            meters.push(place);
        }
        Ok((Arc::clone(group), place, Series { meter, labels }))
    }

    /// Begins a new file, under a new writer; the old one is sent to its end. The flusher does that before a file is full.
    ///
    /// # Errors
    /// Those of the file system. Then counting goes on in the old file.
    pub fn rotate(&self) -> io::Result<()> {
        let mut retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        let slab = Slab::create(&self.options.directory, self.options.making, &*self.entropy, self.clock.now())?;
        let number = self.current.load().number + 1;
        retired.push(self.current.swap(Arc::new(Generation::new(number, slab))));
        Ok(())
    }

    /// How much of the current file is taken, and how many full ones are still being sent.
    pub fn fill(&self) -> Fill {
        let current = self.current.load();
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner).len();
        Fill { taken: current.slab.taken(), slots: current.slab.slots(), retired }
    }

    /// Whether it counts in memory that is the file: [`RecorderOptions::mapped`].
    #[cfg(feature = "mapped")]
    pub fn is_mapped(&self) -> bool {
        self.current.load().slab.is_mapped()
    }

    /// Whether it is time for a new file.
    pub(crate) fn is_half_full(&self) -> bool {
        let Fill { taken, slots, .. } = self.fill();
        taken >= slots.div_ceil(2)
    }

    /// Closes all minutes before `floor`, and all files but the current one: when this returns, every increment in them is in what
    /// [`Generation::unsent`] tells, and none is added any more. Returns the files that are being sent, the current one first.
    pub(crate) fn settle(&self, floor: Minute) -> Vec<Arc<Generation>> {
        self.floor.fetch_max(floor.number(), Ordering::SeqCst);
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let generations = std::iter::once(self.current.load_full()).chain(retired).collect();
        // Whoever counts has the lock of a group. Who gets it after this sees the new floor and the new file; so does who counts in a
        // group that is entered after this.
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<_> = registry.all.iter().map(|entered| Arc::clone(&entered.group)).collect();
        drop(registry);
        for group in all {
            drop(group.lock());
        }
        generations
    }

    /// Ends counting: from now on every record is refused.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// A retired file is sent, and needs no further thought.
    pub(crate) fn forget(&self, generation: &Arc<Generation>) {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, generation));
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.options.directory
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

/// Counting has ended.
#[derive(Clone, Copy, Debug)]
struct Closed;

/// Where and when is counted.
struct At {
    generation: Guard<Arc<Generation>>,
    minute: Minute,
}

impl At {
    /// Counts in a series whose group is locked.
    fn count(&self, counting: &mut Counting, quantity: u64) -> Result<(), RecordError> {
        if quantity == 0 {
            return Ok(());
        }
        let (generation, Counting { series, place, .. }) = (&*self.generation, counting);
        let place = match place {
            Some(place) if place.generation == generation.number => place,
            other => {
                let entry = generation.slab.enter(series.tenant, &series.series).map_err(refused)?;
                other.insert(Place { generation: generation.number, entry, open: None })
            }
        };
        match &mut place.open {
            Some(open) if open.minute >= self.minute => {
                generation.raise(open.taken, quantity)?;
            }
            open => {
                if quantity > Cell::MOST {
                    return Err(RecordError::Overflow);
                }
                let taken = match generation.slab.take(place.entry, self.minute, quantity) {
                    Err(TakeError::Full) => return Err(RecordError::Full),
                    Err(TakeError::Io(error)) => return Err(RecordError::Io(error)),
                    Ok(taken) => taken,
                };
                generation.begin(taken, series, self.minute, quantity);
                *open = Some(Open { minute: self.minute, taken });
            }
        }
        Ok(())
    }
}

/// A disk without room is told as such.
fn refused(error: io::Error) -> RecordError {
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        RecordError::Full
    } else {
        RecordError::Io(error)
    }
}
