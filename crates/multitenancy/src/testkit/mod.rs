//! The promises of [`store`](crate::store), as tests that every adapter runs, and a store in memory that keeps them.
//!
//! One function per promise, over the ports alone. [`tenancy_store_suite!`](crate::tenancy_store_suite) makes a test of each:
//!
//! ```text
//! async fn fresh() -> TenancyStores { /* over an empty database */ }
//! togglebox_multitenancy::tenancy_store_suite!(fresh);
//! ```
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

mod changes;
mod domains;
mod endings;
mod faults;
mod faulty;
mod fixtures;
mod invitations;
mod isolation;
mod lists;
mod members;
mod memory;
mod remains;
mod reserved;
mod subdomains;
mod tenants;

use std::sync::Arc;

use togglebox_core::AuditLog;

pub use self::changes::*;
pub use self::domains::*;
pub use self::endings::*;
pub use self::faults::*;
pub use self::faulty::{DOMAINS, INVITATIONS, MEMBERS, REMAINS, TENANT_DIRECTORY, TENANTS};
pub use self::invitations::*;
pub use self::isolation::*;
pub use self::lists::*;
pub use self::members::*;
pub use self::memory::MemoryStore;
pub use self::remains::*;
pub use self::reserved::*;
pub use self::subdomains::*;
pub use self::tenants::*;
use crate::store::{DomainStore, InvitationStore, MemberStore, RemainsStore, TenantDirectory, TenantStore};

/// The ports of one empty store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct TenancyStores {
    /// Tenants.
    pub tenants: Arc<dyn TenantStore>,
    /// Members.
    pub members: Arc<dyn MemberStore>,
    /// Invitations.
    pub invitations: Arc<dyn InvitationStore>,
    /// Custom domains.
    pub domains: Arc<dyn DomainStore>,
    /// What is known before the tenant is.
    pub directory: Arc<dyn TenantDirectory>,
    /// What is left of a tenant at its end.
    pub remains: Arc<dyn RemainsStore>,
    /// The audit records that the others append.
    pub audit: Arc<dyn AuditLog>,
}

impl TenancyStores {
    /// A store that has all ports.
    pub fn over<S>(store: &Arc<S>) -> Self
    where
        S: TenantStore + MemberStore + InvitationStore + DomainStore + TenantDirectory + RemainsStore + AuditLog,
    {
        Self {
            tenants: Arc::<S>::clone(store),
            members: Arc::<S>::clone(store),
            invitations: Arc::<S>::clone(store),
            domains: Arc::<S>::clone(store),
            directory: Arc::<S>::clone(store),
            remains: Arc::<S>::clone(store),
            audit: Arc::<S>::clone(store),
        }
    }
}

/// So that what makes a store may return more than the store, such as the directory that it lives in.
impl AsRef<Self> for TenancyStores {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Makes a `#[tokio::test]` of every promise of the ports of tenancy.
///
/// `$fresh` is the path of an `async fn()` whose result is, or lends ([`AsRef`]), the
/// [`TenancyStores`](crate::testkit::TenancyStores) of an empty store. The calling crate needs tokio with `macros` and
/// `rt-multi-thread`.
///
/// With the word `maybe` before it, `$fresh` answers an `Option`: `None`, after saying why, when the store's server is not at hand and
/// need not be.
#[macro_export]
macro_rules! tenancy_store_suite {
    ($fresh:path) => {
        $crate::tenancy_store_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::tenancy_store_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::tenancy_store_suite! { @each $stores:
            a_created_tenant_reads_back_with_its_owner
            every_character_of_a_name_is_stored
            an_id_is_taken_once
            a_change_keeps_what_it_is_not_about
            a_change_needs_the_version_that_stands
            of_many_changes_of_one_version_exactly_one_wins
            every_standing_plan_and_override_reads_back
            writes_of_tenants_repeated_with_their_audit_id_are_done_once
            every_write_of_a_tenant_is_recorded
            a_subdomain_is_taken_once
            of_many_who_take_one_subdomain_exactly_one_gets_it
            a_renamed_tenant_is_found_under_its_new_subdomain_only
            a_given_up_subdomain_is_quarantined
            of_many_who_take_a_subdomain_out_of_quarantine_exactly_one_gets_it
            a_tenant_takes_its_own_subdomain_back
            of_a_rename_and_a_creation_that_want_one_subdomain_one_gets_it
            two_who_change_places_do_not_both_lose_theirs
            a_changed_member_reads_back
            a_member_is_changed_from_the_version_that_stands
            of_many_changes_of_one_member_exactly_one_wins
            the_owner_stays_an_admin
            of_all_admins_who_leave_at_once_the_owner_stays
            writes_of_members_repeated_with_their_audit_id_are_done_once
            a_tenant_is_handed_over_to_an_admin_by_its_owner_only
            of_many_who_are_handed_a_tenant_exactly_one_owns_it
            a_new_owner_who_leaves_at_once_is_still_an_admin
            an_issued_invitation_reads_back
            an_address_has_one_open_invitation
            of_many_invitations_of_one_address_exactly_one_is_issued
            a_tenant_has_at_most_so_many_invitations_even_in_a_race
            an_expired_invitation_makes_room_for_a_new_one_of_its_address
            a_reissued_invitation_has_the_new_token_only
            of_many_who_reissue_one_token_exactly_one_does
            a_revoked_invitation_is_gone
            an_accepted_invitation_makes_a_member
            an_expired_invitation_is_not_accepted
            an_invitation_is_worth_nothing_unless_its_inviter_is_an_admin
            of_an_acceptance_and_the_end_of_its_inviter_the_acceptance_comes_first_or_not_at_all
            who_is_a_member_already_does_not_accept
            of_many_who_use_one_token_exactly_one_joins
            no_more_join_than_the_limit_lets_even_in_a_race
            of_an_acceptance_and_a_revocation_one_happens
            writes_of_invitations_repeated_with_their_audit_id_are_done_once
            a_claimed_domain_reads_back_and_leads_nowhere
            a_tenant_claims_at_most_so_many_domains_even_in_a_race
            a_verified_domain_leads_to_its_tenant
            of_many_tenants_who_verify_one_domain_exactly_one_has_it
            a_released_domain_leads_nowhere_and_can_be_had_by_another
            a_check_is_noted_unless_a_later_one_was
            a_lapsed_domain_leads_nowhere_and_is_yet_to_be_shown
            of_a_lapse_and_a_check_that_finds_the_record_one_comes_first
            writes_of_domains_repeated_with_their_audit_id_are_done_once
            every_write_to_the_register_raises_its_revision_by_one
            changes_are_read_in_order_and_in_parts
            whoever_follows_the_changes_misses_none
            versions_rise_from_one_holder_of_a_subdomain_to_the_next
            pruned_changes_leave_no_gap_behind_and_are_noticed
            members_and_invitations_are_listed_in_order_by_page
            tenants_are_listed_by_subdomain_and_filtered
            a_list_goes_on_where_it_was_whatever_comes_and_goes
            a_user_sees_the_workspaces_that_it_belongs_to
            a_cursor_of_another_list_is_not_valid
            a_deleted_tenant_takes_nothing_new_in
            whatever_a_tenant_takes_in_came_before_its_deletion
            only_what_is_deleted_is_purged
            a_purged_tenant_gives_its_names_up
            what_is_purged_or_unknown_has_ended
            a_purged_tenant_is_swept_in_parts_and_forgotten
            a_reserved_tenant_keeps_its_subdomain_and_takes_nothing_in
            a_discarded_tenant_leaves_its_subdomain_to_anybody_at_once
            only_what_is_reserved_is_discarded
            of_a_discard_and_an_entitlement_exactly_one_happens
            of_many_who_discard_a_tenant_and_take_its_subdomain_exactly_one_gets_it
            only_what_is_purged_is_cleared
            a_purged_tenant_is_cleared_in_parts_by_whoever_goes_on
            what_is_left_of_a_tenant_is_counted
            a_note_is_written_once
            another_tenants_record_is_out_of_reach
            another_tenants_members_are_out_of_reach
            another_tenants_invitations_are_out_of_reach
            another_tenants_domains_are_out_of_reach
            no_call_reaches_another_tenant
            tenant_calls_bear_faults
            member_calls_bear_faults
            invitation_calls_bear_faults
            domain_calls_bear_faults
            directory_calls_bear_faults
            remains_calls_bear_faults
        }
    };
    (@each [maybe $fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let ::core::option::Option::Some(stores) = $fresh().await else { return };
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::TenancyStores>::as_ref(&stores)).await;
            }
        )*
    };
    (@each [$fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let stores = $fresh().await;
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::TenancyStores>::as_ref(&stores)).await;
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
            include_str!("changes.rs"),
            include_str!("domains.rs"),
            include_str!("endings.rs"),
            include_str!("faults.rs"),
            include_str!("invitations.rs"),
            include_str!("isolation.rs"),
            include_str!("lists.rs"),
            include_str!("members.rs"),
            include_str!("remains.rs"),
            include_str!("reserved.rs"),
            include_str!("subdomains.rs"),
            include_str!("tenants.rs"),
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

    /// Nor would the operations of a port that no promise goes through. (A method that is missing there does not compile.)
    #[test]
    fn faults_are_tried_on_every_port() {
        let (ports, promises) = (include_str!("faulty.rs"), include_str!("faults.rs"));
        let heads = ports.lines().filter(|line| !line.contains('$')).filter_map(|line| line.strip_suffix(" {"));
        let lists: Vec<&str> = heads.filter_map(|line| line.split_once(" as ")?.1.split(", ").nth(1)).collect();
        assert_eq!(lists.len(), ports.matches("port! {").count());
        for list in lists {
            assert!(promises.contains(&format!("bear_faults(stores, {list}).await;")), "no promise goes through {list}");
            // The directory is what all tenants are looked up in.
            let matrix = promises.split("let ports = [").nth(1).unwrap().split(']').next().unwrap();
            assert!(list == "TENANT_DIRECTORY" || matrix.split(", ").any(|port| port == list), "no other tenant calls {list}");
        }
    }
}
