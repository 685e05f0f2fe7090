//! Experiments.

use serde_json::{Value, json};
use togglebox_core::{Actor, Revision};
use togglebox_toggles::{ExperimentDefinition, ExperimentKey, ExperimentStatus, VariationKey};
use uuid::Uuid;

use super::fields::{Fields, Why, number, structured};
use super::finding::Notes;
use super::row::Row;
use crate::transfer::record::Experiment;

/// The key that a row of an experiment is about.
pub(super) fn key(row: &Row) -> Option<&str> {
    row.sk.strip_prefix("EXP#")?.rsplit_once("#V#").map(|(key, _)| key)
}

/// An experiment from all its rows: the original writes one, of version 1.0.0.
pub(super) fn experiment(environment: Uuid, key: &str, rows: Vec<Row>, notes: &mut Notes) -> Option<Experiment> {
    let mut taken = None;
    for row in rows {
        let whole = row.key();
        let read = if row.sk.ends_with("#V#1.0.0") {
            read(environment, key, row, notes)
        } else {
            Err("an experiment has one version, 1.0.0".to_owned())
        };
        match read {
            Ok(experiment) => taken = Some(experiment),
            Err(why) => notes.left(whole, why),
        }
    }
    taken
}

fn read(environment: Uuid, key: &str, row: Row, notes: &mut Notes) -> Result<Experiment, Why> {
    let mut fields = Fields::of(row);
    fields.same("experimentKey", key)?;
    let key = ExperimentKey::new(key).map_err(|why| why.to_string())?;
    // Some stand in the key, and every experiment is active.
    fields.drop(&["platform", "environment", "version", "isActive"]);
    let status = fields.needed_text("status")?;
    let status = ExperimentStatus::WORDS.into_iter().find_map(|(word, known)| (word == status).then_some(known));
    let winner = fields.text("winner")?.map(|winner| VariationKey::new(winner).map_err(|why| format!("its winner: {why}")));
    let created_at = fields.time_or("createdAt", None, notes);
    let updated_at = fields.time_or("updatedAt", Some(created_at), notes);
    let (started_at, completed_at) = (fields.time("startedAt")?, fields.time("completedAt")?);
    let (started_by, completed_by) = (fields.text("startedBy")?, fields.text("completedBy")?);
    let created_by = fields.text("createdBy")?.unwrap_or_else(|| Actor::SYSTEM_EMAIL.to_owned());
    as_the_original_reads_it(&mut fields);
    Ok(Experiment {
        environment,
        key,
        status: status.ok_or("its status is none of draft, running, paused, completed and archived")?,
        definition: fields.document::<ExperimentDefinition>(notes)?,
        started_at,
        started_by,
        completed_at,
        completed_by,
        winner: winner.transpose()?,
        created_by,
        created_at,
        updated_at,
        revision: Revision::new(1),
    })
}

/// What an experiment is made with in the original where its maker says nothing, and lists and numbers that stand in texts.
fn as_the_original_reads_it(fields: &mut Fields) {
    fields.reread(&["variations", "trafficAllocation", "targeting", "primaryMetric", "secondaryMetrics"], structured);
    fields.reread(&["confidenceLevel", "minimumDetectableEffect", "minimumSampleSize"], number);
    fields.default("hypothesis", "");
    fields.default("targeting", json!({}));
    fields.default("confidenceLevel", 0.95);
    for variation in fields.get_mut("variations").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(variation) = variation.as_object_mut() {
            variation.entry("isControl").or_insert(Value::Bool(false));
        }
    }
}
