//! Lost passwords.

use std::time::Duration;

use serde_json::json;
use togglebox_auth::input::{ResetCompletion, ResetRequest, ResetToken};
use togglebox_auth::{AccountError, Denied, Role};

use crate::app::{App, PASSWORD, T};

fn ask(app: &App, email: &str) {
    app.accounts.request_reset(T, ResetRequest { email: email.to_owned() });
}

fn token(text: &str) -> ResetToken {
    ResetToken::read(Some(&json!({ "token": text }))).unwrap()
}

fn completion(text: &str, password: &str) -> ResetCompletion {
    ResetCompletion::read(Some(&json!({ "token": text, "newPassword": password }))).unwrap()
}

fn mails(app: &App) -> usize {
    app.letters.mails.lock().unwrap().len()
}

#[tokio::test]
async fn a_mailed_link_sets_a_new_password_once_and_ends_every_session() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let session = app.sign_in("ann").await.token;
    assert!(app.by_token(&session).await.is_ok());
    ask(&app, "ANN@example.com");
    app.accounts.settle().await;
    let mailed = app.mailed_token();
    assert!(mailed.len() == 64 && mailed.bytes().all(|b| b.is_ascii_hexdigit()), "{mailed}");
    assert_eq!(app.accounts.verify_reset(T, &token(&mailed)).await.unwrap().as_str(), "ann@Example.com");
    app.accounts.complete_reset(T, completion(&mailed, "Viewer789")).await.unwrap();
    assert!(matches!(app.by_token(&session).await, Err(Denied::InvalidToken)));
    assert!(app.login("ann", PASSWORD).await.is_err());
    assert!(app.login("ann", "Viewer789").await.is_ok());
    let again = app.accounts.complete_reset(T, completion(&mailed, "Viewer000")).await;
    assert!(matches!(again, Err(AccountError::InvalidResetToken)));
    assert!(matches!(app.accounts.verify_reset(T, &token(&mailed)).await, Err(AccountError::InvalidResetToken)));
}

#[tokio::test]
async fn a_link_leads_nowhere_after_an_hour() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    let mailed = app.mailed_token();
    app.clock.advance(Duration::from_hours(1));
    assert!(matches!(app.accounts.verify_reset(T, &token(&mailed)).await, Err(AccountError::InvalidResetToken)));
    let late = app.accounts.complete_reset(T, completion(&mailed, "Viewer789")).await;
    assert!(matches!(late, Err(AccountError::InvalidResetToken)));
}

#[tokio::test]
async fn asking_answers_before_anything_is_looked_up() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let reads = app.store.reads();
    ask(&app, "ann@example.com");
    ask(&app, "nobody@example.com");
    // One thread, and no await so far: what runs behind has not begun.
    assert_eq!((app.store.reads(), mails(&app)), (reads, 0));
    app.accounts.settle().await;
    assert_eq!((app.store.reads(), mails(&app)), (reads + 2, 1));
}

#[tokio::test]
async fn a_mail_server_that_fails_changes_no_answer() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    *app.letters.broken.lock().unwrap() = true;
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    *app.letters.broken.lock().unwrap() = false;
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    assert_eq!(mails(&app), 1);
}

#[tokio::test]
async fn an_address_is_not_flooded_with_mail() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    for _ in 0..8 {
        ask(&app, "ann@example.com");
        app.accounts.settle().await;
    }
    assert_eq!(mails(&app), 5);
    app.clock.advance(Duration::from_hours(1));
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    assert_eq!(mails(&app), 6);
    assert!(app.login("ann", PASSWORD).await.is_ok(), "asking for mail locks nobody out");
}

#[tokio::test]
async fn asking_many_times_at_once_sends_no_more_mail() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    for _ in 0..40 {
        ask(&app, "ann@example.com");
    }
    app.accounts.settle().await;
    assert_eq!(mails(&app), 5);
}

#[tokio::test]
async fn work_behind_is_bounded() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let reads = app.store.reads();
    for _ in 0..1000 {
        ask(&app, "nobody@example.com");
    }
    app.accounts.settle().await;
    assert_eq!(app.store.reads(), reads + 64);
}

#[tokio::test]
async fn a_reset_lifts_the_lock() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    for _ in 0..3 {
        assert!(app.login("ann", "Wrong1234").await.is_err());
    }
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    app.accounts.complete_reset(T, completion(&app.mailed_token(), "Viewer789")).await.unwrap();
    assert!(app.login("ann", "Viewer789").await.is_ok());
}

#[tokio::test]
async fn a_reset_that_was_done_is_no_failure_though_its_lock_stays() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    app.store.forgive_nothing();
    app.accounts.complete_reset(T, completion(&app.mailed_token(), "Viewer789")).await.unwrap();
    assert!(app.login("ann", "Viewer789").await.is_ok());
}

#[tokio::test]
async fn a_mail_does_not_show_its_link_by_accident() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    ask(&app, "ann@example.com");
    app.accounts.settle().await;
    let shown = format!("{:?}", app.letters.mails.lock().unwrap());
    assert!(!shown.contains(&app.mailed_token()), "{shown}");
}
