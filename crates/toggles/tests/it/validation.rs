//! `tests/vectors/validation.json`.

use serde_json::{Map, Value, json};
use togglebox_core::input::Issues;
use togglebox_toggles::input::{
    CompleteExperiment, EvaluationContext, EventBatch, ExperimentPatch, FlagPatch, FlagRollout, NewExperiment, NewFlag,
    NewParameter, ParameterPatch, StartExperiment,
};

use crate::vectors::cases;

/// Where we decide otherwise than the original on purpose. A case that agrees has no place here.
const DIFFERENCES: [(&str, &str); 16] = [
    ("val-010", "G-56: null stands for an absent country and language"),
    ("val-019", "G-56: metricName is taken for metricId"),
    ("val-020", "G-56: null stands for an absent value"),
    ("val-030", "G-56: timestamps may have a numeric offset"),
    ("val-031", "G-56: timestamps may have a numeric offset"),
    ("val-051", "G-57: a batch may hold 10 000 events"),
    ("val-052", "G-57: one bad event does not spoil its batch"),
    ("val-080", "G-50, W-4: values must fit the flag's type"),
    ("val-084", "G-50, W-4: values must fit the flag's type"),
    ("val-101", "the server sets createdBy, so a body's is not looked at"),
    ("val-102", "G-49: percentages that are both given must make 100"),
    ("val-138", "G-72: variation keys are unique"),
    ("val-141", "G-72: a variation is allocated once"),
    ("val-154", "G-62: a schedule must not end before it starts"),
    ("val-181", "G-16: a number is a number from beginning to end"),
    ("val-185", "G-16: a number is a decimal one"),
];

/// Refused like there, for another reason.
const OTHER_REASONS: [(&str, &str); 1] = [("val-137", "W-12: its hyphen passes, but its allocation names another key")];

/// Accepted like there, read otherwise.
const OTHER_READINGS: [(&str, &str); 1] = [("val-105", "G-49: one percentage decides the other")];

#[test]
fn verdicts_are_the_originals_but_for_the_listed_differences() {
    let mut wrong = Vec::new();
    for case in cases("validation") {
        let (id, expected) = (case["id"].as_str().unwrap(), case["ok"].as_bool().unwrap());
        let verdict = judge(case["schema"].as_str().unwrap(), &expand(&case["input"]));
        let difference = DIFFERENCES.iter().find(|(listed, _)| *listed == id);
        if (verdict.is_ok() == expected) == difference.is_some() {
            wrong.push(format!("{id} ({}): {verdict:?}, listed as {difference:?}", case["covers"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn refusals_point_where_the_original_points() {
    for case in cases("validation").iter().filter(|case| case["kind"] == "validation") {
        let id = case["id"].as_str().unwrap();
        let schema = case["schema"].as_str().unwrap();
        if lists(&DIFFERENCES, id) {
            continue;
        }
        let issues = judge(schema, &expand(&case["input"])).unwrap_err();
        let prefix = if schema == "statsEvent" { "events.0" } else { "" };
        let paths: Vec<&str> =
            issues.iter().map(|issue| issue.path.strip_prefix(prefix).unwrap().trim_start_matches('.')).collect();
        assert_eq!(json!(paths) != case["paths"], lists(&OTHER_REASONS, id), "{id}: {issues:?}, there {}", case["paths"]);
    }
}

#[test]
fn accepted_documents_get_the_originals_defaults() {
    let mut seen = 0;
    for case in cases("validation") {
        let id = case["id"].as_str().unwrap();
        let schema = case["schema"].as_str().unwrap();
        let creates = matches!(schema, "createFlag" | "createExperiment");
        if !creates || case["output"].is_null() || lists(&DIFFERENCES, id) {
            continue;
        }
        let mut expected = case["output"].as_object().unwrap().clone();
        for set_by_the_server in ["platform", "environment", "createdBy"] {
            expected.remove(set_by_the_server);
        }
        let input = expand(&case["input"]);
        let ours = if schema == "createFlag" {
            let flag = NewFlag::read(Some(&input)).unwrap();
            with(&flag.definition, "flagKey", flag.key.as_str())
        } else {
            let experiment = NewExperiment::read(Some(&input)).unwrap();
            with(&experiment.definition, "experimentKey", experiment.key.as_str())
        };
        let (ours, expected) = (binary64(ours), binary64(Value::Object(expected)));
        assert_eq!(ours != expected, lists(&OTHER_READINGS, id), "{id}: {ours:#}, there {expected:#}");
        seen += 1;
    }
    assert!(seen > 10, "only {seen} cases have an output");
}

fn lists(table: &[(&str, &str)], id: &str) -> bool {
    table.iter().any(|(listed, _)| *listed == id)
}

fn judge(schema: &str, input: &Value) -> Result<(), Issues> {
    let input = Some(input);
    match schema {
        "statsEvent" => EventBatch::read(Some(&json!({ "events": [input] }))).map(drop),
        "statsEventBatch" => EventBatch::read(input).map(drop),
        "flagContext" | "experimentContext" => EvaluationContext::read(input).map(drop),
        "createFlag" => NewFlag::read(input).map(drop),
        "updateFlag" => FlagPatch::read(input).map(drop),
        "updateRollout" => FlagRollout::read(input).map(drop),
        "createExperiment" => NewExperiment::read(input).map(drop),
        "updateExperiment" => ExperimentPatch::read(input).map(drop),
        "startExperiment" => StartExperiment::read(input).map(drop),
        "completeExperiment" => CompleteExperiment::read(input).map(drop),
        "createConfigParameter" => NewParameter::read(input).map(drop),
        "updateConfigParameter" => ParameterPatch::read(input).map(drop),
        other => panic!("unknown schema {other}"),
    }
}

/// Writes out what the file abbreviates: `{repeat, times}` for a long text, `{repeat, event}` for a batch.
fn expand(value: &Value) -> Value {
    match value {
        Value::Object(object) => match (object.get("repeat"), object.get("times"), object.get("event")) {
            (Some(Value::String(text)), Some(times), _) => json!(text.repeat(usize::try_from(times.as_u64().unwrap()).unwrap())),
            (Some(Value::Number(count)), _, Some(event)) => {
                json!({ "events": vec![event; usize::try_from(count.as_u64().unwrap()).unwrap()] })
            }
            _ => Value::Object(object.iter().map(|(name, member)| (name.clone(), expand(member))).collect()),
        },
        Value::Array(elements) => elements.iter().map(expand).collect(),
        other => other.clone(),
    }
}

fn with(definition: &impl serde::Serialize, name: &str, key: &str) -> Value {
    let mut document: Map<String, Value> = serde_json::from_value(serde_json::to_value(definition).unwrap()).unwrap();
    document.insert(name.to_owned(), json!(key));
    Value::Object(document)
}

/// `100` and `100.0` are the same number to the original.
fn binary64(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(elements) => elements.into_iter().map(binary64).collect(),
        Value::Object(members) => Value::Object(members.into_iter().map(|(name, member)| (name, binary64(member))).collect()),
        other => other,
    }
}
