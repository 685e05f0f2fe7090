//! The attributes of a row, taken one after the other; what is left over has no place here.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use togglebox_core::Timestamp;
use togglebox_core::input::datetime;

use super::super::key::{PK, SK};
use super::finding::Notes;
use super::row::Row;
use crate::transfer::lost;

/// Why something cannot be taken, for people.
pub(super) type Why = String;

/// The largest number that every engine keeps.
pub(super) const MAX_COUNT: u64 = i64::MAX.unsigned_abs();

/// The attributes of a row that are still to be taken.
#[derive(Debug)]
pub(super) struct Fields {
    key: String,
    left: Map<String, Value>,
}

impl Fields {
    /// All attributes but the keys of the table and its indexes. `null` is as good as nothing.
    pub(super) fn of(row: Row) -> Self {
        let key = row.key();
        let is_key = |name: &str| {
            let index = name.strip_prefix("GSI").and_then(|rest| rest.strip_prefix(|c: char| c.is_ascii_digit()));
            [PK, SK].contains(&index.unwrap_or(name))
        };
        let left = row.attributes.into_iter().filter(|(name, value)| !is_key(name) && !value.is_null()).collect();
        Self { key, left }
    }

    /// The row's key, for people.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// An attribute, whatever it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.left.remove(name)
    }

    /// Attributes of the original's that say nothing that is not known otherwise.
    pub(super) fn drop(&mut self, names: &[&str]) {
        for name in names {
            self.left.remove(*name);
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Why> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("its {name} is no text")),
        }
    }

    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, Why> {
        self.text(name)?.ok_or_else(|| format!("it has no {name}"))
    }

    /// What also stands in the key must be the same there.
    pub(super) fn same(&mut self, name: &str, in_key: &str) -> Result<(), Why> {
        match self.take(name) {
            Some(other) if other != *in_key => Err(format!("its {name} is {other}, but its key says {in_key:?}")),
            _ => Ok(()),
        }
    }

    pub(super) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Why> {
        let text = self.text(name)?;
        text.map(|text| datetime(&text).ok_or_else(|| format!("its {name} is no time: {text:?}"))).transpose()
    }

    /// A time that must be there: without one, or with one that is none, it is `or`, and that is told.
    pub(super) fn time_or(&mut self, name: &str, or: Option<Timestamp>, notes: &mut Notes) -> Timestamp {
        let why = match self.time(name) {
            Ok(Some(at)) => return at,
            Ok(None) => format!("it has no {name}"),
            Err(why) => why,
        };
        let at = or.unwrap_or(Timestamp::EPOCH);
        notes.otherwise(self.key.as_str(), format!("{why}; it is {at} now"));
        at
    }

    /// A list of texts; absent, it is empty. A list may stand in a text, as JSON.
    pub(super) fn texts(&mut self, name: &str) -> Result<Vec<String>, Why> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        serde_json::from_value(structured(value)).map_err(|_| format!("its {name} is no list of texts"))
    }

    /// A flag, also as a word.
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.take(name).map(flag)?.as_bool()
    }

    /// A counter; absent, it is 0.
    pub(super) fn count(&mut self, name: &str) -> Result<u64, Why> {
        let Some(value) = self.take(name) else { return Ok(0) };
        let whole = number(value).as_u64().filter(|count| *count <= MAX_COUNT);
        whole.ok_or_else(|| format!("its {name} is no whole number from 0 to {MAX_COUNT}"))
    }

    /// A sum; absent, it is 0. Zero has one sign.
    pub(super) fn sum(&mut self, name: &str) -> Result<f64, Why> {
        let Some(value) = self.take(name) else { return Ok(0.0) };
        let sum = number(value).as_f64().filter(|sum| sum.is_finite());
        sum.map(|sum| sum + 0.0).ok_or_else(|| format!("its {name} is no number"))
    }

    /// Tells of everything that was not taken.
    pub(super) fn tell_rest(self, notes: &mut Notes) {
        for name in self.left.into_iter().map(|(name, _)| name) {
            notes.attribute(self.key.as_str(), name);
        }
    }

    /// Everything that was not taken, as a document. Tells what of it has no place there.
    pub(super) fn document<T: DeserializeOwned + Serialize>(self, notes: &mut Notes) -> Result<T, Why> {
        let given = Value::Object(self.left);
        let document: T = serde_path_to_error::deserialize(&given).map_err(|error| {
            let path = error.path().to_string();
            let place = if path == "." { String::new() } else { format!("its {path}: ") };
            format!("{place}{}", error.into_inner())
        })?;
        let kept = serde_json::to_value(&document).map_err(|error| error.to_string())?;
        for (name, value) in given.as_object().into_iter().flatten() {
            let path = match kept.get(name) {
                Some(kept) => lost(value, kept, name),
                None => Some(name.clone()),
            };
            if let Some(path) = path {
                notes.attribute(self.key.as_str(), path);
            }
        }
        Ok(document)
    }

    /// Gives an attribute that is not there its value.
    pub(super) fn default(&mut self, name: &str, value: impl Into<Value>) {
        if !self.left.contains_key(name) {
            self.left.insert(name.to_owned(), value.into());
        }
    }

    /// Reads attributes otherwise.
    pub(super) fn reread(&mut self, names: &[&str], read: fn(Value) -> Value) {
        for name in names {
            if let Some(value) = self.left.get_mut(*name) {
                *value = read(value.take());
            }
        }
    }

    /// An attribute as it stands, to be changed.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.left.get_mut(name)
    }
}

/// A list or map that stands in a text, as other backends of the original keep it.
pub(super) fn structured(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(value @ (Value::Array(_) | Value::Object(_))) => value,
            _ => Value::String(text),
        },
        value => value,
    }
}

/// A number that stands in a text.
pub(super) fn number(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(value @ Value::Number(_)) => value,
            _ => Value::String(text),
        },
        value => value,
    }
}

/// A flag that stands in a text.
pub(super) fn flag(value: Value) -> Value {
    match value.as_str() {
        Some("true") => Value::Bool(true),
        Some("false") => Value::Bool(false),
        _ => value,
    }
}
