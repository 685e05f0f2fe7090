//! Quotas that are checked against what is known, and thresholds that are told once.
//!
//! The arithmetic only: who knows the usage, and who is told, is the embedding service's. A check against a total that is a flush
//! interval old lets through what the other nodes counted meanwhile, and no more.

use togglebox_core::Timestamp;

use crate::{Day, Minute, Month, Span};

/// What a quota is for: so much in each of these, one after the other without a gap, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// A day.
    Day,
    /// A month that begins on a day of the calendar's; see [`month_from`](Self::month_from).
    Month(Anchor),
    /// This span and no other: whoever says so knows when the next one begins. Of any minute, also of one outside of it.
    Of(Span),
}

/// The day of the month that a period begins on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Anchor(u8);

impl Period {
    /// A month of the calendar.
    pub const MONTH: Self = Self::Month(Anchor(1));

    /// A month that begins on this day, 1 to 31; on the last of a month that is shorter, as subscriptions are renewed.
    pub fn month_from(day: u8) -> Option<Self> {
        (1..=31).contains(&day).then_some(Self::Month(Anchor(day)))
    }

    /// The period that a minute lies in. The first begins with 1970 at the earliest.
    pub fn span(self, at: Minute) -> Span {
        match self {
            Self::Day => at.day().span(),
            Self::Of(span) => span,
            Self::Month(anchor) => {
                let month = at.day().month();
                let begin = anchor.day_of(month);
                let (from, until) = if at.day() >= begin {
                    (begin, anchor.day_of(month.next()))
                } else {
                    (month.previous().map_or(Day::FIRST, |month| anchor.day_of(month)), begin)
                };
                Span::of_days(from, until)
            }
        }
    }
}

impl Anchor {
    fn day_of(self, month: Month) -> Day {
        let days = month.span().minutes() / 1440;
        month.start().plus(u32::from(self.0).min(days) - 1)
    }
}

/// So much in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How much.
    pub limit: u64,
    /// In what.
    pub period: Period,
    /// From how many percent of the limit on an answer warns; 100 and more never does.
    pub warn_percent: u16,
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is room.
    Allow {
        /// For so much more after this.
        remaining: u64,
    },
    /// There is room, and not much of it.
    Warn {
        /// For so much more after this.
        remaining: u64,
    },
    /// There is none.
    Deny {
        /// How much there may be.
        limit: u64,
        /// How much there is.
        used: u64,
        /// When the next period begins.
        resets_at: Timestamp,
    },
}

impl Quota {
    /// Whether `quantity` more has room in the period of `now`, in which `used` was counted.
    pub fn check(&self, used: u64, quantity: u64, now: Minute) -> Check {
        match used.checked_add(quantity).filter(|after| *after <= self.limit) {
            None => Check::Deny { limit: self.limit, used, resets_at: self.period.span(now).until().start() },
            Some(after) if self.reaches(after, self.warn_percent) => Check::Warn { remaining: self.limit - after },
            Some(after) => Check::Allow { remaining: self.limit - after },
        }
    }

    /// Whether usage has reached so many percent of the limit.
    fn reaches(&self, used: u64, percent: u16) -> bool {
        u128::from(used) * 100 >= u128::from(self.limit) * u128::from(percent)
    }

    /// The thresholds, in percent, that are to be told of now, in rising order: those that usage has reached in the period of `now` and
    /// that were not told yet. Keep [`Told`] with the notice, in one act, and each is told once in a period, however often this runs.
    pub fn due(&self, thresholds: &[u16], used: u64, told: Option<Told>, now: Minute) -> Vec<Told> {
        let period = self.period.span(now).from();
        // What was told of a later period means that the clock is behind: nothing is told again.
        let last = told.filter(|told| told.period >= period);
        let is_due = |percent: u16| match last {
            Some(last) => last.period == period && percent > last.percent,
            None => true,
        };
        let mut due: Vec<u16> =
            thresholds.iter().copied().filter(|percent| is_due(*percent) && self.reaches(used, *percent)).collect();
        due.sort_unstable();
        due.dedup();
        due.into_iter().map(|percent| Told { period, percent }).collect()
    }
}

/// A threshold that was told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    /// The first minute of the period.
    pub period: Minute,
    /// The threshold, in percent of the limit.
    pub percent: u16,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minute(text: &str) -> Minute {
        Minute::of(text.parse().unwrap()).unwrap()
    }

    fn shown(period: Period, at: &str) -> (String, String) {
        let span = period.span(minute(at));
        (span.from().day().to_string(), span.until().day().to_string())
    }

    #[test]
    fn a_month_is_one_of_the_calendar() {
        assert_eq!(shown(Period::MONTH, "2028-02-29T23:59:00Z"), ("2028-02-01".into(), "2028-03-01".into()));
        assert_eq!(shown(Period::MONTH, "2026-12-31T00:00:00Z"), ("2026-12-01".into(), "2027-01-01".into()));
    }

    #[test]
    fn a_month_from_the_31st_begins_on_the_last_day_of_a_shorter_one() {
        let period = Period::month_from(31).unwrap();
        assert_eq!(shown(period, "2027-02-27T12:00:00Z"), ("2027-01-31".into(), "2027-02-28".into()));
        assert_eq!(shown(period, "2027-02-28T00:00:00Z"), ("2027-02-28".into(), "2027-03-31".into()));
        assert_eq!(shown(period, "2028-02-28T00:00:00Z"), ("2028-01-31".into(), "2028-02-29".into()));
        assert_eq!(shown(period, "1970-01-05T00:00:00Z"), ("1970-01-01".into(), "1970-01-31".into()));
        assert!(Period::month_from(0).is_none() && Period::month_from(32).is_none());
    }

    #[test]
    fn a_check_allows_warns_and_denies() {
        let (quota, now) = (Quota { limit: 100, period: Period::Day, warn_percent: 80 }, minute("2026-11-22T10:00:00Z"));
        let deny = |used| Check::Deny { limit: 100, used, resets_at: "2026-11-23T00:00:00Z".parse().unwrap() };
        assert_eq!(quota.check(0, 79, now), Check::Allow { remaining: 21 });
        assert_eq!(quota.check(79, 1, now), Check::Warn { remaining: 20 });
        assert_eq!(quota.check(99, 1, now), Check::Warn { remaining: 0 });
        assert_eq!(quota.check(100, 1, now), deny(100));
        assert_eq!(quota.check(90, 11, now), deny(90));
        assert_eq!(quota.check(u64::MAX, u64::MAX, now), deny(u64::MAX));
        assert_eq!(quota.check(100, 0, now), Check::Warn { remaining: 0 });
        let nothing = Quota { limit: 0, ..quota };
        assert!(matches!(nothing.check(0, 1, now), Check::Deny { .. }));
        let all = Quota { limit: u64::MAX, ..quota };
        assert_eq!(all.check(0, 1, now), Check::Allow { remaining: u64::MAX - 1 });
    }

    #[test]
    fn a_threshold_is_told_once_in_a_period() {
        let quota = Quota { limit: 100, period: Period::Day, warn_percent: 80 };
        let (today, tomorrow) = (minute("2026-11-22T10:00:00Z"), minute("2026-11-23T10:00:00Z"));
        let told = |percent| Told { period: today.day().start(), percent };
        let due = |used, last, now| quota.due(&[100, 80], used, last, now);
        assert_eq!(due(79, None, today), []);
        assert_eq!(due(80, None, today), [told(80)]);
        assert_eq!(due(99, Some(told(80)), today), []);
        assert_eq!(due(250, Some(told(80)), today), [told(100)]);
        assert_eq!(due(250, None, today), [told(80), told(100)]);
        assert_eq!(due(250, Some(told(100)), today), []);
        assert_eq!(due(80, Some(told(100)), tomorrow), [Told { period: tomorrow.day().start(), percent: 80 }]);
        let ahead = Told { period: tomorrow.day().start(), percent: 80 };
        assert_eq!(due(100, Some(ahead), today), [], "a clock that is behind tells nothing twice");
    }

    fn periods() -> impl Strategy<Value = Period> {
        prop_oneof![Just(Period::Day), (1_u8..=31).prop_map(|day| Period::month_from(day).unwrap())]
    }

    proptest! {
        #[test]
        fn periods_follow_each_other_without_a_gap(period in periods(), at in 0_u32..100_000_000) {
            let at = Minute::from_number(at);
            let span = period.span(at);
            prop_assert!(span.contains(at));
            prop_assert_eq!(period.span(span.from()), span);
            prop_assert_eq!(period.span(span.until().minus(1)), span);
            prop_assert_eq!(period.span(span.until()).from(), span.until());
        }

        #[test]
        fn each_threshold_is_told_once_whatever_the_usage_does(
            steps in prop::collection::vec((0_u64..300, 0_u32..3), 1..40),
        ) {
            let quota = Quota { limit: 100, period: Period::Day, warn_percent: 80 };
            let (mut told, mut last, mut day) = (Vec::new(), None, 0);
            for (used, ahead) in steps {
                day += ahead / 2;
                let due = quota.due(&[80, 100, 120], used, last, Minute::from_number(day * 1440 + 7));
                last = due.last().copied().or(last);
                told.extend(due);
            }
            let count = told.len();
            told.sort();
            told.dedup();
            prop_assert_eq!(told.len(), count);
        }
    }
}
