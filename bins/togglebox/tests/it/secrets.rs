//! No secret in any log line, however much is logged.

use serde_json::json;

use crate::accounts::{mail_server, mails_to, token_of};
use crate::client::{ADMIN, PASSWORD, config, flag, make_environment, make_key, make_user, sign_in, start_with_admin};
use crate::client::{INTERNAL, PUBLIC};
use crate::server::{Launch, eventually};

#[tokio::test]
async fn a_whole_journey_leaves_no_secret_in_the_log() {
    let mail = mail_server();
    let (jwt, keys, smtp) =
        ("jwt-Zm9vYmFyYmF6-quux-0123456789-abc", "keys-aGVsbG8gd29ybGQ-0123456789-xyz-9", "smtp-Pa55-word-Qx");
    let mut launch = Launch::new().set_all(&[("LOG_LEVEL", "trace"), ("JWT_SECRET", jwt), ("API_KEY_SECRET", keys)]);
    launch = launch.set("JWT_SECRET_PREVIOUS", "older-Zm9vYmFyYmF6-quux-0123456789-abc");
    if let Some((address, _)) = &mail {
        let (host, port) = address.rsplit_once(':').expect("host:port");
        launch = launch.set_all(&[("SMTP_HOST", host), ("SMTP_PORT", port), ("SMTP_TLS", "none")]);
    } else {
        launch = launch.set_all(&[("SMTP_HOST", "127.0.0.1"), ("SMTP_PORT", "9"), ("SMTP_TLS", "none")]);
        launch = launch.set_all(&[("SMTP_USER", "mailer"), ("SMTP_PASS", smtp)]);
    }
    let mut secrets: Vec<String> =
        [jwt, keys, smtp, "older-Zm9vYmFyYmF6-quux-0123456789-abc", PASSWORD].map(str::to_owned).into();

    let made = launch.run(&["admin", "create", "--email", "cli@example.com", "--password-stdin"], PASSWORD).await;
    let mut written = format!("{}{}", String::from_utf8_lossy(&made.stdout), String::from_utf8_lossy(&made.stderr));
    let (server, admin) = start_with_admin(launch).await;
    let anonymous = admin.anonymous();
    make_environment(&admin).await;
    admin.post(&format!("{INTERNAL}/configs"), config("title", "Shop")).await.expect(201);
    admin.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);

    let email = format!("secret-{}@example.com", std::process::id());
    let registered = "Registered-Horse-5";
    anonymous.post("/api/v1/auth/register", json!({ "name": "Ann", "email": email, "password": registered })).await.expect(201);
    let token = sign_in(&anonymous, &email, registered).await;
    let user = anonymous.token(&token);
    let refreshed = user.post("/api/v1/auth/refresh", json!({})).await.data(200)["token"].as_str().unwrap().to_owned();
    let user = anonymous.token(&refreshed);
    let changed = "Changed-Horse-6";
    let body = json!({ "currentPassword": registered, "newPassword": changed });
    user.post("/api/v1/users/me/password", body).await.expect(200);
    let (developer, _) = make_user(&admin, "developer@example.com", "developer").await;
    let (key, id, text) = make_key(&developer, &["config:read", "config:write"]).await;
    key.get(&format!("{PUBLIC}/flags")).await.expect(200);
    key.put(&format!("{INTERNAL}/flags/dark"), json!({ "name": "Dark" })).await.expect(200);
    developer.delete(&format!("/api/v1/api-keys/{id}")).await.expect(200);
    key.put(&format!("{INTERNAL}/flags/dark"), json!({ "name": "Dark" })).await.expect(401);
    secrets.extend([registered, &token, &refreshed, changed, &text].map(str::to_owned));

    // Where mistakes put secrets: wrong passwords, broken bodies, credentials in the wrong place.
    let guessed = "Guessed-Horse-7";
    anonymous.post("/api/v1/auth/login", json!({ "email": ADMIN, "password": guessed })).await.expect(401);
    anonymous.post("/api/v1/auth/login", json!([guessed])).await.expect(422);
    anonymous.post("/api/v1/auth/register", json!({ "name": guessed, "email": ADMIN, "password": [guessed] })).await.expect(422);
    anonymous.token(guessed).get("/api/v1/users/me").await.expect(401);
    anonymous.key("tbx_live_Guessed-Horse-7-Guessed-Horse-7-Guessed-Horse-7").get("/api/v1/internal/users").await.expect(401);
    anonymous.get(&format!("/api/v1/users/me?token={token}")).await.expect(401);
    secrets.push(guessed.to_owned());

    anonymous.post("/api/v1/auth/password-reset/request", json!({ "email": email })).await.expect(200);
    if let Some((_, maildir)) = &mail {
        eventually("a mail arrives", async || !mails_to(maildir, &email).is_empty()).await;
        let token = token_of(&mails_to(maildir, &email).remove(0), "/password-reset/complete/");
        anonymous.post("/api/v1/auth/password-reset/verify", json!({ "token": token })).await.expect(200);
        let body = json!({ "token": token, "newPassword": "Reset-Horse-8" });
        anonymous.post("/api/v1/auth/password-reset/complete", body).await.expect(200);
        secrets.extend([token, "Reset-Horse-8".to_owned()]);
    }
    user.post("/api/v1/auth/logout", json!({})).await;

    let ended = server.stop().await;
    written += &ended.output;
    written += &ended.log;
    assert!(ended.log.contains(r#""level":"TRACE""#), "everything is logged");
    assert!(ended.log.contains("/api/v1/auth/login"), "requests are logged");
    for secret in secrets {
        let lines: Vec<&str> = written.lines().filter(|line| line.contains(&secret)).take(3).collect();
        assert!(lines.is_empty(), "{secret} is logged: {lines:#?}");
        // A token's signature alone is worth nothing, but its claims and signature together must not be put together from parts.
        if let Some((_, signature)) = secret.rsplit_once('.').filter(|(_, signature)| signature.len() > 20) {
            assert!(!written.contains(signature), "a signature is logged");
        }
    }
}
