//! What the parts of a document must agree on, among themselves and with what is stored.

use serde_json::{Value, json};
use togglebox_core::input::Patch;
use togglebox_toggles::input::{
    ExperimentPatch, FlagRollback, FlagRollout, NewExperiment, NewFlag, NewParameter, ParameterPatch,
};
use togglebox_toggles::{FlagValue, ValueType};

use super::{Refuse, allocation, assert_told, experiment, refuse};

#[test]
fn typed_flags_need_values_of_their_type() {
    let flag = |extra: Value| {
        let mut body = json!({ "flagKey": "f", "name": "F" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    assert_told(
        refuse!(NewFlag),
        &flag(json!({ "flagType": "string" })),
        &["valueA: valueA and valueB are required for string flags", "valueB: valueA and valueB are required for string flags"],
    );
    assert_told(
        refuse!(NewFlag),
        &flag(json!({ "flagType": "number", "valueA": 1 })),
        &["valueB: valueA and valueB are required for number flags"],
    );
    assert_told(
        refuse!(NewFlag),
        &flag(json!({ "valueA": "on", "valueB": null })),
        &["valueA: Expected boolean, received string", "valueB: Invalid input"],
    );
    let read = NewFlag::read(Some(&flag(json!({ "flagType": "number", "valueA": 1.5, "valueB": 0 })))).unwrap().definition;
    let number = |value: Value| FlagValue::Number(serde_json::from_value(value).unwrap());
    assert_eq!((read.value_a, read.value_b), (number(json!(1.5)), number(json!(0))));
    let boolean = NewFlag::read(Some(&flag(json!({ "valueA": false })))).unwrap().definition;
    assert_eq!((boolean.value_a, boolean.value_b), (FlagValue::Boolean(false), FlagValue::Boolean(false)));
}

#[test]
fn one_percentage_decides_the_other() {
    let shares = |body: Value| FlagRollout::read(Some(&body)).unwrap().shares.map(|shares| (shares.a, shares.b));
    assert_eq!(shares(json!({ "rolloutPercentageA": 30 })), Some((30.0, 70.0)));
    assert_eq!(shares(json!({ "rolloutPercentageB": 30 })), Some((70.0, 30.0)));
    assert_eq!(shares(json!({ "rolloutPercentageA": 33.33, "rolloutPercentageB": 66.67 })), Some((33.33, 66.67)));
    assert_eq!(shares(json!({ "rolloutEnabled": true })), None);
}

#[test]
fn reserved_and_oversized_parameter_keys_are_refused() {
    let with = |key: &str| json!({ "parameterKey": key, "valueType": "string", "defaultValue": "" });
    for key in ["list", "count"] {
        assert_told(refuse!(NewParameter), &with(key), &["parameterKey: This key is reserved"]);
    }
    assert!(NewParameter::read(Some(&with("List"))).is_ok());
    let long = "k".repeat(257);
    assert_told(refuse!(NewParameter), &with(&long), &["parameterKey: String must contain at most 256 character(s)"]);
}

#[test]
fn keys_that_no_event_could_name_are_refused() {
    let flag = |key: String| json!({ "flagKey": key, "name": "F" });
    assert!(NewFlag::read(Some(&flag("a".repeat(512)))).is_ok());
    assert_told(refuse!(NewFlag), &flag("a".repeat(513)), &["flagKey: String must contain at most 512 character(s)"]);
    let long = "a".repeat(513);
    assert_told(
        refuse!(NewExperiment),
        &experiment(json!({ "experimentKey": long })),
        &["experimentKey: String must contain at most 512 character(s)"],
    );
    let mut metric = experiment(json!({}))["primaryMetric"].clone();
    metric["id"] = json!(long);
    assert_told(
        refuse!(NewExperiment),
        &experiment(json!({ "primaryMetric": metric })),
        &["primaryMetric.id: String must contain at most 512 character(s)"],
    );
}

#[test]
fn a_patched_parameter_is_checked_as_a_whole() {
    let stored = NewParameter::read(Some(&json!({
        "parameterKey": "n", "valueType": "string", "defaultValue": "12abc", "description": "d", "parameterGroup": "g",
    })));
    let stored = stored.unwrap().definition;
    let apply = |patch: Value| ParameterPatch::read(Some(&patch)).unwrap().apply(&stored);
    let misfit = apply(json!({ "valueType": "number" })).unwrap_err();
    assert_eq!(misfit[0].to_string(), r#"defaultValue: defaultValue "12abc" is not a valid number"#);
    let both = apply(json!({ "valueType": "number", "defaultValue": "12" })).unwrap();
    assert_eq!((both.value_type, both.description.as_deref()), (ValueType::Number, Some("d")));
    let cleared = apply(json!({ "description": null })).unwrap();
    assert_eq!((cleared.description, cleared.parameter_group.as_deref()), (None, Some("g")));
    assert_eq!(ParameterPatch::read(None).unwrap().description, Patch::Keep, "no body changes nothing");
}

#[test]
fn variations_allocation_and_control_must_agree() {
    let new: Refuse = refuse!(NewExperiment);
    let variation = |key: &str, control: bool| json!({ "key": key, "name": key, "isControl": control });
    let twice = json!([variation("control", true), variation("control", true)]);
    let one = allocation(&[("control", 100.0), ("control", 0.0)]);
    assert_told(
        new,
        &experiment(json!({ "variations": twice, "trafficAllocation": one })),
        &["variations: Variation keys must be unique", "trafficAllocation: A variation must not be allocated twice"],
    );
    let three = json!([variation("control", true), variation("green", false), variation("buy-now", false)]);
    assert_told(
        new,
        &experiment(json!({ "variations": three })),
        &["trafficAllocation: Every variation must be in the traffic allocation"],
    );
    let marks = "variations: isControl must mark the control variation and no other";
    let other = json!([variation("control", false), variation("green", true)]);
    assert_told(new, &experiment(json!({ "variations": other })), &[marks]);
    let both = json!([variation("control", true), variation("green", true)]);
    assert_told(new, &experiment(json!({ "variations": both })), &[marks]);
    let neither = json!([variation("control", false), variation("green", false)]);
    let read = NewExperiment::read(Some(&experiment(json!({ "variations": neither })))).unwrap();
    assert_eq!(read.definition.variations.iter().map(|v| v.is_control).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_patched_experiment_agrees_as_a_whole() {
    let stored = NewExperiment::read(Some(&experiment(json!({ "scheduledStartAt": "2026-06-01T00:00Z" })))).unwrap().definition;
    let apply = |patch: Value| ExperimentPatch::read(Some(&patch)).unwrap().apply(&stored);
    let told = |patch: Value| apply(patch).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(told(json!({ "controlVariation": "Not a key" })), [": Control variation must exist in variations"]);
    assert_eq!(
        told(json!({ "trafficAllocation": allocation(&[("control", 50.0), ("Ghost!", 50.0)]) })),
        [": All traffic allocation keys must exist in variations"]
    );
    assert_eq!(
        told(json!({ "scheduledEndAt": "2026-05-31T23:59:59Z" })),
        ["scheduledEndAt: scheduledEndAt must not be before scheduledStartAt"]
    );
    let moved = apply(json!({ "controlVariation": "green" })).unwrap();
    assert_eq!(moved.variations.iter().map(|v| v.is_control).collect::<Vec<_>>(), [false, true]);
    assert_eq!(apply(json!({})).unwrap(), stored);
    assert_eq!(apply(json!({ "scheduledEndAt": "2026-06-01T00:00:00Z" })).unwrap().scheduled_start_at, stored.scheduled_start_at);
}

#[test]
fn a_draft_that_does_not_agree_can_still_be_renamed() {
    let mut stored = NewExperiment::read(Some(&experiment(json!({})))).unwrap().definition;
    stored.traffic_allocation.pop();
    let renamed = ExperimentPatch::read(Some(&json!({ "name": "x" }))).unwrap().apply(&stored).unwrap();
    assert_eq!((renamed.name.as_str(), renamed.traffic_allocation.len()), ("x", 1));
    assert!(ExperimentPatch::read(Some(&json!({ "controlVariation": "green" }))).unwrap().apply(&stored).is_err());
}

#[test]
fn a_flag_goes_back_to_a_version_of_the_usual_form() {
    assert_eq!(FlagRollback::read(Some(&json!({ "version": "1.0.3" }))).unwrap().version.patch(), 3);
    assert_told(refuse!(FlagRollback), &json!({ "version": "2" }), &["version: Version must have the form 1.0.n"]);
}
