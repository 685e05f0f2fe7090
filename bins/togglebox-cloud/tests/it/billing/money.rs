//! Usage, cards that fail, and what is paid twice.

use serde_json::{Value, json};
use togglebox_stripe_sim::{Ask, Card, SeedPrice, Sim};

use super::{BEYOND, CHECKOUT, DAY, HOUR, INCLUDED, PRO, SUBSCRIPTION, Shop, email, has_plan, now, on_postgres, seen};
use crate::client::{INTERNAL, PUBLIC, config, flag, make_environment, make_key};
use crate::people::{Owner, host, sign_in, sign_up};
use crate::server::{Launch, eventually};

/// Requests that are made, and how many of them are beyond what is included.
const REQUESTS: u64 = 47;

/// How long ago something has to be bought by the month for a period to end at `end`.
async fn ago(end: i64) -> i64 {
    // Some months have no such day: then it is of the month before.
    for days in [28, 29, 30, 31, 59, 60, 61, 62] {
        let sim = Sim::builder().now(end - days * DAY).start().await.unwrap();
        sim.seed_price(SeedPrice::monthly("price", 1)).unwrap();
        let customer = sim.call(Ask::post("/v1/customers")).await.id().to_owned();
        sim.set_card(&customer, Card::Ok).unwrap();
        let bought = sim.call(Ask::post("/v1/subscriptions").form("customer", customer).form("items[0][price]", "price")).await;
        let subscription = bought.id().to_owned();
        sim.advance_to(end - 27 * DAY).await;
        if sim.truth()["subscriptions"][&subscription]["items"]["data"][0]["current_period_end"] == end {
            return days * DAY;
        }
    }
    panic!("no month ends at {end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_beyond_a_plan_is_on_the_bill_to_the_cent() {
    let Some(ground) = on_postgres().await else { return };
    // The period that is used ends soon, so that the hour which runs is its last.
    let begun = now();
    let end = begun + 300;
    let shop = Shop::open(ground, ago(end).await - (end - begun)).await;
    let Owner { client: acme, workspace } = sign_up(&shop.nodes[0], "acme").await;
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    let (sdk, key, _) = make_key(&acme, &["config:read"]).await;
    has_plan(&acme, "free").await;
    let (customer, _) = shop.buy_by_hand("acme", &workspace).await;
    shop.catch_up().await;
    has_plan(&acme, "pro").await;
    for number in 0..REQUESTS {
        let path = format!("{PUBLIC}/flags/dark/evaluate?userId=u-{number}");
        sdk.at(&shop.nodes[usize::try_from(number % 2).unwrap()]).get(&path).await.expect(200);
    }
    let by_key = async || {
        let usage = acme.get("/api/v1/usage").await.data(200);
        usage["meters"]["api.requests"]["by"]["key"][key.replace('-', "")].as_u64().unwrap_or(0)
    };
    eventually("all are counted", async || by_key().await >= REQUESTS).await;
    assert_eq!(by_key().await, REQUESTS);
    let usage = seen(&acme).await["usage"].clone();
    assert_eq!((&usage["included"], &usage["unitPrice"]), (&json!(INCLUDED), &json!(BEYOND)));
    // What people do in their workspace is used, too, and so is asking how much that is.
    let from = format!("{}00:00Z", &usage["start"].as_str().unwrap()[..14]);
    let total = async || {
        let series = acme.get(&format!("/api/v1/usage/series?from={from}")).await.data(200);
        series["total"].as_u64().unwrap()
    };
    let (before, last) = (total().await, total().await);
    let beyond = last + (last - before) - INCLUDED;
    assert!(beyond > REQUESTS - INCLUDED, "{beyond}");
    let told = || shop.sim.truth()["meters"]["mtr_requests"]["totals"][&customer].as_u64().unwrap_or(0);
    eventually("all of it is told", async || {
        let found = shop.run("closing").await;
        assert!(found.starts_with("1 tenants, ") && found.ends_with(" 0 tenants failed"), "{found}");
        told() >= beyond
    })
    .await;
    assert_eq!(told(), beyond, "what is beyond is what was counted");
    // The period ends, and an hour later its bill is finished.
    shop.sim.advance_to(end + 2 * HOUR).await;
    shop.settled().await;
    let bill = shop.all("invoices").into_iter().rfind(|bill| bill["billing_reason"] == "subscription_cycle").unwrap();
    let lines = bill["lines"]["data"].as_array().unwrap();
    let amounts: Vec<i64> = lines.iter().map(|line| line["amount"].as_i64().unwrap()).collect();
    // 35 hundredths of a cent for each, rounded once, a half up.
    let expected = i64::try_from((beyond * 35 + 50) / 100).unwrap();
    assert!(amounts.len() == 2 && amounts.contains(&expected) && amounts.contains(&PRO), "{amounts:?} for {beyond}");
    assert_eq!((&bill["total"], &bill["status"]), (&json!(expected + PRO), &json!("paid")));
    let shown = acme.get(super::INVOICES).await.data(200)[0].clone();
    assert_eq!((&shown["id"], &shown["total"]["amount"]), (&bill["id"], &json!(expected + PRO)));
    shop.close().await;
}

/// So long it goes on as before.
const GRACE: i64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_fails_and_all_is_well_once_it_is_paid() {
    let Some((launch, redis)) = on_postgres().await else { return };
    // A bill is finished and charged an hour after its period: now.
    let begun = now();
    let end = begun - HOUR;
    let launch = launch.set("BILLING_GRACE", format!("{GRACE}s"));
    let shop = Shop::open((launch, redis), begun - end + ago(end).await).await;
    let Owner { client: acme, workspace } = sign_up(&shop.nodes[0], "acme").await;
    let there = acme.at(&shop.nodes[1]);
    make_environment(&acme).await;
    acme.post(&format!("{INTERNAL}/flags"), flag("dark")).await.expect(201);
    let (sdk, ..) = make_key(&acme, &["config:read"]).await;
    let (customer, _) = shop.buy_by_hand("acme", &workspace).await;
    has_plan(&acme, "pro").await;
    shop.sim.set_card(&customer, Card::Declining).unwrap();
    shop.sim.set_dunning(serde_json::from_value(json!({ "retry_days": [3], "last": "past_due" })).unwrap());
    shop.catch_up().await;
    // For a while all is as before.
    eventually("it is owed", async || seen(&acme).await["status"] == "past_due").await;
    let since: i64 = shop.all("invoices").last().unwrap()["status_transitions"]["finalized_at"].as_i64().unwrap();
    let mut writes = 0;
    let refused = loop {
        let reply = acme.post(&format!("{INTERNAL}/configs"), config(&format!("c{writes}"), "x")).await;
        if reply.status != 201 {
            break reply;
        }
        writes += 1;
        assert!(now() < since + GRACE + 30, "it is never read-only");
    };
    assert!(now() >= since + GRACE, "refused in the days of grace");
    assert_eq!(refused.code(402), "PAYMENT_REQUIRED");
    eprintln!("{writes} writes in the time of grace");
    // A mail says what is owed, and where it is paid.
    eventually("they are told", async || !shop.post.to(&email("acme"), "A payment for acme failed").is_empty()).await;
    let bill = shop.all("invoices").into_iter().find(|bill| bill["status"] == "open").unwrap();
    let mail = shop.post.to(&email("acme"), "A payment for acme failed").remove(0);
    let link = bill["hosted_invoice_url"].as_str().unwrap();
    assert!(mail.text.contains("20.00 USD") && mail.text.contains(link), "{}", mail.text);
    // On both nodes nothing can be changed; clients are served, and it can be paid.
    eventually("the other node knows", async || there.post(&format!("{INTERNAL}/flags"), flag("x")).await.status == 402).await;
    let restricted = acme.get("/api/v1/workspace").await.data(200);
    assert_eq!((&restricted["plan"], &restricted["restriction"]), (&json!("pro"), &json!("read_only")));
    for node in &shop.nodes {
        sdk.at(node).get(&format!("{PUBLIC}/flags/dark/evaluate?userId=u-1")).await.expect(200);
        let acme = acme.at(node);
        acme.post("/api/v1/billing/portal", json!({ "flow": "payment_method" })).await.expect(200);
        let bills = acme.get(super::INVOICES).await.data(200);
        assert_eq!(bills[0]["url"], link);
        acme.get("/api/v1/platforms").await.expect(200);
    }
    shop.sim.set_card(&customer, Card::Ok).unwrap();
    shop.sim.pay_invoice(bill["id"].as_str().unwrap()).unwrap();
    for node in [&acme, &there] {
        eventually("all is well", async || node.get("/api/v1/workspace").await.data(200)["status"] == "active").await;
        eventually("it can be changed", async || node.put(&format!("{INTERNAL}/flags/dark"), flag("dark")).await.status != 402)
            .await;
    }
    shop.settled().await;
    let shown = seen(&acme).await;
    assert_eq!((&shown["status"], &shown["pastDueSince"]), (&json!("active"), &Value::Null));
    assert_eq!(shop.post.to(&email("acme"), "failed").len(), 1, "there was one try");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_bought_twice_is_undone() {
    let Some(ground) = on_postgres().await else { return };
    let shop = Shop::open(ground, 0).await;
    let acme = shop.subscriber("acme").await;
    assert_eq!(acme.post(CHECKOUT, json!({ "plan": "pro" })).await.code(409), "ALREADY_SUBSCRIBED");
    let workspace = acme.get("/api/v1/workspace").await.data(200)["id"].as_str().unwrap().to_owned();
    let first = shop.subscription_of(&workspace);
    let (customer, second) = shop.buy_by_hand("acme", &workspace).await;
    eventually("it is over", async || shop.sim.truth()["subscriptions"][&second]["status"] == "canceled").await;
    eventually("it is paid back", async || shop.sim.truth()["customers"][&customer]["paid"] == 0).await;
    shop.settled().await;
    eventually("nobody has to decide", async || shop.listed("conflicts?open=true").await.is_empty()).await;
    let decided = shop.listed("conflicts?open=false").await;
    assert_eq!(
        (decided.len(), &decided[0]["kind"], &decided[0]["subscription"]),
        (1, &json!("second-subscription"), &json!(second))
    );
    assert_eq!(shop.subscription_of(&workspace)["id"], first["id"]);
    assert_eq!(shop.sim.truth()["customers"][first["customer"].as_str().unwrap()]["paid"], PRO);
    assert_eq!(seen(&acme).await["status"], "active");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_takes_its_subscription_along() {
    let Some(ground) = on_postgres().await else { return };
    let mut shop = Shop::open(ground, 0).await;
    let acme = shop.subscriber("acme").await;
    let workspace = acme.get("/api/v1/workspace").await.data(200)["id"].as_str().unwrap().to_owned();
    let id = shop.subscription_of(&workspace)["id"].as_str().unwrap().to_owned();
    let ends = |shop: &Shop| shop.sim.truth()["subscriptions"][&id]["cancel_at_period_end"] == true;
    acme.delete("/api/v1/workspace").await.expect(200);
    eventually("it ends", async || ends(&shop)).await;
    eventually("it is gone", async || acme.at(&shop.nodes[1]).get(SUBSCRIPTION).await.status != 200).await;
    let central = sign_in(&shop.nodes[1], &email("acme"), crate::people::API).await.unwrap();
    central.post("/api/v1/workspaces/acme/restore", json!({})).await.expect(200);
    eventually("it goes on", async || !ends(&shop)).await;
    shop.settled().await;
    let acme = sign_in(&shop.nodes[0], &email("acme"), &host("acme")).await.unwrap();
    assert_eq!(seen(&acme).await["cancelAt"], Value::Null);
    // Without days of grace it is purged as soon as somebody looks, and not before nothing can be charged any more.
    let launch: Launch = shop.launch().set("WORKSPACE_GRACE_DAYS", "0");
    for place in 0..2 {
        shop.replace(place, &launch, false).await;
    }
    acme.at(&shop.nodes[0]).delete("/api/v1/workspace").await.expect(200);
    let path = format!("/api/v1/admin/workspaces/{workspace}");
    for _ in 0..5 {
        // Who looks first ends the subscription, and may find that the workspace has changed with it: that is for the next one then.
        shop.replace(1, &launch, false).await;
        eventually("it has looked", async || shop.nodes[1].log().contains("Looked for workspaces to purge")).await;
        if shop.operator.get(&path).await.status == 404 {
            break;
        }
    }
    assert_eq!(shop.operator.get(&path).await.status, 404, "it is purged");
    assert_eq!(shop.sim.truth()["subscriptions"][&id]["status"], "canceled");
    shop.settled().await;
    assert_eq!(shop.listed("conflicts?open=true").await, [] as [Value; 0]);
    shop.close().await;
}
