//! The promises of [`store`](crate::store), as tests that every adapter runs.
//!
//! One function per promise, over the ports alone. [`auth_store_suite!`](crate::auth_store_suite) makes a test of each:
//!
//! ```text
//! async fn fresh() -> AuthStores { /* over an empty database */ }
//! togglebox_auth::auth_store_suite!(fresh);
//! ```
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests: a broken promise is a panic")]

mod attempts;
mod faults;
mod faulty;
mod isolation;
mod keys;
mod paging;
mod resets;
mod sessions;
mod users;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use togglebox_core::{
    Actor, AuditFilter, AuditLog, AuditRecord, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp,
};
use tokio::task::JoinSet;
use uuid::Uuid;

pub use self::attempts::*;
pub use self::faults::*;
pub use self::faulty::{API_KEYS, ATTEMPTS, PASSWORD_RESETS, SESSIONS, USERS};
pub use self::isolation::*;
pub use self::keys::*;
pub use self::paging::*;
pub use self::resets::*;
pub use self::sessions::*;
pub use self::users::*;
use crate::store::{ApiKeyStore, AttemptStore, PasswordResetStore, SessionStore, UserStore};
use crate::{ApiKey, Email, KeyHash, PasswordHash, PasswordReset, Role, Session, User};

/// The ports of one empty store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct AuthStores {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// API keys.
    pub keys: Arc<dyn ApiKeyStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Password resets.
    pub resets: Arc<dyn PasswordResetStore>,
    /// Failed sign-ins.
    pub attempts: Arc<dyn AttemptStore>,
    /// The audit records that the others append.
    pub audit: Arc<dyn AuditLog>,
}

impl AuthStores {
    /// A store that has all ports.
    pub fn over<S>(store: &Arc<S>) -> Self
    where
        S: UserStore + ApiKeyStore + SessionStore + PasswordResetStore + AttemptStore + AuditLog,
    {
        Self {
            users: Arc::<S>::clone(store),
            keys: Arc::<S>::clone(store),
            sessions: Arc::<S>::clone(store),
            resets: Arc::<S>::clone(store),
            attempts: Arc::<S>::clone(store),
            audit: Arc::<S>::clone(store),
        }
    }
}

/// So that what makes a store may return more than the store, such as the directory that it lives in.
impl AsRef<Self> for AuthStores {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Makes a `#[tokio::test]` of every promise of the auth ports.
///
/// `$fresh` is the path of an `async fn()` whose result is, or lends ([`AsRef`]), the [`AuthStores`](crate::testkit::AuthStores) of an
/// empty store. The calling crate needs tokio with `macros` and `rt-multi-thread`.
///
/// With the word `maybe` before it, `$fresh` answers an `Option`: `None`, after saying why, when the store's server is not at hand and
/// need not be.
#[macro_export]
macro_rules! auth_store_suite {
    ($fresh:path) => {
        $crate::auth_store_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::auth_store_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::auth_store_suite! { @each $stores:
            a_created_user_reads_back
            every_character_is_stored_and_can_be_looked_for
            an_address_is_taken_whatever_its_case
            of_many_who_take_one_address_exactly_one_gets_it
            every_write_to_users_raises_the_revision_by_one
            a_replacement_needs_the_revision_that_stands
            of_many_replacements_of_one_revision_exactly_one_wins
            a_new_address_moves_the_account
            a_write_repeated_with_its_audit_id_is_done_once
            every_write_to_users_is_recorded
            a_replacement_ends_sessions_as_told
            the_last_admin_stays_admin
            of_two_admins_who_leave_at_once_one_stays
            deleting_a_user_takes_all_that_hangs_on_it
            users_are_listed_newest_first_by_page_and_role
            a_created_key_reads_back
            a_key_is_found_by_any_of_its_hashes_with_its_owner
            a_key_needs_its_owner_and_a_free_hash
            a_user_holds_at_most_so_many_keys_even_in_a_race
            a_key_is_deleted_by_its_owner_only
            keys_are_listed_newest_first
            key_writes_repeated_with_their_audit_id_are_done_once
            last_used_moves_forward_only
            a_touch_does_not_revive_a_deleted_key
            a_created_session_reads_back
            a_session_needs_its_user
            rotation_makes_the_current_token_the_previous_one
            a_rotation_from_an_old_token_shows_how_the_session_stands
            of_many_rotations_of_one_token_exactly_one_wins
            an_ended_session_does_not_rotate
            a_user_has_at_most_so_many_sessions_and_the_oldest_end
            sessions_that_are_over_do_not_count
            of_many_sign_ins_at_once_no_more_than_the_limit_last
            ending_a_session_raises_the_revision_once
            signing_in_does_not_raise_the_revision
            a_created_reset_reads_back_with_its_user
            a_reset_needs_its_user
            a_completed_reset_sets_the_password_and_ends_everything_else
            an_expired_reset_does_nothing
            of_many_who_use_one_reset_exactly_one_does
            a_completion_repeated_with_its_audit_id_is_done_once
            failures_add_up_to_a_lock
            a_lock_ends_by_itself
            failures_count_for_their_window_only
            a_cleared_subject_starts_anew
            failures_at_once_are_all_counted
            subjects_do_not_share_their_failures
            another_tenants_users_are_out_of_reach
            another_tenants_keys_are_out_of_reach
            another_tenants_sessions_are_out_of_reach
            another_tenants_resets_are_out_of_reach
            another_tenants_failures_do_not_count
            tenants_share_no_names_and_no_revision
            no_call_reaches_another_tenant
            user_calls_bear_faults
            key_calls_bear_faults
            session_calls_bear_faults
            reset_calls_bear_faults
            attempt_calls_bear_faults
        }
    };
    (@each [maybe $fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let ::core::option::Option::Some(stores) = $fresh().await else { return };
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::AuthStores>::as_ref(&stores)).await;
            }
        )*
    };
    (@each [$fresh:path]: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                let stores = $fresh().await;
                $crate::testkit::$promise(::core::convert::AsRef::<$crate::testkit::AuthStores>::as_ref(&stores)).await;
            }
        )*
    };
}

/// Makes a `#[tokio::test]` of every promise about long lists: `$fresh` as for [`auth_store_suite!`](crate::auth_store_suite), for which
/// they take too long.
#[macro_export]
macro_rules! auth_paging_suite {
    ($fresh:path) => {
        $crate::auth_paging_suite! { @every [$fresh] }
    };
    (maybe $fresh:path) => {
        $crate::auth_paging_suite! { @every [maybe $fresh] }
    };
    (@every $stores:tt) => {
        $crate::auth_store_suite! { @each $stores:
            a_long_list_of_users_is_walked_by_number
        }
    };
}

/// The tenant that most promises are about.
const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa));
/// Another one.
const B: TenantId = TenantId::from_uuid(Uuid::from_u128(0xb));
/// How many take part in a race.
const CROWD: u8 = 8;

/// `seconds` into the tests' time.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(1_760_000_000_000).plus(Duration::from_secs(seconds))
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn user(n: u8, role: Role) -> User {
    User {
        id: id(u128::from(n)),
        name: Some(format!("User {n}")),
        email: Email::new(&format!("User{n}@Example.com")).unwrap(),
        password: PasswordHash::new(format!("$argon2id$v=19$test${n}")),
        role,
        created_at: at(u64::from(n)),
        updated_at: at(u64::from(n)),
        tokens_valid_from: at(u64::from(n)),
        revision: Revision::ZERO,
    }
}

fn key(n: u8, owner: Uuid) -> ApiKey {
    ApiKey {
        id: id(0x100 + u128::from(n)),
        user: owner,
        name: format!("key {n}"),
        hash: KeyHash([n; 32]),
        prefix: "tbx_live".to_owned(),
        last4: format!("{n:04x}"),
        permissions: vec!["config:read".to_owned(), "*".to_owned()],
        expires_at: None,
        last_used_at: None,
        created_at: at(100 + u64::from(n)),
    }
}

fn session(n: u8, owner: Uuid) -> Session {
    Session {
        id: id(0x200 + u128::from(n)),
        user: owner,
        current: id(0x300 + u128::from(n)),
        previous: None,
        rotated_at: at(200),
        created_at: at(200),
        expires_at: at(200 + 86_400),
        revoked_at: None,
    }
}

fn reset(n: u8, owner: Uuid) -> PasswordReset {
    PasswordReset { token_hash: [n; 32], user: owner, expires_at: at(4_000), created_at: at(400) }
}

/// A record with its own id; `n` tells apart the writes of one test.
fn audit(n: u128, action: &str, target: Uuid) -> AuditRecord {
    AuditRecord {
        id: id(0xaaaa_0000 + n),
        at: at(500),
        actor: Actor::user(id(0xfff).to_string(), "root@example.com"),
        action: action.to_owned(),
        platform: None,
        environment: None,
        target: target.to_string(),
        before: None,
        after: Some(json!({ "n": n.to_string() })),
    }
}

fn kind<T: Debug>(result: StoreResult<T>) -> StoreErrorKind {
    result.unwrap_err().kind().clone()
}

/// A session that no token can use any more: gone, or marked.
fn is_over(session: Option<&Session>) -> bool {
    session.is_none_or(|session| session.revoked_at.is_some())
}

/// Runs [`CROWD`] calls at once.
async fn race<T, F>(call: impl Fn(u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for n in 0..CROWD {
        calls.spawn(call(n));
    }
    calls.join_all().await
}

impl AuthStores {
    async fn with_user(&self, tenant: TenantId, n: u8, role: Role) -> User {
        let user = user(n, role);
        self.users.create(tenant, &user, &audit(0x1000 + u128::from(n), "user.create", user.id)).await.unwrap().value
    }

    async fn with_key(&self, tenant: TenantId, n: u8, owner: Uuid) -> ApiKey {
        let key = key(n, owner);
        self.keys.create(tenant, &key, 100, &audit(0x2000 + u128::from(n), "api_key.create", key.id)).await.unwrap().value
    }

    async fn with_session(&self, tenant: TenantId, n: u8, owner: Uuid) -> Session {
        let session = session(n, owner);
        assert_eq!(self.sessions.create(tenant, &session, 100).await.unwrap(), None);
        session
    }

    async fn with_reset(&self, tenant: TenantId, n: u8, owner: Uuid) -> PasswordReset {
        let reset = reset(n, owner);
        self.resets.create(tenant, &reset).await.unwrap();
        reset
    }

    async fn revision(&self, tenant: TenantId) -> Revision {
        self.users.revision(tenant).await.unwrap()
    }

    async fn records(&self, tenant: TenantId, target: Uuid) -> Vec<AuditRecord> {
        let mut filter = AuditFilter::default();
        filter.target = Some(target.to_string());
        self.audit.list(tenant, &filter, &PageRequest::first(100)).await.unwrap().items
    }
}

#[cfg(test)]
mod tests {
    /// A promise that the macro leaves out would be checked by nobody.
    #[test]
    fn the_suite_runs_every_promise() {
        let suite = include_str!("mod.rs");
        let sources = [
            include_str!("attempts.rs"),
            include_str!("faults.rs"),
            include_str!("isolation.rs"),
            include_str!("keys.rs"),
            include_str!("paging.rs"),
            include_str!("resets.rs"),
            include_str!("sessions.rs"),
            include_str!("users.rs"),
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
        for list in lists {
            assert!(promises.contains(&format!("bear_faults(stores, {list}).await;")), "no promise goes through {list}");
            let matrix = promises.split("let ports = [").nth(1).unwrap().split(']').next().unwrap();
            assert!(matrix.split(", ").any(|port| port == list), "no other tenant calls {list}");
        }
    }
}
