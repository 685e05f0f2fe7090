//! Against Stripe's own fixtures: every key that is rendered is there too, with a value of the same JSON type.

use std::collections::BTreeSet;

use serde_json::Value;
use togglebox_stripe_sim::{Ask, Card};

use crate::support::{DAY, HOUR, NOW, get, ok, session, sim, subscribed, subscription, text};

/// Branches with keys of anybody's choice.
const FREE: [&str; 4] = ["metadata", "payload", "previous_attributes", "payment_method_options"];

/// What the fixtures leave out because it is optional in the specification: the object that it is in, and the key.
const OPTIONAL: [(&str, &str); 9] = [
    // Present when it is expanded.
    ("checkout.session", "line_items"),
    // Present for the type `card_error`.
    ("payment_intent.last_payment_error", "code"),
    ("payment_intent.last_payment_error", "message"),
    // Present for the type `price_details`.
    ("line_item.pricing", "price_details"),
    ("invoiceitem.pricing", "price_details"),
    // Present for the type `payment_intent`.
    ("invoice_payment.payment", "payment_intent"),
    ("invoiceitem.parent.subscription_details", "subscription_item"),
    ("event.data", "previous_attributes"),
    ("webhook_endpoint", "secret"),
];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Adds what of `ours` the fixtures do not have.
fn compare(fixtures: &Value, path: &str, ours: &Value, theirs: &Value, odd: &mut BTreeSet<String>) {
    // An object of its own kind has a fixture of its own.
    let name = ours["object"].as_str().filter(|name| fixtures.get(*name).is_some() && *name != "list");
    let (path, theirs) = match name {
        Some(_) if ours["deleted"] == true => return,
        Some(name) => (name, &fixtures[name]),
        None => (path, theirs),
    };
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (key, value) in ours {
                let below = format!("{path}.{key}");
                match theirs.get(key) {
                    _ if FREE.contains(&key.as_str()) => {}
                    None if OPTIONAL.contains(&(path, key)) => {}
                    None => {
                        odd.insert(format!("{below} is not there"));
                    }
                    Some(other) => compare(fixtures, &below, value, other, odd),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            for (one, other) in ours.iter().filter_map(|one| Some((one, theirs.first()?))) {
                compare(fixtures, path, one, other, odd);
            }
        }
        (Value::Null, _) | (_, Value::Null) => {}
        // An id may stand where an object is expanded.
        (Value::String(_), Value::Object(_)) if theirs.get("id").is_some() => {}
        _ if kind(ours) == kind(theirs) => {}
        _ => {
            odd.insert(format!("{path} is {} and not {}", kind(ours), kind(theirs)));
        }
    }
}

#[tokio::test]
async fn everything_rendered_is_in_the_fixtures() {
    let fixtures: Value = serde_json::from_str(include_str!("../data/fixtures3.json")).unwrap();
    let sim = sim().await;
    let mut seen: Vec<Value> = Vec::new();
    // A life with everything in it.
    let (id, customer) = subscribed(&sim, &["price_pro", "price_requests"]).await;
    let event = Ask::post("/v1/billing/meter_events")
        .form("event_name", "requests")
        .form("payload[stripe_customer_id]", &customer)
        .form("payload[value]", 2_000)
        .form("identifier", "a");
    seen.push(ok(sim.call(event).await));
    let item = text(&subscription(&sim, &id).await["items"]["data"][0], "id").to_owned();
    let change = |price: &str, behavior: &str| {
        Ask::post(&format!("/v1/subscriptions/{id}"))
            .form("items[0][id]", &item)
            .form("items[0][price]", price)
            .form("proration_behavior", behavior)
    };
    ok(sim.call(change("price_enterprise", "create_prorations")).await);
    sim.set_card(&customer, Card::Declining).unwrap();
    sim.advance(DAY).await;
    seen.push(ok(sim.call(change("price_pro", "always_invoice").form("payment_behavior", "pending_if_incomplete")).await));
    ok(sim.call(change("price_pro_year", "always_invoice").form("payment_behavior", "pending_if_incomplete")).await);
    seen.push(subscription(&sim, &id).await);
    sim.set_card(&customer, Card::Ok).unwrap();
    sim.advance(40 * DAY).await;
    seen.push(ok(sim.call(Ask::post("/v1/subscription_schedules").form("from_subscription", &id)).await));
    let intent = sim.truth()["payments"].as_object().unwrap().keys().next().unwrap().clone();
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
        let list = get(&sim, path).await;
        seen.extend(list["data"].as_array().cloned().unwrap_or_else(|| vec![list]));
    }
    seen.extend(sim.events().into_iter().map(|event| event["data"]["object"].clone()));
    let mut odd = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for value in &seen {
        kinds.insert(text(value, "object").to_owned());
        compare(&fixtures, "", value, &Value::Null, &mut odd);
    }
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(kinds.len() >= 20, "{kinds:?}");
    assert!(kinds.iter().all(|kind| fixtures.get(kind).is_some()), "{kinds:?}");
}
