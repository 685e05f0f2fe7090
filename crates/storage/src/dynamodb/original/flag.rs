//! Flags with their versions.

use serde_json::{Value, json};
use togglebox_core::{Actor, Revision, Timestamp};
use togglebox_toggles::{FlagDefinition, FlagKey, FlagVersion as Number};
use uuid::Uuid;

use super::fields::{Fields, MAX_COUNT, Why, flag as word, number, structured};
use super::finding::Notes;
use super::row::Row;
use super::versions::{Version, choose};
use crate::transfer::record::{Flag, FlagVersion};

/// The key that a row of a flag is about; what else there is of it is a version.
pub(super) fn key(row: &Row) -> Option<&str> {
    row.sk.strip_prefix("FLAG#")?.rsplit_once("#V#").map(|(key, _)| key)
}

/// A flag from all its rows.
pub(super) fn flag(environment: Uuid, key: &str, rows: Vec<Row>, notes: &mut Notes) -> Option<(Flag, Vec<FlagVersion>)> {
    let name = format!("{} FLAG#{key}", rows.first()?.pk);
    let key = FlagKey::new(key).map_err(|why| notes.left(name.as_str(), why.to_string())).ok()?;
    let mut versions = Vec::with_capacity(rows.len());
    for row in rows {
        let number = row.sk.rsplit_once("#V#").and_then(|(_, text)| text.parse::<Number>().ok()).map(Number::patch);
        let indexed = row.attributes.get("GSI1PK").is_some_and(Value::is_string);
        let (whole, mut fields) = (row.key(), Fields::of(row));
        let marked = fields.flag("isActive").unwrap_or_default();
        let taken = match number.filter(|number| *number <= MAX_COUNT) {
            Some(number) => version(environment, &key, number, fields, notes),
            None => Err("its version is not of the form 1.0.n".to_owned()),
        };
        let taken = taken.map_err(|why| notes.left(whole, why)).ok();
        versions.push(Version { number: number.unwrap_or_default(), marked, indexed, taken });
    }
    let (active, mut versions) = choose(&name, versions, notes)?;
    let latest = versions.last().map_or(active, |(number, _)| *number);
    // Carried over from version to version.
    let created_at = versions.iter().find(|(number, _)| *number == active).map_or(Timestamp::EPOCH, |(_, (made, _))| *made);
    for (number, (_, version)) in &mut versions {
        version.active = *number == active;
    }
    let head = Flag { environment, key, latest, created_at };
    Some((head, versions.into_iter().map(|(_, (_, version))| version).collect()))
}

/// A version, and when the flag was made. Whether it is active is still to be said.
fn version(
    environment: Uuid,
    key: &FlagKey,
    number: u64,
    mut fields: Fields,
    notes: &mut Notes,
) -> Result<(Timestamp, FlagVersion), Why> {
    fields.same("flagKey", key.as_str())?;
    // These stand in the key.
    fields.drop(&["platform", "environment", "version"]);
    let created_by = fields.text("createdBy")?.unwrap_or_else(|| Actor::SYSTEM_EMAIL.to_owned());
    let made = fields.time_or("createdAt", None, notes);
    let updated_at = fields.time_or("updatedAt", Some(made), notes);
    as_the_original_reads_it(&mut fields);
    let definition: FlagDefinition = fields.document(notes)?;
    let version = FlagVersion {
        environment,
        key: key.clone(),
        version: number,
        active: false,
        definition,
        created_by,
        updated_at,
        revision: Revision::new(1),
    };
    Ok((made, version))
}

/// What a flag is made with in the original where its maker says nothing, and lists and numbers that stand in texts.
fn as_the_original_reads_it(fields: &mut Fields) {
    fields.reread(&["targeting"], structured);
    fields.reread(&["enabled", "rolloutEnabled"], word);
    fields.reread(&["rolloutPercentageA", "rolloutPercentageB"], number);
    fields.default("flagType", "boolean");
    if fields.get_mut("flagType").is_some_and(|kind| *kind == "boolean") {
        fields.default("valueA", true);
        fields.default("valueB", false);
    }
    fields.default("enabled", false);
    fields.default("targeting", json!({}));
    fields.default("defaultValue", "B");
    fields.default("rolloutEnabled", false);
    fields.default("rolloutPercentageA", 100);
    fields.default("rolloutPercentageB", 0);
}
