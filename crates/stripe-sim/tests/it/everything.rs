//! A life in which everything is rendered that the simulator can render.

use serde_json::Value;
use togglebox_stripe_sim::{Ask, Card, Sim};

use crate::support::{DAY, HOUR, NOW, get, ok, session, subscribed, subscription, text};

/// Lives it; what was answered, and the objects of all events.
pub(crate) async fn everything(sim: &Sim) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    let (id, customer) = subscribed(sim, &["price_pro", "price_requests"]).await;
    let event = Ask::post("/v1/billing/meter_events")
        .form("event_name", "requests")
        .form("payload[stripe_customer_id]", &customer)
        .form("payload[value]", 2_000)
        .form("identifier", "a");
    seen.push(ok(sim.call(event).await));
    let item = text(&subscription(sim, &id).await["items"]["data"][0], "id").to_owned();
    let change = |price: &str, behavior: &str| {
        Ask::post(&format!("/v1/subscriptions/{id}"))
            .form("items[0][id]", &item)
            .form("items[0][price]", price)
            .form("proration_behavior", behavior)
    };
    ok(sim.call(change("price_enterprise", "create_prorations")).await);
    sim.set_card(&customer, Card::Declining).expect("a customer");
    sim.advance(DAY).await;
    seen.push(ok(sim.call(change("price_pro", "always_invoice").form("payment_behavior", "pending_if_incomplete")).await));
    ok(sim.call(change("price_pro_year", "always_invoice").form("payment_behavior", "pending_if_incomplete")).await);
    seen.push(subscription(sim, &id).await);
    sim.set_card(&customer, Card::Ok).expect("a customer");
    sim.advance(40 * DAY).await;
    seen.push(ok(sim.call(Ask::post("/v1/subscription_schedules").form("from_subscription", &id)).await));
    let intent = sim.truth()["payments"].as_object().and_then(|all| all.keys().next().cloned()).expect("a payment");
    seen.push(ok(sim.call(Ask::post("/v1/refunds").form("payment_intent", intent)).await));
    ok(sim.call(session(&["price_pro"])).await);
    seen.push(ok(sim.call(Ask::post("/v1/billing_portal/sessions").form("customer", &customer)).await));
    let cancel = Ask::post("/v1/billing/meter_events").form("event_name", "requests").form("identifier", "b");
    ok(sim.call(cancel.form("payload[stripe_customer_id]", &customer).form("payload[value]", 1)).await);
    let adjust = Ask::post("/v1/billing/meter_event_adjustments").form("event_name", "requests").form("type", "cancel");
    seen.push(ok(sim.call(adjust.form("cancel[identifier]", "b")).await));
    let hook = Ask::post("/v1/webhook_endpoints").form("url", "http://127.0.0.1:9/").form("enabled_events[]", "none");
    seen.push(ok(sim.call(hook).await));
    seen.push(ok(sim.call(Ask::post("/v1/test_helpers/test_clocks").form("frozen_time", sim.now())).await));
    seen.push(ok(sim.call(Ask::post("/v1/invoices/create_preview").form("subscription", &id)).await));
    let start = NOW / HOUR * HOUR;
    for path in [
        "/v1/account",
        "/v1/customers",
        "/v1/products",
        "/v1/prices",
        "/v1/subscriptions?status=all",
        "/v1/invoices?limit=100",
        "/v1/invoice_payments",
        "/v1/events?limit=100",
        "/v1/checkout/sessions?expand[]=data.line_items",
        "/v1/billing/meters",
        "/v1/subscription_schedules",
        &format!(
            "/v1/billing/meters/mtr_requests/event_summaries?customer={customer}&start_time={start}&end_time={}",
            start + HOUR
        ),
    ] {
        let list = get(sim, path).await;
        seen.extend(list["data"].as_array().cloned().unwrap_or_else(|| vec![list]));
    }
    seen.extend(sim.events().into_iter().map(|event| event["data"]["object"].clone()));
    seen
}
