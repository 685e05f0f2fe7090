//! The refusals that were recorded from the original, word for word and in their order.

use serde_json::json;
use togglebox_toggles::input::{
    CompleteExperiment, Conversion, EnvironmentPatch, EvaluationContext, EventBatch, ExperimentPatch, FlagPatch, FlagRollout,
    FlagToggle, NewEnvironment, NewExperiment, NewFlag, NewParameter, NewPlatform, ParameterPatch, PlatformPatch, RollbackTarget,
    StartExperiment, TrafficUpdate,
};

use super::{Refuse, allocation, assert_told, experiment, refuse};

#[test]
fn platforms_and_environments_are_refused_in_the_recorded_words() {
    let long = "x".repeat(501);
    assert_told(
        refuse!(NewPlatform),
        &json!({ "name": "a b!", "description": long }),
        &[
            "name: Platform name can only contain letters, numbers, hyphens, and underscores",
            "description: Description must be 500 characters or less",
        ],
    );
    assert_told(refuse!(NewPlatform), &json!({}), &["name: Required"]);
    assert_eq!(NewPlatform::read(None).unwrap_err()[0].to_string(), ": Required");
    assert_told(refuse!(PlatformPatch), &json!({ "description": 5 }), &["description: Expected string, received number"]);
    assert_told(
        refuse!(NewEnvironment),
        &json!({ "environment": "a/b" }),
        &["environment: Environment name can only contain letters, numbers, hyphens, and underscores"],
    );
    assert_told(refuse!(NewEnvironment), &json!({}), &["environment: Required"]);
    assert_told(refuse!(EnvironmentPatch), &json!({ "description": null }), &["description: Expected string, received null"]);
}

#[test]
fn parameters_are_refused_in_the_recorded_words() {
    let with = |value_type: &str, value: &str| json!({ "parameterKey": "n", "valueType": value_type, "defaultValue": value });
    let new: Refuse = refuse!(NewParameter);
    assert_told(new, &with("number", "abc"), &[r#"defaultValue: defaultValue "abc" is not a valid number"#]);
    let boolean = r#"defaultValue: defaultValue must be "true" or "false" for boolean type"#;
    assert_told(new, &with("boolean", "TRUE"), &[boolean]);
    assert_told(new, &with("json", "{"), &["defaultValue: defaultValue is not valid JSON"]);
    assert_told(
        new,
        &json!({ "parameterKey": "1x", "valueType": "text", "defaultValue": 5 }),
        &[
            "parameterKey: Must start with a letter, containing only letters, numbers, underscores, and hyphens",
            "valueType: Invalid enum value. Expected 'string' | 'number' | 'boolean' | 'json', received 'text'",
            "defaultValue: Expected string, received number",
        ],
    );
    let long = "x".repeat(10_001);
    assert_told(new, &with("string", &long), &["defaultValue: String must contain at most 10000 character(s)"]);
    let required = ["parameterKey: Required", "valueType: Required", "defaultValue: Required"];
    assert_told(new, &json!({}), &required);
    assert_eq!(NewParameter::read(None).unwrap_err().len(), 3, "a missing body reports each member");
    assert_told(
        refuse!(ParameterPatch),
        &json!({ "valueType": "number", "defaultValue": "x" }),
        &[r#"defaultValue: defaultValue "x" is not a valid number"#],
    );
    assert_told(refuse!(RollbackTarget), &json!({ "version": 1 }), &["version: Expected string, received number"]);
    assert_told(
        refuse!(RollbackTarget),
        &json!({ "version": "v1" }),
        &[r#"version: Version must be a numeric string (e.g., "1", "2", "3")"#],
    );
}

#[test]
fn flags_are_refused_in_the_recorded_words() {
    assert_told(
        refuse!(NewFlag),
        &json!({
            "flagKey": "Bad Key", "name": "", "defaultValue": "C",
            "targeting": { "countries": [{ "country": "USA", "serveValue": "Z" }] },
        }),
        &[
            "flagKey: Flag key must be lowercase, start with a letter, and contain only letters, numbers, underscores, and hyphens",
            "name: Name is required",
            "targeting.countries.0.country: Country must be ISO-3166 2-letter code",
            "targeting.countries.0.serveValue: Invalid enum value. Expected 'A' | 'B', received 'Z'",
            "defaultValue: Invalid enum value. Expected 'A' | 'B', received 'C'",
        ],
    );
    assert_told(refuse!(NewFlag), &json!({}), &["flagKey: Required", "name: Required"]);
    assert_told(
        refuse!(FlagPatch),
        &json!({ "rolloutPercentageA": 10, "rolloutPercentageB": 80 }),
        &["rolloutPercentageA: rolloutPercentageA + rolloutPercentageB must equal 100"],
    );
    assert_told(refuse!(FlagToggle), &json!({ "enabled": "no" }), &["enabled: Expected boolean, received string"]);
    assert_told(
        refuse!(FlagRollout),
        &json!({ "rolloutPercentageA": 50, "rolloutPercentageB": 51 }),
        &[": rolloutPercentageA + rolloutPercentageB must equal 100"],
    );
    assert_told(
        refuse!(FlagRollout),
        &json!({ "rolloutPercentageA": 101 }),
        &["rolloutPercentageA: Number must be less than or equal to 100"],
    );
}

#[test]
fn contexts_and_conversions_are_refused_in_the_recorded_words() {
    assert_told(refuse!(EvaluationContext), &json!({}), &["userId: Required"]);
    assert_told(
        refuse!(EvaluationContext),
        &json!({ "userId": "", "country": "USA" }),
        &["userId: userId is required", "country: String must contain exactly 2 character(s)"],
    );
    assert_told(refuse!(EvaluationContext), &json!({ "userId": ["a", "b"] }), &["userId: Expected string, received array"]);
    assert_told(
        refuse!(EvaluationContext),
        &json!({ "country": "United" }),
        &["userId: Required", "country: String must contain exactly 2 character(s)"],
    );
    assert_told(refuse!(Conversion), &json!({}), &["metricId: Required", "variationKey: Required", "userId: Required"]);
}

#[test]
fn experiments_are_refused_in_the_recorded_words() {
    let new: Refuse = refuse!(NewExperiment);
    let uneven = allocation(&[("control", 50.0), ("green", 49.0)]);
    assert_told(new, &experiment(json!({ "trafficAllocation": uneven })), &[": Traffic allocation must sum to 100%"]);
    let ghost = allocation(&[("nope", 50.0), ("green", 50.0)]);
    assert_told(
        new,
        &experiment(json!({ "controlVariation": "nope", "trafficAllocation": ghost })),
        &[": Control variation must exist in variations", ": All traffic allocation keys must exist in variations"],
    );
    assert_told(
        new,
        &experiment(json!({ "variations": [{ "key": "control", "name": "Blue", "isControl": true }] })),
        &["variations: At least 2 variations required", ": All traffic allocation keys must exist in variations"],
    );
    assert_told(
        new,
        &json!({}),
        &[
            "experimentKey: Required",
            "name: Required",
            "hypothesis: Required",
            "variations: Required",
            "controlVariation: Required",
            "trafficAllocation: Required",
            "primaryMetric: Required",
        ],
    );
    let tenths = allocation(&[("control", 10.0), ("green", 10.0)]);
    assert_told(refuse!(ExperimentPatch), &json!({ "trafficAllocation": tenths }), &[": Traffic allocation must sum to 100%"]);
    assert_told(
        refuse!(TrafficUpdate),
        &json!({ "trafficAllocation": allocation(&[("control", 60.0), ("green", 30.0)]) }),
        &["trafficAllocation: Traffic allocation must sum to 100% (got 90%)"],
    );
    assert_eq!(StartExperiment::read(None).unwrap_err()[0].to_string(), ": Required");
    assert_told(refuse!(StartExperiment), &json!({ "startedBy": "me" }), &["startedBy: Invalid email"]);
    assert_told(refuse!(CompleteExperiment), &json!({}), &["completedBy: Required"]);
}

#[test]
fn events_are_refused_in_the_recorded_words() {
    let batch: Refuse = refuse!(EventBatch);
    assert_told(batch, &json!({ "events": [] }), &["events: Array must contain at least 1 element(s)"]);
    assert_told(batch, &json!({}), &["events: Required"]);
    let kinds = "'config_fetch' | 'flag_evaluation' | 'experiment_exposure' | 'conversion'";
    assert_told(
        batch,
        &json!({ "events": [{ "type": "click", "timestamp": "2026-01-02T03:04:05.678Z" }] }),
        &[&format!("events.0.type: Invalid discriminator value. Expected {kinds}")],
    );
    assert_told(
        batch,
        &json!({ "events": [
            { "type": "config_fetch", "key": "a", "timestamp": "then" },
            { "type": "flag_evaluation", "flagKey": "geo", "value": "C", "userId": "u", "timestamp": "now" },
        ] }),
        &[
            "events.0.timestamp: Invalid datetime",
            "events.1.timestamp: Invalid datetime",
            "events.1.value: Invalid enum value. Expected 'A' | 'B', received 'C'",
        ],
    );
}
