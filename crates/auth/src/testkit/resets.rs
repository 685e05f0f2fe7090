//! Promises of [`PasswordResetStore`](crate::store::PasswordResetStore).

use std::sync::Arc;

use togglebox_core::{StoreErrorKind, Timestamp};

use super::{A, AuthStores, at, audit, id, is_over, kind, race, reset};
use crate::{PasswordHash, Role};

fn new_password() -> PasswordHash {
    PasswordHash::new("$argon2id$new")
}

/// By the hash of its token only.
pub async fn a_created_reset_reads_back_with_its_user(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let given = stores.with_reset(A, 1, user.id).await;
    assert_eq!(stores.resets.find(A, &given.token_hash).await.unwrap(), Some((given, user)));
    assert_eq!(stores.resets.find(A, &[9; 32]).await.unwrap(), None);
}

/// `NotFound`.
pub async fn a_reset_needs_its_user(stores: &AuthStores) {
    let orphan = reset(1, id(99));
    assert_eq!(kind(stores.resets.create(A, &orphan).await), StoreErrorKind::NotFound);
    assert_eq!(stores.resets.find(A, &orphan.token_hash).await.unwrap(), None);
}

/// All of the user's resets and sessions go; other users' stay; the revision rises by one.
pub async fn a_completed_reset_sets_the_password_and_ends_everything_else(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Developer).await, stores.with_user(A, 2, Role::Viewer).await);
    let (used, spare, other) =
        (stores.with_reset(A, 1, ann.id).await, stores.with_reset(A, 2, ann.id).await, stores.with_reset(A, 3, bob.id).await);
    let (session, his) = (stores.with_session(A, 1, ann.id).await, stores.with_session(A, 2, bob.id).await);
    let before = stores.revision(A).await;

    let record = audit(1, "user.reset", ann.id);
    let written = stores.resets.complete(A, &used.token_hash, &new_password(), at(500), &record).await.unwrap();
    let mut expected = ann.clone();
    expected.password = new_password();
    expected.tokens_valid_from = at(500);
    expected.updated_at = at(500);
    expected.revision = before.next();
    assert_eq!(written.value, expected);
    assert_eq!(written.revision, before.next());
    assert_eq!(stores.revision(A).await, before.next());
    assert_eq!(stores.users.find(A, ann.id).await.unwrap(), Some(expected));
    assert!(is_over(stores.sessions.find(A, session.id).await.unwrap().as_ref()));
    assert_eq!(stores.resets.find(A, &used.token_hash).await.unwrap(), None);
    assert_eq!(stores.resets.find(A, &spare.token_hash).await.unwrap(), None);
    assert!(stores.records(A, ann.id).await.contains(&record));

    let again = stores.resets.complete(A, &used.token_hash, &new_password(), at(501), &audit(2, "user.reset", ann.id)).await;
    assert_eq!(kind(again), StoreErrorKind::NotFound);
    let also = stores.resets.complete(A, &spare.token_hash, &new_password(), at(501), &audit(3, "user.reset", ann.id)).await;
    assert_eq!(kind(also), StoreErrorKind::NotFound);
    assert!(!is_over(stores.sessions.find(A, his.id).await.unwrap().as_ref()));
    assert!(stores.resets.find(A, &other.token_hash).await.unwrap().is_some());
    assert_eq!(stores.users.find(A, bob.id).await.unwrap(), Some(bob));
}

/// From the moment of its expiry on; a millisecond before, it still works.
pub async fn an_expired_reset_does_nothing(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let reset = stores.with_reset(A, 1, user.id).await;
    let before = stores.revision(A).await;
    let late =
        stores.resets.complete(A, &reset.token_hash, &new_password(), reset.expires_at, &audit(1, "user.reset", user.id)).await;
    assert_eq!(kind(late), StoreErrorKind::NotFound);
    assert_eq!(stores.users.find(A, user.id).await.unwrap(), Some(user.clone()));
    assert_eq!(stores.revision(A).await, before);
    let just = Timestamp::from_ms(reset.expires_at.as_ms() - 1);
    stores.resets.complete(A, &reset.token_hash, &new_password(), just, &audit(2, "user.reset", user.id)).await.unwrap();
}

/// A link that two people follow works for one of them.
pub async fn of_many_who_use_one_reset_exactly_one_does(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let reset = stores.with_reset(A, 1, user.id).await;
    let results = race(|n| {
        let resets = Arc::clone(&stores.resets);
        let (hash, audit) = (reset.token_hash, audit(u128::from(n), "user.reset", user.id));
        async move { resets.complete(A, &hash, &PasswordHash::new(format!("$argon2id${n}")), at(500), &audit).await }
    })
    .await;
    let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    for lost in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(lost.kind(), &StoreErrorKind::NotFound);
    }
    assert_eq!(stores.users.find(A, user.id).await.unwrap().unwrap().password, won[0].value.password);
}

/// A caller whose answer was lost may ask again.
pub async fn a_completion_repeated_with_its_audit_id_is_done_once(stores: &AuthStores) {
    let user = stores.with_user(A, 1, Role::Viewer).await;
    let reset = stores.with_reset(A, 1, user.id).await;
    let record = audit(1, "user.reset", user.id);
    let first = stores.resets.complete(A, &reset.token_hash, &new_password(), at(500), &record).await.unwrap();
    let second = stores.resets.complete(A, &reset.token_hash, &new_password(), at(500), &record).await.unwrap();
    assert_eq!(second.value, first.value);
    assert_eq!(stores.revision(A).await, first.revision);
}
