//! Experiments: variations, who takes part, and the life of an experiment.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use togglebox_core::{Revision, Timestamp};

use crate::{ExperimentKey, VariationKey};

/// Where an experiment stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExperimentStatus {
    /// Being prepared; nobody is assigned.
    Draft,
    /// Users are assigned.
    Running,
    /// Nobody is assigned for the time being.
    Paused,
    /// Over, perhaps with a winner.
    Completed,
    /// Put away.
    Archived,
}

impl ExperimentStatus {
    /// The words of the wire, each with its status.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("draft", Self::Draft),
        ("running", Self::Running),
        ("paused", Self::Paused),
        ("completed", Self::Completed),
        ("archived", Self::Archived),
    ];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Archived => "archived",
        }
    }
}

/// One of the things that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variation {
    /// Its key, unique within the experiment.
    pub key: VariationKey,
    /// For people.
    pub name: String,
    /// What clients get: any JSON. Absent and `null` are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub value: Option<Value>,
    /// Whether it is marked as the control.
    pub is_control: bool,
}

/// Keeps an explicit `null`, which plain `Option<Value>` would read as absent.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A variation's share of the traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// Whose share.
    pub variation_key: VariationKey,
    /// In percent, 0 to 100, fractions allowed. All shares together make 100.
    pub percentage: f64,
}

/// A country whose users take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetedCountry {
    /// Two UTF-16 units, compared without regard to case.
    pub country: String,
    /// Only these languages, when there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<TargetedLanguage>>,
}

/// A language whose users take part, within a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetedLanguage {
    /// Two UTF-16 units, compared without regard to case.
    pub language: String,
}

/// Who takes part. Unlike a flag's, an experiment's countries are a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentTargeting {
    /// Only users of these countries, when there are any.
    #[serde(default)]
    pub countries: Vec<TargetedCountry>,
    /// Users who pass the gate of countries.
    #[serde(default)]
    pub force_include_users: Vec<String>,
    /// Users who never take part.
    #[serde(default)]
    pub force_exclude_users: Vec<String>,
}

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricType {
    /// Whether a user did it.
    Conversion,
    /// How often.
    Count,
    /// The sum of its values.
    Sum,
    /// The mean of its values.
    Average,
}

impl MetricType {
    /// The words of the wire, each with its type.
    pub const WORDS: [(&'static str, Self); 4] =
        [("conversion", Self::Conversion), ("count", Self::Count), ("sum", Self::Sum), ("average", Self::Average)];
}

/// Which way is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuccessDirection {
    /// More is better.
    Increase,
    /// Less is better.
    Decrease,
}

impl SuccessDirection {
    /// The words of the wire, each with its direction.
    pub const WORDS: [(&'static str, Self); 2] = [("increase", Self::Increase), ("decrease", Self::Decrease)];
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// How events refer to it.
    pub id: String,
    /// For people.
    pub name: String,
    /// The event that feeds it.
    pub event_name: String,
    /// What it measures.
    pub metric_type: MetricType,
    /// Which way is good.
    pub success_direction: SuccessDirection,
    /// The event's property that holds the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_property: Option<String>,
}

/// What an experiment says. This is the document that stores keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentDefinition {
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What is believed.
    pub hypothesis: String,
    /// At least two.
    pub variations: Vec<Variation>,
    /// Key of the variation that the others are compared with.
    pub control_variation: VariationKey,
    /// Shares of the traffic, in the order in which buckets are filled.
    pub traffic_allocation: Vec<Allocation>,
    /// Who takes part.
    pub targeting: ExperimentTargeting,
    /// What decides.
    pub primary_metric: Metric,
    /// What is watched besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_metrics: Option<Vec<Metric>>,
    /// 0.8 to 0.99.
    pub confidence_level: f64,
    /// Relative, 0.01 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_detectable_effect: Option<f64>,
    /// Participants per variation, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_sample_size: Option<u64>,
    /// Nobody is assigned before this time. RFC 3339 text, shown as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_start_at: Option<String>,
    /// Nobody is assigned after this time. RFC 3339 text, shown as it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_end_at: Option<String>,
}

impl ExperimentDefinition {
    /// Every metric: the primary one, then the secondary ones.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        std::iter::once(&self.primary_metric).chain(self.secondary_metrics.iter().flatten())
    }
}

/// An experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its key.
    pub key: ExperimentKey,
    /// What it says.
    pub definition: ExperimentDefinition,
    /// Where it stands.
    pub status: ExperimentStatus,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// E-mail address of who started it.
    pub started_by: Option<String>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// E-mail address of who completed it.
    pub completed_by: Option<String>,
    /// The variation that won.
    pub winner: Option<VariationKey>,
    /// The author's e-mail address.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The environment's revision at its last change.
    pub revision: Revision,
}

impl Experiment {
    /// The version that every experiment shows: they are changed in place, and only as drafts.
    pub const VERSION: &'static str = "1.0.0";
}
