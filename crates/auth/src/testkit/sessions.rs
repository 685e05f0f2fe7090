//! Promises of [`SessionStore`](crate::store::SessionStore).

use std::sync::Arc;

use togglebox_core::StoreErrorKind;

use super::{A, AuthStores, at, id, is_over, kind, race, session};
use crate::store::Rotation;
use crate::{AttemptPolicy, Role, Session};

/// All members.
pub async fn a_created_session_reads_back(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let given = stores.with_session(A, 1, user.id).await;
    assert_eq!(stores.sessions.find(A, given.id).await.unwrap(), Some(given));
    assert_eq!(stores.sessions.find(A, id(99)).await.unwrap(), None);
}

/// `NotFound`: a user who is deleted while signing in gets no session.
pub async fn a_session_needs_its_user(stores: &AuthStores) {
    let orphan = session(1, id(99));
    assert_eq!(kind(stores.sessions.create(A, &orphan).await), StoreErrorKind::NotFound);
    assert_eq!(stores.sessions.find(A, orphan.id).await.unwrap(), None);
}

/// The previous token, the moment and the expiry are kept with it.
pub async fn rotation_makes_the_current_token_the_previous_one(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let old = stores.with_session(A, 1, user.id).await;
    let rotation = stores.sessions.rotate(A, old.id, old.current, id(7), at(300), at(9_000)).await.unwrap();
    let expected =
        Session { current: id(7), previous: Some(old.current), rotated_at: at(300), expires_at: at(9_000), ..old.clone() };
    assert_eq!(rotation, Rotation::Done(expected.clone()));
    assert_eq!(stores.sessions.find(A, old.id).await.unwrap(), Some(expected.clone()));

    let again = stores.sessions.rotate(A, old.id, id(7), id(8), at(301), at(9_001)).await.unwrap();
    let expected = Session { current: id(8), previous: Some(id(7)), rotated_at: at(301), expires_at: at(9_001), ..expected };
    assert_eq!(again, Rotation::Done(expected));
}

/// Nothing changes.
pub async fn a_rotation_from_an_old_token_shows_how_the_session_stands(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let old = stores.with_session(A, 1, user.id).await;
    let Rotation::Done(stands) = stores.sessions.rotate(A, old.id, old.current, id(7), at(300), at(9_000)).await.unwrap() else {
        panic!("the current token rotates");
    };
    let late = stores.sessions.rotate(A, old.id, old.current, id(8), at(301), at(9_001)).await.unwrap();
    assert_eq!(late, Rotation::Superseded(stands.clone()));
    assert_eq!(stores.sessions.find(A, old.id).await.unwrap(), Some(stands));
}

/// The others are told what became of the session.
pub async fn of_many_rotations_of_one_token_exactly_one_wins(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let old = stores.with_session(A, 1, user.id).await;
    let results = race(|n| {
        let (sessions, old) = (Arc::clone(&stores.sessions), old.clone());
        async move { sessions.rotate(A, old.id, old.current, id(0x900 + u128::from(n)), at(300), at(9_000)).await.unwrap() }
    })
    .await;
    let stands = stores.sessions.find(A, old.id).await.unwrap().unwrap();
    let won: Vec<_> = results.iter().filter(|result| matches!(result, Rotation::Done(_))).collect();
    assert_eq!(won, [&Rotation::Done(stands.clone())]);
    for result in &results {
        assert!(matches!(result, Rotation::Done(seen) | Rotation::Superseded(seen) if *seen == stands));
    }
}

/// Nor does one that never was.
pub async fn an_ended_session_does_not_rotate(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let session = stores.with_session(A, 1, user.id).await;
    stores.sessions.revoke(A, session.id, at(250)).await.unwrap();
    let rotation = stores.sessions.rotate(A, session.id, session.current, id(7), at(300), at(9_000)).await.unwrap();
    assert_eq!(rotation, Rotation::Ended);
    assert!(is_over(stores.sessions.find(A, session.id).await.unwrap().as_ref()));
    let unknown = stores.sessions.rotate(A, id(99), id(98), id(7), at(300), at(9_000)).await.unwrap();
    assert_eq!(unknown, Rotation::Ended);
}

/// Ending it again, or an unknown one, changes nothing; every answer is the revision that stands.
pub async fn ending_a_session_raises_the_revision_once(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let (one, two) = (stores.with_session(A, 1, user.id).await, stores.with_session(A, 2, user.id).await);
    let before = stores.revision(A).await;
    let ended = stores.sessions.revoke(A, one.id, at(250)).await.unwrap();
    assert_eq!(ended, before.next());
    assert_eq!(stores.revision(A).await, ended);
    assert_eq!(stores.sessions.revoke(A, one.id, at(260)).await.unwrap(), ended);
    assert_eq!(stores.sessions.revoke(A, id(99), at(260)).await.unwrap(), ended);
    assert_eq!(stores.revision(A).await, ended);
    if let Some(kept) = stores.sessions.find(A, one.id).await.unwrap() {
        assert_eq!(kept.revoked_at, Some(at(250)), "the first end counts");
    }
    assert!(!is_over(stores.sessions.find(A, two.id).await.unwrap().as_ref()));
}

/// Or every sign-in would make every node forget what it knows.
pub async fn signing_in_does_not_raise_the_revision(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let before = stores.revision(A).await;
    stores.attempts.fail(A, "subject", &AttemptPolicy::default(), at(1)).await.unwrap();
    stores.attempts.clear(A, "subject").await.unwrap();
    let session = stores.with_session(A, 1, user.id).await;
    stores.sessions.rotate(A, session.id, session.current, id(7), at(300), at(9_000)).await.unwrap();
    stores.with_reset(A, 1, user.id).await;
    assert_eq!(stores.revision(A).await, before);
}
