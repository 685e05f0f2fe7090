//! Limits, and where a tenant's differ from those of its plan.

use std::fmt;
use std::num::NonZeroU64;

use togglebox_core::Limit;

macro_rules! limited {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What plans limit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Limited {
            $($(#[$doc])* $name,)*
        }

        impl Limited {
            /// Everything that plans limit.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$name),*];
            const COUNT: usize = [$(Self::$name),*].len();

            /// Its word in files, in records and on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

limited! {
    /// Platforms of the tenant.
    Platforms = "platforms",
    /// Environments of all its platforms together.
    Environments = "environments",
    /// Config parameters of all its environments together.
    Configs = "configs",
    /// Flags of all its environments together.
    Flags = "flags",
    /// Experiments of all its environments together, whatever their status.
    Experiments = "experiments",
    /// People who belong to it.
    Members = "members",
    /// Requests to the API in a month of the subscription, or without one of the calendar (UTC): see [`Allowance`](crate::Allowance).
    RequestsPerMonth = "requests_per_month",
    /// Requests per second that it can go on making.
    RequestsPerSecond = "requests_per_second",
    /// Requests that it can make at once. Of no meaning without a limit per second.
    Burst = "burst",
}

impl Limited {
    /// What a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limited| limited.as_str() == word)
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How fast requests may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Steadily, per second.
    pub per_second: NonZeroU64,
    /// At once.
    pub burst: NonZeroU64,
}

/// One limit of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits([Limit; Limited::COUNT]);

impl Limits {
    /// No limit at all.
    pub const UNLIMITED: Self = Self([Limit::Unlimited; Limited::COUNT]);

    /// The limit of one kind.
    pub const fn get(&self, limited: Limited) -> Limit {
        self.0[limited as usize]
    }

    /// The same with another limit of one kind.
    #[must_use]
    pub const fn with(mut self, limited: Limited, limit: Limit) -> Self {
        self.0[limited as usize] = limit;
        self
    }

    /// How fast requests may come; `None` when as fast as they like. Without a limit of its own, a burst is what comes in a second.
    pub const fn rate(&self) -> Option<Rate> {
        match (self.get(Limited::RequestsPerSecond), self.get(Limited::Burst)) {
            (Limit::Unlimited, _) => None,
            (Limit::AtMost(per_second), Limit::AtMost(burst)) => Some(Rate { per_second, burst }),
            (Limit::AtMost(per_second), Limit::Unlimited) => Some(Rate { per_second, burst: per_second }),
        }
    }
}

/// Where a tenant's limits differ from those of its plan. What is not named is the plan's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides([Option<Limit>; Limited::COUNT]);

impl LimitOverrides {
    /// Nothing differs.
    pub const NONE: Self = Self([None; Limited::COUNT]);

    /// What differs of one kind.
    pub const fn get(&self, limited: Limited) -> Option<Limit> {
        self.0[limited as usize]
    }

    /// The same with another limit of one kind; `None` is the plan's.
    #[must_use]
    pub const fn with(mut self, limited: Limited, limit: Option<Limit>) -> Self {
        self.0[limited as usize] = limit;
        self
    }

    /// What differs, in the order of [`Limited::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Limited, Limit)> {
        Limited::ALL.into_iter().filter_map(|limited| Some((limited, self.get(limited)?)))
    }

    /// The limits that hold: these over those of the plan.
    #[must_use]
    pub fn over(&self, plan: &Limits) -> Limits {
        self.iter().fold(*plan, |limits, (limited, limit)| limits.with(limited, limit))
    }
}

impl FromIterator<(Limited, Limit)> for LimitOverrides {
    fn from_iter<I: IntoIterator<Item = (Limited, Limit)>>(differing: I) -> Self {
        differing.into_iter().fold(Self::NONE, |overrides, (limited, limit)| overrides.with(limited, Some(limit)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limit() -> impl Strategy<Value = Limit> {
        prop_oneof![Just(Limit::Unlimited), (1_u64..=u64::MAX).prop_map(|most| Limit::of(most).unwrap())]
    }

    fn limits() -> impl Strategy<Value = Limits> {
        prop::collection::vec(limit(), Limited::COUNT).prop_map(|limits| Limits(limits.try_into().unwrap()))
    }

    fn overrides() -> impl Strategy<Value = LimitOverrides> {
        let one = prop::option::of(limit());
        prop::collection::vec(one, Limited::COUNT).prop_map(|limits| LimitOverrides(limits.try_into().unwrap()))
    }

    proptest! {
        #[test]
        fn what_is_overridden_holds_and_the_rest_is_the_plans(plan in limits(), own in overrides()) {
            let held = own.over(&plan);
            for limited in Limited::ALL {
                prop_assert_eq!(held.get(limited), own.get(limited).unwrap_or(plan.get(limited)));
            }
            prop_assert_eq!(own.over(&held), held, "merging twice is merging once");
            prop_assert_eq!(LimitOverrides::NONE.over(&plan), plan);
            prop_assert_eq!(own.iter().collect::<LimitOverrides>(), own);
        }
    }

    #[test]
    fn words_read_back() {
        for limited in Limited::ALL {
            assert_eq!(Limited::parse(limited.as_str()), Some(limited));
        }
        assert_eq!(Limited::parse("*"), None);
    }

    #[test]
    fn a_rate_needs_a_limit_per_second() {
        let limit = |most| Limit::of(most).unwrap();
        let burst_only = Limits::UNLIMITED.with(Limited::Burst, limit(5));
        assert_eq!(burst_only.rate(), None);
        let rate = burst_only.with(Limited::RequestsPerSecond, limit(2)).rate().unwrap();
        assert_eq!((rate.per_second.get(), rate.burst.get()), (2, 5));
        let plain = Limits::UNLIMITED.with(Limited::RequestsPerSecond, limit(2)).rate().unwrap();
        assert_eq!(plain.burst.get(), 2);
    }
}
