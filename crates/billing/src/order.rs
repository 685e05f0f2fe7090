//! Which of two things that were told came later: the payment service promises no order, and its times have whole seconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use togglebox_core::Timestamp;

const SECOND: Duration = Duration::from_secs(1);

/// How recent what is known of an object is, by the payment service's clock: it has every change from before `lo`, and none from after `hi`.
///
/// One moment is not enough. Of two changes within a second, read back after that second, the first one's event would look newer than a state
/// that has both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    lo: Timestamp,
    hi: Timestamp,
}

/// What an event of an object is to what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is newer: what it shows holds.
    News,
    /// It could be newer or not: only asking tells.
    Unclear,
    /// What is known has it already.
    Old,
}

impl AsOf {
    /// Of an event that was made at `created`, in whole seconds.
    pub const fn event(created: Timestamp) -> Self {
        Self { lo: created, hi: created }
    }

    /// Of an answer that says it was made at `date` (in whole seconds), to a request that took so long.
    pub fn answer(date: Timestamp, took: Duration) -> Self {
        let whole = Duration::from_secs(took.as_secs() + u64::from(took.subsec_nanos() > 0));
        Self { lo: date.minus(whole + SECOND), hi: date }
    }

    /// What an event that was made at `created` is to it.
    pub fn told(&self, created: Timestamp) -> Told {
        if created > self.hi {
            Told::News
        } else if created < self.lo {
            Told::Old
        } else {
            Told::Unclear
        }
    }

    /// What is surely in it: every change before this.
    pub const fn lo(&self) -> Timestamp {
        self.lo
    }

    /// What is surely not in it: every change after this.
    pub const fn hi(&self) -> Timestamp {
        self.hi
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_760_000_000_000 + ms)
    }

    #[test]
    fn a_second_has_no_order_in_it() {
        let known = AsOf::event(at(5000));
        assert_eq!([4000, 5000, 6000].map(|ms| known.told(at(ms))), [Told::Old, Told::Unclear, Told::News]);
        let read = AsOf::answer(at(9000), Duration::from_millis(1200));
        assert_eq!([5000, 6000, 9000, 10_000].map(|ms| read.told(at(ms))), [Told::Old, Told::Unclear, Told::Unclear, Told::News]);
    }

    proptest! {
        /// An object changes at some moments; each change is told as an event with the second in which it happened; at one moment it is read,
        /// by a request of some length, whose answer has the second in which it was made. Nothing that is called old is missing from what was
        /// read, and nothing that is called news is in it.
        #[test]
        fn nothing_is_called_old_that_is_not_known(
            changes in prop::collection::vec(0_i64..20_000, 1..20),
            sent in 0_i64..20_000,
            before in 0_i64..3_000,
            after in 0_i64..3_000,
        ) {
            let second = |ms: i64| at(ms.div_euclid(1000) * 1000);
            let looked = sent + before;
            let answered = looked + after;
            let took = Duration::from_millis(u64::try_from(before + after).unwrap());
            // The date is put down at some time between the look and the answer's arrival.
            for date in [second(looked), second(answered)] {
                let known = AsOf::answer(date, took);
                for change in &changes {
                    let contained = *change <= looked;
                    match known.told(second(*change)) {
                        Told::News => prop_assert!(!contained),
                        Told::Old => prop_assert!(contained),
                        Told::Unclear => {}
                    }
                }
            }
        }
    }
}
