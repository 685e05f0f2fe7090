//! What an experiment's figures say.

use std::collections::BTreeMap;

use serde::Serialize;
use togglebox_toggles::statistics::{Analysis, Interval, MetricAnalysis, VariationData, VariationFigures, legacy::Significance};
use togglebox_toggles::{MetricType, SuccessDirection};
use utoipa::ToSchema;

use super::figures::SrmView;
use super::number;

/// An analysis. The first four members are counted per event, for clients of the original; `primaryMetric` and `secondaryMetrics`
/// are counted per user, and are what decisions should rest on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Analysis)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnalysisView<'a> {
    variation_data: Vec<VariationDataView<'a>>,
    /// The first treatment of `perVariation`.
    #[schema(required)]
    significance: Option<SignificanceView>,
    /// By variation key.
    #[schema(required)]
    per_variation: Option<BTreeMap<&'a str, SignificanceView>>,
    #[schema(required)]
    srm: Option<SrmView>,
    /// How the users (not the events) are split.
    #[schema(required)]
    user_split: Option<SrmView>,
    primary_metric: MetricView<'a>,
    secondary_metrics: Vec<MetricView<'a>>,
}

impl<'a> From<&'a Analysis> for AnalysisView<'a> {
    fn from(analysis: &'a Analysis) -> Self {
        let per_variation = analysis.per_variation.as_ref();
        Self {
            variation_data: analysis.variation_data.iter().map(Into::into).collect(),
            significance: analysis.significance.as_ref().map(Into::into),
            per_variation: per_variation.map(|all| all.iter().map(|(key, one)| (key.as_str(), one.into())).collect()),
            srm: analysis.srm.as_ref().map(|srm| SrmView::new(srm, false)),
            user_split: analysis.user_split.as_ref().map(|srm| SrmView::new(srm, true)),
            primary_metric: (&analysis.primary).into(),
            secondary_metrics: analysis.secondary.iter().map(Into::into).collect(),
        }
    }
}

/// A variation, counted per event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VariationData)]
#[serde(rename_all = "camelCase")]
struct VariationDataView<'a> {
    variation_key: &'a str,
    participants: u64,
    conversions: u64,
}

impl<'a> From<&'a VariationData> for VariationDataView<'a> {
    fn from(data: &'a VariationData) -> Self {
        Self { variation_key: data.variation.as_str(), participants: data.participants, conversions: data.conversions }
    }
}

/// A two-proportion z-test, counted per event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Significance)]
#[serde(rename_all = "camelCase")]
struct SignificanceView {
    #[serde(serialize_with = "number::serialize")]
    p_value: f64,
    is_significant: bool,
    #[serde(serialize_with = "number::serialize")]
    z_score: f64,
    /// Of the treatment's rate.
    #[schema(value_type = Vec<Option<f64>>)]
    confidence_interval: [Option<serde_json::Number>; 2],
    #[serde(serialize_with = "number::serialize")]
    relative_lift: f64,
    #[serde(serialize_with = "number::serialize")]
    control_conversion_rate: f64,
    #[serde(serialize_with = "number::serialize")]
    treatment_conversion_rate: f64,
    /// The same as `controlConversionRate`, by the name that the admin UI reads.
    #[serde(serialize_with = "number::serialize")]
    control_rate: f64,
    /// The same as `treatmentConversionRate`, by the name that the admin UI reads.
    #[serde(serialize_with = "number::serialize")]
    treatment_rate: f64,
}

impl From<&Significance> for SignificanceView {
    fn from(test: &Significance) -> Self {
        Self {
            p_value: test.p_value,
            is_significant: test.is_significant,
            z_score: test.z_score,
            confidence_interval: test.confidence_interval.map(number::json),
            relative_lift: test.relative_lift,
            control_conversion_rate: test.control_conversion_rate,
            treatment_conversion_rate: test.treatment_conversion_rate,
            control_rate: test.control_conversion_rate,
            treatment_rate: test.treatment_conversion_rate,
        }
    }
}

/// A metric, per user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricAnalysis)]
#[serde(rename_all = "camelCase")]
struct MetricView<'a> {
    metric_id: &'a str,
    /// `conversion`, `count`, `sum` or `average`.
    #[schema(value_type = String)]
    metric_type: MetricType,
    /// `increase` or `decrease`.
    #[schema(value_type = String)]
    success_direction: SuccessDirection,
    /// Users per variation before any verdict is given; `null` when no minimum is known.
    #[schema(required)]
    required_users: Option<u64>,
    /// In the experiment's order.
    variations: Vec<MetricVariationView<'a>>,
}

impl<'a> From<&'a MetricAnalysis> for MetricView<'a> {
    fn from(metric: &'a MetricAnalysis) -> Self {
        Self {
            metric_id: &metric.metric,
            metric_type: metric.metric_type,
            success_direction: metric.direction,
            required_users: metric.required_users,
            variations: metric.variations.iter().map(Into::into).collect(),
        }
    }
}

/// A metric of a variation, per user. What is undefined is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricVariation)]
#[serde(rename_all = "camelCase")]
struct MetricVariationView<'a> {
    variation_key: &'a str,
    /// Users who were exposed.
    users: u64,
    /// Those of them who converted.
    converted_users: u64,
    #[schema(required)]
    rate: Option<f64>,
    /// Wilson's.
    #[schema(required)]
    rate_interval: Option<[f64; 2]>,
    #[schema(required)]
    mean: Option<f64>,
    /// Student's.
    #[schema(required)]
    mean_interval: Option<[f64; 2]>,
    /// Against the control; absent for the control itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    versus_control: Option<VersusControlView>,
}

/// A treatment against the control. What is undefined is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VersusControl)]
#[serde(rename_all = "camelCase")]
struct VersusControlView {
    #[schema(required)]
    difference: Option<f64>,
    /// Newcombe's for rates, Welch's for means.
    #[schema(required)]
    difference_interval: Option<[f64; 2]>,
    #[schema(required)]
    lift: Option<f64>,
    #[schema(required)]
    lift_interval: Option<[f64; 2]>,
    #[schema(required)]
    p_value: Option<f64>,
    /// By Holm's method, for the number of treatments.
    #[schema(required)]
    adjusted_p_value: Option<f64>,
    /// The chance to see the minimum detectable effect with these users.
    #[schema(required)]
    power: Option<f64>,
    /// `winner`, `loser`, `inconclusive` or `notEnoughData`.
    verdict: &'static str,
}

impl<'a> From<&'a VariationFigures> for MetricVariationView<'a> {
    fn from(figures: &'a VariationFigures) -> Self {
        let bounds = |interval: Interval| [interval.low, interval.high];
        Self {
            variation_key: figures.variation.as_str(),
            users: figures.users,
            converted_users: figures.converted_users,
            rate: figures.rate,
            rate_interval: figures.rate_interval.map(bounds),
            mean: figures.mean,
            mean_interval: figures.mean_interval.map(bounds),
            versus_control: figures.versus_control.as_ref().map(|versus| {
                let comparison = versus.comparison.as_ref();
                VersusControlView {
                    difference: comparison.map(|comparison| comparison.difference),
                    difference_interval: comparison.map(|comparison| bounds(comparison.interval)),
                    lift: comparison.and_then(|comparison| comparison.lift),
                    lift_interval: comparison.and_then(|comparison| comparison.lift_interval).map(bounds),
                    p_value: comparison.map(|comparison| comparison.p_value),
                    adjusted_p_value: versus.adjusted_p_value,
                    power: versus.power,
                    verdict: versus.verdict.as_str(),
                }
            }),
        }
    }
}
