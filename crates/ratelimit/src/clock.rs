//! Time that only goes forward, and time that several machines share.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where limits within a process get the time from. It never goes back, so that no step of the machine's clock can shut anybody out.
pub trait Stopwatch: Send + Sync + Debug + 'static {
    /// Microseconds since some moment in the past, the same moment for every call.
    fn now_us(&self) -> u64;
}

/// The machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemStopwatch(Instant);

impl SystemStopwatch {
    /// Starts at zero.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemStopwatch {
    fn default() -> Self {
        Self::start()
    }
}

impl Stopwatch for SystemStopwatch {
    fn now_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Where limits get the time from that several machines keep in a store without a clock of its own: as far as the machines' clocks
/// agree, so far do the limits. Unlike a [`Stopwatch`] it may step, either way.
pub trait WallClock: Send + Sync + Debug + 'static {
    /// Microseconds since 1970-01-01T00:00:00Z.
    fn unix_us(&self) -> u64;
}

/// The machine's clock. Zero before 1970.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWallClock;

impl WallClock for SystemWallClock {
    fn unix_us(&self) -> u64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "togglebox_core::Clock tells milliseconds; units of fast limits come in microseconds"
        )]
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }
}

/// One that moves only when told to. For tests.
#[derive(Debug, Default)]
pub struct ManualStopwatch(AtomicU64);

impl ManualStopwatch {
    /// Shows this many microseconds.
    pub const fn new(us: u64) -> Self {
        Self(AtomicU64::new(us))
    }

    /// Moves forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Shows this many microseconds from now on, be it more or less than before: a store may have another clock than this one.
    pub fn set_us(&self, us: u64) {
        self.0.store(us, Ordering::SeqCst);
    }
}

impl Stopwatch for ManualStopwatch {
    fn now_us(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A wall clock as well: for tests of stores that have none of their own.
impl WallClock for ManualStopwatch {
    fn unix_us(&self) -> u64 {
        self.now_us()
    }
}
