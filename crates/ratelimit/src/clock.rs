//! Time that only goes forward, and time that several machines share.

use std::fmt::Debug;

pub use togglebox_core::{ManualStopwatch, Stopwatch, SystemStopwatch};

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

/// A wall clock as well: for tests of stores that have none of their own.
impl WallClock for ManualStopwatch {
    fn unix_us(&self) -> u64 {
        self.now_us()
    }
}
