//! Distinct counts of the last day: one sketch per hour.

use togglebox_core::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const HOUR_SECONDS: i64 = 3_600;
/// How many hours make "the last 24 hours": the current one and those before it.
const WINDOW: i64 = 24;
/// Sketches are kept an hour longer than they are read, for clocks that differ.
const KEPT: i64 = WINDOW + 1;

/// The number of an hour since 1970.
pub(super) const fn hour(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(HOUR_MS)
}

/// Whether a sketch of `number` that is sent in the hour `now` may still be read by anybody.
pub(super) fn is_kept(number: i64, now: i64) -> bool {
    (now - KEPT..=now + 1).contains(&number)
}

/// The first hour whose sketch is read in the hour `now`.
pub(super) const fn first_read(now: i64) -> i64 {
    now - WINDOW + 1
}

/// Whether a sketch of `number` is read in the hour `now`.
pub(super) const fn is_read(number: i64, now: i64) -> bool {
    // A sender whose clock is ahead may have begun the next hour.
    first_read(now) <= number && number <= now + 1
}

/// When a sketch may be deleted, in seconds since 1970.
pub(super) const fn expiry(number: i64) -> i64 {
    (number + KEPT + 1).saturating_mul(HOUR_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_kept() {
        for number in 0..100 {
            assert!(!is_read(number, 50) || is_kept(number, 50), "{number}");
            assert!(!is_read(number, 50) || expiry(number) > 50 * HOUR_SECONDS, "{number}");
        }
        assert_eq!((0..100).filter(|number| is_read(*number, 50)).count(), 25);
    }
}
