//! The promises of [`LimitStore`], as tests that every store runs.
//!
//! One function per promise; [`limit_store_suite!`](crate::limit_store_suite) makes a test of each:
//!
//! ```ignore
//! async fn fresh() -> Limits { /* an empty store whose clock only the test moves */ }
//! togglebox_ratelimit::limit_store_suite!(fresh);
//! ```
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

mod decisions;
mod faulty;
mod proxy;
mod races;
mod sequences;

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::TenantId;
use uuid::Uuid;

pub use self::decisions::*;
pub use self::faulty::LIMITS;
pub use self::proxy::{Network, Proxy, Seen};
pub use self::races::*;
pub use self::sequences::*;
use crate::{Batch, Digest, Limit, LimitStore, ManualStopwatch, Quota, Tag};

/// An empty store, and the clock that it goes by.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The store.
    pub store: Arc<dyn LimitStore>,
    /// Its clock. Shows a moment of this century when the test begins.
    pub clock: Arc<ManualStopwatch>,
    /// Whether its decisions are those of [`gcra`](crate::gcra) for every quota; if not, only where the interval is a whole number of
    /// microseconds, and never laxer elsewhere.
    pub exact: bool,
}

/// So that what makes a store may return more than the store, such as the server behind it.
impl AsRef<Self> for Limits {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Limits {
    /// Lets the store's time pass.
    pub fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// Whether the batch passes.
    async fn passes(&self, batch: &Batch) -> bool {
        let reply = self.store.consume(batch).await.unwrap();
        assert_eq!(reply.passed, reply.charged, "what passes is charged, and nothing else");
        reply.passed
    }

    /// How many of these pass, one after the other.
    async fn passing(&self, batch: &Batch, times: u32) -> u32 {
        let mut passed = 0;
        for _ in 0..times {
            passed += u32::from(self.passes(batch).await);
        }
        passed
    }

    /// How many units of a limit could pass.
    async fn remaining(&self, batch: &Batch, number: usize) -> u64 {
        let reply = self.store.peek(batch).await.unwrap();
        crate::gcra::reading(batch.limits()[number].quota(), Some(reply.before[number]), reply.now_us).remaining
    }
}

/// A tenant for tests.
const TENANT: Tag = Tag::Tenant(TenantId::from_uuid(Uuid::from_u128(7)));

/// `limit` in a second, with this burst.
fn per_second(limit: u32, burst: u32) -> Quota {
    Quota::rate(limit, Duration::from_secs(1)).burst(burst).unwrap()
}

/// A limit of this name for this subject.
fn limit(name: &str, subject: &str, quota: Quota, cost: u32) -> Limit {
    Limit::new(name.parse().unwrap(), Digest::of([name.as_bytes(), subject.as_bytes()]), quota, cost).unwrap()
}

/// A batch of one such limit.
fn one(name: &str, quota: Quota, cost: u32) -> Batch {
    Batch::one(TENANT, limit(name, "someone", quota, cost))
}

/// Makes a `#[tokio::test]` of every promise of a store of limits.
///
/// `$fresh` is the path of an `async fn()` whose result is, or lends ([`AsRef`]), the [`Limits`](crate::testkit::Limits) of an empty
/// store. The calling crate needs tokio with `macros` and `rt-multi-thread`.
///
/// With the word `maybe` before it, `$fresh` answers an `Option`: `None`, after saying why, when the store's server is not at hand and
/// need not be.
#[macro_export]
macro_rules! limit_store_suite {
    ($fresh:path) => {
        $crate::limit_store_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::limit_store_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::limit_store_suite! { @each $stores:
            a_full_bucket_gives_its_burst_and_no_more
            units_come_back_one_interval_after_another
            who_waits_as_told_passes
            a_cost_counts_as_so_many_units
            a_batch_is_charged_as_a_whole_or_not_at_all
            a_denial_changes_nothing
            a_look_charges_nothing_and_tells_what_would_happen
            eight_limits_are_asked_at_once
            slots_and_tags_do_not_know_each_other
            a_charge_goes_into_debt_and_no_deeper
            a_grant_is_what_all_limits_have_room_for
            a_grant_of_many_units_is_exact
            units_given_back_at_once_are_there_again
            a_refund_does_not_give_what_time_has_given
            a_refund_of_what_is_not_there_changes_nothing
            another_quota_counts_at_once
            nobody_waits_longer_than_a_full_bucket_after_a_step_of_the_clock
            of_many_at_once_exactly_the_burst_passes
            of_many_batches_at_once_each_is_whole
            grants_at_once_never_give_more_than_there_is
            sequences_are_decided_as_the_core_decides
            a_lost_answer_never_lets_more_through
        }
    };
    (@each [$fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let limits = $fresh().await;
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::Limits>::as_ref(&limits)).await;
            }
        )*
    };
    (@each [maybe $fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let Some(limits) = $fresh().await else { return };
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::Limits>::as_ref(&limits)).await;
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A promise that the macro leaves out would be checked by nobody.
    #[test]
    fn the_suite_runs_every_promise() {
        let suite = include_str!("mod.rs");
        for source in [include_str!("decisions.rs"), include_str!("races.rs"), include_str!("sequences.rs")] {
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
                let name = rest.split('(').next().unwrap();
                assert!(suite.contains(&format!("            {name}\n")), "{name} is not in limit_store_suite!");
            }
        }
    }
}
