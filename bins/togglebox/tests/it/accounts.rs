//! Signing in and out, lost passwords, API keys.

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::{Value, json};

use crate::client::{ADMIN, Client, PASSWORD, Reply, make_environment, make_key, make_user, sign_in, start_with_admin};
use crate::server::{Launch, Server, eventually};

async fn me(client: &Client) -> Reply {
    client.get("/api/v1/users/me").await
}

async fn refresh(client: &Client) -> Client {
    let data = client.post("/api/v1/auth/refresh", json!({})).await.data(200);
    client.token(data["token"].as_str().unwrap())
}

/// An error's body without what is of this request only.
fn masked(reply: &Reply) -> (u16, Value) {
    let mut body = reply.json();
    body["timestamp"] = json!(null);
    body["meta"]["requestId"] = json!(null);
    (reply.status, body)
}

#[tokio::test]
async fn strangers_register_as_viewers_and_sign_in_whatever_the_case_of_their_address() {
    let server = Server::start().await;
    let client = Client::new(&server);
    let body = json!({ "name": "Ann", "email": "Ann@Example.com", "password": PASSWORD, "role": "admin" });
    let data = client.post("/api/v1/auth/register", body).await.data(201);
    assert_eq!([&data["role"], &data["name"]], ["viewer", "Ann"]);
    assert!(data.get("token").is_none() && data.get("passwordHash").is_none(), "{data}");
    let body = json!({ "name": "Ann", "email": "ANN@example.COM", "password": PASSWORD });
    assert_eq!(client.post("/api/v1/auth/register", body).await.code(409), "ALREADY_EXISTS");

    let user = client.token(&sign_in(&client, "aNN@EXAMPLE.com", PASSWORD).await);
    assert_eq!(me(&user).await.data(200)["id"], data["id"]);
    let body = json!({ "email": "ann@example.com", "password": "wrong" });
    assert_eq!(client.post("/api/v1/auth/login", body).await.code(401), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn registration_can_be_switched_off() {
    let (_server, admin) = start_with_admin(Launch::new().set("ENABLE_REGISTRATION", "false")).await;
    let body = json!({ "name": "Ann", "email": "ann@example.com", "password": PASSWORD });
    assert_eq!(admin.anonymous().post("/api/v1/auth/register", body).await.code(403), "REGISTRATION_DISABLED");
    let (viewer, _) = make_user(&admin, "bob@example.com", "viewer").await;
    assert_eq!(me(&viewer).await.data(200)["email"], "bob@example.com");
}

/// That a token which comes back after its grace ends the session takes a minute: the tests of the accounts have a clock to turn.
#[tokio::test]
async fn a_token_stays_good_for_a_while_after_it_was_replaced() {
    let (server, first) = start_with_admin(Launch::new()).await;
    let second = refresh(&first).await;
    // Other windows come a little later, some of them to a process that has not met these tokens yet.
    let elsewhere = server.launch().start().await;
    let third = refresh(&first.at(&elsewhere)).await;
    let fourth = refresh(&second).await;
    for token in [&first, &second, &third, &fourth] {
        me(&token.at(&server)).await.expect(200);
        me(&token.at(&elsewhere)).await.expect(200);
    }
    fourth.at(&elsewhere).post("/api/v1/auth/logout", json!({})).await.expect(200);
    for token in [&first, &second, &third, &fourth] {
        assert_eq!(me(&token.at(&elsewhere)).await.code(401), "UNAUTHORIZED", "they are all of one session");
    }
}

#[tokio::test]
async fn signing_out_ends_this_session_only() {
    let (_server, one) = start_with_admin(Launch::new()).await;
    let other = one.token(&sign_in(&one, ADMIN, PASSWORD).await);
    one.post("/api/v1/auth/logout", json!({})).await.expect(200);
    assert_eq!(me(&one).await.code(401), "UNAUTHORIZED");
    me(&other).await.expect(200);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let (_server, here) = start_with_admin(Launch::new()).await;
    let elsewhere = here.token(&sign_in(&here, ADMIN, PASSWORD).await);
    let change = |current: &str| json!({ "currentPassword": current, "newPassword": "Another-Horse-2" });
    let refused = here.post("/api/v1/users/me/password", change("wrong")).await;
    assert_eq!(refused.code(400), "WRONG_PASSWORD", "a 401 would sign the admin UI out");
    me(&elsewhere).await.expect(200);

    here.post("/api/v1/users/me/password", change(PASSWORD)).await.expect(200);
    assert_eq!(me(&elsewhere).await.code(401), "UNAUTHORIZED");
    me(&here).await.expect(200);
    let old = here.anonymous().post("/api/v1/auth/login", json!({ "email": ADMIN, "password": PASSWORD })).await;
    assert_eq!(old.code(401), "INVALID_CREDENTIALS");
    sign_in(&here, ADMIN, "Another-Horse-2").await;
}

#[tokio::test]
async fn guessing_is_stopped_and_tells_nothing_about_who_has_an_account() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    let anonymous = admin.anonymous();
    let mut told = Vec::new();
    for email in [ADMIN, "nobody@example.com"] {
        let mut answers = Vec::new();
        for _ in 0..11 {
            let reply = anonymous.post("/api/v1/auth/login", json!({ "email": email, "password": "Wrong-Horse-1" })).await;
            assert_eq!(reply.header("retry-after").is_some(), reply.status == 429);
            answers.push(masked(&reply));
        }
        assert_eq!((answers[9].0, answers[10].0), (401, 429));
        told.push(answers);
    }
    assert_eq!(told[0], told[1]);
    let right = anonymous.post("/api/v1/auth/login", json!({ "email": ADMIN.to_uppercase(), "password": PASSWORD })).await;
    assert_eq!(right.code(429), "TOO_MANY_ATTEMPTS", "neither case nor the right password helps");
    me(&admin).await.expect(200);
}

#[tokio::test]
async fn a_key_may_do_what_its_permissions_say_and_is_void_when_it_is_revoked() {
    let (_server, admin) = start_with_admin(Launch::new().set("ENABLE_AUTHENTICATION", "true")).await;
    make_environment(&admin).await;
    let (reader, ..) = make_key(&admin, &["config:read"]).await;
    let (writer, id, text) = make_key(&admin, &["config:read", "config:write"]).await;
    assert!(text.starts_with("tbx_live_"), "{text}");

    let body = || json!({ "description": "by key" });
    let path = "/api/v1/internal/platforms/web";
    let refused = reader.patch(path, body()).await;
    assert_eq!(
        (refused.code(403).as_str(), &refused.json()["meta"]["requiredPermission"]),
        ("FORBIDDEN", &json!("config:write"))
    );
    writer.patch(path, body()).await.expect(200);
    reader.get("/api/v1/internal/webhook/cache/invalidations").await.expect(200);
    reader.get("/api/v1/platforms/web").await.expect(200);
    assert_eq!(reader.get("/api/v1/users/me").await.code(401), "UNAUTHORIZED", "a key is not a user");

    admin.delete(&format!("/api/v1/api-keys/{id}")).await.expect(200);
    assert_eq!(writer.patch(path, body()).await.code(401), "UNAUTHORIZED");
    assert_eq!(writer.get("/api/v1/platforms/web").await.code(401), "UNAUTHORIZED");
    reader.get("/api/v1/platforms/web").await.expect(200);

    let listed = admin.get("/api/v1/api-keys").await.text();
    assert!(!listed.contains(&text), "a key is shown once");
}

#[tokio::test]
async fn nobody_gives_a_key_more_than_they_have() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    let (viewer, _) = make_user(&admin, "viewer@example.com", "viewer").await;
    let body = json!({ "name": "more", "permissions": ["config:read", "config:write"] });
    assert_eq!(viewer.post("/api/v1/api-keys", body).await.code(403), "FORBIDDEN");
}

#[tokio::test]
async fn what_one_process_revokes_is_void_in_the_others_soon() {
    let (one, admin) = start_with_admin(Launch::new()).await;
    let other = one.launch().start().await;
    let (user, id) = make_user(&admin, "ann@example.com", "admin").await;
    let (key, key_id, _) = make_key(&admin, &["user:manage"]).await;
    let (user, key) = (user.at(&other), key.at(&other));
    let session = admin.token(&sign_in(&admin, ADMIN, PASSWORD).await).at(&other);
    me(&user).await.expect(200);
    me(&session).await.expect(200);
    key.get("/api/v1/internal/users").await.expect(200);

    admin.delete(&format!("/api/v1/api-keys/{key_id}")).await.expect(200);
    admin.delete(&format!("/api/v1/internal/users/{id}")).await.expect(200);
    session.at(&one).post("/api/v1/auth/logout", json!({})).await.expect(200);
    eventually("the key is void there, too", async || key.get("/api/v1/internal/users").await.status == 401).await;
    eventually("the user is gone there, too", async || me(&user).await.status == 401).await;
    eventually("the session is over there, too", async || me(&session).await.status == 401).await;
}

#[tokio::test]
async fn the_last_admin_stays_one() {
    let (_server, admin) = start_with_admin(Launch::new()).await;
    let (other, id) = make_user(&admin, "other@example.com", "admin").await;
    let own = me(&admin).await.data(200)["id"].as_str().unwrap().to_owned();
    other.patch(&format!("/api/v1/internal/users/{own}/role"), json!({ "role": "viewer" })).await.expect(200);
    let demoted = other.patch(&format!("/api/v1/internal/users/{id}/role"), json!({ "role": "viewer" })).await;
    assert!((400..500).contains(&demoted.status), "{}", demoted.text());
    let deleted = other.delete(&format!("/api/v1/internal/users/{id}")).await;
    assert!((400..500).contains(&deleted.status), "{}", deleted.text());
    assert_eq!(me(&other).await.data(200)["role"], "admin");
}

#[tokio::test]
async fn a_lost_password_is_replaced_by_mail() {
    let Some((address, maildir)) = mail_server() else { return };
    let (host, port) = address.rsplit_once(':').expect("host:port");
    let settings = [("SMTP_HOST", host), ("SMTP_PORT", port), ("SMTP_TLS", "none"), ("APP_URL", "https://admin.example.com/ui/")];
    let (_server, admin) = start_with_admin(Launch::new().set_all(&settings)).await;
    let anonymous = admin.anonymous();
    // The mail server is shared with other runs: the address is not.
    let email = format!("lost-{}@example.com", std::process::id());
    let (session, _) = make_user(&admin, &email, "developer").await;
    let (key, ..) = make_key(&session, &["config:read"]).await;

    let ask = async |email: &str| {
        let reply = anonymous.post("/api/v1/auth/password-reset/request", json!({ "email": email })).await;
        masked(reply.expect(200))
    };
    assert_eq!(ask(&email.to_uppercase()).await, ask("nobody@example.com").await, "the answer tells nothing");
    eventually("a mail arrives", async || !mails_to(&maildir, &email).is_empty()).await;
    let mail = mails_to(&maildir, &email).remove(0);
    let token = token_of(&mail, "https://admin.example.com/ui/password-reset/complete/");
    assert!(mails_to(&maildir, "nobody@example.com").is_empty());

    let verify = async |token: &str| anonymous.post("/api/v1/auth/password-reset/verify", json!({ "token": token })).await;
    assert_eq!(verify(&token).await.data(200)["email"], email);
    assert_eq!(verify(&"0".repeat(64)).await.code(400), "INVALID_RESET_TOKEN");

    let complete = async |password: &str| {
        let body = json!({ "token": token, "newPassword": password });
        anonymous.post("/api/v1/auth/password-reset/complete", body).await
    };
    assert_eq!(complete("weak").await.code(422), "VALIDATION_FAILED");
    complete("Brand-New-Horse-3").await.expect(200);
    assert_eq!(complete("Brand-New-Horse-4").await.code(400), "INVALID_RESET_TOKEN", "a token works once");
    assert_eq!(verify(&token).await.code(400), "INVALID_RESET_TOKEN");

    assert_eq!(me(&session).await.code(401), "UNAUTHORIZED", "the old session is over");
    let old = anonymous.post("/api/v1/auth/login", json!({ "email": email, "password": PASSWORD })).await;
    assert_eq!(old.code(401), "INVALID_CREDENTIALS");
    let session = anonymous.token(&sign_in(&anonymous, &email, "Brand-New-Horse-3").await);
    assert_eq!(me(&session).await.data(200)["email"], email);
    key.get("/api/v1/internal/webhook/cache/invalidations").await.expect(200);
}

/// The mail server that `cargo xtask test` starts. Without one there is nothing to test with; a run in CI has to have it.
pub(crate) fn mail_server() -> Option<(String, PathBuf)> {
    let variable = |name| env::var_os(name).map(|value| value.into_string().expect("text"));
    let server = variable("TOGGLEBOX_TEST_SMTP").zip(variable("TOGGLEBOX_TEST_SMTP_MAILDIR").map(PathBuf::from));
    if server.is_none() {
        assert!(env::var_os("CI").is_none(), "no mail server: run the tests with `cargo xtask test`");
        println!("no mail server: skipped; `cargo xtask test` brings one");
    }
    server
}

/// Mails to this address, undone of their encoding for transport.
pub(crate) fn mails_to(maildir: &Path, email: &str) -> Vec<String> {
    let files = fs::read_dir(maildir.join("new")).into_iter().flatten();
    let mails = files.filter_map(|file| fs::read_to_string(file.ok()?.path()).ok());
    mails
        .filter(|mail| mail.lines().any(|line| line.to_ascii_lowercase() == format!("to: {email}")))
        .map(|mail| mail.replace("=\r\n", "").replace("=\n", "").replace("=3D", "="))
        .collect()
}

/// The token in the link that begins like this.
pub(crate) fn token_of(mail: &str, link: &str) -> String {
    let token = mail.split(link).nth(1).unwrap_or_else(|| panic!("no link in {mail}"));
    let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
    assert!(token.len() >= 32, "{mail}");
    token
}
