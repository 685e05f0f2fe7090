//! The promises of [`store`](crate::store), as tests that every adapter runs, and a store in memory that keeps them.
//!
//! One function per promise, over the port alone. [`billing_store_suite!`](crate::billing_store_suite) makes a test of each:
//!
//! ```text
//! async fn fresh() -> BillingStores { /* over an empty database */ }
//! togglebox_billing::billing_store_suite!(fresh);
//! ```
//!
//! [`FaultyStore`] is for the tests of what is built on the port: calls that go wrong, and processes that end.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

mod commits;
mod documents;
mod faults;
mod faulty;
mod fixtures;
mod lists;
mod memory;
mod pruning;

use std::sync::Arc;

pub use self::commits::*;
pub use self::documents::*;
pub use self::faults::*;
pub use self::faulty::{BILLING, FaultyStore};
pub use self::lists::*;
pub use self::memory::MemoryStore;
pub use self::pruning::*;
use crate::store::BillingStore;

/// The port of one empty store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct BillingStores {
    /// The documents of billing.
    pub billing: Arc<dyn BillingStore>,
}

impl BillingStores {
    /// A store that has the port.
    pub fn over<S: BillingStore>(store: &Arc<S>) -> Self {
        Self { billing: Arc::<S>::clone(store) }
    }
}

/// So that what makes a store may return more than the store, such as the directory that it lives in.
impl AsRef<Self> for BillingStores {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Makes a `#[tokio::test]` of every promise of the port of billing.
///
/// `$fresh` is the path of an `async fn()` whose result is, or lends ([`AsRef`]), the [`BillingStores`](crate::testkit::BillingStores) of
/// an empty store. The calling crate needs tokio with `macros` and `rt-multi-thread`.
///
/// With the word `maybe` before it, `$fresh` answers an `Option`: `None`, after saying why, when the store's server is not at hand and
/// need not be.
#[macro_export]
macro_rules! billing_store_suite {
    ($fresh:path) => {
        $crate::billing_store_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::billing_store_suite! { @every [maybe $fresh] }
    };
    (@every $store:tt) => {
        $crate::billing_store_suite! { @each $store:
            what_is_committed_reads_back
            documents_are_given_in_the_order_of_their_addresses
            versions_count_the_writes_of_a_document
            a_write_leaves_nothing_of_what_was_before
            ids_and_lists_may_be_any_text
            moments_may_be_any
            bodies_have_a_size
            what_is_out_of_bounds_is_refused_and_nothing_is_written
            a_commit_is_done_as_a_whole_or_not_at_all
            what_is_expected_is_held_to
            what_is_removed_is_gone
            of_many_who_write_one_document_at_once_exactly_one_is_done
            commits_of_the_same_documents_in_any_order_come_to_an_end
            of_two_that_rest_on_what_the_other_writes_at_most_one_is_done
            commits_of_different_documents_are_all_done
            what_is_due_is_told_longest_first
            what_was_seen_to_is_due_no_more
            a_list_is_newest_first
            a_long_list_is_told_to_its_end
            a_document_stands_in_one_list
            a_cursor_is_of_its_list_only
            a_list_may_change_while_it_is_read
            a_tenant_has_its_own_documents_only
            a_document_comes_and_goes_with_its_tenant
            what_is_old_is_pruned_and_nothing_else
            pruning_goes_in_parts
            pruning_and_writing_at_once_agree_on_what_is_there
            calls_bear_faults
            a_commit_that_is_held_up_does_not_overtake
            any_store_does_what_the_one_in_memory_does
        }
    };
    (@each [maybe $fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let ::core::option::Option::Some(store) = $fresh().await else { return };
                $crate::testkit::$promise(&::core::convert::AsRef::<$crate::testkit::BillingStores>::as_ref(&store).billing).await;
            }
        )*
    };
    (@each [$fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let store = $fresh().await;
                $crate::testkit::$promise(&::core::convert::AsRef::<$crate::testkit::BillingStores>::as_ref(&store).billing).await;
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
            include_str!("commits.rs"),
            include_str!("documents.rs"),
            include_str!("faults.rs"),
            include_str!("lists.rs"),
            include_str!("pruning.rs"),
        ];
        let promises = sources.iter().flat_map(|source| source.lines()).filter_map(|line| line.strip_prefix("pub async fn "));
        let mut count = 0;
        for rest in promises {
            let name = rest.split('(').next().unwrap();
            assert!(suite.contains(&format!("            {name}\n")), "{name} is in no suite");
            count += 1;
        }
        let listed = suite.lines().skip_while(|line| !line.contains("@each $store:")).skip(1);
        assert_eq!(listed.take_while(|line| line.trim() != "}").count(), count);
    }
}
