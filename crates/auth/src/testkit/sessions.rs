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
    assert_eq!(kind(stores.sessions.create(A, &orphan, 100).await), StoreErrorKind::NotFound);
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

/// What ended raises the revision, so that nodes forget it; other users keep theirs.
pub async fn a_user_has_at_most_so_many_sessions_and_the_oldest_end(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Viewer).await);
    let others = stores.with_session(A, 9, bob.id).await;
    let before = stores.revision(A).await;
    // The second began first.
    let sessions = [(1, 220), (2, 210), (3, 230), (4, 240), (5, 250)]
        .map(|(n, second)| Session { created_at: at(second), ..session(n, ann.id) });
    for given in &sessions[..3] {
        assert_eq!(stores.sessions.create(A, given, 3).await.unwrap(), None);
    }
    let go_on = async || {
        let mut go_on = Vec::new();
        for given in &sessions {
            let stands = stores.sessions.find(A, given.id).await.unwrap();
            go_on.extend((!is_over(stands.as_ref())).then_some(given.created_at));
        }
        go_on
    };
    assert_eq!(stores.sessions.create(A, &sessions[3], 3).await.unwrap(), Some(before.next()));
    assert_eq!(go_on().await, [220, 230, 240].map(at));
    assert_eq!(stores.revision(A).await, before.next());
    // A smaller limit than before ends more than one.
    assert_eq!(stores.sessions.create(A, &sessions[4], 1).await.unwrap(), Some(before.next().next()));
    assert_eq!(go_on().await, [at(250)]);
    assert!(!is_over(stores.sessions.find(A, others.id).await.unwrap().as_ref()));
}

/// Neither those that were ended nor those that expired.
pub async fn sessions_that_are_over_do_not_count(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let (ended, kept) = (stores.with_session(A, 1, user.id).await, stores.with_session(A, 2, user.id).await);
    let expired = Session { created_at: at(202), expires_at: at(203), ..session(3, user.id) };
    stores.sessions.create(A, &expired, 100).await.unwrap();
    stores.sessions.revoke(A, ended.id, at(201)).await.unwrap();
    let before = stores.revision(A).await;
    let new = Session { created_at: at(204), ..session(4, user.id) };
    assert_eq!(stores.sessions.create(A, &new, 2).await.unwrap(), None);
    assert_eq!(stores.revision(A).await, before);
    for session in [kept, new] {
        assert!(!is_over(stores.sessions.find(A, session.id).await.unwrap().as_ref()));
    }
}

/// Signing in in parallel gets nobody more sessions.
pub async fn of_many_sign_ins_at_once_no_more_than_the_limit_last(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let new = |n: u8| Session { created_at: at(200 + u64::from(n)), ..session(n, user.id) };
    race(|n| {
        let (sessions, new) = (Arc::clone(&stores.sessions), new(n));
        async move { sessions.create(A, &new, 3).await.unwrap() }
    })
    .await;
    let mut lasting = 0;
    for n in 0..super::CROWD {
        lasting += usize::from(!is_over(stores.sessions.find(A, new(n).id).await.unwrap().as_ref()));
    }
    assert_eq!(lasting, 3);
}
