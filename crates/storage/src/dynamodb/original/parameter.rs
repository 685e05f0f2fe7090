//! Parameters with their versions.

use serde_json::Value;
use togglebox_core::{Actor, Revision, Timestamp};
use togglebox_toggles::{ParameterDefinition, ParameterKey, ValueType, value};
use uuid::Uuid;

use super::fields::{Fields, MAX_COUNT, Why};
use super::finding::Notes;
use super::row::Row;
use super::versions::{Version, choose};
use crate::transfer::record::{Parameter, ParameterVersion};

/// The key that a row of a parameter is about; what else there is of it is a version.
pub(super) fn key(row: &Row) -> Option<&str> {
    row.sk.strip_prefix("PARAM#")?.rsplit_once("#V#").map(|(key, _)| key)
}

/// A parameter from all its rows.
pub(super) fn parameter(
    environment: Uuid,
    key: &str,
    rows: Vec<Row>,
    notes: &mut Notes,
) -> Option<(Parameter, Vec<ParameterVersion>)> {
    let name = format!("{} PARAM#{key}", rows.first()?.pk);
    let key = ParameterKey::new(key).map_err(|why| notes.left(name.as_str(), why.to_string())).ok()?;
    let mut versions = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(number) = number(&row) else {
            notes.left(row.key(), "its version is no whole number from 1");
            continue;
        };
        let indexed = row.attributes.get("GSI1PK").is_some_and(Value::is_string);
        let (whole, mut fields) = (row.key(), Fields::of(row));
        let marked = fields.flag("isActive").unwrap_or_default();
        let taken = version(environment, &key, number, fields, notes).map_err(|why| notes.left(whole, why)).ok();
        versions.push(Version { number, marked, indexed, taken });
    }
    let (active, versions) = choose(&name, versions, notes)?;
    let latest = versions.last().map_or(active, |(number, _)| *number);
    let head = Parameter { environment, key, active, latest, revision: Revision::new(1) };
    Some((head, versions.into_iter().map(|(_, version)| version).collect()))
}

/// As the original writes it: decimal digits.
fn number(row: &Row) -> Option<u64> {
    let (_, text) = row.sk.rsplit_once("#V#")?;
    let number = text.parse().ok().filter(|number| (1..=MAX_COUNT).contains(number))?;
    (number.to_string() == text).then_some(number)
}

fn version(
    environment: Uuid,
    key: &ParameterKey,
    number: u64,
    mut fields: Fields,
    notes: &mut Notes,
) -> Result<ParameterVersion, Why> {
    fields.same("parameterKey", key.as_str())?;
    // Both stand in the key, and the version there as a text.
    fields.drop(&["platform", "environment", "version"]);
    let created_by = fields.text("createdBy")?.unwrap_or_else(|| Actor::SYSTEM_EMAIL.to_owned());
    let created_at: Timestamp = fields.time_or("createdAt", None, notes);
    as_text(&mut fields, notes);
    let definition: ParameterDefinition = fields.document(notes)?;
    Ok(ParameterVersion { environment, key: key.clone(), version: number, definition, created_by, created_at })
}

/// Values are texts. One that is not becomes the text that stands for it.
fn as_text(fields: &mut Fields, notes: &mut Notes) {
    let json = fields.get_mut("valueType").is_some_and(|kind| *kind == "json");
    let Some(given) = fields.get_mut("defaultValue").filter(|given| !given.is_string()) else { return };
    let kind = if json || given.is_array() || given.is_object() { ValueType::Json } else { ValueType::String };
    let text = value::write(kind, given);
    *given = Value::String(text);
    notes.otherwise(fields.key(), "its defaultValue is no text; it is the text that stands for it now");
}
