//! How often requests may come.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::HeaderValue;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse, web};
use serde_json::{Value, json};
use togglebox_core::{SeededEntropy, TenantId};
use togglebox_ratelimit::headers::{Dialect, Told};
use togglebox_ratelimit::{Fact, LimitStore, Limiter, ManualStopwatch, MemoryStore, Mode, OnOutage, Policy, Quota, Subject};

use super::rig::{Answer, PUBLIC, Plan, Rig};
use crate::ApiLimits;
use crate::limiting::RateLimit;

struct Limited {
    rig: Rig,
    clock: Arc<ManualStopwatch>,
}

fn policy(name: &str, facts: &[Fact], limit: u32, routes: &[&str]) -> Policy {
    let quota = Quota::rate(limit, Duration::from_mins(1)).full_burst().unwrap();
    Policy::new(name, facts, quota).unwrap().for_routes(routes.iter().copied())
}

impl Limited {
    async fn by(policies: impl IntoIterator<Item = Policy>) -> Self {
        Self::with(policies, |_| {}).await
    }

    async fn with(policies: impl IntoIterator<Item = Policy>, change: impl FnOnce(&mut Plan)) -> Self {
        let clock = Arc::new(ManualStopwatch::new(1_000_000));
        let store: Arc<dyn LimitStore> = Arc::new(MemoryStore::with(1000, Arc::<ManualStopwatch>::clone(&clock)));
        let limiter = Limiter::over(store).policies(policies).stopwatch(Arc::<ManualStopwatch>::clone(&clock)).build().unwrap();
        let limits = ApiLimits {
            limiter,
            proxies: 0,
            dialect: Dialect::Draft,
            told: Told::Binding,
            entropy: Arc::new(SeededEntropy::new(1)),
        };
        let mut plan = Plan { limits: Some(limits), ..Plan::default() };
        change(&mut plan);
        Self { rig: Rig::with(plan).await, clock }
    }

    /// A request of a stranger at this address.
    async fn from(&self, address: &str, method: Method, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let peer = SocketAddr::new(address.parse().unwrap(), 4711);
        let mut request = TestRequest::with_uri(path).method(method).peer_addr(peer);
        if let Some(body) = body {
            request = request.set_json(body);
        }
        for header in headers {
            request = request.insert_header(*header);
        }
        let app = init_service(App::new().configure(self.rig.api.routes())).await;
        Answer::of(call_service(&app, request.to_request()).await).await
    }

    async fn get(&self, address: &str, path: &str) -> Answer {
        self.from(address, Method::GET, path, None, &[]).await
    }

    async fn login(&self, address: &str) -> Answer {
        let body = json!({ "email": "nobody@example.com", "password": "Wrong-1-password" });
        self.from(address, Method::POST, "/api/v1/auth/login", Some(body), &[]).await
    }
}

fn flags() -> String {
    format!("{PUBLIC}/flags")
}

#[actix_web::test]
async fn who_comes_too_often_is_told_when_to_come_again() {
    let limited = Limited::by([policy("general", &[Fact::Address], 3, &["read"])]).await;
    limited.rig.furnish().await;
    for left in [2, 1, 0] {
        let answer = limited.get("192.0.2.1", &flags()).await;
        answer.expect(200);
        assert_eq!(answer.header("ratelimit-policy"), Some(r#""general";q=3;w=60"#));
        assert!(answer.header("ratelimit").unwrap().starts_with(&format!(r#""general";r={left};"#)), "{answer:?}");
    }
    let answer = limited.get("192.0.2.1", &flags()).await;
    answer.expect(429);
    // Rounded up, and up to three in a hundred more.
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((20..=21).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("ratelimit"), Some(r#""general";r=0;t=20"#));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    assert!(exposed.contains("RateLimit-Policy") && exposed.contains("Retry-After"), "{exposed}");
    let body = answer.json();
    assert_eq!(body["success"], false);
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(body["meta"]["retryAfter"], seconds);
    assert_eq!(body["meta"]["policy"], "general");
    assert!(body["meta"]["requestId"].is_string() && body["timestamp"].is_string() && body["error"].is_string());
    // Another address, another route class, and the same one after the time that it was told.
    limited.get("192.0.2.2", &flags()).await.expect(200);
    limited.get("192.0.2.1", &format!("{PUBLIC}/flags/a/evaluate?userId=u")).await.expect(200);
    limited.get("192.0.2.1", "/health").await.expect(200);
    limited.clock.advance(Duration::from_secs(20));
    limited.get("192.0.2.1", &flags()).await.expect(200);
}

#[actix_web::test]
async fn what_is_answered_from_memory_and_what_has_to_wait_count_alike_and_once() {
    let limited = Limited::by([policy("general", &[Fact::Address], 10, &["read"])]).await;
    limited.rig.furnish().await;
    let remaining = |answer: &Answer| answer.header("ratelimit").unwrap().to_owned();
    // The first request has to load the environment, the others find it.
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(remaining(&limited.get("192.0.2.1", &flags()).await));
    }
    // A waiting route, a path without route, a bad query, a 304.
    seen.push(remaining(&limited.get("192.0.2.1", "/api/v1/platforms").await));
    seen.push(remaining(&limited.get("192.0.2.1", "/api/v1/nothing").await));
    let tag = limited.rig.get(&flags()).await.header("etag").unwrap().to_owned();
    let headers = [("if-none-match", tag.as_str())];
    let unchanged = limited.from("192.0.2.1", Method::GET, &flags(), None, &headers).await;
    seen.push(remaining(unchanged.expect(304)));
    let left: Vec<&str> = seen.iter().map(|text| text.split([';', '=']).nth(2).unwrap()).collect();
    assert_eq!(left, ["9", "8", "7", "6", "5", "4"]);
}

#[actix_web::test]
async fn guessing_is_limited_by_where_it_comes_from() {
    let login = policy("login", &[Fact::Address], 5, &["login"]).on_outage(OnOutage::Closed);
    let limited = Limited::by([login, policy("general", &[Fact::Address], 4, &["read", "write"])]).await;
    for _ in 0..5 {
        limited.login("192.0.2.1").await.expect(401);
    }
    limited.login("192.0.2.1").await.expect(429);
    limited.login("192.0.2.9").await.expect(401);
    // A key that is guessed, on a route that wants one.
    let guess = |n: u32| {
        let key = format!("tb_{n:032}");
        let limited = &limited;
        async move {
            let headers = [("x-api-key", key.as_str())];
            limited.from("192.0.2.1", Method::GET, "/api/v1/users", None, &headers).await
        }
    };
    for n in 0..4 {
        guess(n).await.expect(401);
    }
    let answer = guess(5).await;
    answer.expect(429);
    assert_eq!(answer.json()["code"], "RATE_LIMIT_EXCEEDED");
}

#[actix_web::test]
async fn who_is_known_is_not_counted_by_address() {
    let policies = [policy("general", &[Fact::Address], 1, &["read"]), policy("user", &[Fact::Tenant, Fact::User], 3, &["read"])];
    let limited = Limited::by(policies).await;
    limited.rig.furnish().await;
    let bearer = limited.rig.bearer();
    let headers = [("authorization", bearer.as_str())];
    let path = "/api/v1/users";
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.1"] {
        limited.from(address, Method::GET, path, None, &headers).await.expect(200);
    }
    let denied = limited.from("192.0.2.3", Method::GET, path, None, &headers).await;
    denied.expect(429);
    assert_eq!(denied.json()["meta"]["policy"], "user");
}

#[actix_web::test]
async fn a_mailbox_is_not_filled_from_many_addresses() {
    let by_address = policy("password-reset", &[Fact::Address], 10, &["password-reset"]);
    let by_mailbox = policy("password-reset-mailbox", &[Fact::Account], 3, &["password-reset"]);
    let limited = Limited::by([by_address, by_mailbox]).await;
    let ask = |address: &'static str, email: &'static str| {
        let body = json!({ "email": email });
        limited.from(address, Method::POST, "/api/v1/auth/password-reset/request", Some(body), &[])
    };
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        ask(address, "ann@example.com").await.expect(200);
    }
    let denied = ask("192.0.2.4", "ANN@example.com").await;
    denied.expect(429);
    assert_eq!(denied.json()["meta"]["policy"], "password-reset-mailbox");
    assert!(denied.header("ratelimit").unwrap().starts_with(r#""password-reset-mailbox";r=0;"#), "{denied:?}");
    ask("192.0.2.4", "nobody@example.com").await.expect(200);
}

#[actix_web::test]
async fn reports_are_put_off_and_not_denied() {
    let limited = Limited::by([policy("general", &[Fact::Address], 1, &["statistics"])]).await;
    limited.rig.furnish().await;
    let path = format!("{PUBLIC}/stats/events");
    let report = || limited.from("192.0.2.1", Method::POST, &path, Some(json!({ "events": [] })), &[]);
    assert_ne!(report().await.status, 503);
    let answer = report().await;
    answer.expect(503);
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.json()["code"], "SERVER_BUSY");
}

#[actix_web::test]
async fn behind_a_proxy_the_client_is_who_the_proxy_says() {
    let limited = Limited::with([policy("general", &[Fact::Address], 1, &["read"])], |plan| {
        plan.limits.as_mut().unwrap().proxies = 1;
    });
    let limited = limited.await;
    limited.rig.furnish().await;
    let via = |forwarded: &'static str| {
        let headers = [("x-forwarded-for", forwarded)];
        let limited = &limited;
        async move { limited.from("10.0.0.1", Method::GET, &flags(), None, &headers).await }
    };
    via("203.0.113.7").await.expect(200);
    via("203.0.113.8").await.expect(200);
    via("198.51.100.1, 203.0.113.7").await.expect(429);
    // What is no text stands there because the client wrote it, and the proxy has appended to it.
    let garbled = HeaderValue::from_bytes(b"\xff, 203.0.113.7").unwrap();
    let peer = SocketAddr::new("10.0.0.1".parse().unwrap(), 4711);
    let request = TestRequest::with_uri(&flags()).peer_addr(peer).insert_header(("x-forwarded-for", garbled));
    let app = init_service(App::new().configure(limited.rig.api.routes())).await;
    assert_eq!(call_service(&app, request.to_request()).await.status(), 429);
    // A proxy on a Unix socket has no address of its own.
    let by_socket = TestRequest::with_uri(&flags()).insert_header(("x-forwarded-for", "203.0.113.7"));
    assert_eq!(call_service(&app, by_socket.to_request()).await.status(), 429);
}

#[actix_web::test]
async fn a_policy_that_only_warns_says_so_and_a_shadow_says_nothing() {
    let warn = policy("warns", &[Fact::Address], 2, &["read"]).mode(Mode::Warn);
    let shadow = policy("shadow", &[Fact::Address], 1, &["read"]).mode(Mode::Shadow);
    let limited = Limited::by([warn, shadow]).await;
    limited.rig.furnish().await;
    let mut warned = Vec::new();
    for _ in 0..4 {
        let answer = limited.get("192.0.2.1", &flags()).await;
        answer.expect(200);
        assert_eq!(answer.header("ratelimit"), None);
        warned.push(answer.header("x-ratelimit-warning").map(str::to_owned));
    }
    assert_eq!(warned, [None, Some("warns".to_owned()), Some("warns".to_owned()), Some("warns".to_owned())]);
}

fn key_of(request: &ServiceRequest) -> Subject<'_> {
    let subject = Subject::of("read").tenant(TenantId::DEFAULT);
    match request.headers().get("x-key") {
        Some(key) => subject.key(key.as_bytes()),
        None => subject,
    }
}

#[actix_web::test]
async fn any_app_can_wear_limits() {
    let quota = Quota::rate(1, Duration::from_secs(10)).burst(2).unwrap();
    let limiter = Limiter::over(Arc::new(MemoryStore::new()))
        .policy(Policy::new("key", &[Fact::Tenant, Fact::Key], quota).unwrap())
        .build()
        .unwrap();
    let limits = RateLimit::new(limiter, key_of).dialect(Dialect::Legacy);
    let app = App::new().wrap(limits).route("/", web::get().to(|| async { HttpResponse::Ok().body("hello") }));
    let app = init_service(app).await;
    let ask = |key: &'static str| TestRequest::get().uri("/").insert_header(("x-key", key)).to_request();
    for left in ["1", "0"] {
        let response = call_service(&app, ask("one")).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get("x-ratelimit-remaining").unwrap(), left);
        assert_eq!(read_body(response).await, "hello");
    }
    let denied = Answer::of(call_service(&app, ask("one")).await).await;
    denied.expect(429);
    assert_eq!(denied.json()["code"], "RATE_LIMIT_EXCEEDED");
    assert!(denied.header("retry-after").is_some());
    assert_eq!(call_service(&app, ask("two")).await.status(), 200);
}
