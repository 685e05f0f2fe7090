//! How often a tenant may get another subdomain. Pure.

use std::time::Duration;

use togglebox_core::Timestamp;

/// So many renames within any span of this length. Each one keeps a name away from everybody for the time of the quarantine: without a limit,
/// one tenant could take all names that are worth having.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenamePolicy {
    most: usize,
    within: Duration,
}

/// A tenant was renamed too often to be renamed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the subdomain was changed {most} times within {} days: it can be changed again from {again_at} on",
    .within.as_secs().div_ceil(24 * 60 * 60)
)]
pub struct RenamedTooOften {
    /// How many renames there may be.
    pub most: usize,
    /// Within so long.
    pub within: Duration,
    /// From when on there may be another one.
    pub again_at: Timestamp,
}

impl Default for RenamePolicy {
    /// Three within 30 days.
    fn default() -> Self {
        Self { most: 3, within: Duration::from_hours(30 * 24) }
    }
}

impl RenamePolicy {
    /// At least one rename.
    pub fn new(most: usize, within: Duration) -> Self {
        Self { most: most.max(1), within }
    }

    /// What is to be remembered of a tenant that is renamed at `now`, where `earlier` is what was remembered: the moments of the renames that
    /// count, the oldest first. No more than may be within the span.
    ///
    /// # Errors
    /// [`RenamedTooOften`].
    pub fn renamed(&self, earlier: &[Timestamp], now: Timestamp) -> Result<Vec<Timestamp>, RenamedTooOften> {
        let mut counting: Vec<Timestamp> = earlier.iter().copied().filter(|at| now < at.plus(self.within)).collect();
        counting.sort_unstable();
        // With fewer than so many of them there is room for one more.
        if let Some(last) = counting.len().checked_sub(self.most).and_then(|place| counting.get(place)) {
            return Err(RenamedTooOften { most: self.most, within: self.within, again_at: last.plus(self.within) });
        }
        counting.push(now);
        Ok(counting)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn a_refusal_says_when_it_is_possible_again() {
        let policy = RenamePolicy::default();
        let day = Duration::from_hours(24);
        let begin = at(1_780_000_000_000);
        let mut renames = Vec::new();
        for days in 0..3 {
            renames = policy.renamed(&renames, begin.plus(day * days)).unwrap();
        }
        let refused = policy.renamed(&renames, begin.plus(30 * day).minus(Duration::from_millis(1))).unwrap_err();
        assert_eq!(refused.again_at, begin.plus(30 * day));
        let text = "the subdomain was changed 3 times within 30 days: it can be changed again from 2026-06-27T20:26:40.000Z on";
        assert_eq!(refused.to_string(), text);
        assert_eq!(policy.renamed(&renames, refused.again_at).unwrap().len(), 3, "the first one does not count any more");
    }

    proptest! {
        /// Whenever somebody tries: no span has more than may be, and whoever comes back as told gets through, not earlier.
        #[test]
        fn no_span_has_more_than_may_be(
            pauses in prop::collection::vec(0..400_i64, 1..60), most in 1..5_usize, within in 1..1000_u64,
        ) {
            let policy = RenamePolicy::new(most, Duration::from_millis(within));
            let (mut kept, mut done, mut now) = (Vec::new(), Vec::new(), 0);
            for pause in pauses {
                now += pause;
                match policy.renamed(&kept, at(now)) {
                    Ok(next) => {
                        prop_assert!(next.len() <= most && next.is_sorted());
                        kept = next;
                        done.push(now);
                    }
                    Err(refused) => {
                        prop_assert!(refused.again_at > at(now));
                        let just_before = refused.again_at.minus(Duration::from_millis(1));
                        prop_assert_eq!(policy.renamed(&kept, just_before), Err(refused));
                        prop_assert!(policy.renamed(&kept, refused.again_at).is_ok());
                    }
                }
            }
            let within = i64::try_from(within).unwrap();
            for (place, first) in done.iter().enumerate() {
                let span = done[place..].iter().take_while(|each| **each < first + within).count();
                prop_assert!(span <= most);
            }
        }

        /// A policy that has become stricter, and a clock that was put back.
        #[test]
        fn any_moments_are_taken(earlier in prop::collection::vec(any::<i64>(), 0..9), now: i64, most in 0..5_usize, within: u32) {
            let policy = RenamePolicy::new(most, Duration::from_millis(within.into()));
            let earlier: Vec<Timestamp> = earlier.into_iter().map(at).collect();
            if let Ok(renames) = policy.renamed(&earlier, at(now)) {
                prop_assert!(renames.len() <= most.max(1));
            }
        }
    }
}
