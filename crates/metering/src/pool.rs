//! The units of a quota, and who holds how many of them: the arithmetic of a quota that is never exceeded.
//!
//! Processes take units out of a pool before they spend them, and give back those that they have not spent. What a pool has granted never
//! exceeds the limit; so neither does what all of them spend, whatever becomes of a process or of an answer:
//!
//! - Each holder says how many units it *holds in all*, not how many more it wants: so a step whose outcome is unknown is followed by the
//!   next one, whose answer tells how it is.
//! - Each step has a number that its holder counts up. One that arrives after a later one changes nothing: a call that was given up on, and
//!   is carried out long after that, takes nothing away from what was granted since.
//! - A holder that is not heard of any more is forgotten, and keeps what it holds: nobody can tell what it has spent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use togglebox_core::Timestamp;

use crate::{MeterId, Minute, WriterId};

/// What one holder asks of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of what.
    pub meter: MeterId,
    /// The first minute of the period that the quota is for.
    pub period: Minute,
    /// Who asks: a process, by an id that no other one ever has.
    pub holder: WriterId,
    /// The holder's steps are counted, from 1. One that is not beyond its last changes nothing.
    pub number: u64,
    /// How many units there are. It may be another each time; what was granted stays so.
    pub limit: u64,
    /// What was used already, as far as the holder knows: a pool is begun with it, and one that has granted less takes the rest for used.
    /// `None`: a pool that is not there stays so.
    pub used: Option<u64>,
    /// The caller's clock.
    pub now: Timestamp,
    /// What for.
    pub ask: Ask,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To hold so many in all, or as many as there are.
    Hold(u64),
    /// To hold so many in all, if it was more: the rest is given back.
    Keep(u64),
    /// The same, and there is nothing that this holder asks after that.
    End(u64),
    /// Nothing: to be told.
    Look,
}

/// How a pool stands after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    /// How many units the holder holds in all, spent ones too.
    pub units: u64,
    /// How many are held by all, or were used before.
    pub granted: u64,
}

/// The units of a quota of one tenant in one period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    granted: u64,
    holders: BTreeMap<WriterId, Holding>,
}

/// What one holder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holding {
    units: u64,
    number: u64,
    seen_ms: i64,
}

impl Pool {
    /// Whoever is not heard of for so long is forgotten.
    pub const FORGOTTEN: Duration = Duration::from_mins(15);

    /// The largest number of units: every database has a number for it.
    pub const MOST: u64 = i64::MAX as u64;

    /// A pool of which so many units were used before.
    pub fn begun(used: u64) -> Self {
        Self { granted: used.min(Self::MOST), holders: BTreeMap::new() }
    }

    /// One that was stored.
    ///
    /// # Errors
    /// `holders` is not what [`holders`](Self::holders) gave.
    pub fn stored(granted: u64, holders: &str) -> Result<Self, InvalidHolders> {
        let holding = |text: &str| text.parse::<Entry>().map(|Entry(holder, holding)| (holder, holding));
        let holders = holders.split(',').filter(|text| !text.is_empty()).map(holding).collect::<Result<_, _>>()?;
        Ok(Self { granted, holders })
    }

    /// How many units are held, or were used before.
    pub const fn granted(&self) -> u64 {
        self.granted
    }

    /// Who holds them, as text to store.
    pub fn holders(&self) -> String {
        let entries: Vec<_> = self.holders.iter().map(|(holder, holding)| Entry(*holder, *holding).to_string()).collect();
        entries.join(",")
    }

    /// Takes a step. The same step again changes nothing more, and tells how the pool stands.
    pub fn take(&mut self, step: &Step) -> Leased {
        let last = self.holders.get(&step.holder).copied().unwrap_or_default();
        if step.ask != Ask::Look && step.number > last.number {
            self.change(step, last);
        }
        Leased { units: self.holders.get(&step.holder).map_or(0, |holding| holding.units), granted: self.granted }
    }

    fn change(&mut self, step: &Step, last: Holding) {
        // What was used while nobody took units for it.
        self.granted = self.granted.max(step.used.map_or(0, |used| used.min(Self::MOST)));
        let free = step.limit.min(Self::MOST).saturating_sub(self.granted);
        let units = match step.ask {
            Ask::Hold(units) => last.units + units.saturating_sub(last.units).min(free),
            Ask::Keep(units) | Ask::End(units) => last.units.min(units),
            Ask::Look => last.units,
        };
        self.granted = (self.granted - last.units) + units;
        let now_ms = step.now.as_ms();
        self.holders.insert(step.holder, Holding { units, number: step.number, seen_ms: now_ms.max(last.seen_ms) });
        self.holders.retain(|holder, holding| {
            let heard_of = now_ms < Timestamp::from_ms(holding.seen_ms).plus(Self::FORGOTTEN).as_ms();
            *holder == step.holder && !matches!(step.ask, Ask::End(_)) || *holder != step.holder && heard_of
        });
    }
}

/// Text that holders were not stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "holders are written as <32 hexadecimal digits>:<units>:<number>:<milliseconds>, one after the other with commas between"
)]
pub struct InvalidHolders;

/// A holder in a text.
struct Entry(WriterId, Holding);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(holder, Holding { units, number, seen_ms }) = self;
        write!(f, "{holder}:{units}:{number}:{seen_ms}")
    }
}

impl FromStr for Entry {
    type Err = InvalidHolders;

    fn from_str(text: &str) -> Result<Self, InvalidHolders> {
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or(InvalidHolders);
        let holder = u128::from_str_radix(next()?, 16).map_err(|_| InvalidHolders)?;
        let [units, number] = [next()?, next()?].map(|part| part.parse::<u64>().map_err(|_| InvalidHolders));
        let seen_ms = next()?.parse().map_err(|_| InvalidHolders)?;
        let holding = Holding { units: units?, number: number?, seen_ms };
        if parts.next().is_some() { Err(InvalidHolders) } else { Ok(Self(WriterId::from_u128(holder), holding)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: u64 = 10;

    fn step(holder: u128, number: u64, ask: Ask) -> Step {
        let (meter, holder) = ("m".parse().unwrap(), WriterId::from_u128(holder));
        Step { meter, period: Minute::EPOCH, holder, number, limit: LIMIT, used: None, now: Timestamp::EPOCH, ask }
    }

    #[test]
    fn there_are_as_many_units_as_the_limit_says_and_what_is_given_back_is_there_again() {
        let mut pool = Pool::begun(2);
        assert_eq!(pool.take(&step(1, 1, Ask::Hold(5))), Leased { units: 5, granted: 7 });
        assert_eq!(pool.take(&step(2, 1, Ask::Hold(5))), Leased { units: 3, granted: 10 });
        assert_eq!(pool.take(&step(2, 2, Ask::Hold(5))), Leased { units: 3, granted: 10 });
        assert_eq!(pool.take(&step(1, 2, Ask::Keep(1))), Leased { units: 1, granted: 6 });
        assert_eq!(pool.take(&step(2, 3, Ask::Hold(5))), Leased { units: 5, granted: 8 });
        assert_eq!(pool.take(&step(1, 3, Ask::End(1))), Leased { units: 0, granted: 8 });
        assert_eq!(pool.take(&step(3, 0, Ask::Look)), Leased { units: 0, granted: 8 });
    }

    #[test]
    fn a_step_again_or_after_a_later_one_changes_nothing() {
        let mut pool = Pool::default();
        pool.take(&step(1, 1, Ask::Hold(4)));
        pool.take(&step(1, 3, Ask::Hold(6)));
        for late in [step(1, 3, Ask::Hold(6)), step(1, 2, Ask::Keep(1)), step(1, 1, Ask::Hold(9)), step(1, 2, Ask::End(0))] {
            assert_eq!(pool.take(&late), Leased { units: 6, granted: 6 }, "{late:?}");
        }
    }

    #[test]
    fn a_lower_limit_takes_nothing_away_and_a_higher_one_is_room() {
        let mut pool = Pool::default();
        pool.take(&step(1, 1, Ask::Hold(8)));
        let lower = Step { limit: 3, ..step(1, 2, Ask::Hold(9)) };
        assert_eq!(pool.take(&lower), Leased { units: 8, granted: 8 });
        let higher = Step { limit: 12, ..step(1, 3, Ask::Hold(20)) };
        assert_eq!(pool.take(&higher), Leased { units: 12, granted: 12 });
        let endless = Step { limit: u64::MAX, ..step(1, 4, Ask::Hold(u64::MAX)) };
        assert_eq!(pool.take(&endless).granted, Pool::MOST);
    }

    #[test]
    fn what_was_used_without_units_is_granted_to_nobody() {
        let mut pool = Pool::begun(2);
        let used = |used, step| Step { used: Some(used), ..step };
        assert_eq!(pool.take(&used(1, step(1, 1, Ask::Hold(3)))), Leased { units: 3, granted: 5 });
        let raised = used(7, step(2, 1, Ask::Hold(1)));
        for _ in 0..2 {
            assert_eq!(pool.take(&raised), Leased { units: 1, granted: 8 });
        }
        assert_eq!(pool.take(&used(9, step(2, 2, Ask::Look))), Leased { units: 1, granted: 8 });
        assert_eq!(pool.take(&used(9, step(2, 1, Ask::Keep(0)))), Leased { units: 1, granted: 8 }, "late");
        assert_eq!(pool.take(&used(u64::MAX, step(2, 3, Ask::Hold(2)))), Leased { units: 1, granted: Pool::MOST });
    }

    #[test]
    fn who_is_not_heard_of_is_forgotten_and_keeps_its_units() {
        let mut pool = Pool::default();
        pool.take(&step(1, 1, Ask::Hold(4)));
        let later = Step { now: Timestamp::EPOCH.plus(Pool::FORGOTTEN), ..step(2, 1, Ask::Hold(1)) };
        assert_eq!(pool.take(&later), Leased { units: 1, granted: 5 });
        assert_eq!(pool.holders.len(), 1);
        assert_eq!(pool.take(&step(1, 2, Ask::Keep(0))), Leased { units: 0, granted: 5 }, "what it spent is not known");
    }

    #[test]
    fn text_that_is_not_of_holders_is_told() {
        let good = format!("{}:1:2:3", "0".repeat(32));
        assert!(Pool::stored(0, &good).is_ok());
        for bad in ["x", ":::", "0:1:2", &format!("{good}:4"), "0:-1:2:3", "0:1:2:3;0:1:2:3"] {
            assert_eq!(Pool::stored(0, bad), Err(InvalidHolders), "{bad}");
        }
    }

    fn asks() -> impl Strategy<Value = Ask> {
        prop_oneof![(0..15_u64).prop_map(Ask::Hold), (0..15_u64).prop_map(Ask::Keep), (0..15_u64).prop_map(Ask::End)]
    }

    proptest! {
        /// Whatever holders do, in whatever order it arrives, as often as it may: no more is granted than there is, and it reads back.
        #[test]
        fn no_more_is_granted_than_there_is(
            used in 0..LIMIT,
            steps in prop::collection::vec((0..4_u128, 1..9_u64, asks(), 0..3_000_000_u64), 1..60),
        ) {
            let mut pool = Pool::begun(used);
            for (holder, number, ask, ms) in steps {
                let now = Timestamp::EPOCH.plus(Duration::from_millis(ms));
                let (step, before) = (Step { now, ..step(holder, number, ask) }, pool.clone());
                let leased = pool.take(&step);
                prop_assert!(leased.granted <= LIMIT && leased.granted >= used);
                let held: u64 = pool.holders.values().map(|holding| holding.units).sum();
                prop_assert!(held + used <= leased.granted);
                if let Ask::Keep(_) | Ask::End(_) = ask {
                    prop_assert!(pool.granted <= before.granted);
                }
                prop_assert_eq!(&Pool::stored(pool.granted(), &pool.holders()).unwrap(), &pool);
                if !matches!(ask, Ask::End(_)) {
                    let again = pool.clone();
                    pool.take(&step);
                    prop_assert_eq!(&pool, &again);
                }
            }
        }
    }
}
