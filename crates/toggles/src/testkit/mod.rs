//! The promises of [`store`](crate::store), as tests that every adapter runs.
//!
//! One function per promise, over the ports alone. [`toggle_store_suite!`](crate::toggle_store_suite) makes a test of each:
//!
//! ```ignore
//! async fn fresh() -> ToggleStores { /* over an empty database */ }
//! togglebox_toggles::toggle_store_suite!(fresh);
//! ```
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

mod audit;
mod cursors;
mod directory;
mod environments;
mod experiments;
mod faults;
mod faulty;
mod fixtures;
mod flags;
mod isolation;
mod lists;
mod paging;
mod parameters;
mod quotas;
mod repetition;
mod statistics;
mod together;

use std::sync::Arc;

use togglebox_core::AuditLog;

pub use self::audit::*;
pub use self::cursors::*;
pub use self::directory::*;
pub use self::environments::*;
pub use self::experiments::*;
pub use self::faults::*;
pub use self::faulty::{DIRECTORY, ENVIRONMENTS, EXPERIMENTS, FLAGS, PARAMETERS, STATISTICS};
pub use self::flags::*;
pub use self::isolation::*;
pub use self::paging::*;
pub use self::parameters::*;
pub use self::quotas::*;
pub use self::repetition::*;
pub use self::statistics::*;
pub use self::together::*;
use crate::store::{DirectoryStore, EnvironmentStore, ExperimentStore, FlagStore, ParameterStore, StatisticsStore};

/// The ports of one empty store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct ToggleStores {
    /// Platforms and environments.
    pub directory: Arc<dyn DirectoryStore>,
    /// Whole environments.
    pub environments: Arc<dyn EnvironmentStore>,
    /// Config parameters.
    pub parameters: Arc<dyn ParameterStore>,
    /// Flags.
    pub flags: Arc<dyn FlagStore>,
    /// Experiments.
    pub experiments: Arc<dyn ExperimentStore>,
    /// Statistics.
    pub statistics: Arc<dyn StatisticsStore>,
    /// The audit records that the others append.
    pub audit: Arc<dyn AuditLog>,
}

impl ToggleStores {
    /// A store that has all ports.
    pub fn over<S>(store: &Arc<S>) -> Self
    where
        S: DirectoryStore + EnvironmentStore + ParameterStore + FlagStore + ExperimentStore + StatisticsStore + AuditLog,
    {
        Self {
            directory: Arc::<S>::clone(store),
            environments: Arc::<S>::clone(store),
            parameters: Arc::<S>::clone(store),
            flags: Arc::<S>::clone(store),
            experiments: Arc::<S>::clone(store),
            statistics: Arc::<S>::clone(store),
            audit: Arc::<S>::clone(store),
        }
    }
}

/// So that what makes a store may return more than the store, such as the directory that it lives in.
impl AsRef<Self> for ToggleStores {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Makes a `#[tokio::test]` of every promise of the ports of toggles.
///
/// `$fresh` is the path of an `async fn()` whose result is, or lends ([`AsRef`]), the [`ToggleStores`](crate::testkit::ToggleStores) of
/// an empty store. The calling crate needs tokio with `macros` and `rt-multi-thread`.
///
/// With the word `maybe` before it, `$fresh` answers an `Option`: `None`, after saying why, when the store's server is not at hand and
/// need not be.
#[macro_export]
macro_rules! toggle_store_suite {
    ($fresh:path) => {
        $crate::toggle_store_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::toggle_store_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::toggle_store_suite! { @each $stores:
            an_untouched_tenant_is_empty
            a_created_platform_reads_back
            a_platform_name_is_taken_once
            of_many_who_create_one_platform_exactly_one_does
            a_replacement_changes_the_description_only
            every_character_is_stored_and_can_be_looked_for
            directory_writes_need_the_revision_that_stands
            directory_writes_need_their_target
            of_many_replacements_of_one_platform_exactly_one_wins
            a_created_environment_reads_back_empty
            an_environment_name_is_taken_once_per_platform
            of_many_who_create_one_environment_exactly_one_does
            every_directory_write_raises_its_revision_by_one
            revisions_of_several_tenants_are_those_of_each
            writes_inside_an_environment_do_not_raise_the_directory
            a_recreated_environment_is_empty_and_another
            a_recreated_platform_is_empty
            an_absent_environment_is_none
            a_state_holds_everything_active_in_the_order_of_keys
            every_write_inside_raises_the_environments_revision_by_one
            an_environment_tells_when_it_changed
            writes_to_different_keys_at_once_are_all_made
            a_state_loaded_during_writes_is_of_one_revision
            a_created_parameter_reads_back
            an_absent_parameter_is_none
            parameter_writes_need_their_target
            of_many_who_create_one_parameter_exactly_one_does
            an_environment_holds_at_most_so_many_parameters_even_in_a_race
            appending_makes_the_next_version_the_active_one
            parameter_writes_need_the_revision_that_stands
            of_many_appends_at_one_revision_exactly_one_wins
            activating_leaves_the_history_as_it_is
            appending_after_a_rollback_reuses_no_version
            the_history_of_a_parameter_is_in_the_order_of_its_numbers
            a_cursor_of_another_history_is_refused
            a_recreated_parameter_has_no_history
            appends_that_try_again_all_come_through
            a_tenant_has_at_most_so_many_things_even_in_a_race
            a_lowered_quota_refuses_what_is_new_only
            a_reached_quota_is_told_last
            what_is_deleted_makes_room_under_a_quota
            a_created_flag_reads_back
            an_absent_flag_is_none
            flag_writes_need_their_target
            of_many_who_create_one_flag_exactly_one_does
            appending_makes_the_next_flag_version_the_active_one
            amending_changes_the_active_version_in_place
            flag_writes_need_the_revision_that_stands
            of_many_flag_writes_at_one_revision_exactly_one_wins
            fifty_edits_of_one_flag_are_fifty_versions_or_conflicts
            the_history_of_a_flag_is_in_the_order_of_its_numbers
            a_recreated_flag_has_no_history
            a_created_experiment_reads_back
            experiments_need_their_target
            of_many_who_create_one_experiment_exactly_one_does
            a_replaced_experiment_reads_back
            experiment_writes_need_the_revision_that_stands
            of_many_replacements_of_one_experiment_exactly_one_wins
            a_deleted_experiment_frees_its_key
            what_was_never_counted_has_no_figures
            fetches_add_up
            clients_are_distinct_over_the_last_24_hours
            evaluations_add_up_by_day_and_country
            users_of_a_flag_are_distinct_by_value
            exposures_count_users_once_per_variation
            samples_are_over_exposed_users_only
            conversions_add_up_by_metric_and_day
            wild_sums_spoil_no_figure
            a_batch_counts_once_however_often_it_is_sent
            batches_of_many_nodes_at_once_all_count
            a_thousand_increments_at_once_are_a_thousand
            batches_and_deletions_at_once_leave_no_orphans
            figures_of_the_longest_keys_are_kept
            deltas_of_what_does_not_exist_are_left_out
            figures_are_deleted_with_what_they_are_of
            a_recreated_environment_has_no_figures
            no_batches_are_none_taken
            batches_of_many_tenants_together_count_as_one_by_one
            batches_of_one_tenant_together_add_up
            of_batches_together_those_that_are_known_count_no_more
            what_is_deleted_is_left_out_of_batches_together
            batches_together_of_many_nodes_at_once_all_count
            batches_together_and_deletions_at_once_leave_no_orphans
            any_number_of_batches_and_rows_is_counted
            large_batches_are_taken_one_after_the_other
            an_audit_record_reads_back
            every_write_leaves_its_record
            audit_records_survive_deletion
            audit_records_are_found_by_platform_environment_and_target
            audit_pages_neither_repeat_nor_leave_out
            an_audit_cursor_is_not_moved_by_newer_records
            an_audit_cursor_fits_its_filter_only
            pruning_removes_the_oldest_records_in_bounded_batches
            pruning_touches_nothing_but_records
            records_pruned_at_once_are_all_removed_and_newer_ones_stay
            a_write_whose_record_is_kept_is_still_done_once
            another_tenants_audit_records_are_not_pruned
            directory_writes_repeated_with_their_audit_id_are_done_once
            parameter_writes_repeated_with_their_audit_id_are_done_once
            flag_writes_repeated_with_their_audit_id_are_done_once
            experiment_writes_repeated_with_their_audit_id_are_done_once
            a_late_repeat_changes_nothing
            a_repeat_does_not_revive_what_is_gone
            a_refused_write_may_be_tried_again_under_its_audit_id
            one_write_sent_many_times_at_once_is_made_once
            another_tenants_directory_is_out_of_reach
            another_tenants_parameters_are_out_of_reach
            another_tenants_flags_are_out_of_reach
            another_tenants_experiments_are_out_of_reach
            another_tenants_statistics_are_out_of_reach
            another_tenants_audit_records_are_out_of_reach
            another_tenants_cursors_are_refused
            an_altered_cursor_is_refused
            a_cursor_is_refused_by_every_other_list
            a_history_that_is_deleted_ends_where_a_walk_stands
            tenants_share_no_names_revisions_or_audit_ids
            no_call_reaches_another_tenant
            directory_calls_bear_faults
            parameter_calls_bear_faults
            flag_calls_bear_faults
            experiment_calls_bear_faults
            statistics_and_audit_calls_bear_faults
        }
    };
    (@each [$fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let stores = $fresh().await;
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::ToggleStores>::as_ref(&stores)).await;
            }
        )*
    };
    (@each [maybe $fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let ::core::option::Option::Some(stores) = $fresh().await else { return };
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::ToggleStores>::as_ref(&stores)).await;
            }
        )*
    };
}

/// Makes a `#[tokio::test]` of every promise about long lists: `$fresh` as for [`toggle_store_suite!`](crate::toggle_store_suite), for
/// which they take too long.
#[macro_export]
macro_rules! toggle_paging_suite {
    ($fresh:path) => {
        $crate::toggle_paging_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::toggle_paging_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::toggle_store_suite! { @each $stores:
            long_lists_are_walked_whole_while_others_write
        }
    };
}

#[cfg(test)]
mod tests {
    /// A promise that the macro leaves out would be checked by nobody.
    #[test]
    fn the_suite_runs_every_promise() {
        let suite = include_str!("mod.rs");
        let sources = [
            include_str!("audit.rs"),
            include_str!("cursors.rs"),
            include_str!("directory.rs"),
            include_str!("environments.rs"),
            include_str!("experiments.rs"),
            include_str!("faults.rs"),
            include_str!("flags.rs"),
            include_str!("isolation.rs"),
            include_str!("paging/mod.rs"),
            include_str!("parameters.rs"),
            include_str!("quotas.rs"),
            include_str!("repetition.rs"),
            include_str!("statistics.rs"),
        ];
        for line in sources.iter().flat_map(|source| source.lines()) {
            let Some(rest) = line.strip_prefix("pub async fn ") else { continue };
            let name = rest.split('(').next().unwrap();
            assert!(suite.contains(&format!("            {name}\n")), "{name} is in no suite");
        }
    }

    /// Nor would the operations of a port that no promise goes through. (A method that is missing there does not compile.)
    #[test]
    fn faults_are_tried_on_every_port() {
        let (ports, promises) = (include_str!("faulty.rs"), include_str!("faults.rs"));
        let lists: Vec<&str> =
            ports.lines().filter_map(|line| line.strip_suffix(" {")?.split_once(" as ")?.1.split(", ").nth(1)).collect();
        assert_eq!(lists.len(), ports.matches("faulty_port! {").count());
        for list in lists.into_iter().chain(["AUDIT"]) {
            assert!(promises.contains(&format!("bear_faults(stores, {list}).await;")), "no promise goes through {list}");
            let matrix = promises.split("let ports = [").nth(1).unwrap().split(']').next().unwrap();
            assert!(matrix.split(", ").any(|port| port == list), "no other tenant calls {list}");
        }
    }
}
