//! Promises of [`UserStore`](crate::store::UserStore).

use std::sync::Arc;

use togglebox_core::{Revision, StoreErrorKind};

use super::{A, AuthStores, CROWD, at, audit, id, is_over, key, kind, race, user};
use crate::store::{Ending, LAST_ADMIN};
use crate::{Email, PasswordHash, Role};

/// What was written is what is read, by id and by address.
pub async fn a_created_user_reads_back(stores: &AuthStores) {
    let given = user(1, Role::Developer);
    let written = stores.users.create(A, &given, &audit(1, "user.create", given.id)).await.unwrap();
    assert_eq!(written.value.revision, written.revision, "the record carries the revision of its write");
    let mut expected = given.clone();
    expected.revision = written.revision;
    assert_eq!(written.value, expected);
    assert_eq!(stores.users.find(A, given.id).await.unwrap(), Some(expected.clone()));
    assert_eq!(stores.users.find_by_email(A, &given.email.key()).await.unwrap(), Some(expected));
    assert_eq!(stores.users.find(A, id(99)).await.unwrap(), None);
    assert_eq!(stores.users.find_by_email(A, "nobody@example.com").await.unwrap(), None);

    let mut nameless = user(2, Role::Viewer);
    nameless.name = None;
    stores.users.create(A, &nameless, &audit(2, "user.create", nameless.id)).await.unwrap();
    assert_eq!(stores.users.find(A, nameless.id).await.unwrap().unwrap().name, None);
}

/// Names may hold every character there is, U+0000 among them, and looking for it is no error.
pub async fn every_character_is_stored_and_can_be_looked_for(stores: &AuthStores) {
    let odd = "a\0b\u{1}0\u{1}1\u{10FFFF}";
    let mut given = user(1, Role::Developer);
    given.name = Some(odd.to_owned());
    let written = stores.users.create(A, &given, &audit(1, odd, given.id)).await.unwrap().value;
    assert_eq!(written.name.as_deref(), Some(odd));
    assert_eq!(stores.users.find(A, given.id).await.unwrap(), Some(written));
    assert_eq!(stores.records(A, given.id).await[0].action, odd);
    let mut held = key(1, given.id);
    held.name = odd.to_owned();
    held.permissions = vec![odd.to_owned()];
    stores.keys.create(A, &held, 10, &audit(2, "api_key.create", held.id)).await.unwrap();
    assert_eq!(stores.keys.list(A, given.id).await.unwrap(), [held]);
    assert_eq!(stores.users.find_by_email(A, odd).await.unwrap(), None);
    stores.attempts.clear(A, odd).await.unwrap();
}

/// `AlreadyExists`, and nothing is written.
pub async fn an_address_is_taken_whatever_its_case(stores: &AuthStores) {
    let first = stores.with_user(A, 1, Role::Viewer).await;
    let before = stores.revision(A).await;
    let mut second = user(2, Role::Viewer);
    second.email = Email::new(&first.email.as_str().to_uppercase()).unwrap();
    let refused = stores.users.create(A, &second, &audit(2, "user.create", second.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::AlreadyExists);
    assert_eq!(stores.users.find(A, second.id).await.unwrap(), None);
    assert_eq!(stores.revision(A).await, before);
    assert_eq!(stores.records(A, second.id).await, []);
}

/// The race that two accounts for one address are made of.
pub async fn of_many_who_take_one_address_exactly_one_gets_it(stores: &AuthStores) {
    let results = race(|n| {
        let users = Arc::clone(&stores.users);
        async move {
            let mut user = user(n, Role::Viewer);
            user.email = Email::new("wanted@example.com").unwrap();
            users.create(A, &user, &audit(u128::from(n), "user.create", user.id)).await
        }
    })
    .await;
    let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    for lost in results.iter().filter_map(|result| result.as_ref().err()) {
        assert_eq!(lost.kind(), &StoreErrorKind::AlreadyExists);
    }
    assert_eq!(stores.users.list(A, None, 0, 100).await.unwrap().total, 1);
    let holder = stores.users.find_by_email(A, "wanted@example.com").await.unwrap().unwrap();
    assert_eq!(holder.id, won[0].value.id);
}

/// The revision of the accounts starts at zero, and is also the record's own.
pub async fn every_write_to_users_raises_the_revision_by_one(stores: &AuthStores) {
    assert_eq!(stores.revision(A).await, Revision::ZERO);
    let first = user(1, Role::Admin);
    let created = stores.users.create(A, &first, &audit(1, "user.create", first.id)).await.unwrap();
    assert_eq!(created.revision, Revision::new(1));
    let second = stores.with_user(A, 2, Role::Viewer).await;
    assert_eq!(second.revision, Revision::new(2));
    let replaced =
        stores.users.replace(A, &second, second.revision, Ending::All, &audit(3, "user.update", second.id)).await.unwrap();
    assert_eq!(replaced.revision, Revision::new(3), "one act, one step, however much it ends");
    assert_eq!(replaced.value.revision, Revision::new(3));
    assert_eq!(stores.users.find(A, first.id).await.unwrap().unwrap().revision, Revision::new(1), "others keep theirs");
    let deleted = stores.users.delete(A, second.id, replaced.revision, &audit(4, "user.delete", second.id)).await.unwrap();
    assert_eq!(deleted.revision, Revision::new(4));
    assert_eq!(stores.revision(A).await, Revision::new(4));
}

/// `Conflict` names the revision that stands; nothing is written.
pub async fn a_replacement_needs_the_revision_that_stands(stores: &AuthStores) {
    let old = stores.with_user(A, 1, Role::Viewer).await;
    let mut changed = old.clone();
    changed.name = Some("Ann".to_owned());
    let new = stores.users.replace(A, &changed, old.revision, Ending::None, &audit(2, "user.update", old.id)).await.unwrap();
    let conflict = StoreErrorKind::Conflict { current: new.revision };

    changed.name = Some("Bob".to_owned());
    let stale = stores.users.replace(A, &changed, old.revision, Ending::None, &audit(3, "user.update", old.id)).await;
    assert_eq!(kind(stale), conflict);
    let stale = stores.users.delete(A, old.id, old.revision, &audit(4, "user.delete", old.id)).await;
    assert_eq!(kind(stale), conflict);
    let stands = stores.users.find(A, old.id).await.unwrap().unwrap();
    assert_eq!(stands, new.value);
    assert_eq!(stands.name.as_deref(), Some("Ann"));
    assert_eq!(stores.revision(A).await, new.revision);
    assert_eq!(stores.records(A, old.id).await.len(), 2, "what was refused is not recorded");

    let ghost = user(9, Role::Viewer);
    let unknown = stores.users.replace(A, &ghost, Revision::ZERO, Ending::None, &audit(5, "user.update", ghost.id)).await;
    assert_eq!(kind(unknown), StoreErrorKind::NotFound);
    let unknown = stores.users.delete(A, ghost.id, Revision::ZERO, &audit(6, "user.delete", ghost.id)).await;
    assert_eq!(kind(unknown), StoreErrorKind::NotFound);
}

/// The losers learn of it.
pub async fn of_many_replacements_of_one_revision_exactly_one_wins(stores: &AuthStores) {
    let old = stores.with_user(A, 1, Role::Viewer).await;
    let results = race(|n| {
        let users = Arc::clone(&stores.users);
        let mut changed = old.clone();
        changed.name = Some(format!("Name {n}"));
        async move {
            users.replace(A, &changed, changed.revision, Ending::None, &audit(u128::from(n), "user.update", changed.id)).await
        }
    })
    .await;
    let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    assert!(results.iter().filter_map(|result| result.as_ref().err()).all(togglebox_core::StoreError::is_conflict));
    assert_eq!(stores.users.find(A, old.id).await.unwrap().unwrap(), won[0].value);
    assert_eq!(stores.records(A, old.id).await.len(), 2);
}

/// The old address is free again, the new one is taken, and a taken one is refused.
pub async fn a_new_address_moves_the_account(stores: &AuthStores) {
    let (first, second) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Viewer).await);
    let mut moved = first.clone();
    moved.email = second.email.clone();
    let taken = stores.users.replace(A, &moved, first.revision, Ending::None, &audit(3, "user.update", first.id)).await;
    assert_eq!(kind(taken), StoreErrorKind::AlreadyExists);

    moved.email = Email::new("new@example.com").unwrap();
    let written =
        stores.users.replace(A, &moved, first.revision, Ending::None, &audit(4, "user.update", first.id)).await.unwrap();
    assert_eq!(stores.users.find_by_email(A, &first.email.key()).await.unwrap(), None);
    assert_eq!(stores.users.find_by_email(A, "new@example.com").await.unwrap().unwrap().id, first.id);

    moved.email = Email::new("New@Example.com").unwrap();
    let cased =
        stores.users.replace(A, &moved, written.revision, Ending::None, &audit(5, "user.update", first.id)).await.unwrap();
    assert_eq!(cased.value.email.as_str(), "New@Example.com", "an address does not stand in its own way");

    let mut third = user(3, Role::Viewer);
    third.email = first.email;
    stores.users.create(A, &third, &audit(6, "user.create", third.id)).await.unwrap();
}

/// A caller whose answer was lost may ask again.
pub async fn a_write_repeated_with_its_audit_id_is_done_once(stores: &AuthStores) {
    let given = user(1, Role::Viewer);
    let create = audit(1, "user.create", given.id);
    let first = stores.users.create(A, &given, &create).await.unwrap();
    assert_eq!(stores.users.create(A, &given, &create).await.unwrap(), first);

    let mut changed = first.value.clone();
    changed.name = Some("Ann".to_owned());
    let replace = audit(2, "user.update", given.id);
    let second = stores.users.replace(A, &changed, first.revision, Ending::None, &replace).await.unwrap();
    assert_eq!(stores.users.replace(A, &changed, first.revision, Ending::None, &replace).await.unwrap(), second);
    assert_eq!(stores.revision(A).await, second.revision);

    let delete = audit(3, "user.delete", given.id);
    let third = stores.users.delete(A, given.id, second.revision, &delete).await.unwrap();
    stores.users.delete(A, given.id, second.revision, &delete).await.unwrap();
    assert_eq!(stores.revision(A).await, third.revision);
    assert_eq!(stores.records(A, given.id).await.len(), 3);
}

/// The record is stored as given, in the act that it is about.
pub async fn every_write_to_users_is_recorded(stores: &AuthStores) {
    let given = user(1, Role::Viewer);
    let (create, replace) = (audit(1, "user.create", given.id), audit(2, "user.update", given.id));
    let mut delete = audit(3, "user.delete", given.id);
    delete.before = delete.after.take();
    let written = stores.users.create(A, &given, &create).await.unwrap();
    let written = stores.users.replace(A, &written.value, written.revision, Ending::None, &replace).await.unwrap();
    stores.users.delete(A, given.id, written.revision, &delete).await.unwrap();
    let mut records = stores.records(A, given.id).await;
    records.sort_by_key(|record| record.id);
    assert_eq!(records, [create, replace, delete]);
}

/// Each kind of [`Ending`], and only this user's sessions.
pub async fn a_replacement_ends_sessions_as_told(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Viewer).await);
    let (one, two) = (stores.with_session(A, 1, ann.id).await, stores.with_session(A, 2, ann.id).await);
    let other = stores.with_session(A, 3, bob.id).await;
    let over = async |session| is_over(stores.sessions.find(A, session).await.unwrap().as_ref());

    let ann = stores.users.replace(A, &ann, ann.revision, Ending::None, &audit(1, "user.update", ann.id)).await.unwrap().value;
    assert!(!over(one.id).await && !over(two.id).await);

    let ann = stores
        .users
        .replace(A, &ann, ann.revision, Ending::AllBut(one.id), &audit(2, "user.password", ann.id))
        .await
        .unwrap()
        .value;
    assert!(!over(one.id).await && over(two.id).await);

    stores.users.replace(A, &ann, ann.revision, Ending::All, &audit(3, "user.password", ann.id)).await.unwrap();
    assert!(over(one.id).await && over(two.id).await);
    assert!(!over(other.id).await);
}

/// Neither by role nor by deletion.
pub async fn the_last_admin_stays_admin(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Admin).await, stores.with_user(A, 2, Role::Developer).await);
    let before = stores.revision(A).await;
    let mut demoted = ann.clone();
    demoted.role = Role::Viewer;
    let refused = stores.users.replace(A, &demoted, ann.revision, Ending::None, &audit(3, "user.role", ann.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::Refused(LAST_ADMIN));
    let refused = stores.users.delete(A, ann.id, ann.revision, &audit(4, "user.delete", ann.id)).await;
    assert_eq!(kind(refused), StoreErrorKind::Refused(LAST_ADMIN));
    assert_eq!(stores.users.find(A, ann.id).await.unwrap(), Some(ann.clone()));
    assert_eq!(stores.revision(A).await, before);

    let mut renamed = ann.clone();
    renamed.name = Some("Ann".to_owned());
    let ann =
        stores.users.replace(A, &renamed, ann.revision, Ending::None, &audit(5, "user.update", ann.id)).await.unwrap().value;
    let mut promoted = bob.clone();
    promoted.role = Role::Admin;
    stores.users.replace(A, &promoted, bob.revision, Ending::None, &audit(6, "user.role", bob.id)).await.unwrap();
    stores.users.delete(A, ann.id, ann.revision, &audit(7, "user.delete", ann.id)).await.unwrap();
}

/// All admins give up their role, or go, at the same moment.
pub async fn of_two_admins_who_leave_at_once_one_stays(stores: &AuthStores) {
    let mut admins = Vec::new();
    for n in 0..CROWD {
        admins.push(stores.with_user(A, n, Role::Admin).await);
    }
    let results = race(|n| {
        let users = Arc::clone(&stores.users);
        let mut admin = admins[usize::from(n)].clone();
        async move {
            let audit = audit(u128::from(n), "user.leave", admin.id);
            if n % 2 == 0 {
                users.delete(A, admin.id, admin.revision, &audit).await.map(drop)
            } else {
                admin.role = Role::Viewer;
                users.replace(A, &admin, admin.revision, Ending::None, &audit).await.map(drop)
            }
        }
    })
    .await;
    let refused: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].kind(), &StoreErrorKind::Refused(LAST_ADMIN));
    assert_eq!(stores.users.list(A, Some(Role::Admin), 0, 100).await.unwrap().total, 1);
}

/// Sessions, keys and resets go with the user; the address is free; others keep what they have.
pub async fn deleting_a_user_takes_all_that_hangs_on_it(stores: &AuthStores) {
    let (ann, bob) = (stores.with_user(A, 1, Role::Viewer).await, stores.with_user(A, 2, Role::Viewer).await);
    let (hers, his) = (stores.with_key(A, 1, ann.id).await, stores.with_key(A, 2, bob.id).await);
    let (session, other) = (stores.with_session(A, 1, ann.id).await, stores.with_session(A, 2, bob.id).await);
    let (reset, another) = (stores.with_reset(A, 1, ann.id).await, stores.with_reset(A, 2, bob.id).await);
    stores.users.delete(A, ann.id, ann.revision, &audit(1, "user.delete", ann.id)).await.unwrap();

    assert_eq!(stores.users.find(A, ann.id).await.unwrap(), None);
    assert_eq!(stores.users.find_by_email(A, &ann.email.key()).await.unwrap(), None);
    assert_eq!(stores.keys.find(A, hers.id).await.unwrap(), None);
    assert_eq!(stores.keys.find_by_hash(A, &[hers.hash]).await.unwrap(), None);
    assert_eq!(stores.keys.list(A, ann.id).await.unwrap(), []);
    assert!(is_over(stores.sessions.find(A, session.id).await.unwrap().as_ref()));
    assert_eq!(stores.resets.find(A, &reset.token_hash).await.unwrap(), None);
    let completed =
        stores.resets.complete(A, &reset.token_hash, &PasswordHash::new("$new"), at(401), &audit(2, "user.reset", ann.id)).await;
    assert_eq!(kind(completed), StoreErrorKind::NotFound);

    assert!(stores.keys.find_by_hash(A, &[his.hash]).await.unwrap().is_some());
    assert!(!is_over(stores.sessions.find(A, other.id).await.unwrap().as_ref()));
    assert!(stores.resets.find(A, &another.token_hash).await.unwrap().is_some());

    let mut again = user(3, Role::Viewer);
    again.email = ann.email;
    stores.users.create(A, &again, &audit(3, "user.create", again.id)).await.unwrap();
    let reused = key(1, again.id);
    stores.keys.create(A, &reused, 10, &audit(4, "api_key.create", reused.id)).await.unwrap();
}

/// Newest first, then by id; `total` counts all that match.
pub async fn users_are_listed_newest_first_by_page_and_role(stores: &AuthStores) {
    for (n, role) in [(1, Role::Admin), (2, Role::Viewer), (3, Role::Viewer), (4, Role::Developer), (5, Role::Viewer)] {
        let mut user = user(n, role);
        if n == 3 {
            user.created_at = at(2);
        }
        stores.users.create(A, &user, &audit(u128::from(n), "user.create", user.id)).await.unwrap();
    }
    let page = async |role, offset, limit| {
        let list = stores.users.list(A, role, offset, limit).await.unwrap();
        (list.users.iter().map(|user| user.id.as_u128()).collect::<Vec<_>>(), list.total)
    };
    assert_eq!(page(None, 0, 100).await, (vec![5, 4, 2, 3, 1], 5));
    assert_eq!(page(None, 0, 2).await, (vec![5, 4], 5));
    assert_eq!(page(None, 2, 2).await, (vec![2, 3], 5));
    assert_eq!(page(None, 4, 2).await, (vec![1], 5));
    assert_eq!(page(None, 9, 2).await, (vec![], 5));
    assert_eq!(page(Some(Role::Viewer), 1, 10).await, (vec![2, 3], 3));
    assert_eq!(page(Some(Role::Admin), 0, 10).await, (vec![1], 1));
}
