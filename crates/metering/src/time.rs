//! Minutes, hours, days and months in UTC, as numbers.
//!
//! UTC has no daylight saving, and POSIX time no leap seconds: an hour is always sixty minutes, a day twenty-four hours. Only months
//! differ in length.

use std::fmt;

use chrono::{Datelike as _, NaiveDate, TimeDelta};
use togglebox_core::Timestamp;

const MINUTE_MS: i64 = 60_000;

/// A moment before 1970, at which nothing can have been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("usage has a time from 1970 on, not {0}")]
pub struct BeforeEpoch(pub Timestamp);

/// A minute of UTC, counted from the first of 1970.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(u32);

/// An hour of UTC, counted from the first of 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u32);

/// A day of UTC, counted from 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(u32);

/// A month of the Gregorian calendar, in UTC, counted from January 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u32);

impl Minute {
    /// The first minute of 1970.
    pub const EPOCH: Self = Self(0);

    /// The minute that a moment lies in.
    ///
    /// # Errors
    /// [`BeforeEpoch`].
    pub fn of(at: Timestamp) -> Result<Self, BeforeEpoch> {
        // The last year that a timestamp shows ends well below 2^32 minutes.
        u32::try_from(at.as_ms().div_euclid(MINUTE_MS)).map(Self).map_err(|_| BeforeEpoch(at))
    }

    /// From minutes since 1970.
    pub const fn from_number(minutes: u32) -> Self {
        Self(minutes)
    }

    /// Minutes since 1970.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first moment.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_ms(self.0 as i64 * MINUTE_MS)
    }

    /// So many minutes later; the last that there is, at most.
    #[must_use]
    pub const fn plus(self, minutes: u32) -> Self {
        Self(self.0.saturating_add(minutes))
    }

    /// So many minutes earlier; the first of 1970, at least.
    #[must_use]
    pub const fn minus(self, minutes: u32) -> Self {
        Self(self.0.saturating_sub(minutes))
    }

    /// The hour that it lies in.
    pub const fn hour(self) -> Hour {
        Hour(self.0 / 60)
    }

    /// The day that it lies in.
    pub const fn day(self) -> Day {
        self.hour().day()
    }

    /// The first minute of the bucket of `grain` that it lies in.
    #[must_use]
    pub const fn floor(self, grain: Grain) -> Self {
        Self(self.0 - self.0 % grain.minutes())
    }

    /// The first minute from it on that begins a bucket of `grain`; at the end of numbers, itself.
    #[must_use]
    pub(crate) const fn ceil(self, grain: Grain) -> Self {
        match self.0.checked_next_multiple_of(grain.minutes()) {
            Some(minutes) => Self(minutes),
            None => self,
        }
    }
}

impl Hour {
    /// From hours since 1970; `None` when its minutes would not be numbers.
    pub const fn from_number(hours: u32) -> Option<Self> {
        if hours < u32::MAX / 60 { Some(Self(hours)) } else { None }
    }

    /// Hours since 1970.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first minute.
    pub const fn start(self) -> Minute {
        Minute(self.0 * 60)
    }

    /// Its sixty minutes.
    pub const fn span(self) -> Span {
        Span { from: self.start(), until: self.start().plus(60) }
    }

    /// The day that it lies in.
    pub const fn day(self) -> Day {
        Day(self.0 / 24)
    }
}

impl Day {
    /// 1970-01-01.
    pub const FIRST: Self = Self(0);

    /// So many days later; the last whose minutes are numbers, at most.
    #[must_use]
    pub const fn plus(self, days: u32) -> Self {
        let last = u32::MAX / 1440 - 1;
        let day = self.0.saturating_add(days);
        Self(if day < last { day } else { last })
    }

    /// From days since 1970-01-01; `None` when its minutes would not be numbers.
    pub const fn from_number(days: u32) -> Option<Self> {
        if days < u32::MAX / 1440 { Some(Self(days)) } else { None }
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first minute.
    pub const fn start(self) -> Minute {
        Minute(self.0 * 1440)
    }

    /// Its 1,440 minutes.
    pub const fn span(self) -> Span {
        Span { from: self.start(), until: self.start().plus(1440) }
    }

    /// Its hours.
    pub fn hours(self) -> impl Iterator<Item = Hour> {
        (self.0 * 24..(self.0 + 1) * 24).map(Hour)
    }

    /// The month that it lies in.
    pub fn month(self) -> Month {
        let date = NaiveDate::default() + TimeDelta::days(i64::from(self.0));
        // From 1970 on, so neither part is negative.
        Month(u32::try_from(date.year() - 1970).unwrap_or(0) * 12 + date.month0())
    }
}

impl Month {
    /// Months since January 1970.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its first day.
    pub fn start(self) -> Day {
        // Every month of a shown year has a first day.
        let year = i32::try_from(1970 + self.0 / 12).unwrap_or(i32::MAX);
        let first = NaiveDate::from_ymd_opt(year, self.0 % 12 + 1, 1).unwrap_or_default();
        Day(u32::try_from((first - NaiveDate::default()).num_days()).unwrap_or(0))
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The one before it; `None` before the first of 1970.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(month) => Some(Self(month)),
            None => None,
        }
    }

    /// Its minutes, of 28 to 31 days.
    pub fn span(self) -> Span {
        Span { from: self.start().start(), until: self.next().start().start() }
    }
}

macro_rules! shown {
    ($($type:ident, $length:literal, $tail:literal, |$value:ident| $start:expr;)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $value = *self;
                let text = $start.to_string();
                write!(f, concat!("{}", $tail), text.get(..$length).unwrap_or_default())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }
    )*};
}

shown! {
    Minute, 16, "Z", |minute| minute.start();
    Hour, 13, "Z", |hour| hour.start().start();
    Day, 10, "", |day| day.start().start();
    Month, 7, "", |month| month.start().start().start();
}

/// How fine a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// By minute.
    Minute,
    /// By hour.
    Hour,
    /// By day.
    Day,
}

impl Grain {
    /// Minutes of a bucket.
    pub const fn minutes(self) -> u32 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 1440,
        }
    }
}

/// A span that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a span ends after it begins")]
pub struct InvalidSpan;

/// Minutes from one on, until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    from: Minute,
    until: Minute,
}

impl Span {
    /// The minutes `[from, until)`, at least one.
    ///
    /// # Errors
    /// [`InvalidSpan`].
    pub fn new(from: Minute, until: Minute) -> Result<Self, InvalidSpan> {
        if from < until { Ok(Self { from, until }) } else { Err(InvalidSpan) }
    }

    /// Whole days, from one on until before a later one.
    pub(crate) const fn of_days(from: Day, until: Day) -> Self {
        Self { from: from.start(), until: until.start() }
    }

    /// Its first minute.
    pub const fn from(self) -> Minute {
        self.from
    }

    /// The minute after its last.
    pub const fn until(self) -> Minute {
        self.until
    }

    /// Whether a minute lies in it.
    pub fn contains(self, minute: Minute) -> bool {
        self.from <= minute && minute < self.until
    }

    /// How many minutes it has.
    pub const fn minutes(self) -> u32 {
        self.until.0 - self.from.0
    }

    /// Whether both have a minute.
    pub fn overlaps(self, other: Self) -> bool {
        self.from < other.until && other.from < self.until
    }

    /// Whether it consists of whole buckets of `grain`.
    pub fn is_whole(self, grain: Grain) -> bool {
        self.from.floor(grain) == self.from && self.until.floor(grain) == self.until
    }

    /// How many buckets of `grain` it touches.
    pub fn buckets(self, grain: Grain) -> u32 {
        let last = self.until.minus(1);
        (last.0 / grain.minutes()) - (self.from.0 / grain.minutes()) + 1
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn minute(text: &str) -> Minute {
        Minute::of(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_moment_before_1970_has_no_minute() {
        let before = Timestamp::from_ms(-1);
        assert_eq!(Minute::of(before), Err(BeforeEpoch(before)));
        assert_eq!(Minute::of(Timestamp::EPOCH), Ok(Minute::EPOCH));
        assert_eq!(before.as_ms(), -1);
        assert_eq!(Minute::of(before).unwrap_err().to_string(), "usage has a time from 1970 on, not 1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_leap_day_is_a_day_of_february() {
        let last = minute("2028-02-29T23:59:59.999Z");
        assert_eq!((last.day().to_string(), last.day().month().to_string()), ("2028-02-29".into(), "2028-02".into()));
        assert_eq!(last.plus(1).to_string(), "2028-03-01T00:00Z");
        assert_eq!(last.day().month().span().minutes(), 29 * 1440);
        assert_eq!(minute("2027-02-10T00:00:00Z").day().month().span().minutes(), 28 * 1440);
        // 2100 is none.
        assert_eq!(minute("2100-02-28T23:59:00Z").plus(1).to_string(), "2100-03-01T00:00Z");
    }

    #[test]
    fn a_year_ends_where_the_next_begins() {
        let last = minute("2026-12-31T23:59:00Z");
        assert_eq!(last.hour().to_string(), "2026-12-31T23Z");
        assert_eq!(last.day().month().next().to_string(), "2027-01");
        assert_eq!(last.day().month().span().until(), last.plus(1));
    }

    #[test]
    fn the_hours_that_clocks_are_changed_in_are_hours() {
        for text in ["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"] {
            let day = minute(text).day();
            assert_eq!(day.hours().map(|hour| hour.span().minutes()).sum::<u32>(), 1440);
        }
    }

    #[test]
    fn the_last_numbers_do_not_overflow() {
        assert!(Hour::from_number(u32::MAX / 60).is_none() && Day::from_number(u32::MAX / 1440).is_none());
        let last = Minute::of(Timestamp::from_ms(i64::MAX)).unwrap();
        assert_eq!(last.to_string(), "9999-12-31T23:59Z");
        assert_eq!(last.day().month().to_string(), "9999-12");
        assert_eq!(Minute::from_number(u32::MAX).plus(1).number(), u32::MAX);
    }

    #[test]
    fn spans_are_half_open() {
        let (a, b) = (Minute::from_number(60), Minute::from_number(120));
        let span = Span::new(a, b).unwrap();
        assert!(span.contains(a) && !span.contains(b));
        assert!(span.is_whole(Grain::Hour) && !span.is_whole(Grain::Day));
        assert_eq!((span.buckets(Grain::Minute), span.buckets(Grain::Hour), span.buckets(Grain::Day)), (60, 1, 1));
        assert_eq!(Span::new(a, a), Err(InvalidSpan));
        assert!(!span.overlaps(Span::new(b, b.plus(1)).unwrap()) && span.overlaps(Span::new(a, a.plus(1)).unwrap()));
    }

    proptest! {
        #[test]
        fn every_minute_is_in_the_hour_day_and_month_that_chrono_says(number in 0_u32..=4_223_371_679) {
            let minute = Minute::from_number(number);
            let at = DateTime::from_timestamp(i64::from(number) * 60, 0).unwrap();
            prop_assert_eq!(minute.to_string(), at.format("%Y-%m-%dT%H:%MZ").to_string());
            prop_assert_eq!(minute.hour().to_string(), at.format("%Y-%m-%dT%HZ").to_string());
            prop_assert_eq!(minute.day().to_string(), at.format("%Y-%m-%d").to_string());
            prop_assert_eq!(minute.day().month().to_string(), at.format("%Y-%m").to_string());
            prop_assert!(minute.hour().span().contains(minute) && minute.day().span().contains(minute));
            prop_assert!(minute.day().month().span().contains(minute));
            prop_assert!(minute.day().hours().any(|hour| hour == minute.hour()));
        }

        #[test]
        fn every_moment_lies_in_its_minute(ms in 0_i64..253_402_300_800_000) {
            let minute = Minute::of(Timestamp::from_ms(ms)).unwrap();
            prop_assert!(minute.start().as_ms() <= ms && ms < minute.plus(1).start().as_ms());
        }
    }
}
