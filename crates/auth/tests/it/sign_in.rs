//! Registering, signing in, refreshing, signing out, changing the password.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use togglebox_auth::input::{PasswordChange, ProfileUpdate, Registration};
use togglebox_auth::{AccountError, Denied, PasswordHash, Presented, Role, SessionPolicy};
use togglebox_core::{Clock, TenantId};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::{App, PASSWORD, Rules, T, address, login};

fn registration(email: &str) -> Registration {
    Registration::read(Some(&json!({ "name": "Vic", "email": email, "password": PASSWORD }))).unwrap()
}

fn change(current: &str, new: &str) -> PasswordChange {
    PasswordChange::read(Some(&json!({ "currentPassword": current, "newPassword": new }))).unwrap()
}

#[tokio::test]
async fn a_stranger_becomes_a_viewer_once() {
    let app = App::start();
    let user = app.accounts.register(T, registration("Vic@example.com")).await.unwrap();
    assert_eq!((user.role, user.email.as_str()), (Role::Viewer, "Vic@example.com"));
    let again = app.accounts.register(T, registration("vic@EXAMPLE.com")).await;
    assert!(matches!(again, Err(AccountError::EmailTaken)));
    assert!(app.accounts.login(T, login("vic@example.com", PASSWORD)).await.is_ok());
}

#[tokio::test]
async fn registration_can_be_closed() {
    let app = App::with(&Rules { registration: false, ..Rules::default() });
    let refused = app.accounts.register(T, registration("vic@example.com")).await;
    assert!(matches!(refused, Err(AccountError::RegistrationClosed)));
}

#[tokio::test]
async fn unknown_addresses_and_wrong_passwords_are_answered_and_locked_alike() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    for name in ["ann", "nobody"] {
        for _ in 0..3 {
            assert!(matches!(app.login(name, "Wrong1234").await, Err(AccountError::InvalidCredentials)), "{name}");
        }
        let locked = app.login(name, PASSWORD).await;
        let Err(AccountError::Locked { retry_after }) = locked else { panic!("{name}: {locked:?}") };
        assert_eq!(retry_after, Duration::from_mins(15));
    }
    app.clock.advance(Duration::from_mins(15));
    assert!(app.login("ann", PASSWORD).await.is_ok());
    assert!(matches!(app.login("nobody", PASSWORD).await, Err(AccountError::InvalidCredentials)));
}

#[tokio::test]
async fn case_is_no_way_around_the_lock() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    for email in ["ann@example.com", "ANN@example.com", "Ann@EXAMPLE.COM"] {
        assert!(app.accounts.login(T, login(email, "Wrong1234")).await.is_err());
    }
    assert!(matches!(app.accounts.login(T, login("aNN@example.com", PASSWORD)).await, Err(AccountError::Locked { .. })));
}

#[tokio::test]
async fn guessing_in_parallel_gains_no_more_than_the_slots() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let mut guesses = JoinSet::new();
    for n in 0..40 {
        let accounts = Arc::clone(&app.accounts);
        guesses.spawn(async move { accounts.login(T, login(&address("ann"), &format!("Wrong{n}"))).await });
    }
    let answers = guesses.join_all().await;
    let tried = answers.iter().filter(|answer| matches!(answer, Err(AccountError::InvalidCredentials))).count();
    assert!((3..=4).contains(&tried), "three, and one that was in the other slot: {tried}");
}

#[tokio::test]
async fn a_sign_in_that_works_forgives_failures() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    for _ in 0..3 {
        for _ in 0..2 {
            assert!(app.login("ann", "Wrong1234").await.is_err());
        }
        assert!(app.login("ann", PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn an_imported_hash_is_replaced_at_the_first_sign_in() {
    let app = App::start();
    let user = app.user("ann", Role::Viewer).await;
    let imported = bcrypt::hash(PASSWORD, 4).unwrap();
    app.store.meddle(T, user.id, |user| user.password = PasswordHash::new(imported.clone()));
    let before = app.accounts.user(T, user.id).await.unwrap();
    app.sign_in("ann").await;
    let after = app.accounts.user(T, user.id).await.unwrap();
    assert!(after.password.expose().starts_with("$argon2id$"));
    assert_eq!((after.updated_at, after.tokens_valid_from), (before.updated_at, before.tokens_valid_from));
    app.sign_in("ann").await;
    assert_eq!(app.accounts.user(T, user.id).await.unwrap().password, after.password, "once is enough");
    assert!(app.login("ann", "Wrong1234").await.is_err());
}

#[tokio::test]
async fn a_password_that_changes_while_its_owner_signs_in_opens_no_session() {
    let app = App::start();
    let user = app.user("ann", Role::Viewer).await;
    let (store, id, now) = (Arc::clone(&app.store), user.id, app.clock.now().plus(Duration::from_secs(1)));
    app.store.after_next_read(move || store.meddle(T, id, |user| user.tokens_valid_from = now));
    assert!(matches!(app.login("ann", PASSWORD).await, Err(AccountError::InvalidCredentials)));
    assert_eq!(app.store.open_sessions(T, user.id), 0);
}

#[tokio::test]
async fn refreshing_replaces_the_token_and_copies_of_the_old_one_end_the_session() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let first = app.sign_in("ann").await;
    let caller = app.by_token(&first.token).await.unwrap().signed_in().unwrap().clone();
    app.clock.advance(Duration::from_secs(1));
    let second = app.accounts.refresh(T, &caller, None).await.unwrap();
    assert_ne!(first.token.expose_secret(), second.token.expose_secret());

    app.clock.advance(Duration::from_secs(59));
    assert!(app.by_token(&first.token).await.is_ok(), "two windows may refresh at once");
    assert!(app.by_token(&second.token).await.is_ok());
    app.clock.advance(Duration::from_secs(1));
    assert!(matches!(app.by_token(&first.token).await, Err(Denied::InvalidToken)));
    assert!(matches!(app.by_token(&second.token).await, Err(Denied::InvalidToken)), "one of the two is in the wrong hands");
    let held = app.accounts.refresh(T, &caller, None).await;
    assert!(matches!(held, Err(AccountError::SessionEnded)));
}

#[tokio::test]
async fn windows_that_refresh_at_once_end_up_with_one_token() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let mut windows = JoinSet::new();
    for _ in 0..8 {
        let (accounts, caller) = (Arc::clone(&app.accounts), caller.clone());
        windows.spawn(async move { accounts.refresh(T, &caller, None).await.unwrap().token });
    }
    let tokens = windows.join_all().await;
    let mut sessions = Vec::new();
    for token in &tokens {
        sessions.push(app.by_token(token).await.unwrap().signed_in().unwrap().session);
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 1);
    app.clock.advance(Duration::from_hours(1));
    assert!(app.by_token(&tokens[0]).await.is_ok());
}

#[tokio::test]
async fn a_token_keeps_its_grace_when_its_successor_is_refreshed_meanwhile() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let first = app.sign_in("ann").await.token;
    let caller = app.by_token(&first).await.unwrap().signed_in().unwrap().clone();
    app.clock.advance(Duration::from_secs(10));
    let second = app.accounts.refresh(T, &caller, None).await.unwrap().token;
    app.clock.advance(Duration::from_secs(10));
    let caller = app.by_token(&second).await.unwrap().signed_in().unwrap().clone();
    let third = app.accounts.refresh(T, &caller, None).await.unwrap().token;

    // Past the time for which a caller is remembered: the session itself is asked.
    app.clock.advance(Duration::from_secs(40));
    assert!(app.by_token(&first).await.is_ok(), "a window that has yet to refresh");
    app.clock.advance(Duration::from_secs(20));
    let caller = app.by_token(&third).await.unwrap().signed_in().unwrap().clone();
    let fourth = app.accounts.refresh(T, &caller, None).await.unwrap().token;
    assert_ne!(
        app.by_token(&fourth).await.unwrap().signed_in().unwrap().session,
        caller.session,
        "replaced once the grace is over"
    );
}

#[tokio::test]
async fn refreshing_does_not_go_on_for_ever() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let mut token = app.sign_in("ann").await.token;
    for _ in 0..35 {
        app.clock.advance(Duration::from_hours(23));
        let Ok(principal) = app.by_token(&token).await else { break };
        token = app.accounts.refresh(T, principal.signed_in().unwrap(), None).await.unwrap().token;
    }
    assert!(matches!(app.by_token(&token).await, Err(Denied::InvalidToken)));
    let began = 1_760_000_000_250;
    let days = (app.clock.now().as_ms() - began) / 86_400_000;
    assert!((29..=31).contains(&days), "{days}");
}

#[tokio::test]
async fn a_token_of_the_original_system_gets_a_session() {
    let app = App::start();
    let user = app.user("ann", Role::Viewer).await;
    app.clock.advance(Duration::from_mins(10));
    let old = app.original_token(&user, Duration::from_mins(5));
    let caller = app.by_token(&old).await.unwrap().signed_in().unwrap().clone();
    assert_eq!(caller.session, None);
    let fresh = app.accounts.refresh(T, &caller, None).await.unwrap();
    assert!(app.by_token(&fresh.token).await.unwrap().signed_in().unwrap().session.is_some());

    app.accounts.logout(T, &caller).await.unwrap();
    assert!(matches!(app.by_token(&old).await, Err(Denied::InvalidToken)));
    assert!(app.by_token(&fresh.token).await.is_ok());
}

#[tokio::test]
async fn signing_out_ends_the_session_and_no_other() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let (here, there) = (app.sign_in("ann").await, app.sign_in("ann").await);
    let caller = app.by_token(&here.token).await.unwrap();
    app.accounts.logout(T, caller.signed_in().unwrap()).await.unwrap();
    assert!(matches!(app.by_token(&here.token).await, Err(Denied::InvalidToken)));
    assert!(app.by_token(&there.token).await.is_ok());
    app.accounts.logout(T, caller.signed_in().unwrap()).await.unwrap();
}

#[tokio::test]
async fn changing_the_password_keeps_this_session_and_ends_the_others() {
    let app = App::start();
    let user = app.user("ann", Role::Viewer).await;
    app.clock.advance(Duration::from_mins(10));
    let (here, there) = (app.sign_in("ann").await, app.sign_in("ann").await);
    let old = app.original_token(&user, Duration::from_mins(5));
    assert!(app.by_token(&old).await.is_ok() && app.by_token(&there.token).await.is_ok());
    let caller = app.by_token(&here.token).await.unwrap().signed_in().unwrap().clone();

    let wrong = app.accounts.change_password(T, &caller, change("Wrong1234", "Viewer456")).await;
    assert!(matches!(wrong, Err(AccountError::WrongPassword)));
    app.accounts.change_password(T, &caller, change(PASSWORD, "Viewer456")).await.unwrap();
    assert!(app.by_token(&here.token).await.is_ok());
    assert!(matches!(app.by_token(&there.token).await, Err(Denied::InvalidToken)));
    assert!(matches!(app.by_token(&old).await, Err(Denied::InvalidToken)));
    assert!(app.login("ann", PASSWORD).await.is_err());
    assert!(app.login("ann", "Viewer456").await.is_ok());
}

#[tokio::test]
async fn a_stolen_session_is_no_way_to_guess_the_password() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    for _ in 0..3 {
        assert!(app.accounts.change_password(T, &caller, change("Wrong1234", "Viewer456")).await.is_err());
    }
    let locked = app.accounts.change_password(T, &caller, change(PASSWORD, "Viewer456")).await;
    assert!(matches!(locked, Err(AccountError::Locked { .. })));
    // Nor one to lock its owner out.
    assert!(app.login("ann", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_stranger_who_guesses_does_not_keep_the_owner_from_changing_the_password() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    for _ in 0..3 {
        assert!(app.login("ann", "Wrong1234").await.is_err());
    }
    assert!(matches!(app.login("ann", PASSWORD).await, Err(AccountError::Locked { .. })));
    app.accounts.change_password(T, &caller, change(PASSWORD, "Viewer456")).await.unwrap();
    // That was no sign-in: the lock stays.
    assert!(matches!(app.login("ann", "Viewer456").await, Err(AccountError::Locked { .. })));
}

#[tokio::test]
async fn a_password_is_changed_though_its_failures_cannot_be_forgotten() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    assert!(app.accounts.change_password(T, &caller, change("Wrong1234", "Viewer456")).await.is_err());
    app.store.forgive_nothing();
    app.accounts.change_password(T, &caller, change(PASSWORD, "Viewer456")).await.unwrap();
    assert!(app.login("ann", "Viewer456").await.is_ok());
}

#[tokio::test]
async fn one_sign_in_too_many_ends_the_oldest_at_once_and_everywhere() {
    let sessions = SessionPolicy { most: 2, ..SessionPolicy::default() };
    let app = App::with(&Rules { sessions, ..Rules::default() });
    let (ann, _) = (app.user("ann", Role::Viewer).await, app.user("bob", Role::Viewer).await);
    let bob = app.sign_in("bob").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(app.sign_in("ann").await.token);
        app.clock.advance(Duration::from_secs(1));
        // Remembered, so that only a notice of the end can make it forgotten.
        assert!(app.by_token(held.last().unwrap()).await.is_ok());
    }
    assert!(matches!(app.by_token(&held[0]).await, Err(Denied::InvalidToken)));
    for token in [&held[1], &held[2], &bob.token] {
        assert!(app.by_token(token).await.is_ok());
    }
    assert_eq!(app.store.open_sessions(T, ann.id), 2);
}

#[tokio::test(start_paused = true)]
async fn failed_sign_ins_take_the_same_time_whatever_is_behind_the_address() {
    let failure_takes = Duration::from_millis(250);
    let app = App::with(&Rules { failure_takes, ..Rules::default() });
    app.user("ann", Role::Viewer).await;
    let imported = app.user("old", Role::Viewer).await;
    let hash = bcrypt::hash_with_salt(PASSWORD, 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoB);
    app.store.meddle(T, imported.id, |user| user.password = PasswordHash::new(hash));
    for name in ["ann", "old", "nobody"] {
        let began = tokio::time::Instant::now();
        assert!(matches!(app.login(name, "Wrong1234").await, Err(AccountError::InvalidCredentials)));
        assert_eq!(began.elapsed().as_millis(), 250, "{name}");
    }
    let began = tokio::time::Instant::now();
    assert!(app.login("old", PASSWORD).await.is_ok());
    assert_eq!(began.elapsed(), Duration::ZERO, "who signs in does not wait");
}

#[tokio::test]
async fn a_profile_changes_its_name_only() {
    let app = App::start();
    let user = app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    app.clock.advance(Duration::from_secs(5));
    let form = ProfileUpdate::read(Some(&json!({ "name": "  Ann A. ", "role": "admin" }))).unwrap();
    let renamed = app.accounts.update_profile(T, &caller, form).await.unwrap();
    assert_eq!((renamed.name.as_deref(), renamed.role), (Some("  Ann A. "), Role::Viewer));
    app.clock.advance(Duration::from_secs(5));
    let touched = app.accounts.update_profile(T, &caller, ProfileUpdate { name: None }).await.unwrap();
    assert_eq!(touched.name, renamed.name);
    assert_eq!(touched.updated_at, user.updated_at.plus(Duration::from_secs(10)));
    assert_eq!(app.accounts.profile(T, &caller).await.unwrap(), touched);
}

#[tokio::test]
async fn a_write_that_meets_another_is_done_on_top_of_it() {
    let app = App::start();
    let user = app.user("ann", Role::Viewer).await;
    let caller = app.caller("ann").await;
    let (store, id) = (Arc::clone(&app.store), user.id);
    app.store.before_next_replace(move || store.meddle(T, id, |user| user.role = Role::Developer));
    let form = ProfileUpdate { name: Some("Ann".to_owned()) };
    let renamed = app.accounts.update_profile(T, &caller, form).await.unwrap();
    assert_eq!((renamed.name.as_deref(), renamed.role), (Some("Ann"), Role::Developer));
}

#[tokio::test]
async fn a_token_is_good_for_its_tenant_only_even_where_its_ids_exist() {
    let app = App::start();
    let other = TenantId::from_uuid(Uuid::from_u128(7));
    let user = app.user("ann", Role::Admin).await;
    let signed_in = app.sign_in("ann").await;
    let caller = app.by_token(&signed_in.token).await.unwrap().signed_in().unwrap().clone();
    let (stores, session) = (app.store.stores(), caller.session.unwrap().id);
    stores.users.create(other, &user, &app.store.audit(T)[0]).await.unwrap();
    let session = stores.sessions.find(T, session).await.unwrap().unwrap();
    stores.sessions.create(other, &session, 1).await.unwrap();

    app.clock.advance(Duration::from_secs(1));
    let original = app.original_token(&user, Duration::ZERO);
    for token in [&signed_in.token, &original] {
        let presented = Presented { bearer: Some(token.expose_secret()), api_key: None };
        assert!(app.authenticator.authenticate(T, presented).await.is_ok());
        assert!(matches!(app.authenticator.authenticate(other, presented).await, Err(Denied::InvalidToken)));
    }
}
