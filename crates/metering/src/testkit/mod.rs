//! The promises of [`store`](crate::store), as tests that every adapter runs, and a store in memory that keeps them.
//!
//! One function per promise, over the ports alone. [`usage_store_suite!`](crate::usage_store_suite) makes a test of each:
//!
//! ```text
//! async fn fresh() -> UsageStores { /* over an empty database */ }
//! togglebox_metering::usage_store_suite!(fresh);
//! ```
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

mod cells;
mod events;
mod faults;
mod faulty;
mod fixtures;
mod leases;
mod memory;
mod pruning;
#[cfg(feature = "queue")]
mod queue;
mod rollups;
mod watermarks;

use std::sync::Arc;

pub use self::cells::*;
pub use self::events::*;
pub use self::faults::*;
pub use self::faulty::{USAGE, USAGE_LEDGER, USAGE_SINK};
pub use self::leases::*;
pub use self::memory::MemoryStore;
pub use self::pruning::*;
#[cfg(feature = "queue")]
pub use self::queue::MemoryQueue;
pub use self::rollups::*;
pub use self::watermarks::*;
use crate::store::{UsageLedger, UsageStore};

/// The ports of one empty store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct UsageStores {
    /// The usage of a tenant.
    pub usage: Arc<dyn UsageStore>,
    /// The usage of all of them.
    pub ledger: Arc<dyn UsageLedger>,
}

impl UsageStores {
    /// A store that has all ports.
    pub fn over<S: UsageStore + UsageLedger>(store: &Arc<S>) -> Self {
        Self { usage: Arc::<S>::clone(store), ledger: Arc::<S>::clone(store) }
    }
}

/// So that what makes a store may return more than the store, such as the directory that it lives in.
impl AsRef<Self> for UsageStores {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Makes a `#[tokio::test]` of every promise of the ports of usage.
///
/// `$fresh` is the path of an `async fn()` whose result is, or lends ([`AsRef`]), the [`UsageStores`](crate::testkit::UsageStores) of
/// an empty store. The calling crate needs tokio with `macros` and `rt-multi-thread`.
///
/// With the word `maybe` before it, `$fresh` answers an `Option`: `None`, after saying why, when the store's server is not at hand and
/// need not be.
#[macro_export]
macro_rules! usage_store_suite {
    ($fresh:path) => {
        $crate::usage_store_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::usage_store_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::usage_store_suite! { @each $stores:
            a_merged_cell_is_in_every_sum_that_starts_later
            merging_takes_the_greater_total
            a_minute_is_the_sum_over_its_writers
            of_many_reports_of_one_cell_at_once_the_greatest_stands
            writers_at_once_all_count
            a_batch_has_at_most_a_thousand_cells
            the_stores_own_writers_and_impossible_totals_are_refused
            the_greatest_total_and_the_longest_labels_read_back
            sums_are_by_minute_hour_and_day
            sums_are_narrowed_and_split_by_labels
            tenants_and_meters_are_counted_apart
            sums_never_fall_while_cells_come_in
            an_event_counts_once_however_often_it_is_sent
            of_many_who_send_one_event_at_once_exactly_one_is_told_that_it_is_new
            an_id_is_of_its_source_and_tenant
            an_event_from_the_future_does_not_count
            events_and_cells_add_up
            a_batch_has_at_most_five_hundred_events
            an_event_beyond_the_greatest_total_does_not_count
            no_call_reaches_another_tenant
            usage_calls_bear_faults
            usage_ledger_calls_bear_faults
            pruned_minutes_stay_in_hours_and_days
            no_minute_of_a_stale_hour_is_pruned
            a_cell_of_a_pruned_minute_is_late_and_does_not_count
            rolling_up_what_is_pruned_changes_nothing
            pruned_hours_stay_in_days
            pruning_goes_in_parts
            cells_and_pruning_at_once_agree_on_what_counts
            a_claim_outlives_its_minute
            a_rolled_up_hour_is_the_sum_of_its_minutes
            rolling_up_again_changes_nothing
            an_hour_without_usage_has_no_roll_up
            a_late_cell_makes_the_hour_stale_and_its_next_revision
            stale_hours_are_told_oldest_first_until_they_are_rolled_up
            a_roll_up_among_merges_loses_nothing
            roll_ups_equal_a_recount
            events_in_no_order_equal_a_recount
            what_is_added_up_is_told_of_many_tenants_at_once
            a_watermark_never_goes_back
            of_many_watermarks_at_once_the_furthest_stands
            a_writer_that_has_ended_is_waited_for_no_more
            what_is_sealed_is_told_from_the_watermarks
            old_watermarks_are_pruned
            units_are_granted_up_to_the_limit_and_those_given_back_again
            a_step_that_comes_again_or_late_changes_nothing
            what_was_used_without_units_is_granted_to_nobody
            of_many_who_take_units_at_once_no_more_are_granted_than_there_are
            pools_are_of_a_tenant_a_meter_and_a_period
            old_pools_go_when_a_new_one_is_begun
            nodes_spend_the_whole_limit_and_not_a_unit_more
            however_nodes_are_killed_no_more_than_the_limit_is_spent
            what_a_node_does_not_need_the_others_can_spend
            a_node_that_was_forgotten_goes_on_where_it_was
            a_period_whose_end_moves_has_no_more_units_than_before
        }
    };
    (@each [maybe $fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let ::core::option::Option::Some(stores) = $fresh().await else { return };
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::UsageStores>::as_ref(&stores)).await;
            }
        )*
    };
    (@each [$fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let stores = $fresh().await;
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::UsageStores>::as_ref(&stores)).await;
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
        let sources = [
            include_str!("cells.rs"),
            include_str!("events.rs"),
            include_str!("faults.rs"),
            include_str!("leases.rs"),
            include_str!("pruning.rs"),
            include_str!("rollups.rs"),
            include_str!("watermarks.rs"),
        ];
        let promises = sources.iter().flat_map(|source| source.lines()).filter_map(|line| line.strip_prefix("pub async fn "));
        let mut count = 0;
        for rest in promises {
            let name = rest.split('(').next().unwrap();
            assert!(suite.contains(&format!("            {name}\n")), "{name} is in no suite");
            count += 1;
        }
        let listed = suite.lines().skip_while(|line| !line.contains("@each $stores:")).skip(1);
        assert_eq!(listed.take_while(|line| line.trim() != "}").count(), count);
    }
}
