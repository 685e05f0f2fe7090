//! Before a service of tower.

use std::convert::Infallible;

use ::tower::{ServiceBuilder, ServiceExt as _, service_fn};
use http::request::Parts;
use http::{Request, Response};
use togglebox_core::testkit::{At, Fault};
use togglebox_ratelimit::headers::{Dialect, Told};
use togglebox_ratelimit::tower::RateLimitLayer;
use togglebox_ratelimit::{OnOutage, Policy};

use super::*;

fn subject(request: &Parts) -> Subject<'_> {
    let subject = Subject::of("read").tenant(TENANT);
    match request.headers.get("x-key") {
        Some(key) => subject.key(key.as_bytes()),
        None => subject,
    }
}

async fn hello(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".to_owned()))
}

fn request(key: &str) -> Request<String> {
    Request::builder().header("x-key", key).body(String::new()).unwrap()
}

fn by_key(outage: OnOutage) -> Policy {
    Policy::new("key", &[Fact::Tenant, Fact::Key], per_second(1, 2)).unwrap().on_outage(outage)
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_often_is_turned_away_and_everybody_is_told() {
    let rig = Rig::new();
    let limiter = rig.limiter().policy(by_key(OnOutage::Local)).build().unwrap();
    let layer = RateLimitLayer::new(limiter, subject).dialect(Dialect::Draft).told(Told::All);
    let service = ServiceBuilder::new().layer(layer).service_fn(hello);
    for left in [1, 0] {
        let response = service.clone().oneshot(request("one")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["ratelimit-policy"], "\"key\";q=2;w=2");
        assert!(response.headers()["ratelimit"].to_str().unwrap().starts_with(&format!("\"key\";r={left};")));
        assert_eq!(response.into_body(), "hello");
    }
    let denied = service.clone().oneshot(request("one")).await.unwrap();
    assert_eq!(denied.status(), 429);
    assert!(["1", "2"].contains(&denied.headers()["retry-after"].to_str().unwrap()));
    assert_eq!(denied.headers()["cache-control"], "no-store");
    let body: serde_json::Value = serde_json::from_str(denied.body()).unwrap();
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(body["meta"]["policy"], "key");
    assert!(body["timestamp"].is_string() && body["success"] == false);
    assert_eq!(service.clone().oneshot(request("two")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn where_a_closed_policy_cannot_be_asked_it_is_no_fault_of_the_client() {
    let rig = Rig::new();
    rig.faults.inject(At::any().always(), Fault::Before);
    let limiter = rig.limiter().policy(by_key(OnOutage::Closed)).build().unwrap();
    let service = ServiceBuilder::new().layer(RateLimitLayer::new(limiter, subject)).service(service_fn(hello));
    let response = service.oneshot(request("one")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}
