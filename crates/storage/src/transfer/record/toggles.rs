//! Parameters, flags and experiments.

use serde::{Deserialize, Serialize};
use togglebox_core::{Revision, Timestamp};
use togglebox_toggles::{
    ExperimentDefinition, ExperimentKey, ExperimentStatus, FlagDefinition, FlagKey, ParameterDefinition, ParameterKey,
    VariationKey,
};
use uuid::Uuid;

use super::fields;

/// A parameter's head. Identity: environment and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// The environment's id.
    pub environment: Uuid,
    /// Its key.
    pub key: ParameterKey,
    /// The version that clients get.
    #[serde(deserialize_with = "fields::count")]
    pub active: u64,
    /// The highest version ever given.
    #[serde(deserialize_with = "fields::count")]
    pub latest: u64,
    /// The environment's revision at its last change.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
}

/// A version of a parameter. Identity: environment, key and version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterVersion {
    /// The environment's id.
    pub environment: Uuid,
    /// The parameter's key.
    pub key: ParameterKey,
    /// From 1.
    #[serde(deserialize_with = "fields::count")]
    pub version: u64,
    /// What it says.
    pub definition: ParameterDefinition,
    /// The author's e-mail address.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A flag's head. Identity: environment and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// The environment's id.
    pub environment: Uuid,
    /// Its key.
    pub key: FlagKey,
    /// The highest version ever given: the last number of `1.0.n`.
    #[serde(deserialize_with = "fields::count")]
    pub latest: u64,
    /// When the flag was made.
    pub created_at: Timestamp,
}

/// A version of a flag. Identity: environment, key and version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagVersion {
    /// The environment's id.
    pub environment: Uuid,
    /// The flag's key.
    pub key: FlagKey,
    /// The last number of `1.0.n`.
    #[serde(deserialize_with = "fields::count")]
    pub version: u64,
    /// Whether clients get it; one version of a flag at most.
    pub active: bool,
    /// What it says.
    pub definition: FlagDefinition,
    /// The author's e-mail address.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The environment's revision at its last change.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
}

/// An experiment. Identity: environment and key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Experiment {
    /// The environment's id.
    pub environment: Uuid,
    /// Its key.
    pub key: ExperimentKey,
    /// Where it stands.
    pub status: ExperimentStatus,
    /// What it says.
    pub definition: ExperimentDefinition,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// When it was completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Who completed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<String>,
    /// The variation that won.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub winner: Option<VariationKey>,
    /// The author's e-mail address.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The environment's revision at its last change.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
}
