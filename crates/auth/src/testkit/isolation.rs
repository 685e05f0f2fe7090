//! What one tenant holds, another can neither see nor touch, through any method.

use togglebox_core::{AuditFilter, PageRequest, Revision, StoreErrorKind, TenantId};
use uuid::Uuid;

use super::{A, AuthStores, B, at, audit, id, is_over, key, kind, reset, session, user};
use crate::store::{Ending, Rotation};
use crate::{AttemptPolicy, AttemptState, PasswordHash, Role};

/// Every method of the user port.
pub async fn another_tenants_users_are_out_of_reach(stores: &AuthStores) {
    let ann = stores.with_user(A, 1, Role::Viewer).await;
    assert_eq!(stores.users.find(B, ann.id).await.unwrap(), None);
    assert_eq!(stores.users.find_by_email(B, &ann.email.key()).await.unwrap(), None);
    let list = stores.users.list(B, None, 0, 100).await.unwrap();
    assert_eq!((list.users, list.total), (vec![], 0));
    let mut taken_over = ann.clone();
    taken_over.role = Role::Admin;
    let refused = stores.users.replace(B, &taken_over, ann.revision, Ending::All, &audit(1, "user.role", ann.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    let refused = stores.users.delete(B, ann.id, ann.revision, &audit(2, "user.delete", ann.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    assert_eq!(stores.users.find(A, ann.id).await.unwrap(), Some(ann));
    assert_eq!(stores.revision(B).await, Revision::ZERO);
    let records = stores.audit.list(B, &AuditFilter::default(), &PageRequest::first(10)).await.unwrap();
    assert_eq!(records.items, []);
}

/// Every method of the key port.
pub async fn another_tenants_keys_are_out_of_reach(stores: &AuthStores) {
    let ann = stores.with_user(A, 1, Role::Viewer).await;
    let given = stores.with_key(A, 1, ann.id).await;
    assert_eq!(stores.keys.find(B, given.id).await.unwrap(), None);
    assert_eq!(stores.keys.find_by_hash(B, &[given.hash]).await.unwrap(), None);
    assert_eq!(stores.keys.list(B, ann.id).await.unwrap(), []);
    let refused = stores.keys.delete(B, ann.id, given.id, &audit(1, "api_key.revoke", given.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    stores.keys.touch(B, &[(given.id, at(1_000))]).await.unwrap();
    let foreign = key(2, ann.id);
    let refused = stores.keys.create(B, &foreign, 10, &audit(2, "api_key.create", foreign.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound, "the owner lives elsewhere");
    assert_eq!(stores.keys.find(A, given.id).await.unwrap(), Some(given));
    assert_eq!(stores.revision(B).await, Revision::ZERO);
}

/// Every method of the session port.
pub async fn another_tenants_sessions_are_out_of_reach(stores: &AuthStores) {
    let ann = stores.with_user(A, 1, Role::Viewer).await;
    let given = stores.with_session(A, 1, ann.id).await;
    assert_eq!(stores.sessions.find(B, given.id).await.unwrap(), None);
    let rotation = stores.sessions.rotate(B, given.id, given.current, id(7), at(300), at(9_000)).await.unwrap();
    assert_eq!(rotation, Rotation::Ended);
    assert_eq!(stores.sessions.revoke(B, given.id, at(300)).await.unwrap(), Revision::ZERO);
    assert_eq!(kind(stores.sessions.create(B, &session(2, ann.id), 100).await), StoreErrorKind::NotFound);
    assert!(!is_over(stores.sessions.find(A, given.id).await.unwrap().as_ref()));
    assert_eq!(stores.sessions.find(A, given.id).await.unwrap(), Some(given));
}

/// Every method of the reset port.
pub async fn another_tenants_resets_are_out_of_reach(stores: &AuthStores) {
    let ann = stores.with_user(A, 1, Role::Viewer).await;
    let given = stores.with_reset(A, 1, ann.id).await;
    assert_eq!(stores.resets.find(B, &given.token_hash).await.unwrap(), None);
    let password = PasswordHash::new("$taken");
    let refused = stores.resets.complete(B, &given.token_hash, &password, at(500), &audit(1, "user.reset", ann.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::NotFound);
    assert_eq!(kind(stores.resets.create(B, &reset(2, ann.id)).await), StoreErrorKind::NotFound);
    assert_eq!(stores.resets.find(A, &given.token_hash).await.unwrap(), Some((given, ann)));
}

/// Every method of the attempt port.
pub async fn another_tenants_failures_do_not_count(stores: &AuthStores) {
    let policy = AttemptPolicy { failures: 1, ..AttemptPolicy::default() };
    let locked = stores.attempts.fail(A, "ann", &policy, at(0)).await.unwrap();
    assert!(locked.locked_until.is_some());
    assert_eq!(stores.attempts.state(B, "ann", &policy, at(1)).await.unwrap(), AttemptState::default());
    stores.attempts.clear(B, "ann").await.unwrap();
    assert_eq!(stores.attempts.state(A, "ann", &policy, at(1)).await.unwrap(), locked);
    let twice = AttemptPolicy { failures: 2, ..policy };
    stores.attempts.fail(A, "bob", &twice, at(0)).await.unwrap();
    assert_eq!(stores.attempts.fail(B, "bob", &twice, at(0)).await.unwrap().failures, 1);
}

/// The same ids, addresses and hashes may stand in both.
pub async fn tenants_share_no_names_and_no_revision(stores: &AuthStores) {
    for tenant in [A, B] {
        let given = user(1, Role::Admin);
        let record = audit(1, "user.create", given.id);
        assert_eq!(stores.users.create(tenant, &given, &record).await.unwrap().revision, Revision::new(1));
        let owned = stores.with_key(tenant, 1, given.id).await;
        assert_eq!(stores.keys.find_by_hash(tenant, &[owned.hash]).await.unwrap().unwrap().1.id, given.id);
        stores.with_session(tenant, 1, given.id).await;
        stores.with_reset(tenant, 1, given.id).await;
        assert_eq!(stores.records(tenant, given.id).await, [record]);
    }
    stores.sessions.revoke(A, session(1, id(1)).id, at(300)).await.unwrap();
    assert_eq!(stores.revision(A).await, Revision::new(3));
    assert_eq!(stores.revision(B).await, Revision::new(2));
    let nobody = TenantId::from_uuid(Uuid::from_u128(0xdead));
    let several = stores.users.revision_of_each(&[B, nobody, A, B]).await.unwrap();
    assert_eq!(several, [2, 0, 3, 2].map(Revision::new));
    assert!(stores.users.revision_of_each(&[]).await.unwrap().is_empty());
    assert!(!is_over(stores.sessions.find(B, session(1, id(1)).id).await.unwrap().as_ref()));
    let admin = stores.users.find(B, id(1)).await.unwrap().unwrap();
    let refused = stores.users.delete(B, admin.id, admin.revision, &audit(9, "user.delete", admin.id)).await;
    assert!(matches!(kind(refused), StoreErrorKind::Refused(_)), "another tenant's admin does not count");
}
