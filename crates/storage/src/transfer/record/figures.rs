//! What was counted.

use serde::{Deserialize, Serialize};
use togglebox_core::Timestamp;
use togglebox_toggles::{ExperimentKey, FlagKey, ParameterKey, Side, VariationKey};
use uuid::Uuid;

use super::fields;

/// Fetches of a parameter. Identity: environment and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterStatistics {
    /// The environment's id.
    pub environment: Uuid,
    /// The parameter's key.
    pub key: ParameterKey,
    /// How often.
    #[serde(deserialize_with = "fields::count")]
    pub fetches: u64,
    /// When last.
    pub last_at: Timestamp,
}

/// Who fetched a parameter in an hour. Identity: environment, key and hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterClients {
    /// The environment's id.
    pub environment: Uuid,
    /// The parameter's key.
    pub key: ParameterKey,
    /// Whole hours since 1970.
    pub hour: i64,
    /// A distinct-count sketch: [`Sketch::to_bytes`](togglebox_toggles::statistics::Sketch::to_bytes).
    #[serde(with = "fields::sketch")]
    pub sketch: Vec<u8>,
}

/// Evaluations of a flag. Identity: environment and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagStatistics {
    /// The environment's id.
    pub environment: Uuid,
    /// The flag's key.
    pub key: FlagKey,
    /// How often A.
    #[serde(deserialize_with = "fields::count")]
    pub served_a: u64,
    /// How often B.
    #[serde(deserialize_with = "fields::count")]
    pub served_b: u64,
    /// When last.
    pub last_at: Timestamp,
}

/// Evaluations of a flag on a day. Identity: environment, key and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagDay {
    /// The environment's id.
    pub environment: Uuid,
    /// The flag's key.
    pub key: FlagKey,
    /// UTC, `YYYY-MM-DD`.
    #[serde(deserialize_with = "fields::day")]
    pub day: String,
    /// How often A.
    #[serde(deserialize_with = "fields::count")]
    pub served_a: u64,
    /// How often B.
    #[serde(deserialize_with = "fields::count")]
    pub served_b: u64,
}

/// Evaluations of a flag for a country. Identity: environment, key and country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagCountry {
    /// The environment's id.
    pub environment: Uuid,
    /// The flag's key.
    pub key: FlagKey,
    /// In capitals.
    pub country: String,
    /// How often A.
    #[serde(deserialize_with = "fields::count")]
    pub served_a: u64,
    /// How often B.
    #[serde(deserialize_with = "fields::count")]
    pub served_b: u64,
}

/// Who got a value of a flag in an hour. Identity: environment, key, side and hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagUsers {
    /// The environment's id.
    pub environment: Uuid,
    /// The flag's key.
    pub key: FlagKey,
    /// Which value.
    pub side: Side,
    /// Whole hours since 1970.
    pub hour: i64,
    /// A distinct-count sketch: [`Sketch::to_bytes`](togglebox_toggles::statistics::Sketch::to_bytes).
    #[serde(with = "fields::sketch")]
    pub sketch: Vec<u8>,
}

/// An experiment's last event. Identity: environment and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentStatistics {
    /// The environment's id.
    pub environment: Uuid,
    /// The experiment's key.
    pub key: ExperimentKey,
    /// When last.
    pub last_at: Timestamp,
}

/// A variation's traffic on a day. Identity: environment, key, variation and day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentDay {
    /// The environment's id.
    pub environment: Uuid,
    /// The experiment's key.
    pub key: ExperimentKey,
    /// The variation's key.
    pub variation: VariationKey,
    /// UTC, `YYYY-MM-DD`.
    #[serde(deserialize_with = "fields::day")]
    pub day: String,
    /// How often it was seen.
    #[serde(deserialize_with = "fields::count")]
    pub exposures: u64,
    /// By how many for the first time.
    #[serde(deserialize_with = "fields::count")]
    pub new_users: u64,
    /// How many conversions.
    #[serde(deserialize_with = "fields::count")]
    pub conversions: u64,
}

/// A metric's conversions of a variation on a day. Identity: environment, key, variation, metric and day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentMetricDay {
    /// The environment's id.
    pub environment: Uuid,
    /// The experiment's key.
    pub key: ExperimentKey,
    /// The variation's key.
    pub variation: VariationKey,
    /// The metric's id.
    pub metric: String,
    /// UTC, `YYYY-MM-DD`.
    #[serde(deserialize_with = "fields::day")]
    pub day: String,
    /// How many conversions.
    #[serde(deserialize_with = "fields::count")]
    pub conversions: u64,
    /// The sum of their values.
    #[serde(deserialize_with = "fields::sum")]
    pub total: f64,
}

/// Who saw a variation. Identity: environment, key, variation and subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentSubject {
    /// The environment's id.
    pub environment: Uuid,
    /// The experiment's key.
    pub key: ExperimentKey,
    /// The variation's key.
    pub variation: VariationKey,
    /// The first half of the SHA-256 of the user's id.
    #[serde(with = "fields::hex")]
    pub subject: [u8; 16],
    /// The UTC day of the first time, `YYYY-MM-DD`.
    #[serde(deserialize_with = "fields::day")]
    pub first_day: String,
}

/// What a subject added to a metric, exposed or not. Identity: environment, key, variation, metric and subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentConversion {
    /// The environment's id.
    pub environment: Uuid,
    /// The experiment's key.
    pub key: ExperimentKey,
    /// The variation's key.
    pub variation: VariationKey,
    /// The metric's id.
    pub metric: String,
    /// The first half of the SHA-256 of the user's id.
    #[serde(with = "fields::hex")]
    pub subject: [u8; 16],
    /// How many conversions.
    #[serde(deserialize_with = "fields::count")]
    pub conversions: u64,
    /// How many of them carried a value.
    #[serde(deserialize_with = "fields::count")]
    pub valued: u64,
    /// The sum of their values.
    #[serde(deserialize_with = "fields::sum")]
    pub total: f64,
}
