//! Changes every place of a body in every way, and compares what reader and schema say.

use serde_json::{Value, json};
use togglebox_core::input::Issues;
use utoipa::ToSchema;

use super::checker::Checker;
use crate::routes::table;

/// Beginnings and parts of what readers say when members do not agree with each other, or with what routes need.
const COMPARING: [&str; 12] = [
    "rolloutPercentageA + rolloutPercentageB must equal 100",
    "is not a valid number",
    "for boolean type",
    "is not valid JSON",
    "This key is reserved",
    "are required for",
    "must exist in variations",
    "must sum to 100%",
    "must be unique",
    "must be in the traffic allocation",
    "must not be allocated twice",
    "isControl must mark",
];

/// What each place is replaced by.
fn replacements() -> Vec<Value> {
    let mut values = vec![Value::Null, json!(true), json!([]), json!({}), json!([1]), json!([null]), json!([{}]), json!([[]])];
    for n in [-1.0, 0.0, 0.005, 0.01, 0.5, 0.8, 0.99, 0.995, 1.0, 1.5, 100.0, 100.5, 1e16, 1e100, -1e100, 1e101, -1e101] {
        values.push(json!(n));
    }
    values.extend([json!(0), json!(1), json!(7), json!(-7), json!(9_007_199_254_740_991_u64), json!(9_007_199_254_740_992_u64)]);
    for length in [1, 2, 3, 4, 5, 7, 8, 31, 32, 100, 101, 128, 129, 255, 256, 257, 500, 501, 512, 513, 10_000, 10_001] {
        values.push(json!("x".repeat(length)));
    }
    let texts = [
        "",
        "A",
        "B",
        "C",
        "DE",
        "é",
        "😀",
        "a b",
        "a_b-1",
        "1a",
        "-a",
        "Title",
        "true",
        "7",
        "007",
        "1.0.5",
        "1.0.05",
        "1.0.",
        "{}",
        "string",
        "number",
        "boolean",
        "json",
        "conversion",
        "count",
        "increase",
        "decrease",
        "admin",
        "viewer",
        "king",
        "config_fetch",
        "flag_evaluation",
        "experiment_exposure",
        "a@b.co",
        "a@b",
        "a..b@c.de",
        ".a@b.de",
        "a'@b.de",
        "o'x+y@b-c.de",
        "a@-b.de",
        "Abcdefg1",
        "abcdefg1",
        "ABCDEFG1",
        "Abcdefgh",
        "\nAbcdefg1",
        "aB1\nxxxxx",
        "2026-01-01T00:00Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.123Z",
        "2026-01-01T00:00:00+02:00",
        "2026-01-01",
        "2026-01-01 00:00:00Z",
    ];
    values.extend(texts.map(Value::from));
    values
}

/// Pointers to all places of a document but the whole.
fn places(document: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match document {
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (name, value) in children {
        let place = format!("{at}/{name}");
        places(value, &place, found);
        found.push(place);
    }
}

fn without(document: &Value, place: &str) -> Value {
    let mut document = document.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.shift_remove(name);
        }
        Value::Array(items) => {
            items.remove(name.parse().unwrap());
        }
        _ => unreachable!("only objects and lists have places"),
    }
    document
}

/// `body` is right by reader and schema, and whatever is done to one of its places is judged alike by both.
pub(super) fn agree<T: ToSchema, R>(body: &Value, read: impl Fn(Option<&Value>) -> Result<R, Issues>) {
    let checker = Checker::of::<T>();
    assert!(checker.accepts(body), "{} refuses {body}", T::name());
    assert!(read(Some(body)).is_ok(), "the reader refuses {body}: {:?}", read(Some(body)).err());
    for route in table().iter().filter(|route| route.body.is_some_and(|schema| (schema.name)() == T::name())) {
        assert_eq!(route.body_required, read(None).is_err(), "{} without a body", route.id);
    }
    let compare = |changed: &Value| {
        let accepts = checker.accepts(changed);
        match read(Some(changed)) {
            Ok(_) => assert!(accepts, "{} refuses what the reader takes: {changed}", T::name()),
            Err(issues) if issues.iter().all(|issue| is_comparing(&issue.path, &issue.message)) => {}
            Err(issues) => assert!(!accepts, "{} takes what the reader refuses for {issues:?}: {changed}", T::name()),
        }
    };
    let (replacements, mut found) = (replacements(), Vec::new());
    places(body, "", &mut found);
    for place in &found {
        compare(&without(body, place));
        for value in &replacements {
            let mut changed = body.clone();
            *changed.pointer_mut(place).unwrap() = value.clone();
            compare(&changed);
        }
    }
}

fn is_comparing(path: &str, message: &str) -> bool {
    // A value that fits no flag is "Invalid input"; one that fits another type of flag is compared with the type.
    let of_another_type = matches!(path, "valueA" | "valueB") && message.starts_with("Expected ");
    of_another_type || COMPARING.iter().any(|part| message.contains(part))
}
