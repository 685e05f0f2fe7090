//! The time that the simulator lives in.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where the clock of a simulator begins when nobody says: 2027-01-15T08:00:00Z.
pub const DEFAULT_NOW: i64 = 1_800_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Stands until it is moved.
    Own(i64),
    /// Runs with the machine's, so many seconds ahead; less than none: behind.
    Real { ahead: i64 },
}

impl Clock {
    pub(crate) fn now(self) -> i64 {
        match self {
            Self::Own(now) => now,
            Self::Real { ahead } => machine_now() + ahead,
        }
    }

    /// What deliveries are signed at: they are sent now, whatever they tell of.
    pub(crate) fn sending(self) -> i64 {
        match self {
            Self::Own(now) => now,
            Self::Real { .. } => machine_now(),
        }
    }

    /// Never backwards.
    pub(crate) fn move_to(&mut self, moment: i64) {
        let missing = (moment - self.now()).max(0);
        match self {
            Self::Own(now) => *now += missing,
            Self::Real { ahead } => *ahead += missing,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulator stands outside of the programs that take a clock")]
fn machine_now() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)
}
