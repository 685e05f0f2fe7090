//! Where two answers differ.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The places where ours differs from what was recorded: JSON pointers, with our value, or `None` where we have nothing.
pub(crate) type Deviations = BTreeMap<String, Option<Value>>;

/// The pointer under which the status is listed.
pub(crate) const STATUS: &str = "status";

/// Relative difference up to which two fractions are equal: the reference's own vectors promise no more.
const TOLERANCE: f64 = 1e-9;

/// Where `ours` differs from `theirs`.
pub(crate) fn between(theirs: &Value, ours: &Value) -> Deviations {
    let mut found = Deviations::new();
    compare("", theirs, ours, &mut found);
    found
}

fn compare(at: &str, theirs: &Value, ours: &Value, found: &mut Deviations) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => members(at, theirs, ours, found),
        (Value::Array(theirs), Value::Array(ours)) => {
            for index in 0..theirs.len().max(ours.len()) {
                pair(&format!("{at}/{index}"), theirs.get(index), ours.get(index), found);
            }
        }
        (Value::Number(a), Value::Number(b)) if equal(a.as_f64(), b.as_f64()) => {}
        _ if theirs == ours => {}
        _ => {
            found.insert(at.to_owned(), Some(ours.clone()));
        }
    }
}

fn members(at: &str, theirs: &Map<String, Value>, ours: &Map<String, Value>, found: &mut Deviations) {
    let names: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for name in names {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        pair(&format!("{at}/{escaped}"), theirs.get(name), ours.get(name), found);
    }
}

fn pair(at: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Deviations) {
    match (theirs, ours) {
        (Some(theirs), Some(ours)) => compare(at, theirs, ours, found),
        (None, None) => {}
        (_, ours) => {
            found.insert(at.to_owned(), ours.cloned());
        }
    }
}

fn equal(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0),
        _ => false,
    }
}
