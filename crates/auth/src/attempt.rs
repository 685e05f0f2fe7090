//! Failed sign-ins, and the lock that follows too many.

use std::time::Duration;

use togglebox_core::Timestamp;

/// How many failures an account stands.
///
/// Failures are counted by address, whoever makes them: guesses from many machines are stopped too. The price is that a stranger can
/// keep an address from signing in by failing again and again. That takes nothing else away: sessions and API keys go on working, and
/// a reset that is asked for by mail lifts the lock. Wrong passwords in a change of the password are counted apart: whoever holds a
/// session cannot keep its owner from signing in by them, nor a stranger the owner from changing the password. Strangers themselves are to be slowed down in front of this, by rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPolicy {
    /// Failures within `window` that lock the account.
    pub failures: u32,
    /// How long a failure counts.
    pub window: Duration,
    /// How long the lock holds.
    pub lock: Duration,
}

impl Default for AttemptPolicy {
    fn default() -> Self {
        Self { failures: 10, window: Duration::from_mins(15), lock: Duration::from_mins(15) }
    }
}

/// Where an address stands. Kept for every address that is tried, whether it has an account or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AttemptState {
    /// Failures in the current window.
    pub failures: u32,
    /// Sign-in is refused before this moment.
    pub locked_until: Option<Timestamp>,
}
