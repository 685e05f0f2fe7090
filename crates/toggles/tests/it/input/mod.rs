//! Bodies of requests.

mod agreement;
mod event;
mod properties;
mod recorded;

use serde_json::{Value, json};
use togglebox_core::input::Issues;

pub(crate) type Refuse = fn(Option<&Value>) -> Issues;

macro_rules! refuse {
    ($body:ty) => {
        |document| <$body>::read(document).expect_err("accepted")
    };
}
pub(crate) use refuse;

#[track_caller]
pub(crate) fn assert_told(refuse: Refuse, body: &Value, expected: &[&str]) {
    let told: Vec<String> = refuse(Some(body)).iter().map(ToString::to_string).collect();
    assert_eq!(told, expected, "{body}");
}

/// Two variations at 50 % each; the caller overwrites what its test is about.
pub(crate) fn experiment(overwrite: Value) -> Value {
    let mut body = json!({
        "experimentKey": "cta",
        "name": "CTA",
        "hypothesis": "Green wins",
        "variations": [
            { "key": "control", "name": "Blue", "value": "blue", "isControl": true },
            { "key": "green", "name": "Green", "value": { "hex": "#0f0" } },
        ],
        "controlVariation": "control",
        "trafficAllocation": [{ "variationKey": "control", "percentage": 50 }, { "variationKey": "green", "percentage": 50 }],
        "primaryMetric": {
            "id": "click", "name": "Click", "eventName": "click", "metricType": "conversion", "successDirection": "increase"
        },
    });
    let Value::Object(members) = overwrite else { panic!("an object, please") };
    body.as_object_mut().unwrap().extend(members);
    body
}

pub(crate) fn allocation(shares: &[(&str, f64)]) -> Value {
    shares.iter().map(|(key, share)| json!({ "variationKey": key, "percentage": share })).collect()
}
