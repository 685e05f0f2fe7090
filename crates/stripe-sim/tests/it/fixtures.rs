//! Against Stripe's own fixtures: every key that is rendered is there too, with a value of the same JSON type.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::everything::everything;
use crate::support::{sim, text};

/// Branches with keys of anybody's choice.
const FREE: [&str; 4] = ["metadata", "payload", "previous_attributes", "payment_method_options"];

/// What the fixtures leave out because it is optional in the specification: the object that it is in, and the key.
const OPTIONAL: [(&str, &str); 11] = [
    // Present in flexible mode.
    ("subscription.billing_mode.flexible", "proration_discounts"),
    ("subscription_schedule.billing_mode.flexible", "proration_discounts"),
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
    let seen = everything(&sim).await;
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
