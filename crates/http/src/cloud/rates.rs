//! How fast the requests of each workspace may come.

use std::time::Duration;

use papaya::HashMap;
use togglebox_core::{Revision, TenantId};
use togglebox_multitenancy::Rate;
use togglebox_ratelimit::{Mode, Override, Overrides, PolicyName, Quota, Subject};

/// The rates of the workspaces that this node has met, as their plans have them: what the policy [`NAME`](Self::NAME) counts by. Every
/// request of a workspace comes after the workspace was looked up, so that its rate is known by then.
#[derive(Debug, Default)]
pub struct PlanRates {
    known: HashMap<TenantId, Known>,
}

/// What was known of a workspace at one of its versions.
#[derive(Clone, Copy, Debug)]
struct Known {
    version: Revision,
    /// `None`: as fast as they like.
    quota: Option<Quota>,
}

impl PlanRates {
    /// What the policy is called.
    pub const NAME: &str = "plan";

    /// Notes what a workspace may do since one of its versions; what is older than what is known is left aside.
    pub(super) fn note(&self, tenant: TenantId, version: Revision, rate: Option<Rate>) {
        let new = Known { version, quota: rate.and_then(quota) };
        self.known.pin().update_or_insert_with(tenant, |old| if old.version > version { *old } else { new }, || new);
    }

    /// Forgets a workspace that is gone.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.known.pin().remove(&tenant);
    }
}

/// Nobody but workspaces is limited by a plan.
impl Overrides for PlanRates {
    fn find(&self, policy: PolicyName, subject: &Subject<'_>) -> Option<Override> {
        if policy.as_str() != Self::NAME {
            return None;
        }
        let quota = subject.tenant_id().and_then(|tenant| self.known.pin().get(&tenant)?.quota);
        Some(quota.map_or(Override::Mode(Mode::Off), Override::Quota))
    }
}

/// So many a second, and so many at once. What cannot be counted as it is (a rate of so many that their interval is no short fraction of
/// microseconds, a burst that it would take centuries to fill) is rounded up to what can.
fn quota(rate: Rate) -> Option<Quota> {
    let most = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let (per_second, burst) = (most(rate.per_second.get()), most(rate.burst.get()));
    let exact = || Quota::rate(per_second, Duration::from_secs(1));
    let rounded = || Quota::rate(1, Duration::from_micros((1_000_000 / u64::from(per_second)).max(1)));
    let second = per_second.min(1_000_000);
    let tries = [(exact(), burst), (rounded(), burst), (exact(), second), (rounded(), second)];
    tries.into_iter().find_map(|(rate, burst)| rate.burst(burst).ok())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;

    const TENANT: TenantId = TenantId::DEFAULT;

    fn rate(per_second: u64) -> Option<Rate> {
        let per_second = NonZeroU64::new(per_second)?;
        Some(Rate { per_second, burst: per_second })
    }

    fn found(rates: &PlanRates, policy: &str) -> Option<Override> {
        rates.find(policy.parse().unwrap(), &Subject::of("read").tenant(TENANT))
    }

    fn interval(of: Option<Override>) -> Duration {
        match of {
            Some(Override::Quota(quota)) => quota.interval(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_that_is_known_counts() {
        let rates = PlanRates::default();
        assert_eq!(found(&rates, PlanRates::NAME), Some(Override::Mode(Mode::Off)), "nobody has come by yet");
        rates.note(TENANT, Revision::new(2), rate(10));
        assert_eq!(interval(found(&rates, PlanRates::NAME)), Duration::from_millis(100));
        rates.note(TENANT, Revision::new(1), rate(1000));
        assert_eq!(interval(found(&rates, PlanRates::NAME)), Duration::from_millis(100), "what took long to load");
        rates.note(TENANT, Revision::new(3), rate(1000));
        assert_eq!(interval(found(&rates, PlanRates::NAME)), Duration::from_millis(1));
        assert_eq!(found(&rates, "key"), None, "other policies are none of its business");
        rates.note(TENANT, Revision::new(4), None);
        assert_eq!(found(&rates, PlanRates::NAME), Some(Override::Mode(Mode::Off)));
        rates.note(TENANT, Revision::new(5), rate(10));
        rates.forget(TENANT);
        assert_eq!(found(&rates, PlanRates::NAME), Some(Override::Mode(Mode::Off)));
    }

    proptest! {
        #[test]
        fn any_rate_that_a_plan_may_have_can_be_counted(per_second: NonZeroU64, burst: NonZeroU64) {
            let quota = quota(Rate { per_second, burst }).unwrap();
            let exact = Duration::from_secs(1) / u32::try_from(per_second.get().min(1_000_000)).unwrap();
            prop_assert!(quota.interval() <= exact + Duration::from_micros(1), "not slower than the plan says");
        }

        #[test]
        fn usual_rates_are_counted_as_they_are(per_second in 1..5_000_u64, burst in 1..20_000_u64) {
            let [rate, burst_of] = [per_second, burst].map(|n| NonZeroU64::new(n).unwrap());
            let quota = quota(Rate { per_second: rate, burst: burst_of }).unwrap();
            prop_assert_eq!(u64::from(quota.burst()), burst);
            let (whole, fractions) = quota.interval_us();
            prop_assert_eq!(whole * per_second, 1_000_000 * u64::from(fractions));
        }
    }
}
