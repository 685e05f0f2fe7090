//! What admins do with users.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use togglebox_auth::input::NewUser;
use togglebox_auth::{AccountError, Denied, Principal, Role, UserQuery};
use togglebox_core::Actor;
use uuid::Uuid;

use crate::app::{App, PASSWORD, T, role};

async fn root(app: &App) -> Principal {
    app.user("root", Role::Admin).await;
    Principal::User(app.caller("root").await)
}

#[tokio::test]
async fn an_address_makes_one_account() {
    let app = App::start();
    app.user("dee", Role::Developer).await;
    let body = json!({ "name": "Dee", "email": "DEE@example.com", "password": PASSWORD });
    let again = app.accounts.create_user(T, Actor::system(), NewUser::read(Some(&body)).unwrap()).await;
    assert!(matches!(again, Err(AccountError::EmailTaken)));
}

#[tokio::test]
async fn users_are_listed_by_role_and_page() {
    let app = App::start();
    for (name, role) in [("ann", Role::Viewer), ("bob", Role::Developer), ("cid", Role::Viewer)] {
        app.user(name, role).await;
        app.clock.advance(Duration::from_secs(1));
    }
    let list = async |role: Option<&str>, offset, limit| {
        let query = UserQuery { role: role.map(str::to_owned), offset, limit };
        let list = app.accounts.users(T, &query).await.unwrap();
        (list.users.into_iter().filter_map(|user| user.name).collect::<Vec<_>>().join(" "), list.total)
    };
    assert_eq!(list(None, 0, 20).await, ("cid bob ann".to_owned(), 3));
    assert_eq!(list(None, 1, 1).await, ("bob".to_owned(), 3));
    assert_eq!(list(None, 0, 0).await, ("cid".to_owned(), 3), "none is not a page");
    assert_eq!(list(Some("viewer"), 0, 20).await, ("cid ann".to_owned(), 2));
    assert_eq!(list(Some("king"), 0, 20).await, (String::new(), 0));
}

#[tokio::test]
async fn nobody_demotes_or_deletes_themselves() {
    let app = App::start();
    let root = root(&app).await;
    app.user("ann", Role::Admin).await;
    let id = root.user_id().unwrap();
    assert!(matches!(app.accounts.change_role(T, &root, id, role(Role::Viewer)).await, Err(AccountError::SelfDemotion)));
    assert!(matches!(app.accounts.delete_user(T, &root, id).await, Err(AccountError::SelfDeletion)));
    assert_eq!(app.accounts.change_role(T, &root, id, role(Role::Admin)).await.unwrap().role, Role::Admin);
}

#[tokio::test]
async fn the_last_admin_stays() {
    let app = App::start();
    let root = root(&app).await;
    // As a key of a deleted admin would: a caller who is nobody here.
    let stranger = Principal::SignedKey(togglebox_auth::SignedKey {
        id: "api-key-1".to_owned(),
        name: String::new(),
        permissions: togglebox_auth::Permissions::ALL,
    });
    let id = root.user_id().unwrap();
    assert!(matches!(app.accounts.change_role(T, &stranger, id, role(Role::Viewer)).await, Err(AccountError::LastAdmin)));
    assert!(matches!(app.accounts.delete_user(T, &stranger, id).await, Err(AccountError::LastAdmin)));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let app = App::start();
    let (root, ghost) = (root(&app).await, Uuid::from_u128(404));
    assert!(matches!(app.accounts.user(T, ghost).await, Err(AccountError::UserNotFound)));
    assert!(matches!(app.accounts.change_role(T, &root, ghost, role(Role::Viewer)).await, Err(AccountError::UserNotFound)));
    assert!(matches!(app.accounts.delete_user(T, &root, ghost).await, Err(AccountError::UserNotFound)));
}

#[tokio::test]
async fn a_deleted_user_loses_tokens_and_keys_at_once() {
    let app = App::start();
    let root = root(&app).await;
    let ann = app.user("ann", Role::Developer).await;
    let caller = app.caller("ann").await;
    let (token, key) = (app.sign_in("ann").await.token, app.key(&caller, &["config:read"]).await.secret);
    assert!(app.by_token(&token).await.is_ok() && app.by_key(&key).await.is_ok());
    app.accounts.delete_user(T, &root, ann.id).await.unwrap();
    assert!(matches!(app.by_token(&token).await, Err(Denied::InvalidToken)));
    assert!(matches!(app.by_key(&key).await, Err(Denied::InvalidKey)));
    assert!(matches!(app.accounts.profile(T, &caller).await, Err(AccountError::UserNotFound)));
    assert!(matches!(app.accounts.delete_user(T, &root, ann.id).await, Err(AccountError::UserNotFound)));
}

#[tokio::test]
async fn a_deletion_that_meets_a_write_is_done_all_the_same() {
    let app = App::start();
    let root = root(&app).await;
    let ann = app.user("ann", Role::Viewer).await;
    let (store, id) = (Arc::clone(&app.store), ann.id);
    app.store.after_next_read(move || store.meddle(T, id, |user| user.name = None));
    app.accounts.delete_user(T, &root, ann.id).await.unwrap();
    assert!(app.accounts.user(T, ann.id).await.is_err());
}

#[tokio::test]
async fn every_change_is_recorded_with_its_author_and_without_a_hash() {
    let app = App::start();
    let root = root(&app).await;
    let ann = app.user("ann", Role::Viewer).await;
    app.accounts.change_role(T, &root, ann.id, role(Role::Developer)).await.unwrap();
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await.key;
    app.accounts.revoke_key(T, &caller, key.id).await.unwrap();
    app.accounts.delete_user(T, &root, ann.id).await.unwrap();
    let audit = app.store.audit(T);
    let actions: Vec<&str> = audit.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["user.create", "user.create", "user.role", "api_key.create", "api_key.revoke", "user.delete"]);
    assert_eq!(audit[2].actor, root.actor());
    assert_eq!(audit[2].before.as_ref().unwrap()["role"], "viewer");
    assert_eq!(audit[2].after.as_ref().unwrap()["role"], "developer");
    assert_eq!(audit[4].actor, caller.actor());
    let text = serde_json::to_string(&audit).unwrap();
    assert!(!text.contains("argon2") && !text.contains("hash"), "{text}");
}
