//! What is counted of requests, and who sees it.

use actix_web::http::Method;
use serde_json::{Value, json};

use super::rig::{API, Plan, Rig, Session};

const PRODUCTION: &str = "/api/v1/internal/platforms/web/environments/production";
pub(super) const PUBLIC: &str = "/api/v1/platforms/web/environments/production";

/// A workspace with a flag, and a key that may read.
pub(super) async fn furnished(rig: &Rig, who: &Session) -> (String, String) {
    let post = async |path: &str, body| rig.post(&who.host, path, Some(&who.token), body).await.expect(201).json();
    post("/api/v1/internal/platforms", json!({ "name": "web" })).await;
    post("/api/v1/internal/platforms/web/environments", json!({ "environment": "production" })).await;
    post(&format!("{PRODUCTION}/flags"), json!({ "flagKey": "dark", "name": "Dark" })).await;
    let key = post("/api/v1/api-keys", json!({ "name": "site", "permissions": ["config:read"] })).await["data"].clone();
    let text = |name: &str| key[name].as_str().unwrap().to_owned();
    (text("id").replace('-', ""), text("key"))
}

pub(super) async fn with_key(rig: &Rig, host: &str, path: &str, key: &str, headers: &[(&str, &str)]) -> u16 {
    let headers = [&[("x-api-key", key)], headers].concat();
    rig.send((Method::GET, host, path), None, None, &headers).await.status.as_u16()
}

async fn usage(rig: &Rig, who: &Session) -> Value {
    rig.get(&who.host, "/api/v1/usage", &who.token).await.expect(200).json()["data"].clone()
}

#[actix_web::test]
async fn requests_are_counted_by_environment_key_and_operation() {
    let rig = Rig::new().await;
    let (ann, bob) = (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    let (id, key) = furnished(&rig, &ann).await;
    let before = usage(&rig, &ann).await["meters"]["api.requests"]["used"].as_u64().unwrap();
    for _ in 0..3 {
        assert_eq!(with_key(&rig, &ann.host, &format!("{PUBLIC}/flags"), &key, &[]).await, 200);
    }
    let evaluate = format!("{PUBLIC}/flags/dark/evaluate?userId=u-1");
    assert_eq!(with_key(&rig, &ann.host, &evaluate, &key, &[]).await, 200);
    let known = [("if-none-match", "*")];
    assert_eq!(with_key(&rig, &ann.host, &format!("{PUBLIC}/flags"), &key, &known).await, 304);
    // None of these is usage: no key, another's key, no such service.
    assert_eq!(with_key(&rig, &ann.host, &format!("{PUBLIC}/flags"), "no key", &[]).await, 401);
    assert_eq!(with_key(&rig, &bob.host, &format!("{PUBLIC}/flags"), &key, &[]).await, 401);
    rig.get(&ann.host, "/health", &ann.token).await.expect(200);
    // What there is not is a request, in no environment.
    let nowhere = "/api/v1/platforms/web/environments/nowhere/flags/dark";
    assert_eq!(with_key(&rig, &ann.host, nowhere, &key, &[]).await, 404);

    let seen = usage(&rig, &ann).await;
    let requests = &seen["meters"]["api.requests"];
    // The look before is one, too.
    assert_eq!(requests["used"], before + 7);
    assert_eq!(requests["by"]["key"][&id], 6);
    assert_eq!(requests["by"]["operation"]["evaluation"], 1);
    assert_eq!(requests["by"]["operation"]["config"], 5);
    assert_eq!(requests["by"]["environment"]["web/production"], 6);
    assert!(requests["by"]["environment"].as_object().unwrap().keys().all(|name| !name.contains("nowhere")));
    assert_eq!(seen["meters"]["api.not_modified"]["used"], 1);
    assert!(seen["meters"]["api.bytes"]["used"].as_u64().unwrap() > 500);
    assert_eq!(seen["plan"], "free");
    assert!(requests["limit"].is_u64());
    // Bob's is his own: one look.
    assert_eq!(usage(&rig, &bob).await["meters"]["api.requests"]["used"], 0);
    assert_eq!(usage(&rig, &bob).await["meters"]["api.requests"]["used"], 1);
}

/// Lists of an environment that does not exist are empty, without an error; and what is reported of it is dropped.
#[actix_web::test]
async fn environments_that_do_not_exist_are_no_series() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let (id, key) = furnished(&rig, &ann).await;
    for n in 0..5 {
        let nowhere = format!("/api/v1/platforms/web/environments/nowhere-{n}");
        assert_eq!(with_key(&rig, &ann.host, &format!("{nowhere}/flags"), &key, &[]).await, 200);
        let body = json!({ "events": [] });
        let headers = [("x-api-key", key.as_str())];
        rig.send((Method::POST, &ann.host, &format!("{nowhere}/stats/events")), None, Some(body), &headers).await;
        let head = [("x-api-key", key.as_str())];
        rig.send((Method::HEAD, &ann.host, &format!("{PUBLIC}/flags")), None, None, &head).await.expect(200);
    }
    let seen = usage(&rig, &ann).await;
    let environments = |meter: &str| -> Vec<String> {
        seen["meters"][meter]["by"]["environment"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(environments("api.requests"), ["-", "web/production"]);
    assert!(seen["meters"]["api.requests"]["by"]["key"][&id].as_u64().unwrap() >= 10);
}

/// What stays here is no usage.
#[actix_web::test]
async fn bytes_are_counted_of_bodies_that_are_sent() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let (_, key) = furnished(&rig, &ann).await;
    let (flags, key) = (format!("{PUBLIC}/flags"), [("x-api-key", key.as_str())]);
    let bytes =
        async || usage(&rig, &ann).await["meters"]["api.bytes"]["by"]["environment"]["web/production"].as_u64().unwrap_or(0);
    let before = bytes().await;
    let whole = rig.send((Method::GET, &ann.host, &flags), None, None, &key).await;
    whole.expect(200);
    let sent = bytes().await;
    assert_eq!(sent - before, u64::try_from(whole.body.len()).unwrap());
    rig.send((Method::HEAD, &ann.host, &flags), None, None, &key).await.expect(200);
    let tag = whole.header("etag").unwrap();
    rig.send((Method::GET, &ann.host, &flags), None, None, &[key[0], ("if-none-match", tag)]).await.expect(304);
    assert_eq!(bytes().await, sent);
}

#[actix_web::test]
async fn a_series_adds_up_to_the_usage_to_the_unit() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let (id, key) = furnished(&rig, &ann).await;
    for hours in 0..5_u64 {
        for _ in 0..=hours {
            assert_eq!(with_key(&rig, &ann.host, &format!("{PUBLIC}/flags"), &key, &[]).await, 200);
        }
        rig.clock.advance(std::time::Duration::from_mins(50));
    }
    let ann = rig.signed_in("ann", API).await;
    let entered = rig.post(API, "/api/v1/workspaces/acme/token", Some(&ann.token), json!({})).await.expect(200).json();
    let ann = Session { host: "acme.localtest".to_owned(), token: entered["data"]["token"].as_str().unwrap().to_owned(), ..ann };
    let series = async |query: &str| {
        let path = format!("/api/v1/usage/series?key={id}&{query}");
        rig.get(&ann.host, &path, &ann.token).await.expect(200).json()["data"].clone()
    };
    for grain in ["minute", "hour", "day"] {
        let whole = series(&format!("grain={grain}&from=2026-05-28T00:00:00Z&until=2026-05-29T00:00:00Z")).await;
        assert_eq!(whole["total"], 15, "{grain}");
        let sum: u64 = whole["buckets"].as_array().unwrap().iter().map(|bucket| bucket["total"].as_u64().unwrap()).sum();
        assert_eq!(sum, 15, "{grain}");
    }
    let split = series("by=operation&grain=day").await;
    assert_eq!(split["buckets"][0]["value"], "config");
    let path = format!("/api/v1/usage/series?key={id}&grain=day&by=environment&format=csv");
    let csv = rig.get(&ann.host, &path, &ann.token).await;
    csv.expect(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = String::from_utf8(csv.body.clone()).unwrap();
    assert!(text.starts_with("start,meter,value,total\n") && text.contains(",api.requests,web/production,15\n"), "{text}");
}

#[actix_web::test]
async fn the_operator_sees_who_has_used_the_most_and_how_far_a_node_is() {
    let rig = Rig::new().await;
    let operator = rig.operator().await;
    let (ann, bob, cy) =
        (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await, rig.sign_up("cy", "initech").await);
    for (who, times) in [(&ann, 2), (&bob, 5), (&cy, 3)] {
        for _ in 0..times {
            rig.get(&who.host, "/api/v1/platforms", &who.token).await.expect(200);
        }
    }
    let overview = async |query: &str| {
        let path = format!("/api/v1/admin/usage?{query}");
        rig.get(API, &path, &operator.token).await.expect(200).json()["data"].clone()
    };
    let seen = overview("limit=2").await;
    // Nothing is added up yet, and these two were looked at exactly.
    let names = |seen: &Value| -> Vec<(String, u64)> {
        let told = seen["workspaces"].as_array().unwrap().iter();
        told.map(|one| (one["subdomain"].as_str().unwrap().to_owned(), one["used"].as_u64().unwrap())).collect()
    };
    assert_eq!(names(&overview("").await), [("globex".to_owned(), 5), ("initech".to_owned(), 3), ("acme".to_owned(), 2)]);
    assert_eq!(seen["workspaces"].as_array().unwrap().len(), 2);
    assert_eq!(seen["meter"], "api.requests");
    assert_eq!((&seen["node"]["missed"], &seen["node"]["flushLagMs"]), (&json!(0), &json!(0)));
    let fill = seen["node"]["slabFill"].as_f64().unwrap();
    assert!(fill > 0.0 && fill < 0.5, "{seen}");
    assert_eq!(names(&overview("meter=api.not_modified&limit=1").await)[0].1, 0);

    rig.clock.advance(std::time::Duration::from_hours(3));
    rig.roll_up().await;
    let operator = rig.signed_in("op", API).await;
    let seen = rig.get(API, "/api/v1/admin/usage?limit=1", &operator.token).await.expect(200).json()["data"].clone();
    assert_eq!(names(&seen), [("globex".to_owned(), 5)]);
    assert_eq!(seen["total"], 10);
    assert!(seen["workspaces"][0]["limit"].is_u64());

    let wrong = rig.get(API, "/api/v1/admin/usage?meter=none", &operator.token).await;
    assert_eq!(wrong.status.as_u16(), 422);
    let central = rig.signed_in("ann", API).await;
    assert_eq!(rig.get(API, "/api/v1/admin/usage", &central.token).await.status.as_u16(), 403);
    assert_eq!(rig.get(&ann.host, "/api/v1/admin/usage", &ann.token).await.status.as_u16(), 404);
}

#[actix_web::test]
async fn where_no_disk_outlasts_the_process_an_answer_waits_until_it_is_counted() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let (id, key) = furnished(&rig, &ann).await;
    for sleeps in [false, true] {
        let other = rig.beside(Plan { sleeps, counts_directly: true, ..Plan::default() });
        for _ in 0..3 {
            let before = usage(&rig, &ann).await["meters"]["api.requests"]["by"]["key"][&id].as_u64().unwrap_or(0);
            assert_eq!(with_key(&other, &ann.host, &format!("{PUBLIC}/flags"), &key, &[]).await, 200);
            // Another node shows it, and that one may be gone.
            assert_eq!(usage(&rig, &ann).await["meters"]["api.requests"]["by"]["key"][&id], before + 1);
        }
    }
}

#[actix_web::test]
async fn a_series_that_cannot_be_says_what_is_allowed() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    for (query, word) in [
        ("meter=api", "meter"),
        ("grain=week", "grain"),
        ("by=person", "by"),
        ("format=xml", "format"),
        ("from=yesterday", "from"),
        ("from=2026-05-01T00:00:30Z", "from"),
        ("from=2026-05-02T00:00:00Z&until=2026-05-01T00:00:00Z", "until"),
        ("grain=minute&from=2026-05-01T00:00:00Z&until=2026-05-20T00:00:00Z", "until"),
        ("grain=day&from=2026-05-01T00:01:00Z", "from"),
        ("environment=a,b", "environment"),
    ] {
        let refused = rig.get(&ann.host, &format!("/api/v1/usage/series?{query}"), &ann.token).await;
        assert_eq!(refused.status.as_u16(), 422, "{query}");
        let said = refused.json().to_string();
        assert!(said.contains(word), "{query}: {said}");
    }
    // Keys see nothing of it, and the central host has none.
    let (_, key) = furnished(&rig, &ann).await;
    assert_eq!(with_key(&rig, &ann.host, "/api/v1/usage", &key, &[]).await, 401);
    rig.get(API, "/api/v1/usage", &rig.signed_in("ann", API).await.token).await.expect(404);
}
