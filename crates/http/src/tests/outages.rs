//! What goes on while the store is away, and what is said of it.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::rig::{INTERNAL, PUBLIC, Rig};
use crate::reply::Caching;
use crate::routes::table;

/// Every read that may be kept, and the two evaluations.
fn reads() -> Vec<String> {
    let kept = table().into_iter().filter(|route| route.caching == Caching::Revalidate);
    let path = |path: &str| path.replace("{platform}", "web").replace("{environment}", "prod").replace("{key}", "c");
    let mut reads: Vec<String> = kept.map(|route| path(route.path)).collect();
    reads.push(format!("{PUBLIC}/flags/c/evaluate?userId=u"));
    reads.push(format!("{PUBLIC}/experiments/c/assign?userId=u"));
    reads
}

/// A node that has served, and then lost its store.
async fn bereft() -> Rig {
    let rig = Rig::new().await;
    rig.furnish().await;
    rig.get(&format!("{PUBLIC}/flags")).await.expect(200);
    rig.outage.begin();
    rig.api.memory().poll().await.unwrap_err();
    rig
}

async fn toggle(rig: &Rig) -> super::rig::Answer {
    rig.send(Method::PATCH, &format!("{INTERNAL}/flags/c/toggle"), Some(json!({ "enabled": false })), &[]).await
}

#[actix_web::test]
async fn reads_go_on_and_say_that_they_may_be_stale() {
    let rig = bereft().await;
    for path in reads() {
        let answer = rig.get(&path).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-togglebox-stale")), (200, Some("true")), "{path}");
        if let Some(tag) = answer.header("etag") {
            let again = rig.send(Method::GET, &path, None, &[("if-none-match", tag)]).await;
            assert_eq!((again.status.as_u16(), again.header("x-togglebox-stale")), (304, Some("true")), "{path}");
        }
    }
    rig.outage.end();
    rig.api.memory().poll().await.unwrap();
    for path in reads() {
        assert_eq!(rig.get(&path).await.expect(200).header("x-togglebox-stale"), None, "{path}");
    }
}

#[actix_web::test]
async fn what_is_missing_stays_missing_while_the_store_is_away() {
    let rig = bereft().await;
    for path in [format!("{PUBLIC}/flags/none"), "/api/v1/platforms/none".to_owned()] {
        rig.get(&path).await.expect(404);
    }
}

#[actix_web::test]
async fn writes_are_refused_with_a_time_to_come_back_and_work_again_afterwards() {
    let rig = bereft().await;
    let writes: [(Method, String, Value); 6] = [
        (Method::PATCH, format!("{INTERNAL}/flags/c/toggle"), json!({ "enabled": false })),
        (Method::POST, format!("{INTERNAL}/flags"), json!({ "flagKey": "f", "name": "f" })),
        (Method::DELETE, format!("{INTERNAL}/flags/c"), Value::Null),
        (Method::POST, "/api/v1/internal/platforms".into(), json!({ "name": "car" })),
        (Method::PATCH, "/api/v1/internal/platforms/web".into(), json!({ "description": "d" })),
        (Method::DELETE, "/api/v1/internal/platforms/web/environments/dev".into(), Value::Null),
    ];
    for (method, path, body) in writes {
        let answer = rig.send(method, &path, Some(body).filter(|body| !body.is_null()), &[]).await;
        assert_eq!(answer.status, 503, "{path}");
        assert_eq!(answer.json()["code"], "SERVICE_UNAVAILABLE", "{path}");
        let seconds: u64 = answer.header("retry-after").expect("a time to come back").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret-host"), "{path}");
    }
    rig.outage.end();
    toggle(&rig).await.expect(200);
    let flag = rig.get(&format!("{PUBLIC}/flags/c")).await;
    assert_eq!(flag.json()["data"]["enabled"], false, "a write is visible to the next read");
}

#[actix_web::test]
async fn a_node_without_its_store_says_why_it_is_not_ready() {
    let empty = Rig::new().await;
    empty.outage.begin();
    let answer = empty.get("/ready").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
    let body = answer.json();
    assert_eq!((&body["success"], &body["checks"]["database"]), (&json!(false), &json!("disconnected")));
    assert!(body["message"].as_str().unwrap().starts_with("Service not ready: "), "{body}");
    let read = empty.get(&format!("{PUBLIC}/flags")).await;
    assert_eq!((read.status.as_u16(), read.header("retry-after")), (503, Some("1")), "there is nothing to answer with");
    empty.get("/health").await.expect(200);

    let rig = bereft().await;
    let body = rig.get("/ready").await.expect(200).json();
    assert_eq!((&body["success"], &body["checks"]["database"]), (&json!(true), &json!("disconnected")));
    assert!(body["message"].as_str().unwrap().contains("writes are refused"), "{body}");
    rig.outage.end();
    // The next poll hears the store again.
    rig.api.memory().poll().await.unwrap();
    let body = rig.get("/ready").await.expect(200).json();
    assert_eq!((&body["message"], &body["checks"]["database"]), (&json!("Service is ready"), &json!("connected")));
}

#[actix_web::test]
async fn an_environment_that_was_never_read_is_unavailable_and_not_missing() {
    let rig = Rig::new().await;
    rig.furnish().await;
    let dev = PUBLIC.replace("prod", "dev");
    rig.get("/api/v1/platforms").await.expect(200);
    rig.outage.begin();
    for path in ["/flags", "/configs", "/flags/c", "/flags/c/evaluate?userId=u"] {
        let answer = rig.get(&format!("{dev}{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")), "{path}");
    }
    rig.outage.end();
    // A failed load keeps further ones away for a second; nobody waits for it with something to answer with.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    rig.get(&format!("{dev}/flags")).await.expect(200);
}
