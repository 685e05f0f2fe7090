//! A workspace's life with a subscription, from the sign-up to the end of it.

use serde_json::{Value, json};

use super::{
    CHANGE, DAY, ENTERPRISE, HOUR, INVOICES, PREVIEW, PRO, SIGN_UP, Shop, email, has_plan, on_dynamodb, on_postgres, seen,
};
use crate::client::Client;
use crate::people::{API, Owner, sign_up};
use crate::server::eventually;

/// How far behind Stripe is at first, so that the change of plan comes somewhere in the period. A page to pay on lives for a day at most.
const BEHIND: i64 = 23 * HOUR;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_sign_up_to_the_end() {
    let Some(ground) = on_postgres().await else { return };
    live(Shop::open(ground, BEHIND).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_a_sign_up_to_the_end_over_dynamodb() {
    let Some(ground) = on_dynamodb().await else { return };
    live(Shop::open(ground, BEHIND).await).await;
}

async fn live(shop: Shop) {
    free(&shop).await;
    let acme = paid(&shop).await;
    shop.catch_up().await;
    more(&shop, &acme).await;
    less(&shop, &acme).await;
    over(&shop, &acme).await;
    shop.close().await;
}

/// What costs nothing is there at once, and nobody at Stripe hears of it.
async fn free(shop: &Shop) {
    let Owner { client, .. } = sign_up(&shop.nodes[0], "gratis").await;
    assert_eq!(client.get("/api/v1/workspace").await.data(200)["plan"], "free");
    assert_eq!(seen(&client).await["status"], "none");
    assert_eq!((shop.all("sessions").len(), shop.all("customers").len()), (0, 0));
}

/// Signed up at one node, come back to any, signed in at another.
async fn paid(shop: &Shop) -> Client {
    let begun = shop.begin(1, "acme", "pro").await;
    let id = &begun["signUp"]["id"];
    assert_eq!(begun["signUp"]["state"], "open");
    assert!(begun["checkoutUrl"].as_str().unwrap().starts_with("http"));
    assert_eq!(shop.try_begin(0, "other", "pro").await.status, 202, "another name is another matter");
    let taken = Client::new(&shop.nodes[0]).host(API).post(SIGN_UP, super::form("eve", "acme", "pro")).await;
    assert_eq!(taken.code(409), "ALREADY_EXISTS", "the name is kept");
    let status = format!("{SIGN_UP}/{}", id.as_str().unwrap());
    assert_eq!(shop.visitor().get(&status).await.data(200)["state"], "open");
    let page = shop.page_of(id);
    assert_eq!(shop.come_back(&page).await["state"], "open", "to come back is not to pay");
    shop.pay(id);
    let done = shop.come_back(&page).await;
    assert_eq!((&done["state"], &done["workspace"]["subdomain"]), (&json!("active"), &json!("acme")));
    let acme = shop.enter(0, "acme", "acme").await;
    let workspace = acme.get("/api/v1/workspace").await.data(200);
    assert_eq!((&workspace["plan"], &workspace["status"]), (&json!("pro"), &json!("active")));
    eventually("they are welcome", async || !shop.post.to(&email("acme"), "is ready").is_empty()).await;
    shop.settled().await;
    let welcome = shop.post.to(&email("acme"), "is ready");
    assert!(welcome.len() == 1 && welcome[0].text.contains("on the plan Pro"), "{welcome:?}");
    let shown = seen(&acme.at(&shop.nodes[1])).await;
    let told = ["plan", "status", "interval"].map(|name| shown[name].clone());
    assert_eq!(told, [json!("pro"), json!("active"), json!("monthly")]);
    acme
}

/// A greater plan is had at once, for what was shown.
async fn more(shop: &Shop, acme: &Client) {
    let there = acme.at(&shop.nodes[1]);
    let preview = acme.post(PREVIEW, json!({ "plan": "enterprise" })).await.data(200);
    let due = preview["due"]["amount"].as_i64().unwrap();
    assert!(preview["when"] == "now" && (1..ENTERPRISE - PRO).contains(&due), "{preview}");
    let change = json!({ "plan": "enterprise", "prorationDate": preview["prorationDate"] });
    assert_eq!(there.post(CHANGE, change.clone()).await.data(200), json!({ "outcome": "changed" }));
    assert_eq!(acme.post(CHANGE, change).await.code(409), "NOTHING_TO_CHANGE");
    for node in [acme, &there] {
        assert_eq!(seen(node).await["plan"], "enterprise");
        has_plan(node, "enterprise").await;
    }
    let bill = acme.get(&format!("{INVOICES}?limit=1")).await.data(200)[0].clone();
    assert_eq!((&bill["total"]["amount"], &bill["paid"]["amount"]), (&json!(due), &json!(due)), "{bill}");
    let billed = shop.all("invoices").last().unwrap().clone();
    assert_eq!((&billed["total"], &billed["id"]), (&json!(due), &bill["id"]), "what is billed is what was shown");
    let mail = async || !shop.post.to(&email("acme"), "is on the plan Enterprise").is_empty();
    eventually("they are told", mail).await;
}

/// A lesser one comes with the next period.
async fn less(shop: &Shop, acme: &Client) {
    let preview = acme.post(PREVIEW, json!({ "plan": "pro" })).await.data(200);
    assert_eq!((&preview["when"], &preview["due"]), (&json!("period_end"), &Value::Null));
    let changed = acme.post(CHANGE, json!({ "plan": "pro" })).await.data(200);
    assert_eq!(changed, json!({ "outcome": "scheduled", "effectiveAt": preview["effectiveAt"] }));
    let shown = seen(&acme.at(&shop.nodes[1])).await;
    assert_eq!(shown["plan"], "enterprise");
    assert_eq!(shown["scheduled"], json!({ "plan": "pro", "interval": "monthly", "at": changed["effectiveAt"] }));
    shop.pass(20 * DAY).await;
    shop.settled().await;
    assert_eq!(seen(acme).await["plan"], "enterprise");
    shop.pass(12 * DAY).await;
    has_plan(acme, "pro").await;
    eventually("it is shown", async || seen(acme).await["plan"] == "pro").await;
    eventually("they are told", async || !shop.post.to(&email("acme"), "is on the plan Pro").is_empty()).await;
    shop.settled().await;
    assert_eq!(seen(acme).await["scheduled"], Value::Null);
    // No letter twice, and the next bill is the lesser plan's.
    assert_eq!(shop.post.to(&email("acme"), "is on the plan").len(), 2);
    let bill = acme.get(&format!("{INVOICES}?limit=1")).await.data(200)[0].clone();
    assert_eq!(bill["total"]["amount"], PRO, "{bill}");
}

/// Who cancels has the rest of the period, and then the plan that costs nothing.
async fn over(shop: &Shop, acme: &Client) {
    let portal = acme.post("/api/v1/billing/portal", json!({})).await.data(200);
    assert!(portal["url"].as_str().unwrap().starts_with("http"));
    let end = seen(acme).await["periodEnd"].clone();
    let ending = acme.post("/api/v1/billing/subscription/cancel", json!({})).await.data(200);
    assert_eq!(ending["cancelAt"], end);
    let there = acme.at(&shop.nodes[1]);
    there.post("/api/v1/billing/subscription/resume", json!({})).await.expect(200);
    assert_eq!(seen(acme).await["cancelAt"], Value::Null);
    assert_eq!(there.post("/api/v1/billing/subscription/cancel", json!({})).await.data(200)["cancelAt"], end);
    has_plan(acme, "pro").await;
    shop.pass(32 * DAY).await;
    for node in [acme, &there] {
        has_plan(node, "free").await;
        eventually("it is over", async || seen(node).await["status"] == "canceled").await;
    }
    eventually("they are told", async || !shop.post.to(&email("acme"), "has ended").is_empty()).await;
    shop.settled().await;
    assert_eq!(shop.post.to(&email("acme"), "has ended").len(), 1);
    assert_eq!(acme.post("/api/v1/billing/subscription/cancel", json!({})).await.code(409), "NO_SUBSCRIPTION");
    assert_eq!(shop.listed("conflicts?open=true").await, [] as [Value; 0]);
    assert!(shop.all("subscriptions").iter().all(|one| one["status"] == "canceled"));
}
