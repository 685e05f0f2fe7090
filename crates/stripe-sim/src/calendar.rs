//! Billing periods: an anchor and whole intervals after it.

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};

pub(crate) const MINUTE: i64 = 60;
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// The unit of a recurring price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words say it")]
pub enum Unit {
    Day,
    Week,
    Month,
    Year,
}

impl Unit {
    pub(crate) const WORDS: [&'static str; 4] = ["day", "week", "month", "year"];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        [Self::Day, Self::Week, Self::Month, Self::Year].into_iter().find(|unit| unit.as_str() == word)
    }
}

/// How often a price is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) unit: Unit,
    pub(crate) count: u32,
}

impl Interval {
    /// `times` intervals after `anchor`. Months keep the anchor's day; where a month is too short, its last day stands in, and later
    /// months return to the anchor's day.
    pub(crate) fn after(self, anchor: i64, times: u32) -> i64 {
        let count = self.count * times;
        match self.unit {
            Unit::Day => anchor + i64::from(count) * DAY,
            Unit::Week => anchor + i64::from(count) * 7 * DAY,
            Unit::Month => add_months(anchor, count),
            Unit::Year => add_months(anchor, count * 12),
        }
    }

    /// The first boundary after `moment`, on the grid of `anchor`.
    pub(crate) fn next(self, anchor: i64, moment: i64) -> i64 {
        if moment < anchor {
            return anchor;
        }
        // No interval is longer than its days here, so this starts below the answer.
        let longest = match self.unit {
            Unit::Day => DAY,
            Unit::Week => 7 * DAY,
            Unit::Month => 31 * DAY,
            Unit::Year => 366 * DAY,
        };
        let below = (moment - anchor) / (longest * i64::from(self.count));
        let mut times = u32::try_from(below).unwrap_or(u32::MAX / 1_000);
        loop {
            let boundary = self.after(anchor, times);
            if boundary > moment {
                return boundary;
            }
            times += 1;
        }
    }
}

fn add_months(anchor: i64, months: u32) -> i64 {
    let date = DateTime::<Utc>::from_timestamp(anchor, 0).and_then(|date| date.checked_add_months(Months::new(months)));
    date.map_or(i64::MAX, |date| date.timestamp())
}

/// The moment in the form of the `Date` header.
pub(crate) fn http_date(moment: i64) -> String {
    let date = DateTime::<Utc>::from_timestamp(moment, 0).unwrap_or_default();
    date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(date: &str) -> i64 {
        DateTime::parse_from_rfc3339(&format!("{date}T10:00:00Z")).unwrap().timestamp()
    }

    const MONTHLY: Interval = Interval { unit: Unit::Month, count: 1 };

    #[test]
    fn the_end_of_a_month_is_the_anchor_again_where_it_fits() {
        let anchor = at("2027-01-31");
        let ends: Vec<i64> = (1..=4).map(|times| MONTHLY.after(anchor, times)).collect();
        assert_eq!(ends, [at("2027-02-28"), at("2027-03-31"), at("2027-04-30"), at("2027-05-31")]);
        assert_eq!(MONTHLY.next(anchor, at("2027-02-28")), at("2027-03-31"));
        assert_eq!(MONTHLY.next(anchor, at("2027-02-28") - 1), at("2027-02-28"));
    }

    #[test]
    fn a_leap_day_comes_back_every_four_years() {
        let yearly = Interval { unit: Unit::Year, count: 1 };
        let anchor = at("2028-02-29");
        assert_eq!(yearly.after(anchor, 1), at("2029-02-28"));
        assert_eq!(yearly.after(anchor, 4), at("2032-02-29"));
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(http_date(1_700_000_000), "Tue, 14 Nov 2023 22:13:20 GMT");
    }
}
