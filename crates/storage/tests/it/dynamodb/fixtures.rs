//! What is stored in these tests.

use serde_json::json;
use togglebox_core::{Actor, AuditRecord, Revision, Timestamp};
use togglebox_toggles::{Environment, Experiment, ExperimentStatus, Flag, FlagVersion, ParameterVersion, Platform, Scope};
use uuid::Uuid;

pub(crate) fn audit(n: u128) -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(n),
        at: Timestamp::EPOCH,
        actor: Actor::system(),
        action: "any".to_owned(),
        platform: None,
        environment: None,
        target: "any".to_owned(),
        before: None,
        after: None,
    }
}

pub(crate) fn platform(n: u128) -> Platform {
    Platform {
        id: Uuid::from_u128(n),
        name: format!("p{n}").parse().unwrap(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

/// The environment `production` of [`platform`] `n`.
pub(crate) fn place(n: u128) -> Scope {
    Scope::new(platform(n).name, "production".parse().unwrap())
}

pub(crate) fn environment(place: &Scope) -> Environment {
    Environment {
        id: Uuid::from_u128(77),
        platform: place.platform.clone(),
        name: place.environment.clone(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

pub(crate) fn parameter(key: &str) -> ParameterVersion {
    let document = json!({ "valueType": "string", "defaultValue": "v" });
    ParameterVersion {
        key: key.parse().unwrap(),
        version: 1,
        definition: serde_json::from_value(document).unwrap(),
        active: true,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
    }
}

pub(crate) fn flag(key: &str) -> Flag {
    let document = json!({ "name": "f", "enabled": true, "flagType": "boolean", "valueA": true, "valueB": false,
        "targeting": {}, "defaultValue": "A", "rolloutEnabled": false, "rolloutPercentageA": 100, "rolloutPercentageB": 0 });
    Flag {
        key: key.parse().unwrap(),
        definition: serde_json::from_value(document).unwrap(),
        version: FlagVersion::FIRST,
        active: true,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

pub(crate) fn experiment(key: &str) -> Experiment {
    let metric = json!({ "id": "m", "name": "m", "eventName": "e", "metricType": "count", "successDirection": "increase" });
    let document = json!({ "name": "x", "hypothesis": "h", "variations": [], "controlVariation": "a", "trafficAllocation": [],
        "targeting": {}, "primaryMetric": metric, "confidenceLevel": 0.95 });
    Experiment {
        key: key.parse().unwrap(),
        definition: serde_json::from_value(document).unwrap(),
        status: ExperimentStatus::Draft,
        started_at: None,
        started_by: None,
        completed_at: None,
        completed_by: None,
        winner: None,
        created_by: Actor::SYSTEM_EMAIL.to_owned(),
        created_at: Timestamp::EPOCH,
        updated_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}
