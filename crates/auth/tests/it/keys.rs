//! What users do with their API keys.

use std::time::Duration;

use secrecy::ExposeSecret;
use togglebox_auth::{AccountError, Denied, Permission, Permissions, Principal, Role};
use togglebox_core::Clock;

use crate::app::{App, T, key_form, role};

#[tokio::test]
async fn a_key_is_shown_once_and_found_by_what_is_kept() {
    let app = App::start();
    app.user("dee", Role::Developer).await;
    let caller = app.caller("dee").await;
    let created = app.key(&caller, &["config:read", "config:delete"]).await;
    let text = created.secret.expose_secret();
    assert!(text.starts_with("tbx_live_") && text.ends_with(&created.key.last4));
    assert!(!format!("{created:?}").contains(text));
    assert_eq!(app.accounts.keys(T, &caller).await.unwrap(), std::slice::from_ref(&created.key));
    assert_eq!(app.accounts.key(T, &caller, created.key.id).await.unwrap(), created.key);
    let principal = app.by_key(&created.secret).await.unwrap();
    assert_eq!(principal.permissions(), Permissions::of(&[Permission::ConfigRead, Permission::ConfigDelete]));
}

#[tokio::test]
async fn a_key_is_granted_only_what_its_owner_may() {
    let app = App::start();
    app.user("vic", Role::Viewer).await;
    let caller = app.caller("vic").await;
    let form = key_form(&["config:write", "config:read", "*", "user:manage"], None);
    let refused = app.accounts.create_key(T, &caller, form).await;
    let Err(AccountError::MissingPermissions(missing)) = refused else { panic!("{refused:?}") };
    assert_eq!(missing, ["config:write", "*", "user:manage"]);
}

#[tokio::test]
async fn the_role_that_counts_is_the_one_at_the_moment_of_making() {
    let app = App::start();
    let dee = app.user("dee", Role::Developer).await;
    let caller = app.caller("dee").await;
    app.store.meddle(T, dee.id, |user| user.role = Role::Viewer);
    let refused = app.accounts.create_key(T, &caller, key_form(&["config:write"], None)).await;
    assert!(matches!(refused, Err(AccountError::MissingPermissions(_))));
}

#[tokio::test]
async fn a_key_loses_what_its_owner_loses() {
    let app = App::start();
    app.user("root", Role::Admin).await;
    let root = Principal::User(app.caller("root").await);
    let dee = app.user("dee", Role::Developer).await;
    let caller = app.caller("dee").await;
    let key = app.key(&caller, &["config:read", "config:write"]).await.secret;
    assert!(app.by_key(&key).await.unwrap().may(Permission::ConfigWrite));
    app.accounts.change_role(T, &root, dee.id, role(Role::Viewer)).await.unwrap();
    let principal = app.by_key(&key).await.unwrap();
    assert!(!principal.may(Permission::ConfigWrite) && principal.may(Permission::ConfigRead));
}

#[tokio::test]
async fn a_key_may_be_made_for_the_past() {
    let app = App::start();
    app.user("vic", Role::Viewer).await;
    let caller = app.caller("vic").await;
    let past = app.clock.now().minus(Duration::from_hours(1));
    let created = app.accounts.create_key(T, &caller, key_form(&["config:read"], Some(past))).await.unwrap();
    assert!(matches!(app.by_key(&created.secret).await, Err(Denied::InvalidKey)));
}

#[tokio::test]
async fn a_user_holds_a_limited_number_of_keys() {
    let app = App::start();
    app.user("vic", Role::Viewer).await;
    let caller = app.caller("vic").await;
    for _ in 0..3 {
        app.key(&caller, &["config:read"]).await;
    }
    let refused = app.accounts.create_key(T, &caller, key_form(&["config:read"], None)).await;
    assert!(matches!(refused, Err(AccountError::TooManyKeys { limit: 3 })));
}

#[tokio::test]
async fn keys_are_their_owners_alone() {
    let app = App::start();
    app.user("ann", Role::Admin).await;
    app.user("vic", Role::Viewer).await;
    let (ann, vic) = (app.caller("ann").await, app.caller("vic").await);
    let key = app.key(&vic, &["config:read"]).await;
    assert!(matches!(app.accounts.key(T, &ann, key.key.id).await, Err(AccountError::KeyNotFound)));
    assert!(matches!(app.accounts.revoke_key(T, &ann, key.key.id).await, Err(AccountError::NotYourKey)));
    assert!(app.by_key(&key.secret).await.is_ok());
    app.accounts.revoke_key(T, &vic, key.key.id).await.unwrap();
    assert!(matches!(app.by_key(&key.secret).await, Err(Denied::InvalidKey)));
    assert!(matches!(app.accounts.revoke_key(T, &vic, key.key.id).await, Err(AccountError::KeyNotFound)));
}
