//! Fault injection, for the tests of programs that embed a store (feature `testing`).
//!
//! [`Faulty`] wraps any store, of this crate or your own, and implements every port that the store implements. [`Faults`] is the plan:
//! which calls go wrong, by name, number or chance, and how. It also counts what was done, so that a test can see to it that the fault
//! it is about did happen.
//!
//! | [`Fault`] | the store is called | the caller gets |
//! | --- | --- | --- |
//! | `Before` | not at all | `Unavailable` |
//! | `After` | once | `Unavailable`: the write may be there |
//! | `Twice` | twice, one call after the other | the first outcome |
//! | `Late` | when the [`Delay`] is over | the outcome |
//! | `AnsweredLate` | at once | the outcome, when the [`Delay`] is over |
//! | `Throttled` | not at all | `Unavailable`, as from a store that is asked too much |
//!
//! Nothing here sleeps and nothing is left to luck: delays end when the test opens a [`Gate`], or with a timer that the test brings;
//! chance is drawn from a seed.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use std::sync::Arc;
//!
//! use togglebox_auth::AttemptPolicy;
//! use togglebox_auth::store::AttemptStore;
//! use togglebox_core::{StoreErrorKind, TenantId, Timestamp};
//! use togglebox_storage::Sqlite;
//! use togglebox_storage::testing::{At, Fault, Faults, Faulty};
//!
//! let faults = Arc::new(Faults::none());
//! let store = Faulty::new(Arc::new(Sqlite::in_memory().await?), Arc::clone(&faults));
//! let (tenant, policy, now) = (TenantId::DEFAULT, AttemptPolicy::default(), Timestamp::EPOCH);
//!
//! // The next failed sign-in is counted, but the answer is lost.
//! faults.inject(At::operation("attempts.fail"), Fault::After);
//! let lost = store.fail(tenant, "ann", &policy, now).await.unwrap_err();
//! assert_eq!(lost.kind(), &StoreErrorKind::Unavailable);
//! assert_eq!(store.state(tenant, "ann", &policy, now).await?.failures, 1);
//!
//! // Half of everything fails, the same half on each run.
//! let faults = Arc::new(Faults::seeded(7));
//! faults.inject(At::any().chance(0.5), Fault::Before);
//! let store = Faulty::new(Arc::clone(store.inner()), Arc::clone(&faults));
//! for _ in 0..100 {
//!     let _ = store.state(tenant, "ann", &policy, now).await;
//! }
//! assert_eq!(faults.counts().calls, 100);
//! assert!((30..70).contains(&faults.counts().before));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! A port of your own joins with [`faulty_port!`](togglebox_core::faulty_port). What each port promises when an answer is lost, the
//! suites in [`togglebox_toggles::testkit`] and [`togglebox_auth::testkit`] try on every adapter, for every operation.

pub use togglebox_core::testkit::{At, Delay, Fault, FaultCounts, Faults, Faulty, Gate, Operation};

/// The operations of every port, by port.
pub const OPERATIONS: &[&[Operation]] = &[
    togglebox_core::testkit::AUDIT,
    togglebox_toggles::testkit::DIRECTORY,
    togglebox_toggles::testkit::ENVIRONMENTS,
    togglebox_toggles::testkit::PARAMETERS,
    togglebox_toggles::testkit::FLAGS,
    togglebox_toggles::testkit::EXPERIMENTS,
    togglebox_toggles::testkit::STATISTICS,
    togglebox_auth::testkit::USERS,
    togglebox_auth::testkit::API_KEYS,
    togglebox_auth::testkit::SESSIONS,
    togglebox_auth::testkit::PASSWORD_RESETS,
    togglebox_auth::testkit::ATTEMPTS,
    #[cfg(feature = "tenancy")]
    togglebox_multitenancy::testkit::TENANTS,
    #[cfg(feature = "tenancy")]
    togglebox_multitenancy::testkit::MEMBERS,
    #[cfg(feature = "tenancy")]
    togglebox_multitenancy::testkit::INVITATIONS,
    #[cfg(feature = "tenancy")]
    togglebox_multitenancy::testkit::DOMAINS,
    #[cfg(feature = "tenancy")]
    togglebox_multitenancy::testkit::REMAINS,
    #[cfg(feature = "tenancy")]
    togglebox_multitenancy::testkit::TENANT_DIRECTORY,
];
