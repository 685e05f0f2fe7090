//! Bodies that are right and have every member, for each reader.

use serde_json::{Value, json};
use togglebox_auth::input as account;
use togglebox_core::input::{Issue, Issues};
use togglebox_toggles::input;

use utoipa::ToSchema;

use super::agreement::agree;
use crate::schema::{
    CompleteBody, ContextBody, ConversionBody, EventsBody, ExperimentPatchBody, FlagPatchBody, FlagRollbackBody, FlagRolloutBody,
    FlagToggleBody, LoginBody, NewApiKeyBody, NewEnvironmentBody, NewExperimentBody, NewFlagBody, NewParameterBody,
    NewPlatformBody, NewUserBody, ParameterPatchBody, PasswordChangeBody, PlacePatchBody, RegisterBody, ResetCompleteBody,
    ResetRequestBody, ResetTokenBody, RoleBody, RollbackBody, StartBody, TrafficBody, UserPatchBody,
};

#[test]
fn places() {
    agree::<NewPlatformBody, _>(&json!({ "name": "web", "description": "d" }), input::NewPlatform::read);
    agree::<NewEnvironmentBody, _>(&json!({ "environment": "prod", "description": "d" }), input::NewEnvironment::read);
    agree::<PlacePatchBody, _>(&json!({ "description": "d" }), input::PlatformPatch::read);
    agree::<PlacePatchBody, _>(&json!({ "description": "d" }), input::EnvironmentPatch::read);
}

#[test]
fn parameters() {
    let parameter = |value_type: &str, value: &str| {
        json!({
            "parameterKey": "title", "valueType": value_type, "defaultValue": value, "description": "d", "parameterGroup": "g",
        })
    };
    for body in [parameter("string", "x"), parameter("number", "7"), parameter("boolean", "true"), parameter("json", "{}")] {
        agree::<NewParameterBody, _>(&body, input::NewParameter::read);
        agree::<ParameterPatchBody, _>(&body, input::ParameterPatch::read);
    }
    agree::<ParameterPatchBody, _>(&json!({ "defaultValue": "x" }), input::ParameterPatch::read);
    agree::<RollbackBody, _>(&json!({ "version": "3" }), input::RollbackTarget::read);
}

fn flag_targeting() -> Value {
    let countries = json!([{ "country": "DE", "serveValue": "A", "languages": [{ "language": "de", "serveValue": "B" }] }]);
    json!({ "countries": countries, "forceIncludeUsers": ["u1"], "forceExcludeUsers": ["u2"] })
}

#[test]
fn flags() {
    let flag = |flag_type: &str, a: Value, b: Value| {
        json!({
            "flagKey": "dark", "name": "Dark", "description": "d", "enabled": true, "flagType": flag_type, "valueA": a, "valueB": b,
            "targeting": flag_targeting(), "defaultValue": "A", "rolloutEnabled": true, "rolloutPercentageA": 30, "rolloutPercentageB": 70,
        })
    };
    for body in
        [flag("boolean", json!(true), json!(false)), flag("string", json!("a"), json!("b")), flag("number", json!(1), json!(2))]
    {
        agree::<NewFlagBody, _>(&body, input::NewFlag::read);
        agree::<FlagPatchBody, _>(&body, input::FlagPatch::read);
    }
    agree::<NewFlagBody, _>(&json!({ "flagKey": "dark", "name": "Dark", "rolloutPercentageA": 30 }), input::NewFlag::read);
    agree::<FlagToggleBody, _>(&json!({ "enabled": true }), input::FlagToggle::read);
    let rollout = json!({ "rolloutEnabled": true, "rolloutPercentageA": 30, "rolloutPercentageB": 70 });
    agree::<FlagRolloutBody, _>(&rollout, input::FlagRollout::read);
    agree::<FlagRolloutBody, _>(&json!({ "rolloutPercentageB": 30 }), input::FlagRollout::read);
    agree::<FlagRollbackBody, _>(&json!({ "version": "1.0.3" }), input::FlagRollback::read);
}

#[test]
fn experiments() {
    let metric = json!({
        "id": "m", "name": "M", "eventName": "e", "metricType": "conversion", "successDirection": "increase", "valueProperty": "v",
    });
    let shares = json!([{ "variationKey": "a", "percentage": 40 }, { "variationKey": "b", "percentage": 60 }]);
    let body = json!({
        "experimentKey": "cta", "name": "CTA", "description": "d", "hypothesis": "h",
        "variations": [{ "key": "a", "name": "A", "value": 1, "isControl": true }, { "key": "b", "name": "B", "isControl": false }],
        "controlVariation": "a", "trafficAllocation": shares,
        "targeting": {
            "countries": [{ "country": "DE", "languages": [{ "language": "de" }] }],
            "forceIncludeUsers": ["u1"], "forceExcludeUsers": ["u2"],
        },
        "primaryMetric": metric, "secondaryMetrics": [metric], "confidenceLevel": 0.9, "minimumDetectableEffect": 0.1,
        "minimumSampleSize": 100, "scheduledStartAt": "2025-01-01T00:00:00Z", "scheduledEndAt": "2027-01-01T00:00:00Z",
    });
    agree::<NewExperimentBody, _>(&body, input::NewExperiment::read);
    agree::<ExperimentPatchBody, _>(&body, input::ExperimentPatch::read);
    agree::<TrafficBody, _>(&json!({ "trafficAllocation": shares }), input::TrafficUpdate::read);
    agree::<StartBody, _>(&json!({ "startedBy": "a@b.co" }), input::StartExperiment::read);
    agree::<CompleteBody, _>(&json!({ "winner": "a", "completedBy": "a@b.co" }), input::CompleteExperiment::read);
}

#[test]
fn evaluation_and_conversions() {
    agree::<ContextBody, _>(&json!({ "userId": "u", "country": "DE", "language": "de" }), input::EvaluationContext::read);
    let conversion = json!({ "metricId": "m", "variationKey": "a", "userId": "u", "value": 2.5 });
    agree::<ConversionBody, _>(&conversion, input::Conversion::read);
}

#[test]
fn events() {
    let at = "2026-01-01T00:00:00.000+01:00";
    for event in [
        json!({ "type": "config_fetch", "timestamp": at, "key": "title", "clientId": "c" }),
        json!({
            "type": "flag_evaluation", "timestamp": at, "flagKey": "dark", "value": "A", "userId": "u", "country": "DE",
            "language": "de", "clientId": "c",
        }),
        json!({
            "type": "experiment_exposure", "timestamp": at, "experimentKey": "cta", "variationKey": "a", "userId": "u", "clientId": "c",
        }),
        json!({
            "type": "conversion", "timestamp": at, "experimentKey": "cta", "metricId": "m", "variationKey": "a", "userId": "u",
            "value": 1, "clientId": "c",
        }),
        json!({
            "type": "conversion", "timestamp": at, "experimentKey": "cta", "metricName": "m", "variationKey": "a", "userId": "u",
        }),
        json!({
            "type": "conversion", "timestamp": at, "experimentKey": "cta", "metricName": "m", "metricId": null, "variationKey": "a",
            "userId": "u", "value": null, "clientId": null,
        }),
    ] {
        agree::<EventsBody, _>(&json!({ "events": [event] }), input::EventBatch::read);
    }
}

#[test]
fn accounts() {
    let account = json!({ "name": "N", "email": "a@b.co", "password": "Abcdefg1", "role": "admin" });
    let register = json!({ "name": "N", "email": "a@b.co", "password": "Abcdefg1" });
    agree::<RegisterBody, _>(&register, account::Registration::read);
    agree::<NewUserBody, _>(&account, account::NewUser::read);
    agree::<LoginBody, _>(&json!({ "email": "a@b.co", "password": "x" }), account::Login::read);
    agree::<UserPatchBody, _>(&json!({ "name": "N" }), account::ProfileUpdate::read);
    let role = |body: Option<&Value>| {
        account::RoleChange::read(body).ok_or_else(|| -> Issues { vec![Issue::new("role", "Invalid role")] })
    };
    agree::<RoleBody, _>(&json!({ "role": "viewer" }), role);
    let change = json!({ "currentPassword": "x", "newPassword": "Abcdefg1" });
    agree::<PasswordChangeBody, _>(&change, account::PasswordChange::read);
    agree::<ResetRequestBody, _>(&json!({ "email": "a@b.co" }), account::ResetRequest::read);
    let token = "t".repeat(64);
    agree::<ResetTokenBody, _>(&json!({ "token": token }), account::ResetToken::read);
    agree::<ResetCompleteBody, _>(&json!({ "token": token, "newPassword": "Abcdefg1" }), account::ResetCompletion::read);
    let key = json!({ "name": "N", "permissions": ["config:read"], "expiresAt": "2026-01-01T00:00:00Z" });
    agree::<NewApiKeyBody, _>(&key, account::NewApiKey::read);
}

/// A body whose only mistake may be that a list in it is too long.
fn as_long<T: ToSchema, R>(body: &Value, read: impl Fn(Option<&Value>) -> Result<R, Issues>, accepted: bool) {
    assert_eq!(super::Checker::of::<T>().accepts(body), accepted, "{}", T::name());
    match read(Some(body)) {
        Ok(_) => assert!(accepted),
        Err(issues) => {
            assert!(!accepted, "{issues:?}");
            assert_eq!(issues.len(), 1, "{issues:?}");
            assert!(!issues[0].path.is_empty() && issues[0].message.starts_with("Array must contain at most"), "{issues:?}");
        }
    }
}

#[test]
fn lists_are_as_long_as_they_may_be() {
    let event = json!({ "type": "config_fetch", "timestamp": "2026-01-01T00:00:00Z", "key": "title" });
    let events = |count: usize| json!({ "events": vec![event.clone(); count] });
    let permissions = |count: usize| json!({ "name": "N", "permissions": vec!["config:read"; count] });
    let (batch, key) = (super::Checker::of::<EventsBody>(), super::Checker::of::<NewApiKeyBody>());
    for (count, accepted) in [(10_000, true), (10_001, false)] {
        assert_eq!(batch.accepts(&events(count)), accepted);
        assert_eq!(input::EventBatch::read(Some(&events(count))).is_ok(), accepted);
    }
    for (count, accepted) in [(input::MAX_PARTS, true), (input::MAX_PARTS + 1, false)] {
        let (country, language) = (json!({ "country": "DE", "serveValue": "A" }), json!({ "language": "de", "serveValue": "A" }));
        let languages = json!([{ "country": "DE", "serveValue": "A", "languages": vec![language; count] }]);
        for countries in [json!(vec![country; count]), languages] {
            let targeting = json!({ "countries": countries });
            as_long::<FlagPatchBody, _>(&json!({ "targeting": targeting }), input::FlagPatch::read, accepted);
            as_long::<ExperimentPatchBody, _>(&json!({ "targeting": targeting }), input::ExperimentPatch::read, accepted);
        }
        let variations: Vec<Value> = (0..count).map(|n| json!({ "key": format!("v{n}"), "name": "V" })).collect();
        as_long::<ExperimentPatchBody, _>(&json!({ "variations": variations }), input::ExperimentPatch::read, accepted);
        let percentage = |n: usize| u8::from(n < 100);
        let share = |n: usize| json!({ "variationKey": format!("v{n}"), "percentage": percentage(n) });
        let shares: Vec<Value> = (0..count).map(share).collect();
        as_long::<ExperimentPatchBody, _>(&json!({ "trafficAllocation": shares }), input::ExperimentPatch::read, accepted);
        as_long::<TrafficBody, _>(&json!({ "trafficAllocation": shares }), input::TrafficUpdate::read, accepted);
        let metric = json!({
            "id": "m", "name": "M", "eventName": "m", "metricType": "conversion", "successDirection": "increase",
        });
        let metrics = json!({ "secondaryMetrics": vec![metric; count] });
        as_long::<ExperimentPatchBody, _>(&metrics, input::ExperimentPatch::read, accepted);
    }
    for (count, accepted) in [(input::MAX_LISTED_USERS, true), (input::MAX_LISTED_USERS + 1, false)] {
        for name in ["forceIncludeUsers", "forceExcludeUsers"] {
            let body = json!({ "targeting": { name: vec!["u"; count] } });
            as_long::<FlagPatchBody, _>(&body, input::FlagPatch::read, accepted);
            as_long::<ExperimentPatchBody, _>(&body, input::ExperimentPatch::read, accepted);
        }
    }
    for (count, accepted) in [(50, true), (51, false)] {
        assert_eq!(key.accepts(&permissions(count)), accepted);
        assert_eq!(account::NewApiKey::read(Some(&permissions(count))).is_ok(), accepted);
    }
}
