//! What the operator's people see and do of billing.

use std::time::Duration;

use serde_json::{Value, json};
use togglebox_billing::Chore;

use super::super::rig::API;
use super::shop::Shop;

const ADMIN: &str = "/api/v1/admin/billing";

#[actix_web::test]
async fn what_came_and_what_comes_in_is_shown() {
    let shop = Shop::open().await;
    shop.subscriber("ann", "acme").await;
    let op = shop.rig.operator().await;
    let done = shop.get(&op, &format!("{ADMIN}/events?state=done&limit=1")).await.expect(200).json();
    assert_eq!(done["data"].as_array().unwrap().len(), 1);
    let event = &done["data"][0];
    assert!(event["id"].as_str().unwrap().starts_with("evt_") && event["type"].is_string(), "{event}");
    assert!(!event.to_string().contains("example.com"), "nothing of what it is about");
    let token = done["meta"]["nextCursor"].as_str().unwrap();
    let next = shop.get(&op, &format!("{ADMIN}/events?state=done&limit=1&nextToken={token}")).await.expect(200).json();
    assert_ne!(next["data"][0]["id"], event["id"]);
    shop.get(&op, &format!("{ADMIN}/events?state=waiting&nextToken={token}")).await.expect(400);
    assert_eq!(shop.get(&op, &format!("{ADMIN}/events")).await.expect(200).json()["data"], json!([]), "none is dead");
    shop.get(&op, &format!("{ADMIN}/events?state=lost")).await.expect(422);
    let revenue = shop.get(&op, &format!("{ADMIN}/revenue")).await.expect(200).json()["data"].clone();
    assert_eq!(revenue["monthly"][0], json!({ "amount": 2000, "currency": "usd", "formatted": "20.00 USD" }));
    assert_eq!((&revenue["plans"][0]["plan"], &revenue["plans"][0]["subscriptions"]), (&json!("pro"), &json!(1)));
    // What is done already is not done again.
    let path = format!("{ADMIN}/events/{}/requeue", event["id"].as_str().unwrap());
    assert_eq!(shop.post(&op, &path, json!({})).await.expect(409).json()["code"], "NOTHING_TO_CHANGE");
    shop.post(&op, &format!("{ADMIN}/events/evt_nope/requeue"), json!({})).await.expect(404);
}

#[actix_web::test]
async fn what_was_given_up_is_tried_again() {
    let shop = Shop::open().await;
    *shop.post.refuses.lock().unwrap() = true;
    let sign_up = super::shop::form("ann", "acme", &json!({ "plan": "pro" }));
    let begun = shop.rig.post(API, "/api/v1/onboarding/signup", None, sign_up).await.expect(202).json();
    shop.pay(&begun["data"]["signUp"]["id"]);
    shop.deliver_all().await;
    let op = shop.rig.operator().await;
    let dead = shop.get(&op, &format!("{ADMIN}/effects")).await.expect(200).json()["data"].clone();
    let effect = dead.as_array().unwrap().iter().find(|effect| effect["kind"] == "notify").unwrap().clone();
    let key = effect["key"].as_str().unwrap();
    assert!(key.contains(':') && effect["tenant"].is_string() && effect["trouble"].is_string(), "{effect}");
    *shop.post.refuses.lock().unwrap() = false;
    while shop.was_woken() {}
    let path = format!("{ADMIN}/effects/{}/requeue", key.replace(':', "%3A"));
    shop.post(&op, &path, json!({})).await.expect(200);
    assert!(shop.was_woken());
    shop.work().await;
    assert!(shop.post.sent.lock().unwrap().iter().any(|sent| sent == key));
    let done = shop.get(&op, &format!("{ADMIN}/effects?state=done")).await.expect(200).json()["data"].clone();
    assert!(done.as_array().unwrap().iter().any(|effect| effect["key"] == key));
    shop.post(&op, &path, json!({})).await.expect(409);
}

#[actix_web::test]
async fn what_somebody_paid_twice_is_decided_on() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    let op = shop.rig.operator().await;
    // Somebody makes it a price that nobody knows.
    let subscription = shop.sim.truth()["subscriptions"].as_object().unwrap().keys().next().unwrap().clone();
    shop.sim.seed_price(togglebox_stripe_sim::SeedPrice::monthly("price_odd", 1)).unwrap();
    shop.sim.portal_change_plan(&subscription, "price_odd").unwrap();
    shop.deliver_all().await;
    let open = shop.get(&op, &format!("{ADMIN}/conflicts")).await.expect(200).json()["data"].clone();
    let conflict = open.as_array().unwrap().iter().find(|conflict| conflict["kind"] == "unknown-price").unwrap().clone();
    assert_eq!((&conflict["open"], &conflict["subscription"]), (&json!(true), &json!(subscription)));
    assert_eq!(shop.subscription(&ann).await["plan"], "pro", "a price that nobody knows takes nothing away");
    let id = conflict["id"].as_str().unwrap().replace(':', "%3A");
    let path = format!("{ADMIN}/conflicts/{id}/resolve");
    for wrong in [json!({}), json!({ "resolution": "" }), json!({ "resolution": "x", "undo": "yes" })] {
        shop.post(&op, &path, wrong).await.expect(422);
    }
    let resolved = shop.post(&op, &path, json!({ "resolution": "It was us." })).await.expect(200).json()["data"].clone();
    assert_eq!((&resolved["open"], &resolved["resolution"]), (&json!(false), &json!("It was us.")));
    shop.post(&op, &path, json!({ "resolution": "Again." })).await.expect(409);
    let closed = shop.get(&op, &format!("{ADMIN}/conflicts?open=false")).await.expect(200).json()["data"].clone();
    assert_eq!(closed[0]["id"], conflict["id"]);
    shop.get(&op, &format!("{ADMIN}/conflicts?open=maybe")).await.expect(422);
    shop.post(&op, &format!("{ADMIN}/conflicts/nope/resolve"), json!({ "resolution": "x" })).await.expect(404);
}

#[actix_web::test]
async fn regular_work_is_seen_and_done_at_once() {
    let shop = Shop::open().await;
    let op = shop.rig.operator().await;
    assert_eq!(shop.get(&op, &format!("{ADMIN}/tasks")).await.expect(200).json()["data"], json!([]));
    let run = shop.post(&op, &format!("{ADMIN}/tasks/poll/run"), json!({})).await.expect(200).json()["data"].clone();
    assert_eq!(run["chore"], "poll");
    assert!(run["outcome"].is_string());
    let tasks = shop.get(&op, &format!("{ADMIN}/tasks")).await.expect(200).json();
    assert_eq!(tasks["data"].as_array().unwrap().len(), Chore::ALL.len());
    let poll: Vec<&Value> = tasks["data"].as_array().unwrap().iter().filter(|task| task["chore"] == "poll").collect();
    assert!(poll[0]["doneAt"].is_string() && poll[0]["failures"] == 0);
    shop.post(&op, &format!("{ADMIN}/tasks/sing/run"), json!({})).await.expect(404);
}

#[actix_web::test]
async fn who_pays_for_a_plan_has_it() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    let op = shop.rig.operator().await;
    let path = format!("/api/v1/admin/workspaces/{}/plan", ann.workspace["id"].as_str().unwrap());
    let refused = shop.post(&op, &path, json!({ "plan": "enterprise" })).await.expect(409).json();
    assert_eq!((&refused["code"], &refused["meta"]["state"]), (&json!("BILLING_STATE"), &json!("subscribed")));
    // Limits of its own are another matter.
    shop.post(&op, &path, json!({ "plan": "pro", "limits": { "flags": 7 } })).await.expect(200);
    let bob = shop.rig.sign_up("bob", "globex").await;
    let path = format!("/api/v1/admin/workspaces/{}/plan", bob.workspace["id"].as_str().unwrap());
    shop.post(&op, &path, json!({ "plan": "enterprise" })).await.expect(200);
}

#[actix_web::test]
async fn only_the_operators_people_see_any_of_it() {
    let shop = Shop::open().await;
    let ann = shop.subscriber("ann", "acme").await;
    shop.rig.clock.advance(Duration::from_secs(1));
    let central = shop.rig.signed_in("ann", API).await;
    let routes = crate::cloud::routes::central().into_iter().filter(|route| route.path.starts_with(ADMIN));
    let mut count = 0;
    for route in routes {
        count += 1;
        let path = route.path.replace("{id}", "x").replace("{key}", "x").replace("{chore}", "poll");
        let send = async |host: &str, token: Option<&str>| {
            shop.rig.send((route.method.clone(), host, &path), token, Some(json!({ "resolution": "x" })), &[]).await
        };
        send(API, Some(&central.token)).await.expect(403);
        send(API, Some(&ann.token)).await.expect(401);
        send(API, None).await.expect(401);
        send(&ann.host, Some(&ann.token)).await.expect(404);
    }
    assert_eq!(count, 9);
}
