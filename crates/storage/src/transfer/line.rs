//! The first and the last line, and how a line is read.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use togglebox_core::{TenantId, Timestamp};

use super::Fault;

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u64 = 1;

/// What a file says of itself first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// [`FORMAT`] at the time of writing.
    pub format: u64,
    /// The program that wrote the file, with its version.
    pub product: String,
    /// Whose records these are.
    pub tenant: TenantId,
    /// The engine that they come from.
    pub engine: String,
    /// When they were taken.
    pub at: Timestamp,
    /// Tells the secret apart that API keys are hashed with, without telling it. Absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_secret: Option<String>,
}

/// What a file says of itself last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trailer {
    /// How many records there are.
    pub(super) records: u64,
    /// SHA-256, in hexadecimal, of every byte before this line.
    pub(super) sha256: String,
}

/// What surrounds the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Frame {
    Header(Header),
    Trailer(Trailer),
}

/// Reads a line; an error names the field.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => format!("{path}: "),
        };
        Fault::Malformed { path, detail: without_place(&error.into_inner().to_string()) }
    })?;
    json.end().map_err(|error| Fault::Malformed { path: String::new(), detail: without_place(&error.to_string()) })?;
    Ok(value)
}

/// Within one line, "line 1" says nothing and would be taken for a line of the file.
fn without_place(message: &str) -> String {
    match message.rsplit_once(" at line 1 column ") {
        Some((what, column)) => format!("{what} at column {column}"),
        None => message.to_owned(),
    }
}

/// Refuses what reading would lose: a field that nothing was made of.
pub(super) fn lose_nothing(line: &[u8], kept: &impl Serialize) -> Result<(), Fault> {
    let unreadable =
        |error: serde_json::Error| Fault::Malformed { path: String::new(), detail: without_place(&error.to_string()) };
    let (given, kept): (Value, Value) =
        (serde_json::from_slice(line).map_err(unreadable)?, serde_json::to_value(kept).map_err(unreadable)?);
    lost(&given, &kept, "").map_or(Ok(()), |path| Err(Fault::Unknown(path)))
}

/// The path of the first field of `given` that `kept` has not. `null` may stand for absence.
pub(crate) fn lost(given: &Value, kept: &Value, path: &str) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => given.iter().find_map(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            match kept.get(name) {
                Some(kept) => lost(value, kept, &path),
                None => (!value.is_null()).then_some(path),
            }
        }),
        (Value::Array(given), Value::Array(kept)) => {
            given.iter().zip(kept).enumerate().find_map(|(n, (given, kept))| lost(given, kept, &format!("{path}[{n}]")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_of_what_is_lost_is_told() {
        let kept = json!({ "a": { "b": [{ "c": 1 }] } });
        assert_eq!(lost(&json!({ "a": { "b": [{ "c": 1, "d": 2 }] } }), &kept, ""), Some("a.b[0].d".to_owned()));
        assert_eq!(lost(&json!({ "a": { "b": [{ "c": 1, "d": null }] } }), &kept, ""), None);
    }

    #[test]
    fn an_error_names_the_field() {
        let fault = parse::<Frame>(br#"{"trailer":{"records":"x","sha256":""}}"#).unwrap_err();
        assert!(fault.to_string().starts_with("trailer.records: invalid type"), "{fault}");
        assert!(!fault.to_string().contains("line 1"), "{fault}");
    }
}
