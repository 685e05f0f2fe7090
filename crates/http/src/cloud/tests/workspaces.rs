//! From sign-up to two workspaces that do not know each other.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;
use togglebox_core::testkit::{At, Fault, Faults};
use togglebox_multitenancy::{Locating, Preloading};

use super::rig::{API, PASSWORD, Plan, Rig};

#[actix_web::test]
async fn a_sign_up_ends_in_a_workspace_that_works() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    assert_eq!(ann.workspace["url"], "http://acme.localtest");
    assert_eq!((&ann.workspace["status"], &ann.workspace["plan"]), (&json!("active"), &json!("free")));
    let made = rig.post(&ann.host, "/api/v1/internal/platforms", Some(&ann.token), json!({ "name": "web" })).await;
    made.expect(201);
    let environment = json!({ "environment": "prod" });
    rig.post(&ann.host, "/api/v1/internal/platforms/web/environments", Some(&ann.token), environment).await.expect(201);
    let flag = json!({ "flagKey": "dark", "name": "Dark", "enabled": true, "defaultValue": "A" });
    let path = "/api/v1/internal/platforms/web/environments/prod/flags";
    rig.post(&ann.host, path, Some(&ann.token), flag).await.expect(201);
    let key = json!({ "name": "ci", "permissions": ["config:read"] });
    let key = rig.post(&ann.host, "/api/v1/api-keys", Some(&ann.token), key).await.expect(201).json()["data"]["key"].clone();
    let public = "/api/v1/platforms/web/environments/prod/flags";
    let read = (Method::GET, ann.host.as_str(), public);
    let answer = rig.send(read.clone(), None, None, &[("x-api-key", key.as_str().unwrap())]).await;
    assert_eq!(answer.expect(200).json()["data"][0]["flagKey"], "dark");
    // Nobody reads without a credential.
    rig.send(read, None, None, &[]).await.expect(401);
}

#[actix_web::test]
async fn what_is_good_in_one_workspace_is_worth_nothing_in_another() {
    let rig = Rig::new().await;
    let (ann, bob) = (rig.sign_up("ann", "acme").await, rig.sign_up("bob", "globex").await);
    for (session, name) in [(&ann, "web-of-ann"), (&bob, "web-of-bob")] {
        rig.post(&session.host, "/api/v1/internal/platforms", Some(&session.token), json!({ "name": name })).await.expect(201);
    }
    let key = json!({ "name": "ci", "permissions": ["config:read"] });
    let key = rig.post(&ann.host, "/api/v1/api-keys", Some(&ann.token), key).await.expect(201).json()["data"]["key"].clone();
    rig.get(&bob.host, "/api/v1/platforms", &ann.token).await.expect(401);
    rig.get(API, "/api/v1/users/me", &ann.token).await.expect(401);
    let foreign = (Method::GET, bob.host.as_str(), "/api/v1/platforms");
    rig.send(foreign, None, None, &[("x-api-key", key.as_str().unwrap())]).await.expect(401);
    let central = rig.signed_in("ann", API).await;
    rig.get(&ann.host, "/api/v1/platforms", &central.token).await.expect(401);
    let own = rig.get(&ann.host, "/api/v1/platforms", &ann.token).await;
    assert!(!String::from_utf8_lossy(&own.expect(200).body).contains("bob"));
    // Whoever does not belong there cannot sign in there, with the right password either.
    rig.sign_in("ann", &bob.host).await.expect(401);
    let entered = rig.post(API, "/api/v1/workspaces/globex/token", Some(&central.token), json!({})).await;
    entered.expect(404);
    let entered = rig.post(API, "/api/v1/workspaces/acme/token", Some(&central.token), json!({})).await;
    let token = entered.expect(200).json()["data"]["token"].as_str().unwrap().to_owned();
    rig.get(&ann.host, "/api/v1/platforms", &token).await.expect(200);
}

#[actix_web::test]
async fn a_host_that_is_nobodys_is_a_404_that_says_so() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    for host in ["nobody.localtest", "a.b.localtest", "elsewhere.example.com", "xn--acme.localtest"] {
        let answer = rig.get(host, "/api/v1/platforms", &ann.token).await;
        assert_eq!(answer.expect(404).json()["code"], "WORKSPACE_NOT_FOUND", "{host}");
        assert!(answer.header("x-request-id").is_some());
    }
    // What watches a node asks it by its address.
    let probe = |path| rig.send((Method::GET, "10.0.0.7:3000", path), None, None, &[]);
    probe("/health").await.expect(200);
    probe("/ready").await.expect(200);
    probe("/api/v1/platforms").await.expect(404);
    let upper = rig.get("ACME.localtest:8080", "/api/v1/platforms", &ann.token).await;
    upper.expect(200);
}

#[actix_web::test]
async fn without_wildcard_dns_a_header_or_the_path_says_which_workspace() {
    let rig = Rig::with(Locating::by_host().by_header().by_path()).await;
    let ann = rig.sign_up("ann", "acme").await;
    let platforms = "/api/v1/platforms";
    let by_header = [("x-tenant", "acme")];
    rig.send((Method::GET, API, platforms), Some(&ann.token), None, &by_header).await.expect(200);
    let by_path = "/t/acme/api/v1/platforms";
    rig.send((Method::GET, API, by_path), Some(&ann.token), None, &[]).await.expect(200);
    rig.send((Method::GET, API, "/t/acme/health"), None, None, &[]).await.expect(200);
    rig.send((Method::GET, &ann.host, platforms), Some(&ann.token), None, &[("x-tenant", "globex")]).await.expect(404);
    let off = Rig::new().await;
    let ann = off.sign_up("ann", "acme").await;
    off.send((Method::GET, API, by_path), Some(&ann.token), None, &[]).await.expect(404);
    off.send((Method::GET, API, platforms), Some(&ann.token), None, &by_header).await.expect(401);
}

#[actix_web::test]
async fn names_are_had_once() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let asked = |name: &str| {
        let path = format!("/api/v1/onboarding/subdomains/{name}");
        let rig = &rig;
        async move { rig.send((Method::GET, API, &path), None, None, &[]).await.expect(200).json()["data"].clone() }
    };
    assert_eq!(asked("acme").await["available"], false);
    assert_eq!(asked("www").await["available"], false);
    assert_eq!(asked("globex").await, json!({ "subdomain": "globex", "available": true }));
    let body = |subdomain: &str| {
        json!({ "name": "Bob", "email": "bob@example.com", "password": PASSWORD,
            "workspace": { "name": "B", "subdomain": subdomain } })
    };
    rig.post(API, "/api/v1/onboarding/signup", None, body("acme")).await.expect(409);
    rig.post(API, "/api/v1/onboarding/signup", None, body("admin")).await.expect(409);
    rig.post(API, "/api/v1/onboarding/signup", None, body("A_")).await.expect(422);
    // Nothing is left of these.
    rig.sign_in("bob", API).await.expect(401);
    // Another one of one's own, and what it is called then.
    let central = rig.signed_in("ann", API).await;
    let second = json!({ "name": "Second", "subdomain": "second" });
    rig.post(API, "/api/v1/workspaces", Some(&central.token), second.clone()).await.expect(201);
    rig.post(API, "/api/v1/workspaces", Some(&central.token), second).await.expect(409);
    let paid = json!({ "name": "Third", "subdomain": "third", "plan": "pro" });
    rig.post(API, "/api/v1/workspaces", Some(&central.token), paid).await.expect(402);
    let list = rig.get(API, "/api/v1/workspaces?limit=1", &central.token).await.expect(200).json();
    assert_eq!((list["data"].as_array().unwrap().len(), &list["meta"]["hasMore"]), (1, &json!(true)));
    let next = format!("/api/v1/workspaces?limit=1&nextToken={}", list["meta"]["nextCursor"].as_str().unwrap());
    let rest = rig.get(API, &next, &central.token).await.expect(200).json();
    assert_ne!(list["data"][0]["subdomain"], rest["data"][0]["subdomain"]);
    let patch = json!({ "subdomain": "acme-2" });
    rig.send((Method::PATCH, &ann.host, "/api/v1/workspace"), Some(&ann.token), Some(patch), &[]).await.expect(200);
    rig.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(404);
    let shown = rig.get("acme-2.localtest", "/api/v1/workspace", &ann.token).await.expect(200).json();
    assert_eq!(shown["data"]["url"], "http://acme-2.localtest");
    let stale = [("if-match", "1")];
    let patch = Some(json!({ "name": "x" }));
    rig.send((Method::PATCH, "acme-2.localtest", "/api/v1/workspace"), Some(&ann.token), patch, &stale).await.expect(409);
    // Each of its names is nobody else's for a while, so there are not many.
    let rename = async |from: u8| {
        let (host, name) = (format!("acme-{from}.localtest"), Some(json!({ "subdomain": format!("acme-{}", from + 1) })));
        rig.send((Method::PATCH, &host, "/api/v1/workspace"), Some(&ann.token), name, &[]).await
    };
    rename(2).await.expect(200);
    rename(3).await.expect(200);
    let refused = rename(4).await.expect(409).json();
    assert_eq!(refused["code"], "RENAME_LIMIT_REACHED");
    let (meta, again) = (&refused["meta"], "2026-06-27T20:26:40.000Z");
    assert_eq!((&meta["limit"], &meta["days"], &meta["possibleFrom"]), (&json!(3), &json!(30), &json!(again)));
    assert!(refused["error"].as_str().unwrap().contains(again), "{refused}");
}

#[actix_web::test]
async fn a_domain_of_its_own_leads_there_once_it_is_shown() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let claim = json!({ "domain": "flags.acme.test" });
    let claimed = rig.post(&ann.host, "/api/v1/workspace/domains", Some(&ann.token), claim.clone()).await.expect(201).json();
    let text = |name: &str| claimed["data"][name].as_str().unwrap().to_owned();
    rig.post(&ann.host, "/api/v1/workspace/domains", Some(&ann.token), claim).await.expect(409);
    rig.get("flags.acme.test", "/api/v1/workspace", &ann.token).await.expect(404);
    let verify = "/api/v1/workspace/domains/flags.acme.test/verify";
    let early = rig.post(&ann.host, verify, Some(&ann.token), json!({})).await;
    assert_eq!(early.expect(409).json()["meta"]["recordName"], text("recordName"));
    rig.dns.0.lock().unwrap().push((text("recordName"), text("recordValue")));
    rig.post(&ann.host, verify, Some(&ann.token), json!({})).await.expect(200);
    rig.get("flags.acme.test", "/api/v1/workspace", &ann.token).await.expect(200);
    let drop = (Method::DELETE, ann.host.as_str(), "/api/v1/workspace/domains/flags.acme.test");
    rig.send(drop, Some(&ann.token), None, &[]).await.expect(204);
    rig.get("flags.acme.test", "/api/v1/workspace", &ann.token).await.expect(404);
}

#[actix_web::test]
async fn a_node_that_starts_before_its_store_knows_its_workspaces_once_that_is_there() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    let faults = Arc::new(Faults::none());
    let other = rig.beside(Plan { faults: Arc::clone(&faults), ..Plan::default() });
    faults.inject(At::operation("tenant_directory.changes_since").next(3), Fault::Before);
    let how = Preloading { pause: Duration::ZERO, ..Preloading::default() };
    let known = other.cloud.preload(how).await.unwrap();
    assert_eq!((known.found, known.whole, faults.pending()), (1, true, 0));
    faults.inject(At::port("tenant_directory").always(), Fault::Before);
    other.get(&ann.host, "/api/v1/workspace", &ann.token).await.expect(200);

    let down = rig.beside(Plan { faults, ..Plan::default() });
    let how = Preloading { time: Duration::ZERO, ..how };
    down.cloud.preload(how).await.expect_err("there is no store in all the time that there is");
}
