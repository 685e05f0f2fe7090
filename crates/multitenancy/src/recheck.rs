//! Whether a domain that was verified still is its tenant's. Pure.
//!
//! Domains are sold, and lapse. A tenant that goes on holding one that is somebody else's by now would keep that one from verifying it, and
//! would be served there as soon as it leads here.

use std::time::Duration;

use togglebox_core::Timestamp;

use crate::DomainClaim;

/// The record of a verified domain is looked for again and again. Only what the DNS says counts, not that it does not answer; and a record
/// that is not there once may be there again tomorrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecheckPolicy {
    every: Duration,
    misses: u32,
}

impl Default for RecheckPolicy {
    /// Each day; the fourth time in a row that it is not there ends it, so three days after the first one at the earliest.
    fn default() -> Self {
        Self { every: Duration::from_hours(24), misses: 4 }
    }
}

impl RecheckPolicy {
    /// Looks `every` so often, and gives a domain up when its record was not there `misses` (at least one) times in a row.
    pub fn new(every: Duration, misses: u32) -> Self {
        Self { every, misses: misses.max(1) }
    }

    /// Whether the record of a claim is to be looked for at `now`. That of one that is not verified is for its tenant to ask for.
    pub fn is_due(&self, claim: &DomainClaim, now: Timestamp) -> bool {
        claim.verified_at.is_some_and(|verified_at| now >= claim.checked_at.unwrap_or(verified_at).plus(self.every))
    }

    /// What is known of a claim after its record was looked for at `now`, and was there or not.
    #[must_use]
    pub fn checked(&self, claim: &DomainClaim, is_shown: bool, now: Timestamp) -> DomainClaim {
        let misses = if is_shown { 0 } else { claim.misses.saturating_add(1) };
        DomainClaim { checked_at: Some(now), misses, ..claim.clone() }
    }

    /// Whether the domain is to be given up.
    pub const fn is_over(&self, claim: &DomainClaim) -> bool {
        claim.misses >= self.misses
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::SeededEntropy;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn claim(verified_at: Option<Timestamp>) -> DomainClaim {
        let domain = "flags.example.com".parse().unwrap();
        DomainClaim { verified_at, ..DomainClaim::new(domain, &SeededEntropy::new(1), Timestamp::EPOCH) }
    }

    #[test]
    fn what_is_not_verified_is_not_looked_for() {
        let policy = RecheckPolicy::default();
        assert!(!policy.is_due(&claim(None), Timestamp::from_ms(i64::MAX)));
        let verified = claim(Some(Timestamp::EPOCH));
        let at = |hours: i64| Timestamp::from_ms(hours * HOUR_MS);
        assert!(!policy.is_due(&verified, at(23)) && policy.is_due(&verified, at(24)));
        let checked = policy.checked(&verified, true, at(30));
        assert!(!policy.is_due(&checked, at(53)) && policy.is_due(&checked, at(54)));
    }

    proptest! {
        /// Whoever looks as often as they like: a domain is given up only if its record was missing each time in three days, and it is looked
        /// for once a day.
        #[test]
        fn a_domain_outlives_what_is_not_lasting(looks in prop::collection::vec((0..30_i64, any::<bool>()), 1..100)) {
            let policy = RecheckPolicy::default();
            let (mut stands, mut hours, mut seen) = (claim(Some(Timestamp::EPOCH)), 0, Vec::new());
            for (pause, is_shown) in looks {
                hours += pause;
                let now = Timestamp::from_ms(hours * HOUR_MS);
                if !policy.is_due(&stands, now) {
                    continue;
                }
                stands = policy.checked(&stands, is_shown, now);
                seen.push((hours, is_shown));
                let missing: Vec<i64> = seen.iter().rev().take_while(|(_, shown)| !shown).map(|(hours, _)| *hours).collect();
                prop_assert_eq!(policy.is_over(&stands), missing.len() >= 4);
                if policy.is_over(&stands) {
                    prop_assert!(missing[0] - missing[missing.len() - 1] >= 72);
                    break;
                }
            }
            prop_assert!(seen.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 24));
        }
    }
}
