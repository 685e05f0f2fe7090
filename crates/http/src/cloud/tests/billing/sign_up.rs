//! Signing up for plans that cost something, and for the one that does not.

use actix_web::http::Method;
use serde_json::json;
use togglebox_stripe_sim::{Fault, Matcher, Outcome};

use super::super::rig::{API, Rig};
use super::shop::{Shop, form};

const SIGN_UP: &str = "/api/v1/onboarding/signup";

fn status_path(id: &serde_json::Value) -> String {
    format!("{SIGN_UP}/{}", id.as_str().unwrap())
}

#[actix_web::test]
async fn what_costs_nothing_is_there_at_once() {
    let shop = Shop::open().await;
    let ann = shop.rig.sign_up("ann", "acme").await;
    assert_eq!(ann.workspace["plan"], "free");
    let body = form("bob", "globex", &json!({ "plan": "free", "interval": "yearly" }));
    shop.rig.post(API, SIGN_UP, None, body).await.expect(201);
    assert!(shop.sim.calls().is_empty(), "nobody is asked for money");
    assert!(!shop.was_woken());
}

#[actix_web::test]
async fn what_costs_something_is_there_once_it_is_paid_for() {
    let shop = Shop::open().await;
    let body = form("ann", "acme", &json!({ "plan": "pro", "interval": "yearly" }));
    let begun = shop.rig.post(API, SIGN_UP, None, body).await.expect(202).json()["data"].clone();
    assert!(shop.was_woken());
    let id = begun["signUp"]["id"].clone();
    assert_eq!(begun["signUp"]["state"], "open");
    assert!(begun["checkoutUrl"].as_str().unwrap().starts_with("http"), "{begun}");
    assert_eq!(begun["expiresAt"], "2026-05-28T21:26:40.000Z");
    // Nothing is open there, and nobody else can have the name.
    assert_eq!(shop.rig.sign_in("ann", "acme.localtest").await.expect(402).json()["code"], "PAYMENT_REQUIRED");
    for plan in [json!({}), json!({ "plan": "pro" })] {
        let taken = shop.rig.post(API, SIGN_UP, None, form("bob", "acme", &plan)).await.expect(409).json();
        assert_eq!(taken["code"], "ALREADY_EXISTS");
    }
    // Whoever has the id sees how it stands, and nobody's address.
    let shown = shop.rig.send((Method::GET, API, &status_path(&id)), None, None, &[]).await;
    assert!(!String::from_utf8_lossy(&shown.expect(200).body).contains("example.com"));
    let expected = json!({
        "id": id, "state": "open", "plan": "pro", "interval": "yearly",
        "workspace": { "subdomain": "acme", "url": "http://acme.localtest" },
    });
    assert_eq!(shown.json()["data"], expected);
    assert_eq!(shown.header("cache-control"), Some("no-cache, no-store, must-revalidate"));
    let session = shop.pay(&id);
    // The return from the page is enough; the webhooks come later and change nothing.
    let complete = format!("/api/v1/onboarding/complete?session_id={session}");
    for method in [Method::GET, Method::POST] {
        let done = shop.rig.send((method, API, &complete), None, None, &[]).await.expect(200).json()["data"].clone();
        assert_eq!((&done["state"], &done["workspace"]["url"]), (&json!("active"), &json!("http://acme.localtest")));
    }
    assert!(shop.was_woken());
    let ann = shop.rig.signed_in("ann", "acme.localtest").await;
    let workspace = shop.get(&ann, "/api/v1/workspace").await.expect(200).json()["data"].clone();
    assert_eq!((&workspace["plan"], &workspace["status"]), (&json!("pro"), &json!("active")));
    shop.deliver_all().await;
    assert_eq!(shop.subscription(&ann).await["interval"], "yearly");
    let welcomes = shop.post.sent.lock().unwrap().iter().filter(|key| key.starts_with("welcome:")).count();
    assert_eq!(welcomes, 1);
}

#[actix_web::test]
async fn webhooks_alone_are_enough() {
    let shop = Shop::open().await;
    let begun = shop.rig.post(API, SIGN_UP, None, form("ann", "acme", &json!({ "plan": "pro" }))).await.expect(202).json();
    shop.pay(&begun["data"]["signUp"]["id"]);
    shop.deliver_all().await;
    shop.rig.signed_in("ann", "acme.localtest").await;
}

#[actix_web::test]
async fn who_went_away_signs_in_and_begins_anew() {
    let shop = Shop::open().await;
    let begun = shop.rig.post(API, SIGN_UP, None, form("ann", "acme", &json!({ "plan": "pro" }))).await.expect(202).json();
    let session = shop.session_of(&begun["data"]["signUp"]["id"]);
    let complete = format!("/api/v1/onboarding/complete?session_id={session}");
    let open = shop.rig.send((Method::POST, API, &complete), None, None, &[]).await.expect(200).json();
    assert_eq!(open["data"]["state"], "open", "to come back is not to pay");
    shop.sim.expire_checkout(&session).unwrap();
    shop.deliver_all().await;
    let path = status_path(&begun["data"]["signUp"]["id"]);
    let expired = shop.rig.send((Method::GET, API, &path), None, None, &[]).await.expect(200).json();
    assert_eq!(expired["data"]["state"], "expired");
    // The account is there, and the name is free again.
    let ann = shop.rig.signed_in("ann", API).await;
    let again = json!({ "name": "Acme", "subdomain": "acme", "plan": "pro", "interval": "monthly" });
    let begun = shop.post(&ann, "/api/v1/workspaces", again).await.expect(202).json()["data"].clone();
    let session = shop.session_of(&begun["signUp"]["id"]);
    shop.sim.complete_checkout(&session, Outcome::Delayed).unwrap();
    shop.deliver_all().await;
    let path = status_path(&begun["signUp"]["id"]);
    let waits = shop.rig.send((Method::GET, API, &path), None, None, &[]).await.expect(200).json();
    assert_eq!(waits["data"]["state"], "processing");
    shop.sim.finish_delayed(&session, true).unwrap();
    shop.deliver_all().await;
    shop.rig.signed_in("ann", "acme.localtest").await;
}

#[actix_web::test]
async fn what_cannot_be_bought_makes_no_account() {
    let shop = Shop::open().await;
    for (plan, path) in [
        (json!({ "plan": "gold" }), "plan"),
        (json!({ "plan": "enterprise", "interval": "yearly" }), "plan"),
        (json!({ "plan": "pro", "interval": "weekly" }), "workspace.interval"),
    ] {
        let refused = shop.rig.post(API, SIGN_UP, None, form("ann", "acme", &plan)).await.expect(422).json();
        assert!(refused["details"].to_string().contains(path), "{refused}");
    }
    shop.rig.sign_in("ann", API).await.expect(401);
    // Where nothing is charged, nothing that costs something can be had.
    let rig = Rig::new().await;
    let refused = rig.post(API, SIGN_UP, None, form("ann", "acme", &json!({ "plan": "pro" }))).await.expect(402).json();
    assert_eq!((&refused["code"], refused["meta"]["upgradeUrl"].is_string()), (&json!("PAYMENT_REQUIRED"), true));
}

#[actix_web::test]
async fn sign_ups_that_nobody_made_are_not_found() {
    let shop = Shop::open().await;
    let calls = shop.sim.calls().len();
    for path in [
        "/api/v1/onboarding/signup/nonsense",
        "/api/v1/onboarding/signup/0198c5a2-0000-7000-8000-000000000000",
        "/api/v1/onboarding/complete",
        "/api/v1/onboarding/complete?session_id=",
        "/api/v1/onboarding/complete?session_id=in_1",
        "/api/v1/onboarding/complete?session_id=cs_test_1%2F..%2Fcustomers",
    ] {
        shop.rig.send((Method::GET, API, path), None, None, &[]).await.expect(404);
    }
    assert_eq!(shop.sim.calls().len(), calls, "the payment service is not asked");
    let unknown = "/api/v1/onboarding/complete?session_id=cs_test_nobodys";
    shop.rig.send((Method::GET, API, unknown), None, None, &[]).await.expect(404);
}

#[actix_web::test]
async fn a_payment_service_that_is_away_is_told_from_one_that_refuses() {
    let shop = Shop::open().await;
    let sessions = || Matcher::new("POST", "/v1/checkout/sessions");
    shop.sim.inject(Fault::status(sessions(), 503).times(100));
    let away = shop.rig.post(API, SIGN_UP, None, form("ann", "acme", &json!({ "plan": "pro" }))).await;
    assert_eq!(away.expect(503).json()["code"], "PAYMENT_SERVICE_UNAVAILABLE");
    assert_eq!(away.header("retry-after"), Some("5"));
    shop.sim.clear_faults();
    shop.sim.inject(Fault::status(sessions(), 400));
    let refused = shop.rig.post(API, SIGN_UP, None, form("bob", "globex", &json!({ "plan": "pro" }))).await;
    assert_eq!(refused.expect(502).json()["code"], "PAYMENT_SERVICE_FAILED");
}
