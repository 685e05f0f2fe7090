//! How often requests may come: the program with its defaults, with presets, over several nodes.

mod nodes;

use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, PASSWORD, Reply, make_environment, make_key, start_with_admin};
use crate::server::{Launch, Server};

async fn login(client: &Client) -> Reply {
    client.post("/api/v1/auth/login", json!({ "email": "nobody@example.com", "password": "Wrong-1-password" })).await
}

async fn register(client: &Client, n: u32) -> Reply {
    let body = json!({ "name": "Ann", "email": format!("ann-{n}@example.com"), "password": PASSWORD });
    client.post("/api/v1/auth/register", body).await
}

async fn started(launch: Launch) -> (Server, Client) {
    let server = launch.start().await;
    let client = Client::new(&server);
    (server, client)
}

#[tokio::test]
async fn guessing_registering_and_mailing_are_limited_by_default() {
    let (_server, client) = started(Launch::over_sqlite().unset("RATE_LIMITS")).await;
    for _ in 0..5 {
        login(&client).await.expect(401);
    }
    let denied = login(&client).await;
    assert_eq!(denied.code(429), "RATE_LIMIT_EXCEEDED");
    let wait: u64 = denied.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=13).contains(&wait), "one of five a minute comes back every twelve seconds: {wait}");
    assert_eq!(denied.json()["meta"]["retryAfter"], json!(wait));
    assert_eq!(denied.header("ratelimit-policy"), Some(r#""login";q=5;w=60"#));
    for n in 0..3 {
        register(&client, n).await.expect(201);
    }
    register(&client, 3).await.expect(429);
    let reset = || client.post("/api/v1/auth/password-reset/request", json!({ "email": "ann-0@example.com" }));
    for _ in 0..3 {
        reset().await.expect(200);
    }
    reset().await.expect(429);
    // One back end behind one address must not starve itself.
    for _ in 0..300 {
        client.get("/api/v1/platforms").await.expect(200);
    }
}

#[tokio::test]
async fn what_the_original_intended_is_a_preset() {
    let launch = Launch::over_sqlite().set("RATE_LIMITS", "original").set("RATE_LIMIT_LOGIN", "off");
    let (server, admin) = start_with_admin(launch).await;
    make_environment(&admin).await;
    let (with_key, _, _) = make_key(&admin, &["config:read"]).await;
    let stranger = Client::new(&server);
    let mut passed = 0;
    while stranger.get("/api/v1/platforms").await.status == 200 {
        passed += 1;
    }
    assert!((90..=110).contains(&passed), "{passed}");
    // Evaluations are apart.
    let evaluated = stranger.get("/api/v1/platforms/web/environments/prod/flags/none/evaluate?userId=u").await;
    assert_eq!(evaluated.status, 404, "{}", evaluated.text());
    assert!(evaluated.header("ratelimit-policy").unwrap().starts_with("\"evaluation\";q=200"));
    // Who is known is not counted by address; a guess is.
    with_key.get("/api/v1/internal/webhook/cache/invalidations").await.expect(200);
    stranger.key("tb_live_guessed").get("/api/v1/internal/webhook/cache/invalidations").await.expect(429);
}

#[tokio::test]
async fn a_key_has_its_own_limit_and_may_have_an_exception() {
    let launch = Launch::over_sqlite().set("RATE_LIMIT_KEY", "2/1h");
    let (server, admin) = start_with_admin(launch.clone()).await;
    let (one, id, _) = make_key(&admin, &["config:read"]).await;
    let (two, _, _) = make_key(&admin, &["config:read"]).await;
    let get = |client: Client| async move { client.get("/api/v1/internal/webhook/cache/invalidations").await.status };
    assert_eq!([get(one.clone()).await, get(one.clone()).await, get(one.clone()).await], [200, 200, 429]);
    assert_eq!(get(two).await, 200);
    drop(server);
    let server = launch.set("RATE_LIMIT_EXCEPTIONS", format!("key:{id}=off")).start().await;
    let one = one.at(&server);
    for _ in 0..5 {
        assert_eq!(get(one.clone()).await, 200);
    }
}

#[tokio::test]
async fn the_summary_tells_limits_and_what_several_nodes_need() {
    let text = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let plain = Launch::over_sqlite().unset("RATE_LIMITS");
    let told = text(plain.run(&["check"], "").await);
    assert!(told.contains("limits: in memory") && told.contains("limit of sign-ins: 5 at once, then 1 every 12s"), "{told}");
    assert!(!told.contains("warning:"), "{told}");
    let told = text(plain.clone().set("RATE_LIMIT_NODES", "3").run(&["check"], "").await);
    assert!(told.contains("warning: limits are kept in memory"), "{told}");
    let told = text(plain.set("RATE_LIMIT_STORE", "redis://127.0.0.1:1").run(&["check"], "").await);
    assert!(told.contains("warning: the store of limits cannot be asked"), "{told}");
}

#[tokio::test]
async fn headers_can_be_older_ones_or_none() {
    for (dialect, header) in [("legacy", Some("x-ratelimit-limit")), ("none", None)] {
        let launch = Launch::over_sqlite().set("RATE_LIMIT_GENERAL", "9/1m").set("RATE_LIMIT_HEADERS", dialect);
        let (_server, client) = started(launch).await;
        let reply = client.get("/api/v1/platforms").await;
        assert_eq!(header.and_then(|name| reply.header(name)), header.map(|_| "9"), "{dialect}");
        assert_eq!(reply.header("ratelimit"), None);
    }
}

#[tokio::test]
async fn statistics_are_put_off_instead_of_denied() {
    let launch = Launch::over_sqlite().set("RATE_LIMIT_GENERAL", "5/1h");
    let (server, admin) = start_with_admin(launch).await;
    make_environment(&admin).await;
    let stranger = Client::new(&server);
    let report = || {
        let events: Vec<Value> = vec![json!({ "type": "config_fetch", "key": "k", "timestamp": "2026-01-01T00:00:00.000Z" })];
        stranger.post("/api/v1/platforms/web/environments/prod/stats/events", json!({ "events": events }))
    };
    for _ in 0..5 {
        assert_ne!(report().await.status, 503);
    }
    let put_off = report().await;
    assert_eq!(put_off.code(503), "SERVER_BUSY");
    assert!(put_off.header("retry-after").is_some());
}

#[tokio::test]
async fn a_proxy_that_nobody_told_of_is_pointed_out() {
    let (server, client) = started(Launch::over_sqlite().unset("RATE_LIMITS")).await;
    login(&client).await.expect(401);
    assert!(!server.log().contains("TRUSTED_PROXIES"), "{}", server.log());
    for client_of_proxy in ["192.0.2.1", "192.0.2.2"] {
        let body = json!({ "email": "nobody@example.com", "password": "Wrong-1-password" });
        let headers = [("x-forwarded-for", client_of_proxy)];
        client.send(Method::POST, "/api/v1/auth/login", Some(&body), &headers).await.expect(401);
    }
    let ended = server.stop().await;
    assert_eq!(ended.log.matches("set TRUSTED_PROXIES").count(), 1, "{}", ended.log);
}
