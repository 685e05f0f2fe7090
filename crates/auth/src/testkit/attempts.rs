//! Promises of [`AttemptStore`](crate::store::AttemptStore).

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::Timestamp;

use super::{A, AuthStores, CROWD, at, race};
use crate::{AttemptPolicy, AttemptState};

const POLICY: AttemptPolicy = AttemptPolicy { failures: 3, window: Duration::from_mins(1), lock: Duration::from_mins(10) };

async fn fail(stores: &AuthStores, now: Timestamp) -> AttemptState {
    stores.attempts.fail(A, "ann", &POLICY, now).await.unwrap()
}

async fn state(stores: &AuthStores, now: Timestamp) -> AttemptState {
    stores.attempts.state(A, "ann", &POLICY, now).await.unwrap()
}

/// The one that reaches the number sets the lock, for the time that the policy says.
pub async fn failures_add_up_to_a_lock(stores: &AuthStores) {
    assert_eq!(state(stores, at(0)).await, AttemptState::default());
    assert_eq!(fail(stores, at(0)).await, AttemptState { failures: 1, locked_until: None });
    assert_eq!(fail(stores, at(1)).await, AttemptState { failures: 2, locked_until: None });
    assert_eq!(state(stores, at(2)).await, AttemptState { failures: 2, locked_until: None });
    assert_eq!(fail(stores, at(2)).await.locked_until, Some(at(602)));
    assert_eq!(state(stores, at(3)).await.locked_until, Some(at(602)));
}

/// And the full number of failures is needed for the next one.
pub async fn a_lock_ends_by_itself(stores: &AuthStores) {
    for second in 0..3 {
        fail(stores, at(second)).await;
    }
    let last = Timestamp::from_ms(at(602).as_ms() - 1);
    assert_eq!(state(stores, last).await.locked_until, Some(at(602)));
    assert_eq!(state(stores, at(602)).await, AttemptState::default());
    assert_eq!(fail(stores, at(602)).await, AttemptState { failures: 1, locked_until: None });
    assert_eq!(fail(stores, at(603)).await, AttemptState { failures: 2, locked_until: None });
    assert_eq!(fail(stores, at(604)).await.locked_until, Some(at(1_204)));
}

/// The window opens with its first failure and is half-open.
pub async fn failures_count_for_their_window_only(stores: &AuthStores) {
    fail(stores, at(0)).await;
    fail(stores, at(59)).await;
    assert_eq!(state(stores, at(60)).await, AttemptState::default());
    assert_eq!(fail(stores, at(60)).await, AttemptState { failures: 1, locked_until: None });
    assert_eq!(fail(stores, at(100)).await, AttemptState { failures: 2, locked_until: None });
    assert_eq!(state(stores, at(119)).await.failures, 2);
    assert_eq!(fail(stores, at(119)).await.locked_until, Some(at(719)));
}

/// A sign-in that works forgives what went before; so does a reset forgive a lock.
pub async fn a_cleared_subject_starts_anew(stores: &AuthStores) {
    fail(stores, at(0)).await;
    fail(stores, at(1)).await;
    stores.attempts.clear(A, "ann").await.unwrap();
    assert_eq!(state(stores, at(2)).await, AttemptState::default());
    for second in 2..5 {
        fail(stores, at(second)).await;
    }
    assert!(state(stores, at(5)).await.locked_until.is_some());
    stores.attempts.clear(A, "ann").await.unwrap();
    assert_eq!(state(stores, at(5)).await, AttemptState::default());
    stores.attempts.clear(A, "nobody").await.unwrap();
}

/// Guessing in parallel is not cheaper than guessing in turn.
pub async fn failures_at_once_are_all_counted(stores: &AuthStores) {
    let policy = AttemptPolicy { failures: u32::from(CROWD) + 1, ..POLICY };
    race(|_| {
        let attempts = Arc::clone(&stores.attempts);
        async move { attempts.fail(A, "ann", &policy, at(0)).await.unwrap() }
    })
    .await;
    let counted = stores.attempts.state(A, "ann", &policy, at(1)).await.unwrap();
    assert_eq!(counted, AttemptState { failures: u32::from(CROWD), locked_until: None });
    assert!(stores.attempts.fail(A, "ann", &policy, at(1)).await.unwrap().locked_until.is_some());
}

/// A lock of one address is no lock of another.
pub async fn subjects_do_not_share_their_failures(stores: &AuthStores) {
    for second in 0..3 {
        fail(stores, at(second)).await;
    }
    let longest = "f".repeat(64);
    assert_eq!(stores.attempts.state(A, &longest, &POLICY, at(3)).await.unwrap(), AttemptState::default());
    assert_eq!(stores.attempts.fail(A, &longest, &POLICY, at(3)).await.unwrap().failures, 1);
    assert!(state(stores, at(3)).await.locked_until.is_some());
}
