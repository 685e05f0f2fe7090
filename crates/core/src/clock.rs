//! Time as a value, and where it comes from.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Months, NaiveTime, Utc};
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

    /// The same time of day so many months later, in UTC; on the last day of a month that is too short. At the most the last moment that can
    /// be shown.
    #[must_use]
    pub fn plus_months(self, months: u32) -> Self {
        let later = self.civil_time().and_then(|at| at.checked_add_months(Months::new(months)));
        Self::from_ms(later.map_or(Self::MAX_MS, |at| at.timestamp_millis()))
    }

    /// The first moment of the calendar month (UTC) after the one that this lies in.
    #[must_use]
    pub fn next_month(self) -> Self {
        let first = self.civil_time().and_then(|at| at.date_naive().with_day(1)?.checked_add_months(Months::new(1)));
        Self::from_ms(first.map_or(Self::MAX_MS, |day| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()))
    }

    /// The month in which `at` lies, from its first moment until the one after its last, of those that follow this moment one after the other:
    /// each begins [so many months](Self::plus_months) after it, as subscriptions are renewed. What is before it lies in the first one.
    pub fn month_at(self, at: Self) -> (Self, Self) {
        const LONGEST: u64 = 31 * 24 * 3600;
        // Never too many, and short of what is right by one in some years at the most.
        let mut months = u32::try_from(at.since(self).as_secs() / LONGEST).unwrap_or(u32::MAX);
        loop {
            let (from, until) = (self.plus_months(months), self.plus_months(months.saturating_add(1)));
            if at < until || until == from {
                return (from, until);
            }
            months += 1;
        }
    }

    fn civil_time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(self.0)
    }

    /// The UTC calendar day, `YYYY-MM-DD`.
    pub fn day(self) -> String {
        self.text().as_str()[..DAY_LENGTH].to_owned()
    }

    /// The text of the wire. Written digit by digit: every answer carries one.
    fn text(self) -> Text {
        let (year, month, day) = civil(self.0.div_euclid(DAY_MS));
        // In range: a day has 86,400,000 milliseconds, a shown year four digits.
        let [year, month, day, ms] = [year, month, day, self.0.rem_euclid(DAY_MS)].map(|n| u32::try_from(n).unwrap_or(0));
        let (s, ms) = (ms / 1000, ms % 1000);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (at, number) in
            [(0, year / 100), (2, year % 100), (5, month), (8, day), (11, s / 3600), (14, s / 60 % 60), (17, s % 60)]
        {
            text[at] = digit(number / 10);
            text[at + 1] = digit(number % 10);
        }
        text[20] = digit(ms / 100);
        text[21] = digit(ms / 10 % 10);
        text[22] = digit(ms % 10);
        Text(text)
    }
}

const DAY_MS: i64 = 86_400_000;

/// The digit of a number below ten.
#[expect(clippy::cast_possible_truncation, reason = "what is below ten fits")]
const fn digit(number: u32) -> u8 {
    b'0' + number as u8
}

/// Of `YYYY-MM-DD`.
const DAY_LENGTH: usize = 10;

struct Text([u8; 24]);

impl Text {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar also for the time before it. Years begin in March here, so
/// that a leap day is the last of its year, and 400 years (146,097 days) are an era: `civil_from_days` in Howard Hinnant's
/// "chrono-Compatible Low-Level Date Algorithms" (2013).
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    let year = 400 * era + year_of_era + (month <= 2) as i64;
    (year, month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
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
        serializer.serialize_str(self.text().as_str())
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
    fn months_begin_on_their_day_or_on_the_last_one() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let anchor = at("2026-01-31T10:37:00Z");
        assert_eq!(anchor.plus_months(0), anchor);
        assert_eq!(anchor.plus_months(1), at("2026-02-28T10:37:00Z"));
        assert_eq!(anchor.plus_months(2), at("2026-03-31T10:37:00Z"), "the day is not forgotten");
        assert_eq!(anchor.month_at(at("2026-02-28T10:36:59.999Z")), (anchor, at("2026-02-28T10:37:00Z")));
        assert_eq!(anchor.month_at(at("2026-02-28T10:37:00Z")), (at("2026-02-28T10:37:00Z"), at("2026-03-31T10:37:00Z")));
        assert_eq!(anchor.month_at(Timestamp::EPOCH), (anchor, at("2026-02-28T10:37:00Z")), "what is before is in the first");
        assert_eq!(at("2026-12-31T23:59:59.999Z").next_month(), at("2027-01-01T00:00:00Z"));
        assert_eq!(at("2026-12-01T00:00:00Z").next_month(), at("2027-01-01T00:00:00Z"));
        let last = Timestamp::from_ms(i64::MAX);
        assert_eq!((last.plus_months(1), last.next_month(), last.month_at(last).1), (last, last, last));
    }

    proptest! {
        #[test]
        fn every_moment_lies_in_one_month(anchor in 0_i64..4_000_000_000_000, after in 0_i64..4_000_000_000_000) {
            let (anchor, at) = (Timestamp::from_ms(anchor), Timestamp::from_ms(anchor + after));
            let (from, until) = anchor.month_at(at);
            prop_assert!(from <= at && at < until);
            let days = until.since(from).as_secs() / 86_400;
            prop_assert!((28..=31).contains(&days));
            prop_assert_eq!(anchor.month_at(until).0, until, "without a gap");
        }
    }

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

    #[test]
    fn every_day_is_the_one_that_chrono_says() {
        use chrono::Datelike as _;
        let first = DateTime::from_timestamp_millis(Timestamp::MIN_MS).unwrap().date_naive();
        let mut days = Timestamp::MIN_MS / DAY_MS..=Timestamp::MAX_MS / DAY_MS;
        for (day, expected) in days.by_ref().zip(first.iter_days()) {
            assert_eq!(civil(day), (expected.year().into(), expected.month().into(), expected.day().into()));
        }
        assert!(days.is_empty());
    }

    proptest! {
        #[test]
        fn every_moment_is_shown_as_chrono_shows_it(ms in Timestamp::MIN_MS..=Timestamp::MAX_MS) {
            let expected = DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            prop_assert_eq!(Timestamp::from_ms(ms).to_string(), expected);
        }

        #[test]
        fn text_reads_back(ms in Timestamp::MIN_MS..=Timestamp::MAX_MS) {
            let at = Timestamp::from_ms(ms);
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }
    }
}
