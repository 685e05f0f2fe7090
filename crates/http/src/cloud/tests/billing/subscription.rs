//! What a workspace's admins see and do of its subscription.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};
use togglebox_core::testkit::{At, Fault};
use togglebox_core::{AuditFilter, AuditLog, PageRequest, TenantId};
use togglebox_stripe_sim::{Card, Matcher, Outcome};

use super::super::rig::{API, Rig, Session};
use super::shop::{KEY, SECRET, SUBSCRIPTION, Shop};
use crate::cloud::routes;
use crate::tests::lines::Lines;

const CHECKOUT: &str = "/api/v1/billing/checkout";
const PREVIEW: &str = "/api/v1/billing/subscription/change/preview";
const CHANGE: &str = "/api/v1/billing/subscription/change";
const CANCEL: &str = "/api/v1/billing/subscription/cancel";
const RESUME: &str = "/api/v1/billing/subscription/resume";
const PORTAL: &str = "/api/v1/billing/portal";
const INVOICES: &str = "/api/v1/billing/invoices";

const DAY: Duration = Duration::from_hours(24);

/// The session of somebody, after a while in which tokens expire.
async fn later(shop: &Shop, name: &str, host: &str, time: Duration) -> Session {
    shop.pass(time).await;
    shop.deliver_all().await;
    shop.rig.signed_in(name, host).await
}

#[actix_web::test]
async fn a_workspace_without_a_subscription_has_none() {
    let shop = Shop::open().await;
    let ann = shop.rig.sign_up("ann", "acme").await;
    let shown = shop.subscription(&ann).await;
    assert_eq!((&shown["status"], &shown["plan"], &shown["usage"]), (&json!("none"), &json!("free"), &Value::Null));
    for (path, body) in [
        (PREVIEW, json!({ "plan": "pro" })),
        (CHANGE, json!({ "plan": "pro" })),
        (CANCEL, json!({})),
        (RESUME, json!({})),
        (PORTAL, json!({})),
    ] {
        let refused = shop.post(&ann, path, body).await.expect(409).json();
        assert_eq!(refused["code"], "NO_SUBSCRIPTION", "{path}");
    }
    assert_eq!(shop.get(&ann, INVOICES).await.expect(409).json()["code"], "NO_SUBSCRIPTION");
    assert!(shop.sim.calls().is_empty());
}

#[actix_web::test]
async fn a_plan_is_bought_and_shown() {
    let shop = Shop::open().await;
    let ann = shop.rig.sign_up("ann", "acme").await;
    let page = shop.post(&ann, CHECKOUT, json!({ "plan": "pro" })).await.expect(200).json()["data"].clone();
    assert!(shop.was_woken());
    assert!(page["url"].is_string() && page["expiresAt"].is_string());
    let again = shop.post(&ann, CHECKOUT, json!({ "plan": "pro" })).await.expect(200).json()["data"].clone();
    assert_eq!(again, page, "the same again is the same page");
    let session = shop.pay(&page["signUpId"]);
    let complete = format!("/api/v1/onboarding/complete?session_id={session}");
    shop.rig.send((Method::POST, API, &complete), None, None, &[]).await.expect(200);
    let ann = later(&shop, "ann", &ann.host, Duration::from_hours(3)).await;
    let shown = shop.subscription(&ann).await;
    let told = ["plan", "status", "interval", "cancelAt", "scheduled", "changeWaits"].map(|name| shown[name].clone());
    assert_eq!(told, [json!("pro"), json!("active"), json!("monthly"), Value::Null, Value::Null, json!(false)]);
    let usage = &shown["usage"];
    assert_eq!((&usage["included"], &usage["unitPrice"]), (&json!(1000), &json!("0.02")));
    let overage = usage["used"].as_u64().unwrap() - 1000;
    assert_eq!(usage["overage"], overage);
    assert!(overage > 0);
    assert_eq!(usage["cost"]["currency"], "usd");
    assert!(usage["cost"]["formatted"].as_str().unwrap().ends_with(" USD"));
    let next = &shown["nextInvoice"];
    assert!(next["lines"].as_array().unwrap().iter().any(|line| line["amount"]["amount"] == 2000), "{next}");
    let refused = shop.post(&ann, CHECKOUT, json!({ "plan": "pro" })).await.expect(409).json();
    assert_eq!(refused["code"], "ALREADY_SUBSCRIBED");
    for (body, path) in [(json!({}), "plan"), (json!({ "plan": "pro", "interval": 1 }), "interval")] {
        let wrong = shop.post(&ann, CHECKOUT, body).await.expect(422).json();
        assert!(wrong["details"].to_string().contains(path), "{wrong}");
    }
    let bills = shop.get(&ann, INVOICES).await.expect(200).json();
    assert_eq!((bills["data"].as_array().unwrap().len(), &bills["meta"]["hasMore"]), (1, &json!(false)));
    let first = &bills["data"][0];
    assert_eq!(
        (&first["status"], &first["total"]["amount"], &first["paid"]["amount"]),
        (&json!("paid"), &json!(2000), &json!(2000))
    );
}

#[actix_web::test]
async fn what_is_billed_is_what_was_shown() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    let ann = later(&shop, "ann", &ann.host, DAY * 10).await;
    let to = json!({ "plan": "enterprise", "interval": "monthly" });
    let preview = shop.post(&ann, PREVIEW, to.clone()).await.expect(200).json()["data"].clone();
    assert_eq!(preview["when"], "now");
    let due = preview["due"]["amount"].as_i64().unwrap();
    assert!(due > 0 && !preview["lines"].as_array().unwrap().is_empty(), "{preview}");
    shop.pass(Duration::from_mins(10)).await;
    let mut change = to.clone();
    change["prorationDate"] = preview["prorationDate"].clone();
    let changed = shop.post(&ann, CHANGE, change.clone()).await.expect(200).json()["data"].clone();
    assert_eq!(changed, json!({ "outcome": "changed" }));
    assert!(shop.was_woken());
    let workspace = shop.get(&ann, "/api/v1/workspace").await.expect(200).json()["data"].clone();
    assert_eq!(shop.subscription(&ann).await["plan"], "enterprise");
    shop.work().await;
    let bills = shop.get(&ann, &format!("{INVOICES}?limit=1")).await.expect(200).json();
    assert_eq!(bills["data"][0]["total"]["amount"], due);
    // Page by page.
    let token = bills["meta"]["nextCursor"].as_str().unwrap();
    let rest = shop.get(&ann, &format!("{INVOICES}?limit=1&nextToken={token}")).await.expect(200).json();
    assert_eq!((&rest["data"][0]["total"]["amount"], &rest["meta"]["hasMore"]), (&json!(2000), &json!(false)));
    shop.get(&ann, &format!("{INVOICES}?nextToken=nonsense")).await.expect(400);
    // The same again, an older preview, and a step down.
    assert_eq!(shop.post(&ann, CHANGE, to).await.expect(409).json()["code"], "NOTHING_TO_CHANGE");
    let old = json!({ "plan": "pro", "prorationDate": "2026-01-01T00:00:00Z" });
    assert_eq!(shop.post(&ann, CHANGE, old).await.expect(409).json()["code"], "PREVIEW_TOO_OLD");
    let down = shop.post(&ann, PREVIEW, json!({ "plan": "pro" })).await.expect(200).json()["data"].clone();
    assert_eq!((&down["when"], &down["due"]), (&json!("period_end"), &Value::Null));
    let down = shop.post(&ann, CHANGE, json!({ "plan": "pro" })).await.expect(200).json()["data"].clone();
    assert_eq!(down["outcome"], "scheduled");
    let shown = shop.subscription(&ann).await;
    assert_eq!(shown["scheduled"], json!({ "plan": "pro", "interval": "monthly", "at": down["effectiveAt"] }));
    assert_eq!(workspace["id"], shop.get(&ann, "/api/v1/workspace").await.json()["data"]["id"]);
    shop.post(&ann, CHANGE, json!({ "plan": "gold" })).await.expect(422);
}

#[actix_web::test]
async fn a_card_that_is_declined_changes_nothing() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    shop.sim.fail_next_payments(&shop.customer(), 1).unwrap();
    let answer = shop.post(&ann, CHANGE, json!({ "plan": "enterprise" })).await;
    // Stripe keeps the change until it is paid.
    assert_eq!(answer.expect(200).json()["data"]["outcome"], "payment_pending");
    let shown = shop.subscription(&ann).await;
    assert_eq!((&shown["plan"], &shown["changeWaits"]), (&json!("pro"), &json!(true)));
    let waits = shop.post(&ann, PREVIEW, json!({ "plan": "enterprise" })).await.expect(409).json();
    assert_eq!((&waits["code"], &waits["meta"]["state"]), (&json!("BILLING_STATE"), &json!("change_waits")));
    // Where it says so, so do we.
    let bob = shop.rig.sign_up("bob", "globex").await;
    let declined = togglebox_stripe_sim::Fault::status(Matcher::new("POST", "/v1/checkout/sessions"), 402);
    shop.sim.inject(declined);
    let refused = shop.post(&bob, CHECKOUT, json!({ "plan": "pro" })).await.expect(402).json();
    assert_eq!(refused["code"], "PAYMENT_DECLINED");
}

#[actix_web::test]
async fn a_subscription_ends_and_goes_on() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    let tenant = TenantId::from_uuid(ann.workspace["id"].as_str().unwrap().parse().unwrap());
    let end = shop.subscription(&ann).await["periodEnd"].clone();
    assert_eq!(shop.post(&ann, RESUME, json!({})).await.expect(409).json()["code"], "NOTHING_TO_CHANGE");
    for _ in 0..2 {
        let ending = shop.post(&ann, CANCEL, json!({})).await.expect(200).json()["data"].clone();
        assert_eq!(ending, json!({ "cancelAt": end }));
    }
    assert_eq!(shop.subscription(&ann).await["cancelAt"], end);
    let ends = shop.post(&ann, PREVIEW, json!({ "plan": "enterprise" })).await.expect(409).json();
    assert_eq!((&ends["code"], &ends["meta"]["state"]), (&json!("BILLING_STATE"), &json!("ending")));
    shop.post(&ann, RESUME, json!({})).await.expect(200);
    assert_eq!(shop.subscription(&ann).await["cancelAt"], Value::Null);
    shop.post(&ann, CANCEL, json!({})).await.expect(200);
    let ann = later(&shop, "ann", &ann.host, DAY * 32).await;
    let over = shop.subscription(&ann).await;
    assert_eq!((&over["status"], &over["plan"]), (&json!("canceled"), &json!("free")));
    assert_eq!(shop.post(&ann, CANCEL, json!({})).await.expect(409).json()["code"], "NO_SUBSCRIPTION");
    shop.post(&ann, CHECKOUT, json!({ "plan": "pro" })).await.expect(200);
    // Who did what is on record.
    let log: &dyn AuditLog = &*shop.rig.register;
    let log = log.list(tenant, &AuditFilter::default(), &PageRequest::first(100)).await.unwrap().items;
    for action in ["billing.checkout", "billing.cancel", "billing.resume"] {
        let record = log.iter().find(|record| record.action == action).unwrap();
        assert_eq!(record.actor.email, "ann@example.com", "{action}");
        assert!(record.after.is_some());
    }
}

#[actix_web::test]
async fn the_portal_is_kept_nowhere_and_nothing_secret_is_logged() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    let (lines, _logging) = Lines::listen();
    let opened = shop.post(&ann, PORTAL, json!({ "flow": "payment_method" })).await;
    let url = opened.expect(200).json()["data"]["url"].as_str().unwrap().to_owned();
    assert!(opened.header("cache-control").unwrap().contains("no-store"));
    // Without a body, too.
    shop.rig.send((Method::POST, &ann.host, PORTAL), Some(&ann.token), None, &[]).await.expect(200);
    shop.post(&ann, PORTAL, json!({ "flow": "everything" })).await.expect(422);
    let bob = shop.rig.sign_up("bob", "globex").await;
    let page = shop.post(&bob, CHECKOUT, json!({ "plan": "pro" })).await;
    assert!(page.header("cache-control").unwrap().contains("no-store"));
    let page = page.expect(200).json()["data"].clone();
    let session = shop.session_of(&page["signUpId"]);
    shop.sim.complete_checkout(&session, Outcome::Paid).unwrap();
    let deliveries = shop.sim.take_deliveries();
    for delivery in &deliveries {
        shop.deliver(delivery).await.expect(200);
        let mut changed = delivery.body.clone();
        changed.push(b' ');
        shop.tell(changed, delivery.signature()).await.expect(400);
    }
    shop.work().await;
    let log = json!(lines.take()).to_string();
    assert!(log.contains(PORTAL), "something is logged");
    let address = page["url"].as_str().unwrap();
    for secret in [url.as_str(), address, KEY, SECRET, "v1=", "evt_", "bob@example.com", ann.token.as_str()] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[actix_web::test]
async fn only_admins_of_the_workspace_come_near_its_money() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    let people = [shop.rig.join(&ann, "vic", "viewer").await, shop.rig.join(&ann, "dev", "developer").await];
    let stranger = shop.rig.sign_up("bob", "globex").await;
    let op = shop.rig.operator().await;
    let key = json!({ "name": "k", "permissions": ["config:read", "config:write", "user:manage"] });
    let key = shop.post(&ann, "/api/v1/api-keys", key).await.expect(201).json()["data"].clone();
    let key = key["key"].as_str().or_else(|| key["apiKey"].as_str()).unwrap().to_owned();
    let billing = routes::workspace().into_iter().filter(|route| route.path.starts_with("/api/v1/billing/"));
    let mut count = 0;
    for route in billing {
        count += 1;
        assert!(route.stays_open, "{}", route.id);
        let send = |token: Option<String>, headers: Vec<(&'static str, String)>| {
            let (rig, ann, method, path) = (&shop.rig, &ann, route.method.clone(), route.path);
            async move {
                let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let body = json!({ "plan": "enterprise" });
                rig.send((method, &ann.host, path), token.as_deref(), Some(body), &headers).await
            }
        };
        for person in &people {
            assert_eq!(send(Some(person.token.clone()), vec![]).await.expect(403).json()["code"], "FORBIDDEN", "{}", route.id);
        }
        // No key, nobody of another workspace, and not the operator, is let in.
        send(None, vec![("x-api-key", key.clone())]).await.expect(403);
        for token in [None, Some(stranger.token.clone()), Some(op.token.clone())] {
            send(token, vec![]).await.expect(401);
        }
        let elsewhere = shop.rig.send((route.method.clone(), API, route.path), Some(&op.token), Some(json!({})), &[]).await;
        elsewhere.expect(404);
        let nowhere = (route.method.clone(), "nowhere.localtest", route.path);
        shop.rig.send(nowhere, Some(&ann.token), Some(json!({})), &[]).await.expect(404);
    }
    assert_eq!(count, 8);
    // And each sees its own.
    assert_eq!(shop.subscription(&stranger).await["status"], "none");
}

#[actix_web::test]
async fn who_owes_something_can_still_pay() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    shop.sim.set_card(&shop.customer(), Card::Declining).unwrap();
    let mut ann = later(&shop, "ann", &ann.host, DAY * 32).await;
    for _ in 0..9 {
        ann = later(&shop, "ann", &ann.host, DAY).await;
    }
    let shown = shop.subscription(&ann).await;
    assert_eq!(shown["status"], "past_due");
    assert!(shown["pastDueSince"].is_string());
    let refused = shop.post(&ann, "/api/v1/internal/platforms", json!({ "name": "web" })).await.expect(402).json();
    assert_eq!(refused["code"], "PAYMENT_REQUIRED");
    shop.post(&ann, PORTAL, json!({ "flow": "payment_method" })).await.expect(200);
    shop.get(&ann, INVOICES).await.expect(200);
    let state = shop.post(&ann, CHANGE, json!({ "plan": "enterprise" })).await.expect(409).json();
    assert_eq!((&state["code"], &state["meta"]["state"]), (&json!("BILLING_STATE"), &json!("past_due")));
}

#[actix_web::test]
async fn a_workspace_that_is_deleted_takes_its_subscription_along() {
    let shop = Shop::open().await;
    let owner = shop.subscriber("ann", "acme").await;
    let ann = owner.clone();
    let workspace = "/api/v1/workspace";
    let ends = |shop: &Shop| {
        let subscriptions = shop.sim.truth()["subscriptions"].clone();
        subscriptions.as_object().unwrap().values().next().unwrap()["cancel_at_period_end"].clone()
    };
    // A deletion that is refused ends nothing.
    let delete = (Method::DELETE, ann.host.as_str(), workspace);
    shop.rig.send(delete.clone(), Some(&ann.token), None, &[("if-match", "999")]).await.expect(409);
    shop.work().await;
    assert_eq!(ends(&shop), false);
    // While it cannot be written down that the subscription ends, nothing is deleted.
    shop.faults.inject(At::port("billing").always(), Fault::Before);
    shop.rig.send(delete.clone(), Some(&ann.token), None, &[]).await.expect(503);
    shop.faults.clear();
    shop.get(&ann, workspace).await.expect(200);
    while shop.was_woken() {}
    shop.rig.send(delete, Some(&ann.token), None, &[]).await.expect(200);
    assert!(shop.was_woken());
    shop.work().await;
    assert_eq!(ends(&shop), true);
    let ann = shop.rig.signed_in("ann", API).await;
    shop.post(&ann, "/api/v1/workspaces/acme/restore", json!({})).await.expect(200);
    shop.work().await;
    assert_eq!(ends(&shop), false);
    // Restored before anything was carried out.
    shop.rig.send((Method::DELETE, "acme.localtest", workspace), Some(&owner.token), None, &[]).await.expect(200);
    shop.post(&ann, "/api/v1/workspaces/acme/restore", json!({})).await.expect(200);
    shop.work().await;
    assert_eq!(ends(&shop), false);
    // The same by the operator.
    let op = shop.rig.operator().await;
    let id = shop.get(&ann, "/api/v1/workspaces").await.expect(200).json()["data"][0]["id"].clone();
    for (act, ending) in [("delete", true), ("restore", false)] {
        let path = format!("/api/v1/admin/workspaces/{}/{act}", id.as_str().unwrap());
        shop.post(&op, &path, json!({})).await.expect(200);
        shop.work().await;
        assert_eq!(ends(&shop), ending, "{act}");
    }
    // What somebody had ended before stays so.
    shop.post(&owner, CANCEL, json!({})).await.expect(200);
    for act in ["delete", "restore"] {
        let path = format!("/api/v1/admin/workspaces/{}/{act}", id.as_str().unwrap());
        shop.post(&op, &path, json!({})).await.expect(200);
        shop.work().await;
        assert_eq!(ends(&shop), true, "{act}");
    }
}

#[actix_web::test]
async fn where_nothing_is_charged_there_is_nothing() {
    let rig = Rig::new().await;
    let ann = rig.sign_up("ann", "acme").await;
    assert_eq!(rig.get(&ann.host, SUBSCRIPTION, &ann.token).await.expect(404).json()["error"], "Nothing is charged here");
    for path in [CHECKOUT, PREVIEW, CHANGE, CANCEL, RESUME, PORTAL] {
        rig.post(&ann.host, path, Some(&ann.token), json!({ "plan": "pro" })).await.expect(404);
    }
    for (method, path) in [
        (Method::POST, "/api/v1/webhooks/stripe"),
        (Method::GET, "/api/v1/onboarding/complete?session_id=cs_test_1"),
        (Method::GET, "/api/v1/onboarding/signup/0198c5a2-0000-7000-8000-000000000000"),
    ] {
        rig.send((method, API, path), None, None, &[]).await.expect(404);
    }
    rig.send((Method::DELETE, &ann.host, "/api/v1/workspace"), Some(&ann.token), None, &[]).await.expect(200);
}
