//! Time that only goes forward.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where intervals within a process are measured. It never goes back, so that no step of the machine's clock can shut anybody out or
/// keep anything alive.
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
