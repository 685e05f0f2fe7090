//! Experiments.

use serde::Serialize;
use serde_json::Value;
use togglebox_core::Timestamp;
use togglebox_toggles::{Allocation, Experiment, ExperimentTargeting, Metric, Scope, Variation};
use utoipa::ToSchema;

use super::number;

/// An experiment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Experiment)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExperimentView<'a> {
    platform: &'a str,
    environment: &'a str,
    experiment_key: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<&'a str>,
    hypothesis: &'a str,
    /// `draft`, `running`, `paused`, `completed` or `archived`.
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scheduled_start_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scheduled_end_at: Option<&'a str>,
    variations: Vec<VariationView<'a>>,
    control_variation: &'a str,
    traffic_allocation: Vec<AllocationView<'a>>,
    /// `{countries: [{country, languages?: [{language}]}], forceIncludeUsers, forceExcludeUsers}`.
    #[schema(value_type = Object)]
    targeting: &'a ExperimentTargeting,
    /// `{id, name, eventName, metricType, successDirection, valueProperty?}`.
    #[schema(value_type = Object)]
    primary_metric: &'a Metric,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>, nullable = false)]
    secondary_metrics: Option<&'a [Metric]>,
    #[serde(serialize_with = "number::serialize")]
    confidence_level: f64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "number::serialize_some")]
    #[schema(nullable = false)]
    minimum_detectable_effect: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    minimum_sample_size: Option<u64>,
    /// Key of the variation that won.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    winner: Option<&'a str>,
    /// Always `1.0.0`.
    version: &'a str,
    is_active: bool,
    /// The author's e-mail address.
    created_by: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// A variation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Variation)]
#[serde(rename_all = "camelCase")]
struct VariationView<'a> {
    key: &'a str,
    name: &'a str,
    /// Any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>, nullable = false)]
    value: Option<&'a Value>,
    is_control: bool,
}

impl<'a> From<&'a Variation> for VariationView<'a> {
    fn from(variation: &'a Variation) -> Self {
        Self {
            key: variation.key.as_str(),
            name: &variation.name,
            value: variation.value.as_ref(),
            is_control: variation.is_control,
        }
    }
}

/// A variation's share of the traffic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Allocation)]
#[serde(rename_all = "camelCase")]
struct AllocationView<'a> {
    variation_key: &'a str,
    /// In percent.
    #[serde(serialize_with = "number::serialize")]
    percentage: f64,
}

impl<'a> From<&'a Allocation> for AllocationView<'a> {
    fn from(allocation: &'a Allocation) -> Self {
        Self { variation_key: allocation.variation_key.as_str(), percentage: allocation.percentage }
    }
}

impl<'a> ExperimentView<'a> {
    pub(crate) fn new(scope: &'a Scope, experiment: &'a Experiment) -> Self {
        let definition = &experiment.definition;
        Self {
            platform: scope.platform.as_str(),
            environment: scope.environment.as_str(),
            experiment_key: experiment.key.as_str(),
            name: &definition.name,
            description: definition.description.as_deref(),
            hypothesis: &definition.hypothesis,
            status: experiment.status.as_str(),
            started_at: experiment.started_at,
            completed_at: experiment.completed_at,
            scheduled_start_at: definition.scheduled_start_at.as_deref(),
            scheduled_end_at: definition.scheduled_end_at.as_deref(),
            variations: definition.variations.iter().map(Into::into).collect(),
            control_variation: definition.control_variation.as_str(),
            traffic_allocation: definition.traffic_allocation.iter().map(Into::into).collect(),
            targeting: &definition.targeting,
            primary_metric: &definition.primary_metric,
            secondary_metrics: definition.secondary_metrics.as_deref(),
            confidence_level: definition.confidence_level,
            minimum_detectable_effect: definition.minimum_detectable_effect,
            minimum_sample_size: definition.minimum_sample_size,
            winner: experiment.winner.as_ref().map(AsRef::as_ref),
            version: Experiment::VERSION,
            is_active: true,
            created_by: &experiment.created_by,
            created_at: experiment.created_at,
            updated_at: experiment.updated_at,
        }
    }
}
