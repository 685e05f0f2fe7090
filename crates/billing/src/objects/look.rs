//! Looking things up in JSON that others made.

use std::collections::BTreeMap;

use serde_json::Value;
use togglebox_core::Timestamp;

/// An object from which something is missing that cannot be done without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object} without a usable {field}")]
pub struct NotUnderstood {
    /// What it was taken for.
    pub object: &'static str,
    /// What is missing, or of no use.
    pub field: &'static str,
}

/// A text that is not empty.
pub(super) fn text(value: &Value, field: &str) -> Option<Box<str>> {
    value.get(field)?.as_str().filter(|text| !text.is_empty()).map(Into::into)
}

/// An id, which stands there itself or in the object of which it is.
pub(super) fn id(value: &Value, field: &str) -> Option<Box<str>> {
    id_of(value.get(field)?)
}

pub(super) fn id_of(value: &Value) -> Option<Box<str>> {
    match value {
        Value::String(id) if !id.is_empty() => Some(id.as_str().into()),
        Value::Object(_) => text(value, "id"),
        _ => None,
    }
}

/// A moment, told in seconds since 1970.
pub(super) fn moment(value: &Value, field: &str) -> Option<Timestamp> {
    seconds(value.get(field)?.as_i64()?)
}

pub(super) fn seconds(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp::from_ms(seconds.checked_mul(1000)?))
}

/// `true`, and not just something.
pub(super) fn flag(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// Texts by name; what is no text is left out.
pub(super) fn metadata(value: &Value) -> BTreeMap<Box<str>, Box<str>> {
    let object = value.get("metadata").and_then(Value::as_object);
    object.into_iter().flatten().filter_map(|(name, text)| Some((name.as_str().into(), text.as_str()?.into()))).collect()
}

/// What stands in a list object, or in a plain list.
pub(super) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    let found = value.get(field);
    let found = found.and_then(|list| list.get("data")).or(found);
    found.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
