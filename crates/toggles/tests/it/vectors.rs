//! Loads a file of vectors.

use serde_json::Value;

/// The cases of `tests/vectors/{name}.json`. Fails when the file holds fewer than it says.
pub(crate) fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let count = document["count"].as_u64().expect("a count");
    let Value::Array(cases) = document["cases"].take() else { panic!("{path} has no cases") };
    assert_eq!(cases.len() as u64, count, "{path} is not whole");
    cases
}
