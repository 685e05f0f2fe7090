//! A long list of users, walked by number. Apart from the suite, since this takes long.
//! [`auth_paging_suite!`](crate::auth_paging_suite) makes a test of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use togglebox_core::{Revision, Timestamp};
use tokio::sync::watch;
use uuid::Uuid;

use super::{A, AuthStores, B, at, audit, id, user};
use crate::store::UserStore;
use crate::{Email, Role, User};

/// How many users there are.
const USERS: u64 = 2_000;

/// Parts of the list meet without a gap and without overlap, whatever their size, with and without a role; beyond the end there is
/// nothing. Where others come in at the front meanwhile, users may be shown again, but none is left out.
pub async fn a_long_list_of_users_is_walked_by_number(stores: &AuthStores) {
    let users = fill(stores).await;
    stores.with_user(B, 1, Role::Viewer).await;
    let ids = |role: Option<Role>| -> Vec<Uuid> {
        users.iter().filter(|user| role.is_none_or(|role| user.role == role)).map(|user| user.id).collect()
    };
    for role in [None, Some(Role::Viewer)] {
        let all = ids(role);
        for limit in [1000_usize, 83] {
            let mut seen = Vec::new();
            while seen.len() < all.len() {
                let part = stores.users.list(A, role, seen.len() as u64, limit as u64).await.unwrap();
                assert_eq!((part.total, part.users.len()), (all.len() as u64, (all.len() - seen.len()).min(limit)));
                seen.extend(part.users.iter().map(|user| user.id));
            }
            assert_eq!(seen, all);
        }
        for beyond in [all.len() as u64, all.len() as u64 + 1, u64::MAX] {
            let part = stores.users.list(A, role, beyond, 10).await.unwrap();
            assert!(part.users.is_empty() && part.total == all.len() as u64, "{beyond}");
        }
        // A part holds no more than a thousand, and at least one.
        assert_eq!(stores.users.list(A, role, 0, u64::MAX).await.unwrap().users.len(), all.len().min(1000));
        assert_eq!(stores.users.list(A, role, 0, 0).await.unwrap().users.len(), 1);
    }
    let seen = walk_while_others_come(stores).await;
    assert!(users.iter().all(|user| seen.contains(&user.id)), "some are left out");
}

/// Newest first, as lists are; three at each moment, every other one a viewer.
async fn fill(stores: &AuthStores) -> Vec<User> {
    let mut users = Vec::new();
    for n in 0..USERS {
        let role = if n % 2 == 0 { Role::Viewer } else { Role::Developer };
        let (user, record) = (of_number(n, role, at(1000 + n / 3)), audit(u128::from(n), "user.create", id(n.into())));
        users.push(stores.users.create(A, &user, &record).await.unwrap().value);
    }
    users.sort_by_key(|user| (std::cmp::Reverse(user.created_at), user.id));
    users
}

fn of_number(n: u64, role: Role, created_at: Timestamp) -> User {
    let email = Email::new(&format!("number{n}@example.com")).unwrap();
    User { id: id(0x10_0000 + u128::from(n)), email, created_at, revision: Revision::ZERO, ..user(1, role) }
}

/// Whoever is shown by a walk during which others are added, at least one between two parts.
async fn walk_while_others_come(stores: &AuthStores) -> BTreeSet<Uuid> {
    let (coming, mut came) = watch::channel(0);
    let store: Arc<dyn UserStore> = Arc::clone(&stores.users);
    let others = tokio::spawn(async move {
        for n in USERS.. {
            let user = of_number(n, Role::Viewer, at(1000 + n));
            store.create(A, &user, &audit(n.into(), "user.create", user.id)).await.unwrap();
            // Nobody waits for them any more.
            if coming.send(n).is_err() {
                return n - USERS;
            }
        }
        0
    });
    let (mut seen, mut offset) = (BTreeSet::new(), 0);
    loop {
        let part = stores.users.list(A, None, offset, 83).await.unwrap();
        offset += part.users.len() as u64;
        assert!(part.total >= offset && part.total >= USERS);
        if part.users.is_empty() {
            break;
        }
        seen.extend(part.users.into_iter().map(|user| user.id));
        came.changed().await.unwrap();
    }
    drop(came);
    assert!(others.await.unwrap() >= USERS / 83, "hardly anybody came");
    seen
}
