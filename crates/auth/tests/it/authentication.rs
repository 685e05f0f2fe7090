//! What the authenticator remembers, forgets and refuses.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use togglebox_auth::{ApiKey, Denied, KeyHash, Permission, Permissions, Presented, Principal, Role};
use togglebox_core::{Actor, AuditRecord, Clock, Revision, TenantId};
use tokio::time::Instant;
use uuid::Uuid;

use crate::app::{App, KEY_SECRET, Rules, T, key_form, role, signed};

fn rules() -> Rules {
    Rules { keys_per_user: 100, ..Rules::default() }
}

#[tokio::test]
async fn nothing_is_nobody() {
    let app = App::start();
    assert!(matches!(app.authenticator.authenticate(T, Presented::default()).await, Err(Denied::Missing)));
    let junk = SecretString::from("not.a.jwt");
    assert!(matches!(app.by_token(&junk).await, Err(Denied::InvalidToken)));
    assert!(matches!(app.by_key(&junk).await, Err(Denied::InvalidKey)));
    assert_eq!(app.store.reads(), 0, "junk costs the store nothing");
    let unknown = SecretString::from("tbx_live_00000000000000000000000000000000");
    assert!(matches!(app.by_key(&unknown).await, Err(Denied::InvalidKey)));
}

#[tokio::test]
async fn a_key_helps_where_the_token_fails_and_not_where_it_works() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let (token, key) = (app.sign_in("ann").await.token, app.key(&caller, &["config:read"]).await.secret);
    let both = |bearer| Presented { bearer: Some(bearer), api_key: Some(key.expose_secret()) };
    let stale = app.authenticator.authenticate(T, both("stale")).await.unwrap();
    assert!(matches!(*stale, Principal::ApiKey(_)));
    let good = app.authenticator.authenticate(T, both(token.expose_secret())).await.unwrap();
    assert!(matches!(*good, Principal::User(_)));
    let neither = Presented { bearer: Some("stale"), api_key: Some("wrong") };
    assert!(matches!(app.authenticator.authenticate(T, neither).await, Err(Denied::InvalidKey)));
}

#[tokio::test]
async fn a_known_caller_costs_the_store_nothing_for_a_while() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let (token, key) = (app.sign_in("ann").await.token, app.key(&caller, &["config:read"]).await.secret);
    let old = app.original_token(&caller.user, Duration::ZERO);
    app.store.meddle(T, caller.user.id, |user| user.tokens_valid_from = user.created_at.minus(Duration::from_secs(1)));
    for credential in [&token, &old] {
        app.by_token(credential).await.unwrap();
    }
    app.by_key(&key).await.unwrap();
    let reads = app.store.reads();
    app.clock.advance(Duration::from_secs(29));
    for credential in [&token, &old] {
        app.by_token(credential).await.unwrap();
    }
    app.by_key(&key).await.unwrap();
    assert_eq!(app.store.reads(), reads);
    app.clock.advance(Duration::from_secs(1));
    app.by_key(&key).await.unwrap();
    assert_eq!(app.store.reads(), reads + 1);
}

#[tokio::test]
async fn the_role_is_the_stores_and_not_the_tokens() {
    let app = App::start();
    let admin = app.user("root", Role::Admin).await;
    let dee = app.user("dee", Role::Developer).await;
    let token = app.sign_in("dee").await.token;
    assert!(app.by_token(&token).await.unwrap().may(Permission::ConfigWrite));
    let root = app.by_token(&app.sign_in("root").await.token).await.unwrap();
    assert_eq!(root.user_id(), Some(admin.id));
    app.accounts.change_role(T, &root, dee.id, role(Role::Viewer)).await.unwrap();
    let demoted = app.by_token(&token).await.unwrap();
    assert!(!demoted.may(Permission::ConfigWrite) && demoted.may(Permission::ConfigRead));
    app.accounts.delete_user(T, &root, dee.id).await.unwrap();
    assert!(matches!(app.by_token(&token).await, Err(Denied::InvalidToken)));
}

#[tokio::test]
async fn a_node_that_is_not_told_learns_from_the_polled_revision() {
    let here = App::with(&rules());
    here.user("ann", Role::Viewer).await;
    let caller = here.caller("ann").await;
    let key = here.key(&caller, &["config:read"]).await;
    let there = App::beside(Arc::clone(&here.store), &rules());
    assert!(there.by_key(&key.secret).await.is_ok());
    here.accounts.revoke_key(T, &caller, key.key.id).await.unwrap();
    assert!(matches!(here.by_key(&key.secret).await, Err(Denied::InvalidKey)));
    assert!(there.by_key(&key.secret).await.is_ok(), "nobody told it");
    there.authenticator.observe(T, here.store.stores().users.revision(T).await.unwrap());
    assert!(matches!(there.by_key(&key.secret).await, Err(Denied::InvalidKey)));
}

#[tokio::test]
async fn what_was_read_before_a_change_was_announced_is_not_remembered() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await.secret;
    let authenticator = Arc::clone(&app.authenticator);
    app.store.after_next_read(move || authenticator.observe(T, Revision::new(99)));
    assert!(app.by_key(&key).await.is_ok());
    let reads = app.store.reads();
    assert!(app.by_key(&key).await.is_ok());
    assert_eq!(app.store.reads(), reads + 1, "the store is asked again");
    assert!(app.by_key(&key).await.is_ok());
    assert_eq!(app.store.reads(), reads + 1);
}

#[tokio::test]
async fn one_tenants_changes_do_not_cost_another() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let token = app.sign_in("ann").await.token;
    app.by_token(&token).await.unwrap();
    let reads = app.store.reads();
    app.authenticator.observe(TenantId::from_uuid(Uuid::from_u128(7)), Revision::new(99));
    app.by_token(&token).await.unwrap();
    assert_eq!(app.store.reads(), reads);
}

#[tokio::test]
async fn known_callers_outlive_a_store_that_does_not_answer_for_a_while() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let (known, unknown) = (app.key(&caller, &["config:read"]).await.secret, app.key(&caller, &["config:read"]).await.secret);
    app.by_key(&known).await.unwrap();
    app.store.set_down(true);
    assert!(matches!(app.by_key(&unknown).await, Err(Denied::Store(_))));
    app.clock.advance(Duration::from_mins(9));
    assert!(app.by_key(&known).await.is_ok());
    app.clock.advance(Duration::from_mins(1));
    assert!(matches!(app.by_key(&known).await, Err(Denied::Store(_))));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_up_a_known_caller_for_a_moment_now_and_then() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await.secret;
    app.by_key(&key).await.unwrap();
    app.store.set_hanging(true);
    app.clock.advance(Duration::from_secs(30));
    let (began, reads) = (Instant::now(), app.store.reads());
    for _ in 0..100 {
        app.by_key(&key).await.unwrap();
    }
    assert_eq!((began.elapsed(), app.store.reads()), (Duration::from_millis(500), reads + 1));
    app.clock.advance(Duration::from_secs(5));
    app.by_key(&key).await.unwrap();
    assert_eq!((began.elapsed(), app.store.reads()), (Duration::from_secs(1), reads + 2));

    app.store.set_hanging(false);
    app.clock.advance(Duration::from_secs(5));
    app.by_key(&key).await.unwrap();
    app.by_key(&key).await.unwrap();
    assert_eq!(app.store.reads(), reads + 3, "it is fresh again");
}

#[tokio::test]
async fn a_withdrawn_right_does_not_outlive_its_announcement_while_the_store_is_down() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await.secret;
    app.by_key(&key).await.unwrap();
    app.store.set_down(true);
    app.authenticator.observe(T, Revision::new(99));
    assert!(matches!(app.by_key(&key).await, Err(Denied::Store(_))));
}

#[tokio::test]
async fn a_store_that_fails_does_not_make_the_key_stand_in_for_the_token() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await.secret;
    let token = app.sign_in("ann").await.token;
    app.by_key(&key).await.unwrap();
    app.store.set_down(true);
    let both = Presented { bearer: Some(token.expose_secret()), api_key: Some(key.expose_secret()) };
    assert!(matches!(app.authenticator.authenticate(T, both).await, Err(Denied::Store(_))));
}

#[tokio::test]
async fn a_key_ends_at_its_moment_however_well_it_is_known() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let end = app.clock.now().plus(Duration::from_secs(10));
    let key = app.accounts.create_key(T, &caller, key_form(&["config:read"], Some(end))).await.unwrap().secret;
    app.clock.set(end.minus(Duration::from_millis(1)));
    assert!(app.by_key(&key).await.is_ok());
    app.clock.set(end);
    assert!(matches!(app.by_key(&key).await, Err(Denied::InvalidKey)));
}

#[tokio::test]
async fn an_imported_key_works_and_unknown_words_grant_nothing() {
    let app = App::start();
    let owner = app.user("ann", Role::Developer).await;
    let text = "tbx_live_274923b68220888494846cf40975cf9b";
    let key = ApiKey {
        id: Uuid::from_u128(5),
        user: owner.id,
        name: "seed".to_owned(),
        hash: KeyHash(Sha256::digest(text).into()),
        prefix: "tbx_live".to_owned(),
        last4: "cf9b".to_owned(),
        permissions: ["*", "config:read", "user:manage"].map(str::to_owned).to_vec(),
        expires_at: None,
        last_used_at: None,
        created_at: app.clock.now(),
    };
    let audit = AuditRecord {
        id: Uuid::from_u128(6),
        at: app.clock.now(),
        actor: Actor::system(),
        action: "import".to_owned(),
        platform: None,
        environment: None,
        target: "seed".to_owned(),
        before: None,
        after: None,
    };
    app.store.stores().keys.create(T, &key, 10, &audit).await.unwrap();
    let principal = app.by_key(&SecretString::from(text)).await.unwrap();
    assert_eq!(principal.permissions(), Permissions::of(&[Permission::ConfigRead]));
}

#[tokio::test]
async fn a_signed_key_may_what_it_says_in_the_default_tenant_only() {
    let app = App::start();
    let claims = json!({
        "id": "api-key-00ff", "name": "old", "permissions": ["config:read", "config:write"],
        "iat": 1_760_000_000, "exp": 1_790_000_000, "aud": "config-service-api", "iss": "config-service",
    });
    let key = signed(KEY_SECRET, &claims);
    let principal = app.by_key(&key).await.unwrap();
    assert!(matches!(*principal, Principal::SignedKey(_)));
    assert_eq!(principal.permissions(), Permissions::of(&[Permission::ConfigRead, Permission::ConfigWrite]));
    assert_eq!((principal.user_id(), principal.actor().id.as_deref()), (None, Some("api-key-00ff")));
    let elsewhere = Presented { bearer: None, api_key: Some(key.expose_secret()) };
    let other = TenantId::from_uuid(Uuid::from_u128(7));
    assert!(matches!(app.authenticator.authenticate(other, elsewhere).await, Err(Denied::InvalidKey)));
    assert!(matches!(app.by_token(&key).await, Err(Denied::InvalidToken)), "it is no user's token");
}

#[tokio::test]
async fn uses_are_gathered_and_written_when_told() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await;
    let last_used = async || app.accounts.key(T, &caller, key.key.id).await.unwrap().last_used_at;
    let first = app.clock.now();
    for _ in 0..5 {
        app.by_key(&key.secret).await.unwrap();
    }
    assert_eq!(last_used().await, None, "a request writes nothing");
    assert_eq!(app.authenticator.flush_uses().await.unwrap(), 1);
    assert_eq!(last_used().await, Some(first));
    assert_eq!(app.authenticator.flush_uses().await.unwrap(), 0);
}

#[tokio::test]
async fn a_use_is_written_once_in_five_minutes_however_often_the_caller_is_looked_up() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await;
    let mut written = Vec::new();
    // A caller is looked up again after half a minute.
    for _ in 0..=10 {
        app.by_key(&key.secret).await.unwrap();
        written.push(app.authenticator.flush_uses().await.unwrap());
        app.clock.advance(Duration::from_secs(40));
    }
    assert_eq!(written, [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn whoever_is_remembered_is_known_at_once() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await.secret;
    let by_key = Presented { bearer: None, api_key: Some(key.expose_secret()) };
    let token = app.sign_in("ann").await.token;
    let by_token = Presented { bearer: Some(token.expose_secret()), api_key: None };
    let known = |presented| app.authenticator.remembered(T, presented).is_some();
    for presented in [by_key, by_token] {
        assert!(!known(presented), "nobody has asked yet");
        app.authenticator.authenticate(T, presented).await.unwrap();
        assert!(known(presented));
        assert!(app.authenticator.remembered(TenantId::from_uuid(Uuid::from_u128(9)), presented).is_none());
    }
    assert!(!known(Presented::default()) && !known(Presented { bearer: Some("x"), ..by_key }), "that takes a look of its own");
    app.store.set_down(true);
    assert!(known(by_key), "nothing is asked");
    app.clock.advance(Duration::from_secs(30));
    assert!(!known(by_key) && !known(by_token), "the store is asked again now and then");
    app.store.set_down(false);
    app.authenticator.authenticate(T, by_key).await.unwrap();
    assert!(known(by_key));
    app.authenticator.observe(T, Revision::new(u64::MAX >> 1));
    assert!(!known(by_key), "a right may have been withdrawn");
}

#[tokio::test]
async fn uses_that_could_not_be_written_wait() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let key = app.key(&caller, &["config:read"]).await;
    app.by_key(&key.secret).await.unwrap();
    app.store.set_down(true);
    assert!(app.authenticator.flush_uses().await.is_err());
    app.store.set_down(false);
    assert_eq!(app.authenticator.flush_uses().await.unwrap(), 1);
}

#[tokio::test]
async fn what_is_presented_is_not_shown() {
    let shown = format!("{:?}", Presented { bearer: Some("abc.def"), api_key: Some("tbx_live_x") });
    assert!(!shown.contains("abc") && !shown.contains("tbx_live"), "{shown}");
}
