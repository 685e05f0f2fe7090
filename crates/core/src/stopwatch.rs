//! Time that only goes forward.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{Clock, Timestamp};

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
        // Nearly every request asks, and 128 bits take several times as long.
        let since = self.0.elapsed();
        since.as_secs().saturating_mul(1_000_000).saturating_add(since.subsec_micros().into())
    }
}

/// The machine's monotonic clock, moved on by what it has missed: on many machines it stands still while they sleep, and while a platform
/// stops a program until the next request comes. A wall clock that is put forward moves it on too, one that is put back does not.
#[derive(Debug)]
pub struct WakingStopwatch {
    running: SystemStopwatch,
    clock: Arc<dyn Clock>,
    began: Timestamp,
    missed_us: AtomicU64,
}

impl WakingStopwatch {
    /// Starts at zero; `clock` goes on while the program does not.
    pub fn start(clock: Arc<dyn Clock>) -> Self {
        Self { running: SystemStopwatch::start(), began: clock.now(), clock, missed_us: AtomicU64::new(0) }
    }
}

impl Stopwatch for WakingStopwatch {
    fn now_us(&self) -> u64 {
        let running_us = self.running.now_us();
        let passed_us = u64::try_from(self.clock.now().since(self.began).as_micros()).unwrap_or(u64::MAX);
        let missed_us = passed_us.saturating_sub(running_us);
        running_us.saturating_add(self.missed_us.fetch_max(missed_us, Ordering::AcqRel).max(missed_us))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[test]
    fn what_was_missed_is_made_up_for_and_nothing_is_taken_back() {
        let began = Timestamp::from_ms(1_780_000_000_000);
        let clock = Arc::new(ManualClock::new(began));
        let stopwatch = WakingStopwatch::start(Arc::<ManualClock>::clone(&clock));
        let minute_us = 60_000_000;
        // That the test runs takes some time, but no hour.
        let shows = |minutes: u64| (minutes * minute_us..(minutes + 60) * minute_us).contains(&stopwatch.now_us());
        assert!(shows(0));
        clock.advance(Duration::from_hours(2));
        assert!(shows(120), "asleep for two hours");
        let before = stopwatch.now_us();
        clock.set(began);
        assert!(shows(120) && stopwatch.now_us() >= before, "the clock was put back");
        clock.advance(Duration::from_hours(3));
        assert!(shows(180));
    }
}
