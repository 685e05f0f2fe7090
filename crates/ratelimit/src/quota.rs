//! How much may pass: a rate, a burst, and how deep one may go into debt.

use std::fmt;
use std::time::Duration;

use crate::span::{LONGEST_US, Span};

/// The most fractions that a microsecond may be cut into: 2^31, so that a fraction times a lease still fits a double.
const MOST_FRACTIONS: u64 = 1 << 31;

/// The largest burst: 2^31 - 1 units.
const LARGEST_BURST: u32 = i32::MAX.cast_unsigned();

/// A steady rate with a burst on top, as the generic cell rate algorithm (GCRA) knows it.
///
/// Units come back one by one, each an *interval* `T = period / limit` after the one before it; at most `burst` of them can be saved up.
/// In any closed window of length `W` at most `burst + floor(W / T)` units pass.
///
/// ```
/// use std::time::Duration;
/// use togglebox_ratelimit::Quota;
///
/// // A token bucket: 100 a minute in the long run, 20 at once.
/// let bucket = Quota::rate(100, Duration::from_secs(60)).burst(20)?;
/// // The same burst, and never more than 100 in any minute whatsoever.
/// let strict = Quota::at_most(100, Duration::from_secs(60)).burst(20)?;
/// assert!(strict.interval() > bucket.interval());
/// # Ok::<(), togglebox_ratelimit::QuotaError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// The interval is `whole / fractions` microseconds, reduced.
    whole: u64,
    fractions: u32,
    burst: u32,
    debt: u32,
    interval: Span,
    tolerance: Span,
    horizon: Span,
}

/// A rate that wants its burst.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Rate {
    limit: u32,
    period: Duration,
    strict: bool,
}

/// A quota that cannot be. The text begins with the field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// Nothing would ever pass.
    #[error("limit: must be at least 1")]
    NoLimit,
    /// More in a microsecond than can be told apart.
    #[error("limit: {0} in this period cannot be counted exactly; at most {MOST_FRACTIONS} in a microsecond can")]
    FinerThanCounted(u32),
    /// A period of nothing.
    #[error("period: must be at least a microsecond")]
    NoPeriod,
    /// A period that is no whole number of microseconds.
    #[error("period: must be a whole number of microseconds, not {} ns", .0.as_nanos())]
    FractionalPeriod(Duration),
    /// A period that nobody lives to see the end of.
    #[error("period: must be at most {LONGEST_US} microseconds (142 years)")]
    PeriodTooLong,
    /// Nothing would ever pass.
    #[error("burst: must be at least 1")]
    NoBurst,
    /// A number of units that is too large.
    #[error("burst: must be at most {LARGEST_BURST}, not {0}")]
    BurstTooLarge(u32),
    /// A window that is full with its burst alone has no rate.
    #[error("burst: must be smaller than the {limit} that may pass in the period, not {burst}")]
    BurstFillsPeriod {
        /// What was to be the burst.
        burst: u32,
        /// What may pass in the period.
        limit: u32,
    },
    /// A bucket that takes too long to fill up.
    #[error("burst: {0} units would take more than 142 years to come back")]
    BurstTooSlow(u32),
    /// A debt that takes too long to be paid back.
    #[error("debt: {0} units on top of the burst would take more than 142 years to come back")]
    DebtTooSlow(u32),
    /// A cost of nothing.
    #[error("cost: must be at least 1")]
    NoCost,
    /// What costs more than can ever be saved up never passes.
    #[error("cost: {cost} can never pass, since the burst is {burst}")]
    CostAboveBurst {
        /// What it costs.
        cost: u32,
        /// What can be saved up.
        burst: u32,
    },
}

impl Quota {
    /// `limit` units per `period` in the long run. The burst comes on top, once: from a full bucket, `limit + burst` pass in the first
    /// period.
    pub const fn rate(limit: u32, period: Duration) -> Rate {
        Rate { limit, period, strict: false }
    }

    /// At most `limit` units in any window of `period`, wherever it begins. For that the long-run rate is `limit - burst` per period.
    pub const fn at_most(limit: u32, period: Duration) -> Rate {
        Rate { limit, period, strict: true }
    }

    /// Lets [`charge`](crate::LimitStore::charge) go this many units below nothing.
    ///
    /// # Errors
    /// [`QuotaError::DebtTooSlow`].
    pub fn with_debt(mut self, debt: u32) -> Result<Self, QuotaError> {
        self.debt = debt;
        self.horizon = self.span(u64::from(self.burst) + u64::from(debt));
        if self.horizon.us > LONGEST_US { Err(QuotaError::DebtTooSlow(debt)) } else { Ok(self) }
    }

    /// The part of this quota that one of `nodes` may give away by itself: the rate and the burst divided by their number. A burst that
    /// does not divide is rounded up to a whole unit, so that a quota smaller than the number of nodes still lets something through.
    #[must_use]
    pub fn share(self, nodes: u32) -> Self {
        if nodes <= 1 {
            return self;
        }
        let (whole, fractions) = reduced(self.whole.saturating_mul(u64::from(nodes)), u64::from(self.fractions));
        let share = Self { whole, fractions, burst: self.burst.div_ceil(nodes), debt: self.debt / nodes, ..self };
        // What would take longer than can be told takes as long as can be told: one unit in 142 years.
        let slowest = Self { whole: LONGEST_US, fractions: 1, burst: 1, debt: 0, ..self };
        share.measured().or_else(|_| slowest.measured()).unwrap_or(self)
    }

    /// The bucket of this `number`, from 0, of so many `parts` that together give exactly what this quota gives: the rate and the burst
    /// divided by their number, with one unit more of burst for the first ones where it does not divide. `None` where a part would have
    /// no whole unit, or there is no such part.
    #[must_use]
    pub fn split(self, parts: u32, number: u32) -> Option<Self> {
        if number >= parts || self.burst < parts {
            return None;
        }
        let (whole, fractions) = reduced(self.whole.checked_mul(parts.into())?, u64::from(self.fractions));
        let burst = self.burst / parts + u32::from(number < self.burst % parts);
        Self { whole, fractions, burst, debt: self.debt / parts, ..self }.measured().ok()
    }

    /// Whether something of this cost can ever pass.
    ///
    /// # Errors
    /// [`QuotaError::NoCost`], [`QuotaError::CostAboveBurst`].
    pub const fn check_cost(&self, cost: u32) -> Result<(), QuotaError> {
        match cost {
            0 => Err(QuotaError::NoCost),
            cost if cost > self.burst => Err(QuotaError::CostAboveBurst { cost, burst: self.burst }),
            _ => Ok(()),
        }
    }

    /// How many units can be saved up.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// How many units it may go below nothing.
    pub const fn debt(&self) -> u32 {
        self.debt
    }

    /// The time from one unit to the next, rounded up to microseconds.
    pub const fn interval(&self) -> Duration {
        self.interval.ceil()
    }

    /// The time in which an empty bucket fills up, rounded up to microseconds.
    pub const fn full_after(&self) -> Duration {
        self.tolerance.ceil()
    }

    /// The interval as a fraction of microseconds, reduced: numerator and denominator.
    pub const fn interval_us(&self) -> (u64, u32) {
        (self.whole, self.fractions)
    }

    /// The time in which so many units come back, exactly. `units` of up to burst and debt give what [`Span`] can hold.
    #[inline]
    pub(crate) fn span(&self, units: u64) -> Span {
        if units == 1 && self.interval != Span::ZERO {
            return self.interval;
        }
        let total = u128::from(units) * u128::from(self.whole);
        let fractions = u128::from(self.fractions);
        Span {
            us: u64::try_from(total / fractions).unwrap_or(u64::MAX),
            part: u32::try_from(total % fractions).unwrap_or_default(), // below `fractions`, which fits
        }
    }

    /// How many whole units come back in a span.
    #[inline]
    pub(crate) fn units(&self, span: Span) -> u64 {
        // Nearly always: dividing 128 bits takes several times as long.
        let short = span.us.checked_mul(self.fractions.into()).and_then(|total| total.checked_add(span.part.into()));
        if let Some(total) = short {
            return total / self.whole;
        }
        let total = u128::from(span.us) * u128::from(self.fractions) + u128::from(span.part);
        u64::try_from(total / u128::from(self.whole)).unwrap_or(u64::MAX)
    }

    #[inline]
    pub(crate) const fn fractions(&self) -> u32 {
        self.fractions
    }

    /// The time that a full bucket is worth.
    #[inline]
    pub(crate) const fn tolerance(&self) -> Span {
        self.tolerance
    }

    /// The time that a full bucket and the deepest debt are worth together: no state lies further ahead.
    #[inline]
    pub(crate) const fn horizon(&self) -> Span {
        self.horizon
    }

    /// Fills in what follows from the rest.
    fn measured(mut self) -> Result<Self, QuotaError> {
        self.interval = Span::ZERO;
        self.interval = self.span(1);
        self.tolerance = self.span(self.burst.into());
        if self.tolerance.us > LONGEST_US {
            return Err(QuotaError::BurstTooSlow(self.burst));
        }
        self.with_debt(self.debt)
    }
}

impl Rate {
    /// How many units can be saved up, 1 to 2^31 - 1.
    ///
    /// # Errors
    /// What is wrong with the rate or the burst.
    pub fn burst(self, burst: u32) -> Result<Quota, QuotaError> {
        let limit = self.limit;
        let period_us = u64::try_from(self.period.as_micros()).unwrap_or(u64::MAX);
        match () {
            () if limit == 0 => return Err(QuotaError::NoLimit),
            () if self.period.is_zero() => return Err(QuotaError::NoPeriod),
            () if !self.period.subsec_nanos().is_multiple_of(1000) => return Err(QuotaError::FractionalPeriod(self.period)),
            () if period_us > LONGEST_US => return Err(QuotaError::PeriodTooLong),
            () if burst == 0 => return Err(QuotaError::NoBurst),
            () if burst > LARGEST_BURST => return Err(QuotaError::BurstTooLarge(burst)),
            () if self.strict && burst >= limit => return Err(QuotaError::BurstFillsPeriod { burst, limit }),
            () => {}
        }
        let counted = if self.strict { limit - burst } else { limit };
        let (whole, fractions) = reduced(period_us, counted.into());
        if u64::from(fractions) > MOST_FRACTIONS {
            return Err(QuotaError::FinerThanCounted(limit));
        }
        let quota = Quota { whole, fractions, burst, debt: 0, interval: Span::ZERO, tolerance: Span::ZERO, horizon: Span::ZERO };
        quota.measured()
    }

    /// As many units can be saved up as come in a period.
    ///
    /// # Errors
    /// What is wrong with the rate; of [`Quota::at_most`], which has to set a burst apart, always.
    pub fn full_burst(self) -> Result<Quota, QuotaError> {
        self.burst(self.limit)
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quota({self})")
    }
}

/// As `100 at once, then 1 every 600ms`.
impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at once, then {} every {:?}", self.burst, self.fractions, Duration::from_micros(self.whole))?;
        if self.debt > 0 {
            write!(f, ", down to -{}", self.debt)?;
        }
        Ok(())
    }
}

/// The same fraction with the smallest numbers. `below` fits 32 bits, so what it is reduced to does.
fn reduced(above: u64, below: u64) -> (u64, u32) {
    let (mut a, mut b) = (above, below);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (above / a, u32::try_from(below / a).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn intervals_are_exact() {
        let sevenths = Quota::rate(7, MINUTE).burst(3).unwrap();
        assert_eq!(sevenths.interval_us(), (60_000_000, 7));
        assert_eq!(sevenths.span(7), Span { us: 60_000_000, part: 0 });
        assert_eq!(sevenths.span(3), Span { us: 25_714_285, part: 5 });
        assert_eq!(sevenths.units(sevenths.span(3)), 3);
        assert_eq!(sevenths.units(Span { us: 25_714_285, part: 4 }), 2);
        assert_eq!(Quota::rate(100, MINUTE).full_burst().unwrap().interval_us(), (600_000, 1));
        let fast = Quota::rate(3_000_000, Duration::from_secs(1)).full_burst().unwrap();
        assert_eq!(fast.interval_us(), (1, 3));
    }

    #[test]
    fn a_strict_quota_sets_its_burst_apart() {
        assert_eq!(Quota::at_most(100, MINUTE).burst(20).unwrap().interval_us(), (750_000, 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (Quota::rate(0, MINUTE).burst(1), "limit: must be at least 1"),
            (Quota::rate(u32::MAX, Duration::from_micros(1)).burst(1), "limit: 4294967295 in this period"),
            (Quota::rate(1, Duration::ZERO).burst(1), "period: must be at least a microsecond"),
            (Quota::rate(1, Duration::from_nanos(1500)).burst(1), "period: must be a whole number of microseconds, not 1500 ns"),
            (Quota::rate(1, Duration::from_secs(u64::MAX)).burst(1), "period: must be at most"),
            (Quota::rate(1, MINUTE).burst(0), "burst: must be at least 1"),
            (Quota::rate(1, MINUTE).burst(u32::MAX), "burst: must be at most 2147483647"),
            (Quota::rate(1, Duration::from_hours(876_000)).burst(2), "burst: 2 units would take more than 142 years"),
            (Quota::at_most(20, MINUTE).burst(20), "burst: must be smaller than the 20"),
            (Quota::at_most(20, MINUTE).full_burst(), "burst: must be smaller than the 20"),
            (Quota::rate(1, MINUTE).burst(1).unwrap().with_debt(u32::MAX), "debt: 4294967295 units"),
        ];
        for (quota, expected) in cases {
            let error = quota.unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let quota = Quota::rate(1, MINUTE).burst(3).unwrap();
        assert_eq!(quota.check_cost(3), Ok(()));
        assert_eq!(quota.check_cost(0).unwrap_err().to_string(), "cost: must be at least 1");
        assert_eq!(quota.check_cost(4).unwrap_err().to_string(), "cost: 4 can never pass, since the burst is 3");
    }

    #[test]
    fn shares_add_up_to_no_more_than_the_whole_but_for_rounding() {
        let quota = Quota::rate(10, Duration::from_secs(1)).burst(10).unwrap();
        let share = quota.share(4);
        assert_eq!(share.interval_us(), (400_000, 1));
        assert_eq!(share.burst(), 3);
        assert_eq!(quota.share(1), quota);
        assert_eq!(quota.share(0), quota);
        // Far more nodes than units: each still lets one through.
        assert_eq!(quota.share(1000).burst(), 1);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let quota = Quota::rate(7, Duration::from_secs(1)).burst(11).unwrap().with_debt(9).unwrap();
        let parts: Vec<Quota> = (0..4).map(|number| quota.split(4, number).unwrap()).collect();
        assert_eq!(parts.iter().map(Quota::burst).collect::<Vec<_>>(), [3, 3, 3, 2]);
        assert!(parts.iter().all(|part| part.interval_us() == (4_000_000, 7) && part.debt() == 2));
        assert_eq!(quota.split(1, 0), Some(quota));
        assert_eq!(quota.split(4, 4), None);
        assert_eq!(quota.split(12, 0), None, "a bucket of less than a unit never lets anything through");
        assert_eq!(quota.split(0, 0), None);
    }

    #[test]
    fn a_quota_is_told_in_words() {
        let quota = Quota::rate(100, MINUTE).burst(20).unwrap().with_debt(5).unwrap();
        assert_eq!(quota.to_string(), "20 at once, then 1 every 600ms, down to -5");
        assert_eq!(Quota::rate(7, MINUTE).burst(1).unwrap().to_string(), "1 at once, then 7 every 60s");
    }
}
