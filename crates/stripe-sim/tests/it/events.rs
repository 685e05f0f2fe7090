use togglebox_stripe_sim::{Ask, Sim};

use crate::support::{DAY, NOW, get, ok, sim, subscribed, subscription, text};

#[tokio::test]
async fn events_are_listed_newest_first_and_page_by_page() {
    let sim = sim().await;
    subscribed(&sim, &["price_pro"]).await;
    let newest_first: Vec<String> = sim.events().iter().rev().map(|event| text(event, "id").to_owned()).collect();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let after = seen.last().map(|last| format!("&starting_after={last}")).unwrap_or_default();
        let page = get(&sim, &format!("/v1/events?limit=4{after}")).await;
        seen.extend(page["data"].as_array().unwrap().iter().map(|event| text(event, "id").to_owned()));
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(seen, newest_first);
}

#[tokio::test]
async fn events_are_found_by_type_and_time() {
    let sim = sim().await;
    subscribed(&sim, &["price_pro"]).await;
    sim.advance(DAY).await;
    subscribed(&sim, &["price_pro"]).await;
    let count = async |query: &str| get(&sim, &format!("/v1/events?limit=100&{query}")).await["data"].as_array().unwrap().len();
    assert_eq!(count("type=checkout.session.completed").await, 2);
    assert_eq!(count("type=customer.subscription.*").await, 4);
    assert_eq!(count("types[]=invoice.paid&types[]=invoice.created").await, 4);
    assert_eq!(count(&format!("type=invoice.paid&created[gte]={}", NOW + 1)).await, 1);
    assert_eq!(count(&format!("type=invoice.paid&created[lte]={NOW}")).await, 1);
    assert_eq!(count(&format!("type=invoice.paid&created[gt]={NOW}&created[lt]={}", NOW + DAY)).await, 0);
    assert_eq!(count("type=invoice.paid&delivery_success=false").await, 2);
    sim.take_deliveries();
    assert_eq!(count("type=invoice.paid&delivery_success=false").await, 0);
    assert_eq!(count("type=invoice.paid&delivery_success=true").await, 2);
    assert_eq!(sim.call(Ask::get("/v1/events?limit=101")).await.status, 400);
}

#[tokio::test]
async fn events_are_kept_for_thirty_days_and_never_change() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let event = sim.events().into_iter().find(|event| event["type"] == "customer.subscription.created").unwrap();
    let path = format!("/v1/events/{}", text(&event, "id"));
    ok(sim.call(Ask::delete(&format!("/v1/subscriptions/{id}"))).await);
    assert_eq!(get(&sim, &path).await["data"], event["data"]);
    sim.advance(30 * DAY).await;
    assert_eq!(sim.call(Ask::get(&path)).await.status, 200);
    sim.advance(1).await;
    assert_eq!(sim.call(Ask::get(&path)).await.status, 404);
    assert!(get(&sim, "/v1/events").await["data"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn an_event_names_the_request_that_caused_it() {
    let sim = sim().await;
    let answer = sim.call(Ask::post("/v1/customers").key("intent_1")).await;
    let event = sim.events().pop().unwrap();
    assert_eq!(event["request"]["idempotency_key"], "intent_1");
    assert_eq!(event["request"]["id"].as_str(), answer.header("request-id"));
    subscribed(&sim, &["price_pro"]).await;
    assert_eq!(sim.events().pop().unwrap()["request"], serde_json::json!({"id": null, "idempotency_key": null}));
}

#[tokio::test]
async fn shapes_follow_the_version() {
    let sim = sim().await;
    let (id, _) = subscribed(&sim, &["price_pro"]).await;
    let new = subscription(&sim, &id).await;
    assert!(new.get("current_period_end").is_none() && new["items"]["data"][0]["current_period_end"].is_i64());
    let old = ok(sim.call(Ask::get(&format!("/v1/subscriptions/{id}")).version("2024-06-20")).await);
    assert!(old["current_period_end"].is_i64() && old["items"]["data"][0].get("current_period_end").is_none());
    assert_eq!(old["plan"]["id"], "price_pro");
    let path = format!("/v1/invoices/{}", text(&new, "latest_invoice"));
    assert_eq!(get(&sim, &path).await["parent"]["subscription_details"]["subscription"], id.as_str());
    let old = ok(sim.call(Ask::get(&path).version("2025-02-24.acacia")).await);
    assert_eq!((&old["subscription"], old.get("parent")), (&id.as_str().into(), None));
    assert_eq!(sim.call(Ask::get(&path).version("latest")).await.status, 400);
}

#[tokio::test]
async fn the_account_s_version_is_that_of_its_events() {
    let sim = Sim::builder().api_version("2024-06-20").start().await.unwrap();
    ok(sim.call(Ask::post("/v1/customers")).await);
    assert_eq!(get(&sim, "/v1/events").await["data"][0]["api_version"], "2024-06-20");
    assert!(Sim::builder().api_version("new").start().await.is_err());
}
