//! Batches of events.

use serde_json::json;
use togglebox_toggles::Side;
use togglebox_toggles::input::EventBatch;
use togglebox_toggles::statistics::EventKind;
use togglebox_toggles::store::Subject;

#[test]
fn events_of_the_php_client_are_read() {
    let batch = EventBatch::read(Some(&json!({ "events": [
        {
            "type": "flag_evaluation", "flagKey": "geo", "value": "A", "userId": "u", "country": null, "language": null,
            "timestamp": "2025-01-01T01:00:00+01:00",
        },
        {
            "type": "conversion", "experimentKey": "cta", "metricName": "click", "variationKey": "buy-now", "userId": "u",
            "value": null, "timestamp": "2025-01-01T00:00:00+00:00",
        },
    ] })));
    let batch = batch.unwrap();
    assert!(batch.accepted.iter().all(|accepted| accepted.event.at.to_string() == "2025-01-01T00:00:00.000Z"));
    let user = Subject::of("u");
    let flag = EventKind::FlagEvaluation { flag: "geo".parse().unwrap(), side: Side::A, user, country: None };
    assert_eq!(batch.accepted[0].event.kind, flag);
    let conversion = EventKind::Conversion {
        experiment: "cta".parse().unwrap(),
        metric: "click".to_owned(),
        variation: "buy-now".parse().unwrap(),
        user,
        value: None,
    };
    assert_eq!(batch.accepted[1].event.kind, conversion);
}

#[test]
fn each_event_stands_or_falls_by_itself() {
    let at = "2025-01-01T00:00:00Z";
    let long = "x".repeat(513);
    let batch = EventBatch::read(Some(&json!({ "events": [
        { "type": "config_fetch", "key": "a", "clientId": "c", "timestamp": at },
        { "type": "config_fetch", "key": "", "timestamp": at },
        "nonsense",
        { "type": "config_fetch", "key": "a", "clientId": long, "timestamp": at },
        {
            "type": "conversion", "experimentKey": "e", "metricId": null, "variationKey": "v", "userId": "u", "value": 1e200,
            "timestamp": at,
        },
    ] })));
    let batch = batch.unwrap();
    assert_eq!(batch.accepted.iter().map(|accepted| accepted.index).collect::<Vec<_>>(), [0]);
    assert_eq!((batch.unmatched.as_slice(), batch.processed()), (&[1][..], 2));
    let told: Vec<String> = batch.rejected.iter().flat_map(|event| &event.issues).map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "events.2: Expected object, received string",
            "events.3.clientId: String must contain at most 512 character(s)",
            "events.4.metricId: Expected string, received null",
            "events.4.value: Number must be between -1e100 and 1e100",
        ]
    );
}

#[test]
fn a_batch_has_a_largest_size() {
    let batch = |count: usize| {
        let event = json!({ "type": "config_fetch", "key": "k", "timestamp": "2025-01-01T00:00:00Z" });
        EventBatch::read(Some(&json!({ "events": vec![event; count] })))
    };
    assert_eq!(batch(10_000).unwrap().accepted.len(), 10_000);
    assert_eq!(batch(10_001).unwrap_err()[0].to_string(), "events: Array must contain at most 10000 element(s)");
    let hopeless = EventBatch::read(Some(&json!({ "events": vec![json!(1); 5000] }))).unwrap_err();
    assert_eq!(hopeless.len(), 100, "a refusal stays short");
}
