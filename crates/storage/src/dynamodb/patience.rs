//! How long a call tries, and how long it waits in between.

use std::time::Duration;

use togglebox_core::{EntropyExt, OsEntropy};
use tokio::time::Instant;

use super::error::Trouble;

/// The first wait is shorter than this; each that follows may be twice as long.
const CONTENDED: Duration = Duration::from_millis(8);
const LATER: Duration = Duration::from_millis(50);
/// No wait is longer than this.
const LONGEST: Duration = Duration::from_secs(1);

/// What is left of the time that one port call may take.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Instant,
    failures: u32,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self { deadline: Instant::now() + limit, failures: 0 }
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits a random while that grows with every failure. False when there is no time left to try again.
    pub(super) async fn pause(&mut self, trouble: Trouble) -> bool {
        let pause = pause(trouble, self.failures, u64::from_le_bytes(OsEntropy.bytes()));
        self.failures = self.failures.saturating_add(1);
        if Instant::now() + pause >= self.deadline {
            return false;
        }
        tokio::time::sleep(pause).await;
        true
    }
}

/// "Full jitter": anything between nothing and a bound that doubles. So those who collided once come apart.
fn pause(trouble: Trouble, failures: u32, random: u64) -> Duration {
    let first = if trouble == Trouble::Later { LATER } else { CONTENDED };
    let bound = first.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(LONGEST);
    let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(random % nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_wait_is_too_long(failures: u32, random: u64) {
            for trouble in [Trouble::Contended, Trouble::Later] {
                prop_assert!(pause(trouble, failures, random) < LONGEST);
            }
            prop_assert!(pause(Trouble::Contended, 0, random) < CONTENDED);
        }
    }

    #[test]
    fn waits_may_grow() {
        let most = |failures| pause(Trouble::Later, failures, u64::MAX / 2 * 2 - 1);
        assert!((0..4).map(most).all(|wait| wait > Duration::ZERO));
        assert!(pause(Trouble::Later, 3, 399_999_999) > LATER * 7);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let mut patience = Patience::new(Duration::from_secs(5));
        let begin = Instant::now();
        let mut pauses = 0;
        while patience.pause(Trouble::Later).await {
            pauses += 1;
        }
        assert!(pauses >= 5, "{pauses}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    }
}
