//! Bodies of experiments.

use serde_json::Value;
use utoipa::ToSchema;

use super::value::{
    ConfidenceLevel, Country, EmailAddress, ExperimentKey, FilledText, Language, MetricId, MetricType, MinimumEffect, Percentage,
    SampleSize, SuccessDirection, UtcMoment, VariationKey,
};

/// An experiment to be made. Control and allocation must fit the variations, and the allocation make 100.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct NewExperimentBody {
    experiment_key: ExperimentKey,
    name: FilledText,
    /// For people.
    #[schema(nullable = false)]
    description: Option<String>,
    /// What is believed.
    hypothesis: FilledText,
    #[schema(min_items = 2, max_items = 1000)]
    variations: Vec<NewVariationBody>,
    /// Key of the control.
    control_variation: VariationKey,
    /// Every variation's share, in the order in which buckets are filled.
    #[schema(min_items = 2, max_items = 1000)]
    traffic_allocation: Vec<ShareBody>,
    #[schema(nullable = false)]
    targeting: Option<ExperimentTargetingBody>,
    /// What decides.
    primary_metric: MetricBody,
    /// What is watched besides.
    #[schema(nullable = false, max_items = 1000)]
    secondary_metrics: Option<Vec<MetricBody>>,
    /// 0.95 without.
    #[schema(nullable = false)]
    confidence_level: Option<ConfidenceLevel>,
    #[schema(nullable = false)]
    minimum_detectable_effect: Option<MinimumEffect>,
    /// Users per variation before any verdict.
    #[schema(nullable = false)]
    minimum_sample_size: Option<SampleSize>,
    /// Nobody is assigned before.
    #[schema(nullable = false)]
    scheduled_start_at: Option<UtcMoment>,
    /// Nobody is assigned after; not before the start.
    #[schema(nullable = false)]
    scheduled_end_at: Option<UtcMoment>,
}

/// A change of a draft. What is absent stays; the key does. What is there must fit what stays.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ExperimentPatchBody {
    #[schema(nullable = false)]
    name: Option<FilledText>,
    /// For people.
    #[schema(nullable = false)]
    description: Option<String>,
    /// What is believed.
    #[schema(nullable = false)]
    hypothesis: Option<String>,
    /// All variations.
    #[schema(nullable = false, min_items = 2, max_items = 1000)]
    variations: Option<Vec<NewVariationBody>>,
    /// Key of the control.
    #[schema(nullable = false)]
    control_variation: Option<FilledText>,
    /// Every variation's share, in the order in which buckets are filled.
    #[schema(nullable = false, min_items = 2, max_items = 1000)]
    traffic_allocation: Option<Vec<ShareBody>>,
    /// Replaces the whole targeting.
    #[schema(nullable = false)]
    targeting: Option<ExperimentTargetingBody>,
    /// What decides.
    #[schema(nullable = false)]
    primary_metric: Option<MetricBody>,
    /// Replaces all secondary metrics.
    #[schema(nullable = false, max_items = 1000)]
    secondary_metrics: Option<Vec<MetricBody>>,
    #[schema(nullable = false)]
    confidence_level: Option<ConfidenceLevel>,
    #[schema(nullable = false)]
    minimum_detectable_effect: Option<MinimumEffect>,
    /// Users per variation before any verdict.
    #[schema(nullable = false)]
    minimum_sample_size: Option<SampleSize>,
    /// Nobody is assigned before.
    #[schema(nullable = false)]
    scheduled_start_at: Option<UtcMoment>,
    /// Nobody is assigned after; not before the start.
    #[schema(nullable = false)]
    scheduled_end_at: Option<UtcMoment>,
}

/// A variation to be made.
#[derive(ToSchema)]
#[schema(as = NewVariation, rename_all = "camelCase")]
struct NewVariationBody {
    key: VariationKey,
    name: FilledText,
    /// Any JSON.
    value: Option<Value>,
    /// `controlVariation` alone says it too; what is marked must be the control.
    #[schema(nullable = false)]
    is_control: Option<bool>,
}

/// A variation's share of the traffic.
#[derive(ToSchema)]
#[schema(as = NewShare, rename_all = "camelCase")]
struct ShareBody {
    variation_key: FilledText,
    percentage: Percentage,
}

/// Who takes part. What is absent is empty; without countries everybody does.
#[derive(ToSchema)]
#[schema(as = ExperimentTargeting, rename_all = "camelCase")]
struct ExperimentTargetingBody {
    #[schema(nullable = false, max_items = 1000)]
    countries: Option<Vec<TargetedCountryBody>>,
    /// Ids of users who take part in any case.
    #[schema(nullable = false, max_items = 100_000)]
    force_include_users: Option<Vec<String>>,
    /// Ids of users who never take part.
    #[schema(nullable = false, max_items = 100_000)]
    force_exclude_users: Option<Vec<String>>,
}

/// A country whose users take part.
#[derive(ToSchema)]
#[schema(as = TargetedCountry)]
struct TargetedCountryBody {
    country: Country,
    /// Only these languages.
    #[schema(nullable = false, max_items = 1000)]
    languages: Option<Vec<TargetedLanguageBody>>,
}

/// A language whose users take part.
#[derive(ToSchema)]
#[schema(as = TargetedLanguage)]
struct TargetedLanguageBody {
    language: Language,
}

/// What is measured.
#[derive(ToSchema)]
#[schema(as = Metric, rename_all = "camelCase")]
struct MetricBody {
    /// How events refer to it.
    id: MetricId,
    name: FilledText,
    event_name: FilledText,
    metric_type: MetricType,
    success_direction: SuccessDirection,
    /// Which property of the event is the value.
    #[schema(nullable = false)]
    value_property: Option<String>,
}

/// New shares. They must name every variation once, and make 100.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct TrafficBody {
    /// Every variation's share, in the order in which buckets are filled.
    #[schema(min_items = 2, max_items = 1000)]
    traffic_allocation: Vec<ShareBody>,
}

/// The wish to start an experiment. What is recorded is the address of the caller.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct StartBody {
    started_by: EmailAddress,
}

/// The wish to complete an experiment. What is recorded is the address of the caller.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct CompleteBody {
    /// Key of the variation that won.
    #[schema(nullable = false)]
    winner: Option<String>,
    completed_by: EmailAddress,
}
