//! Time as a value, and where it comes from.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// On the wire it is always `YYYY-MM-DDTHH:mm:ss.sssZ`. Any RFC 3339 text reads back; digits beyond the millisecond are dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first moment of 1970.
    pub const EPOCH: Self = Self(0);

    /// The last moment of the year 9999: what a four-digit year can still show.
    const MAX_MS: i64 = 253_402_300_799_999;
    /// The first moment of the year 0000.
    const MIN_MS: i64 = -62_167_219_200_000;

    /// From milliseconds since the epoch, clamped to the years 0000 to 9999 so that it can always be shown.
    pub const fn from_ms(ms: i64) -> Self {
        if ms > Self::MAX_MS {
            Self(Self::MAX_MS)
        } else if ms < Self::MIN_MS {
            Self(Self::MIN_MS)
        } else {
            Self(ms)
        }
    }

    /// Milliseconds since the epoch.
    pub const fn as_ms(self) -> i64 {
        self.0
    }

    /// This moment plus `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_ms(self.0.saturating_add(ms))
    }

    /// This moment minus `duration`.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_ms(self.0.saturating_sub(ms))
    }

    /// Time that has passed since `earlier`; zero when it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The UTC calendar day, `YYYY-MM-DD`.
    pub fn day(self) -> String {
        let day = self.date_time().date_naive();
        format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day())
    }

    fn date_time(self) -> DateTime<Utc> {
        // In range by construction; the default is unreachable.
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date_time().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        DateTime::parse_from_rfc3339(text).map(|at| Self::from_ms(at.timestamp_millis()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where "now" comes from. Nothing but [`SystemClock`] reads the machine's clock.
pub trait Clock: Send + Sync + fmt::Debug + 'static {
    /// The current moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that moves only when told to. For tests of anything that depends on time.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    pub const fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_ms()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Sets the clock, forwards or backwards.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_ms(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_milliseconds_and_z() {
        let at: Timestamp = "2026-11-22T14:38:13.27456+01:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-22T13:38:13.274Z");
        assert_eq!(at.day(), "2026-11-22");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn extremes_can_still_be_shown() {
        assert_eq!(Timestamp::from_ms(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_ms(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_ms(i64::MAX).plus(Duration::MAX), Timestamp::from_ms(i64::MAX));
    }

    #[test]
    fn manual_clock_moves_when_told() {
        let clock = ManualClock::new(Timestamp::EPOCH);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now().as_ms(), 2000);
        assert_eq!(clock.now().since(Timestamp::EPOCH), Duration::from_secs(2));
        assert_eq!(Timestamp::EPOCH.since(clock.now()), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn text_reads_back(ms in Timestamp::MIN_MS..=Timestamp::MAX_MS) {
            let at = Timestamp::from_ms(ms);
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }
}
