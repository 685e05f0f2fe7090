//! What a reader of JSON counts on: which members there are, and of which type.

use serde_json::Value;

/// Checks that `value` has the members that `shape` names, each of the type that it names. More members are fine.
///
/// A shape is a JSON object of shapes, an array of one shape (which every item has, and there is at least one), or a text: `text`,
/// `time`, `number`, `boolean`, `list`, `object` or `any`; with `?` at the end the member may be absent, with `|null` it may be null.
#[track_caller]
pub(super) fn check(value: &Value, shape: &Value) {
    if let Some(problem) = problem("", value, shape) {
        panic!("{problem} in {value}");
    }
}

fn problem(at: &str, value: &Value, shape: &Value) -> Option<String> {
    match shape {
        Value::Object(members) => {
            let Some(object) = value.as_object() else { return Some(format!("{at} is no object")) };
            members.iter().find_map(|(name, shape)| {
                let at = format!("{at}/{name}");
                match object.get(name) {
                    Some(value) => problem(&at, value, shape),
                    None if shape.as_str().is_some_and(|shape| shape.ends_with('?')) => None,
                    None => Some(format!("{at} is missing")),
                }
            })
        }
        Value::Array(shapes) => match value.as_array() {
            None => Some(format!("{at} is no list")),
            Some(items) if items.is_empty() => Some(format!("{at} is empty")),
            Some(items) => {
                let mut numbered = items.iter().enumerate();
                numbered.find_map(|(index, item)| problem(&format!("{at}/{index}"), item, &shapes[0]))
            }
        },
        Value::String(kind) => (!is(value, kind)).then(|| format!("{at} is no {kind}")),
        other => panic!("{other} is no shape"),
    }
}

fn is(value: &Value, kind: &str) -> bool {
    let kind = kind.trim_end_matches('?');
    let (kind, nullable) = kind.strip_suffix("|null").map_or((kind, false), |kind| (kind, true));
    if value.is_null() {
        return nullable || kind == "any";
    }
    match kind {
        "text" => value.is_string(),
        "time" => value.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z')),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "list" => value.is_array(),
        "object" => value.is_object(),
        "any" => true,
        other => panic!("{other} is no kind"),
    }
}
