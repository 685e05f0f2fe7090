//! Records around definitions: what a test does not care about is filled in.

use serde_json::json;
use togglebox_core::{Revision, Timestamp};
use togglebox_toggles::store::EnvironmentState;
use togglebox_toggles::{
    Experiment, ExperimentDefinition, ExperimentKey, ExperimentStatus, Flag, FlagDefinition, FlagKey, FlagVersion, Parameter,
    ParameterDefinition, ParameterKey, ParameterVersion, ValueType,
};
use uuid::Uuid;

pub(crate) fn flag(key: &str, definition: FlagDefinition) -> Flag {
    Flag {
        key: FlagKey::new(key).expect("a key"),
        definition,
        version: FlagVersion::FIRST,
        active: true,
        created_by: "author@example.com".to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

pub(crate) fn experiment(key: &str, status: ExperimentStatus, definition: ExperimentDefinition) -> Experiment {
    Experiment {
        key: ExperimentKey::new(key).expect("a key"),
        definition,
        status,
        started_at: None,
        started_by: None,
        completed_at: None,
        completed_by: None,
        winner: None,
        created_by: "author@example.com".to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

pub(crate) fn parameter(key: &str, value_type: ValueType, text: &str) -> Parameter {
    let definition = ParameterDefinition { value_type, default_value: text.to_owned(), description: None, parameter_group: None };
    let active = ParameterVersion {
        key: ParameterKey::new(key).expect("a key"),
        version: 1,
        definition,
        active: true,
        created_by: "author@example.com".to_owned(),
        created_at: Timestamp::EPOCH,
    };
    Parameter { active, latest_version: 1, revision: Revision::ZERO }
}

/// [`targeted_flag`], [`targeted_experiment`], and a few more of each kind, in no order.
pub(crate) fn environment() -> EnvironmentState {
    let (one, other) = (targeted_flag(), targeted_experiment());
    EnvironmentState {
        id: Uuid::from_u128(1),
        revision: Revision::new(7),
        changed_at: Timestamp::from_ms(1),
        parameters: vec![
            parameter("title", ValueType::String, "Hello"),
            parameter("limit", ValueType::Number, "12.0"),
            parameter("Theme", ValueType::Json, "{\"dark\": true}"),
            parameter("broken", ValueType::Number, "none"),
        ],
        flags: vec![flag("zoom", one.definition.clone()), one],
        experiments: vec![experiment("search", ExperimentStatus::Draft, other.definition.clone()), other],
    }
}

/// On, with a rollout of 25 %, ten countries of three languages each, and two lists of 1000 users.
pub(crate) fn targeted_flag() -> Flag {
    let countries: Vec<_> = COUNTRIES
        .iter()
        .map(|country| json!({ "country": country, "serveValue": "B", "languages": LANGUAGES.map(|language| json!({ "language": language, "serveValue": "A" })) }))
        .collect();
    let definition = json!({
        "name": "Dark mode", "enabled": true, "flagType": "boolean", "valueA": true, "valueB": false, "defaultValue": "B",
        "rolloutEnabled": true, "rolloutPercentageA": 25, "rolloutPercentageB": 75,
        "targeting": { "countries": countries, "forceIncludeUsers": users("in"), "forceExcludeUsers": users("out") },
    });
    flag("dark-mode", serde_json::from_value(definition).expect("a definition"))
}

/// Running, four variations of 25 %, with the gates of [`targeted_flag`].
pub(crate) fn targeted_experiment() -> Experiment {
    let countries: Vec<_> = COUNTRIES
        .iter()
        .map(|country| json!({ "country": country, "languages": LANGUAGES.map(|language| json!({ "language": language })) }))
        .collect();
    let keys = ["control", "a", "b", "c"];
    let definition = json!({
        "name": "Checkout", "hypothesis": "Shorter sells more.", "controlVariation": "control", "confidenceLevel": 0.95,
        "variations": keys.map(|key| json!({ "key": key, "name": key, "value": key, "isControl": key == "control" })),
        "trafficAllocation": keys.map(|key| json!({ "variationKey": key, "percentage": 25 })),
        "targeting": { "countries": countries, "forceIncludeUsers": users("in"), "forceExcludeUsers": users("out") },
        "primaryMetric": {
            "id": "m", "name": "Purchases", "eventName": "purchase", "metricType": "conversion", "successDirection": "increase",
        },
        "scheduledStartAt": "2025-01-01T00:00:00.000Z", "scheduledEndAt": "2035-01-01T00:00:00.000Z",
    });
    experiment("checkout", ExperimentStatus::Running, serde_json::from_value(definition).expect("a definition"))
}

const COUNTRIES: [&str; 10] = ["US", "DE", "FR", "GB", "ES", "IT", "PL", "BR", "JP", "IN"];
const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

fn users(prefix: &str) -> Vec<String> {
    (0..1000).map(|n| format!("{prefix}-{n}")).collect()
}
