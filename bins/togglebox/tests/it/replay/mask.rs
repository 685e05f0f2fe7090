//! Hides what must differ between two runs: ids, times, secrets, cursors, durations.
//!
//! A text is hidden only when it has the form that the contract gives it, so that a wrong form still shows.

use serde_json::{Map, Value};

/// `body` with a placeholder for everything that differs from run to run.
pub(crate) fn mask(body: &Value) -> Value {
    walk("", body)
}

fn walk(name: &str, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let masked: Map<_, _> = members.iter().map(|(name, member)| (name.clone(), walk(name, member))).collect();
            Value::Object(masked)
        }
        Value::Array(items) => items.iter().map(|item| walk(name, item)).collect(),
        Value::String(text) => hidden(name, text).map_or_else(|| value.clone(), Into::into),
        Value::Number(number) => match name {
            "uptime" if number.as_f64().is_some_and(|seconds| seconds > 0.0) => "<seconds>".into(),
            "duration" if number.as_u64().is_some() => "<milliseconds>".into(),
            _ => value.clone(),
        },
        // Written behind the requests, in the original as here: either may have been faster.
        Value::Null if name == "lastUsedAt" => "<time or null>".into(),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn hidden(name: &str, text: &str) -> Option<&'static str> {
    match name {
        "lastUsedAt" if is_time(text) => return Some("<time or null>"),
        "timestamp" | "createdAt" | "updatedAt" | "startedAt" | "completedAt" | "lastFetchedAt" | "lastEvaluatedAt" => {
            return is_time(text).then_some("<time>");
        }
        "date" if has_form(text, "0000-00-00") => return Some("<day>"),
        "keyLast4" if has_form(text, "ffff") => return Some("<last 4>"),
        "nextToken" | "nextCursor" if !text.is_empty() => return Some("<cursor>"),
        "requestId" if !text.is_empty() => return Some("<request id>"),
        "stack" => return Some("<stack>"),
        _ => {}
    }
    if has_form(text, "ffffffff-ffff-ffff-ffff-ffffffffffff") {
        Some("<id>")
    } else if text.strip_prefix("tbx_live_").is_some_and(|rest| has_form(rest, &"f".repeat(32))) {
        Some("<key>")
    } else if text.starts_with("jwt-token-") || (text.starts_with("eyJ") && text.split('.').count() == 3) {
        Some("<jwt>")
    } else {
        None
    }
}

/// `YYYY-MM-DDTHH:mm:ss.sssZ`.
fn is_time(text: &str) -> bool {
    has_form(text, "0000-00-00T00:00:00.000Z")
}

/// Whether `text` has digits where `form` has `0`, hexadecimal ones where it has `f`, and `form`'s own characters elsewhere.
fn has_form(text: &str, form: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'f' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        _ => byte == wanted,
    };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
}
