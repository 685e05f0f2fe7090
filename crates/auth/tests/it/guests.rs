//! People whose account is kept in another tenant.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;
use togglebox_auth::input::{Login, PasswordChange};
use togglebox_auth::{AccountError, Denied, Presented, Principal, Role, SignedIn, SignedInUser};
use togglebox_core::{Actor, TenantId};
use uuid::Uuid;

use crate::app::{App, PASSWORD, T, address};

/// Where guests come to; accounts are kept in [`T`].
const HERE: TenantId = TenantId::from_uuid(Uuid::from_u128(7));

fn login(name: &str, password: &str) -> Login {
    crate::app::login(&address(name), password)
}

async fn who(app: &App, tenant: TenantId, entered: &SignedIn) -> Result<SignedInUser, Denied> {
    let presented = Presented { bearer: Some(entered.token.expose_secret()), api_key: None };
    match &*app.authenticator.authenticate(tenant, presented).await? {
        Principal::User(caller) => Ok(caller.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_is_who_the_account_is_and_may_what_the_place_says() {
    let app = App::start();
    let account = app.user("ann", Role::Viewer).await;
    let checked = app.accounts.check_password(T, login("ann", PASSWORD)).await.unwrap();
    assert_eq!(checked, account);
    let guest = app.accounts.admit(HERE, &account, Role::Developer, &Actor::system()).await.unwrap();
    assert_eq!((guest.id, guest.role, &guest.email), (account.id, Role::Developer, &account.email));
    let entered = app.accounts.enter(HERE, &guest, None).await.unwrap();
    assert_eq!(who(&app, HERE, &entered).await.unwrap().user.role, Role::Developer);
    assert!(who(&app, T, &entered).await.is_err(), "nowhere else");
    assert_eq!(app.accounts.user(T, account.id).await.unwrap().role, Role::Viewer);
    // Up to date already: nothing is written.
    let again = app.accounts.admit(HERE, &account, Role::Developer, &Actor::system()).await.unwrap();
    assert_eq!(again.revision, guest.revision);
    let demoted = app.accounts.admit(HERE, &account, Role::Viewer, &Actor::system()).await.unwrap();
    assert!(demoted.revision > guest.revision);
    assert_eq!(who(&app, HERE, &entered).await.unwrap().user.role, Role::Viewer);
}

#[tokio::test]
async fn no_password_opens_a_guest() {
    let app = App::start();
    let account = app.user("ann", Role::Viewer).await;
    app.accounts.admit(HERE, &account, Role::Admin, &Actor::system()).await.unwrap();
    for password in [PASSWORD, "!", " "] {
        let tried = app.accounts.login(HERE, login("ann", password)).await;
        assert!(matches!(tried, Err(AccountError::InvalidCredentials | AccountError::Locked { .. })), "{tried:?}");
    }
}

#[tokio::test]
async fn who_is_turned_out_is_out_with_sessions_and_keys() {
    let app = App::start();
    let (account, owner) = (app.user("ann", Role::Viewer).await, app.user("bob", Role::Viewer).await);
    let guest = app.accounts.admit(HERE, &account, Role::Admin, &Actor::system()).await.unwrap();
    let entered = app.accounts.enter(HERE, &guest, None).await.unwrap();
    assert!(who(&app, HERE, &entered).await.is_ok());
    let last = app.accounts.turn_out(HERE, account.id, &Actor::system()).await;
    assert!(matches!(last, Err(AccountError::LastAdmin)));
    app.accounts.admit(HERE, &owner, Role::Admin, &Actor::system()).await.unwrap();
    app.accounts.turn_out(HERE, account.id, &Actor::system()).await.unwrap();
    app.accounts.turn_out(HERE, account.id, &Actor::system()).await.unwrap();
    assert!(who(&app, HERE, &entered).await.is_err());
    assert!(matches!(app.accounts.enter(HERE, &guest, None).await, Err(AccountError::InvalidCredentials)));
    assert!(app.accounts.user(T, account.id).await.is_ok(), "the account stays");
}

#[tokio::test]
async fn a_new_password_of_the_account_ends_what_the_old_one_opened() {
    let app = App::start();
    let account = app.user("ann", Role::Viewer).await;
    let guest = app.accounts.admit(HERE, &account, Role::Viewer, &Actor::system()).await.unwrap();
    let entered = app.accounts.enter(HERE, &guest, None).await.unwrap();
    let caller = who(&app, HERE, &entered).await.unwrap();
    assert!(app.accounts.stands_for(T, &caller).await.unwrap());
    app.clock.advance(Duration::from_secs(1));
    let form = json!({ "currentPassword": PASSWORD, "newPassword": "Parola124!" });
    let form = PasswordChange::read(Some(&form)).unwrap();
    let owner = SignedInUser { user: account, session: None };
    let changed = app.accounts.change_password(T, &owner, form).await.unwrap();
    assert!(!app.accounts.stands_for(T, &caller).await.unwrap());
    assert!(who(&app, HERE, &entered).await.is_ok(), "not yet: the guest has not been told");
    let told = app.accounts.admit(HERE, &changed, Role::Viewer, &Actor::system()).await.unwrap();
    assert!(who(&app, HERE, &entered).await.is_err());
    // Whoever was let in before cannot go on from there.
    assert!(matches!(app.accounts.enter(HERE, &guest, None).await, Err(AccountError::InvalidCredentials)));
    assert!(app.accounts.enter(HERE, &told, None).await.is_ok());
}

#[tokio::test]
async fn whoever_comes_for_a_reason_leaves_it_each_time() {
    let app = App::start();
    let account = app.user("ann", Role::Admin).await;
    let actor = Actor::user(account.id.to_string(), account.email.as_str());
    for reason in ["ticket 1", "ticket 2"] {
        app.clock.advance(Duration::from_secs(1));
        let guest = app.accounts.admit_because(HERE, &account, Role::Developer, &actor, reason).await.unwrap();
        app.accounts.enter(HERE, &guest, None).await.unwrap();
    }
    let told: Vec<_> = app.store.audit(HERE).into_iter().filter_map(|record| record.after?.get("reason").cloned()).collect();
    assert_eq!(told, ["ticket 1", "ticket 2"]);
}
