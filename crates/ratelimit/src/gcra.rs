//! The generic cell rate algorithm (ITU-T I.371, "virtual scheduling"), exactly, on values alone.
//!
//! A bucket is one moment: its *theoretical arrival time* ([`Tat`]), at which it will be full again. With `T` the interval of the quota,
//! `B` its burst, `τ = B·T`, an arrival of cost `c` at `now` finds
//!
//! ```text
//! base = max(tat, now)        next = base + c·T
//! it passes iff next ≤ now + τ, and then tat = next
//! ```
//!
//! Every store decides by these functions, or is tested against them.

use std::time::Duration;

use crate::quota::Quota;
use crate::span::Span;

/// The moment at which a bucket will be full again, on the clock of the store that keeps it: `us + part / d` microseconds, where `d` is
/// the denominator of the [interval](Quota::interval_us) of the quota that it was written under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tat(pub(crate) Span);

/// What a bucket looks like at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whole units that could pass now.
    pub remaining: u64,
    /// How long it takes until the bucket is full, rounded up to microseconds.
    pub reset_after: Duration,
}

impl Tat {
    /// A moment of whole microseconds.
    pub const fn of_us(us: u64) -> Self {
        Self(Span::of_us(us))
    }

    /// From both its parts.
    pub const fn new(us: u64, part: u32) -> Self {
        Self(Span { us, part })
    }

    /// The whole microseconds.
    pub const fn us(self) -> u64 {
        self.0.us
    }

    /// What is beyond them, as a number of the quota's fractions.
    pub const fn part(self) -> u32 {
        self.0.part
    }

    /// Whether the bucket is full at `now_us`: then it tells nothing that its absence would not tell.
    pub const fn is_full_at(self, now_us: u64) -> bool {
        self.0.us < now_us || self.0.us == now_us && self.0.part == 0
    }
}

/// The state that counts: that of a full bucket where there is none or its moment is past; none further ahead than burst and debt are
/// worth, whatever a clock, a failover or another quota has left behind.
#[inline]
pub fn rebase(quota: &Quota, tat: Option<Tat>, now_us: u64) -> Tat {
    let now = Span::of_us(now_us);
    let Some(Tat(mut tat)) = tat else { return Tat(now) };
    if tat.part >= quota.fractions() {
        // Written under another quota: the fraction says nothing here, and is rounded to the strict side.
        tat = Span::of_us(tat.us.saturating_add(1));
    }
    Tat(tat.clamp(now, now.plus(quota.horizon(), quota.fractions())))
}

/// Whether a state lies further ahead than burst and debt are worth. A store that sees one replaces it by what [`rebase`] makes of it,
/// also where nothing passes: as long as it stands, each moment's cut is one full bucket away, and nobody ever passes.
#[inline]
pub fn is_beyond(quota: &Quota, tat: Tat, now_us: u64) -> bool {
    tat.0 > Span::of_us(now_us).plus(quota.horizon(), quota.fractions())
}

/// An arrival of this cost: the bucket afterwards if it passes.
#[inline]
pub fn consume(quota: &Quota, tat: Option<Tat>, now_us: u64, cost: u32) -> Option<Tat> {
    arrive(quota, tat, now_us, cost).1
}

/// What an arrival of this cost finds ([`rebase`]), and the bucket afterwards if it passes ([`consume`]).
#[inline]
pub(crate) fn arrive(quota: &Quota, tat: Option<Tat>, now_us: u64, cost: u32) -> (Tat, Option<Tat>) {
    let before = rebase(quota, tat, now_us);
    let next = before.0.plus(quota.span(cost.into()), quota.fractions());
    (before, (next <= latest(quota, now_us)).then_some(Tat(next)))
}

/// An arrival that passes in any case: the bucket afterwards, as deep in debt as its quota allows at the most.
pub fn charge(quota: &Quota, tat: Option<Tat>, now_us: u64, cost: u32) -> Tat {
    let deepest = Span::of_us(now_us).plus(quota.horizon(), quota.fractions());
    Tat(next(quota, tat, now_us, cost).min(deepest))
}

/// How many units of this cost each could pass now, `asked` at the most.
pub fn grantable(quota: &Quota, tat: Option<Tat>, now_us: u64, cost: u32, asked: u32) -> u32 {
    let units = reading(quota, tat, now_us).remaining / u64::from(cost.max(1));
    u32::try_from(units).unwrap_or(u32::MAX).min(asked)
}

/// Gives back `units` that were taken at `charged_at_us`: the bucket afterwards.
///
/// Had they never been taken, the bucket would have filled up meanwhile by no more than the time that has passed; the credit is what is
/// left of them after that: `max(0, units·T - (now - charged_at))`. A bucket that is not there is full.
pub fn refund(quota: &Quota, tat: Option<Tat>, now_us: u64, charged_at_us: u64, units: u32) -> Option<Tat> {
    tat?;
    let fractions = quota.fractions();
    let Tat(tat) = rebase(quota, tat, now_us);
    let passed = Span::of_us(now_us.saturating_sub(charged_at_us));
    let credit = quota.span(units.into()).minus(passed, fractions);
    Some(Tat(tat.minus(credit, fractions).max(Span::of_us(now_us))))
}

/// What can pass now.
pub fn reading(quota: &Quota, tat: Option<Tat>, now_us: u64) -> Reading {
    let fractions = quota.fractions();
    let Tat(tat) = rebase(quota, tat, now_us);
    Reading {
        remaining: quota.units(latest(quota, now_us).minus(tat, fractions)),
        reset_after: tat.minus(Span::of_us(now_us), fractions).ceil(),
    }
}

/// How long an arrival of this cost has to wait until it passes, if nothing else arrives: rounded up to microseconds, so that it does
/// pass then. Zero if it passes now; [`Duration::MAX`] if it costs more than the burst.
pub fn retry_after(quota: &Quota, tat: Option<Tat>, now_us: u64, cost: u32) -> Duration {
    if cost > quota.burst() {
        return Duration::MAX;
    }
    next(quota, tat, now_us, cost).minus(latest(quota, now_us), quota.fractions()).ceil()
}

/// How a bucket stands that was `before`: how long an arrival of this cost has to wait ([`retry_after`]), and what can pass now, after
/// the arrival was charged ([`charge`]) or without.
pub(crate) fn standing(quota: &Quota, before: Tat, now_us: u64, cost: u32, charged: bool) -> (Duration, Reading) {
    let (now, fractions) = (Span::of_us(now_us), quota.fractions());
    let Tat(base) = rebase(quota, Some(before), now_us);
    let next = base.plus(quota.span(cost.into()), fractions);
    let latest = latest(quota, now_us);
    let wait = if cost > quota.burst() { Duration::MAX } else { next.minus(latest, fractions).ceil() };
    let tat = if charged { next.min(now.plus(quota.horizon(), fractions)) } else { base };
    let reading = Reading { remaining: quota.units(latest.minus(tat, fractions)), reset_after: tat.minus(now, fractions).ceil() };
    (wait, reading)
}

/// What the bucket would be after an arrival.
#[inline]
fn next(quota: &Quota, tat: Option<Tat>, now_us: u64, cost: u32) -> Span {
    rebase(quota, tat, now_us).0.plus(quota.span(cost.into()), quota.fractions())
}

/// The furthest that a bucket may be after an arrival that passes.
#[inline]
fn latest(quota: &Quota, now_us: u64) -> Span {
    Span::of_us(now_us).plus(quota.tolerance(), quota.fractions())
}
