//! Records as the audit log shows them.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Environment, Experiment, Flag, FlagVersion, ParameterDefinition, Platform};

pub(super) fn platform(platform: &Platform) -> Value {
    json!({ "id": platform.id, "name": platform.name, "description": platform.description, "createdAt": platform.created_at })
}

pub(super) fn environment(environment: &Environment) -> Value {
    json!({
        "id": environment.id,
        "platform": environment.platform,
        "environment": environment.name,
        "description": environment.description,
        "createdAt": environment.created_at,
    })
}

/// A parameter's active version.
pub(super) fn parameter(version: u64, definition: &ParameterDefinition) -> Value {
    with(definition, json!({ "version": version.to_string() }))
}

pub(super) fn flag(flag: &Flag) -> Value {
    flag_as(flag, flag.version)
}

/// A flag under a version that the store has yet to give it.
pub(super) fn flag_as(flag: &Flag, version: FlagVersion) -> Value {
    with(&flag.definition, json!({ "version": version.to_string() }))
}

pub(super) fn experiment(experiment: &Experiment) -> Value {
    let state = json!({
        "status": experiment.status,
        "startedAt": experiment.started_at,
        "startedBy": experiment.started_by,
        "completedAt": experiment.completed_at,
        "completedBy": experiment.completed_by,
        "winner": experiment.winner,
    });
    with(&experiment.definition, state)
}

/// The members of `definition` and those of `state`.
fn with(definition: &impl Serialize, state: Value) -> Value {
    let definition = serde_json::to_value(definition).expect("definitions have text keys only, so they are JSON");
    let mut document = Map::new();
    for part in [definition, state] {
        if let Value::Object(members) = part {
            document.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    Value::Object(document)
}
