//! Promises of [`ApiKeyStore`](crate::store::ApiKeyStore).

use std::sync::Arc;

use togglebox_core::StoreErrorKind;

use super::{A, AuthStores, at, audit, id, key, kind, race};
use crate::{KeyHash, Role};

/// All members, unknown permission words and their order included.
pub async fn a_created_key_reads_back(stores: &AuthStores) {
    let owner = stores.with_user(A, 1, Role::Viewer).await;
    let mut given = key(1, owner.id);
    given.expires_at = Some(at(9_999));
    given.last_used_at = Some(at(7));
    let written = stores.keys.create(A, &given, 10, &audit(1, "api_key.create", given.id)).await.unwrap();
    assert_eq!(written.value, given);
    assert_eq!(stores.revision(A).await, written.revision);
    assert_eq!(written.revision, owner.revision.next());
    assert_eq!(stores.keys.find(A, given.id).await.unwrap(), Some(given.clone()));
    assert_eq!(stores.keys.list(A, owner.id).await.unwrap(), [given.clone()]);
    assert_eq!(stores.records(A, given.id).await.len(), 1);
    assert_eq!(stores.keys.find(A, id(99)).await.unwrap(), None);

    let bare = stores.with_key(A, 2, owner.id).await;
    let read = stores.keys.find(A, bare.id).await.unwrap().unwrap();
    assert_eq!((read.expires_at, read.last_used_at), (None, None));
}

/// One call looks for the keyed hash and for the plain one of imported keys.
pub async fn a_key_is_found_by_any_of_its_hashes_with_its_owner(stores: &AuthStores) {
    let owner = stores.with_user(A, 1, Role::Developer).await;
    let key = stores.with_key(A, 1, owner.id).await;
    let unknown = KeyHash([0xee; 32]);
    let expected = Some((key.clone(), owner));
    assert_eq!(stores.keys.find_by_hash(A, &[key.hash]).await.unwrap(), expected);
    assert_eq!(stores.keys.find_by_hash(A, &[unknown, key.hash]).await.unwrap(), expected);
    assert_eq!(stores.keys.find_by_hash(A, &[unknown]).await.unwrap(), None);
    assert_eq!(stores.keys.find_by_hash(A, &[]).await.unwrap(), None);
}

/// `NotFound` and `AlreadyExists`; nothing is written.
pub async fn a_key_needs_its_owner_and_a_free_hash(stores: &AuthStores) {
    let owner = stores.with_user(A, 1, Role::Viewer).await;
    let orphan = key(1, id(99));
    let refused = stores.keys.create(A, &orphan, 10, &audit(1, "api_key.create", orphan.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    assert_eq!(stores.keys.find(A, orphan.id).await.unwrap(), None);

    let first = stores.with_key(A, 2, owner.id).await;
    let before = stores.revision(A).await;
    let mut twin = key(3, owner.id);
    twin.hash = first.hash;
    let refused = stores.keys.create(A, &twin, 10, &audit(2, "api_key.create", twin.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.keys.list(A, owner.id).await.unwrap(), [first]);
    assert_eq!(stores.revision(A).await, before);
}

/// The limit counts one user's keys, and holds for many at once.
pub async fn a_user_holds_at_most_so_many_keys_even_in_a_race(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Viewer).await);
    stores.with_key(A, 100, bob.id).await;
    let results = race(|n| {
        let keys = Arc::clone(&stores.keys);
        let key = key(n, ann.id);
        async move { keys.create(A, &key, 3, &audit(u128::from(n), "api_key.create", key.id)).await }
    })
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 3);
    for refused in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(refused.kind(), &StoreErrorKind::LimitReached { limit: 3 });
    }
    assert_eq!(stores.keys.list(A, ann.id).await.unwrap().len(), 3);
    let freed = stores.keys.list(A, ann.id).await.unwrap()[0].id;
    stores.keys.delete(A, ann.id, freed, &audit(50, "api_key.revoke", freed)).await.unwrap();
    let next = key(60, ann.id);
    stores.keys.create(A, &next, 3, &audit(51, "api_key.create", next.id)).await.unwrap();
}

/// Another user's key is `NotFound`, as is one that is gone.
pub async fn a_key_is_deleted_by_its_owner_only(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Admin).await);
    let key = stores.with_key(A, 1, ann.id).await;
    let before = stores.revision(A).await;
    let refused = stores.keys.delete(A, bob.id, key.id, &audit(1, "api_key.revoke", key.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    assert_eq!(stores.revision(A).await, before);
    assert!(stores.keys.find(A, key.id).await.unwrap().is_some());

    let gone = stores.keys.delete(A, ann.id, key.id, &audit(2, "api_key.revoke", key.id)).await.unwrap();
    assert_eq!(gone.revision, before.next(), "nodes learn that a right is gone");
    assert_eq!(stores.revision(A).await, gone.revision);
    assert_eq!(stores.keys.find_by_hash(A, &[key.hash]).await.unwrap(), None);
    assert_eq!(stores.keys.find(A, key.id).await.unwrap(), None);
    let again = stores.keys.delete(A, ann.id, key.id, &audit(3, "api_key.revoke", key.id)).await;
    assert_eq!(kind(again), StoreErrorKind::NotFound);
    assert_eq!(stores.records(A, key.id).await.len(), 2, "one for making it, one for deleting it");
}

/// Of one user.
pub async fn keys_are_listed_newest_first(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Viewer).await);
    for n in [2, 3, 1] {
        stores.with_key(A, n, ann.id).await;
    }
    stores.with_key(A, 4, bob.id).await;
    let names: Vec<_> = stores.keys.list(A, ann.id).await.unwrap().into_iter().map(|key| key.name).collect();
    assert_eq!(names, ["key 3", "key 2", "key 1"]);
    assert_eq!(stores.keys.list(A, id(99)).await.unwrap(), []);
}

/// A caller whose answer was lost may ask again.
pub async fn key_writes_repeated_with_their_audit_id_are_done_once(stores: &AuthStores) {
    let owner = stores.with_user(A, 1, Role::Viewer).await;
    let given = key(1, owner.id);
    let create = audit(1, "api_key.create", given.id);
    let first = stores.keys.create(A, &given, 1, &create).await.unwrap();
    assert_eq!(stores.keys.create(A, &given, 1, &create).await.unwrap(), first, "nor does it run into its own limit");
    let delete = audit(2, "api_key.revoke", given.id);
    let second = stores.keys.delete(A, owner.id, given.id, &delete).await.unwrap();
    stores.keys.delete(A, owner.id, given.id, &delete).await.unwrap();
    assert_eq!(stores.revision(A).await, second.revision);
    assert_eq!(stores.records(A, given.id).await.len(), 2);
}

/// Nodes flush what they saw in any order.
pub async fn last_used_moves_forward_only(stores: &AuthStores) {
    let owner = stores.with_user(A, 1, Role::Viewer).await;
    let (one, two) = (stores.with_key(A, 1, owner.id).await, stores.with_key(A, 2, owner.id).await);
    let before = stores.revision(A).await;
    let used = async |key| stores.keys.find(A, key).await.unwrap().unwrap().last_used_at;
    stores.keys.touch(A, &[(one.id, at(1_000)), (two.id, at(1_001))]).await.unwrap();
    assert_eq!((used(one.id).await, used(two.id).await), (Some(at(1_000)), Some(at(1_001))));
    stores.keys.touch(A, &[(one.id, at(900)), (two.id, at(1_100))]).await.unwrap();
    assert_eq!((used(one.id).await, used(two.id).await), (Some(at(1_000)), Some(at(1_100))));
    stores.keys.touch(A, &[]).await.unwrap();
    assert_eq!(stores.revision(A).await, before, "a use withdraws no right");
}

/// Nor does it fail, or forget the others.
pub async fn a_touch_does_not_revive_a_deleted_key(stores: &AuthStores) {
    let owner = stores.with_user(A, 1, Role::Viewer).await;
    let (gone, stays) = (stores.with_key(A, 1, owner.id).await, stores.with_key(A, 2, owner.id).await);
    stores.keys.delete(A, owner.id, gone.id, &audit(1, "api_key.revoke", gone.id)).await.unwrap();
    stores.keys.touch(A, &[(gone.id, at(1_000)), (stays.id, at(1_000))]).await.unwrap();
    assert_eq!(stores.keys.find(A, gone.id).await.unwrap(), None);
    assert_eq!(stores.keys.find_by_hash(A, &[gone.hash]).await.unwrap(), None);
    assert_eq!(stores.keys.find(A, stays.id).await.unwrap().unwrap().last_used_at, Some(at(1_000)));
}
