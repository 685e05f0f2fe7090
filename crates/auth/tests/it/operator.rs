//! What whoever runs the server does.

use serde_json::json;
use togglebox_auth::input::{NewPassword, Registration};
use togglebox_auth::{AccountError, Denied, Email, Role};

use crate::app::{App, PASSWORD, T};

fn form(email: &str) -> Registration {
    Registration::read(Some(&json!({ "name": "Root", "email": email, "password": PASSWORD }))).unwrap()
}

#[tokio::test]
async fn the_first_admin_is_made_once() {
    let app = App::start();
    assert_eq!(app.accounts.create_admin(T, form("root@example.com")).await.unwrap().role, Role::Admin);
    assert!(matches!(app.accounts.create_admin(T, form("ROOT@example.com")).await, Err(AccountError::EmailTaken)));
    let viewer = app.user("vic", Role::Viewer).await;
    assert!(matches!(app.accounts.create_admin(T, form("vic@example.com")).await, Err(AccountError::EmailTaken)));
    assert_eq!(app.accounts.user(T, viewer.id).await.unwrap().role, Role::Viewer, "an account is not promoted in passing");
}

#[tokio::test]
async fn setting_a_password_ends_every_session_and_lifts_the_lock() {
    let app = App::start();
    app.user("ann", Role::Viewer).await;
    let session = app.sign_in("ann").await.token;
    assert!(app.by_token(&session).await.is_ok());
    for _ in 0..3 {
        assert!(app.login("ann", "Wrong1234").await.is_err());
    }
    let (email, password) = (Email::new("ANN@example.com").unwrap(), NewPassword::new("Operator1").unwrap());
    app.accounts.set_password(T, &email, &password).await.unwrap();
    assert!(matches!(app.by_token(&session).await, Err(Denied::InvalidToken)));
    assert!(app.login("ann", "Operator1").await.is_ok());
    let ghost = Email::new("nobody@example.com").unwrap();
    assert!(matches!(app.accounts.set_password(T, &ghost, &password).await, Err(AccountError::UserNotFound)));
}
