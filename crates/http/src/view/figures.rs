//! Figures of configs, flags and experiments.

use serde::Serialize;
use togglebox_core::Timestamp;
use togglebox_toggles::Scope;
use togglebox_toggles::statistics::Srm;
use togglebox_toggles::store::{
    CountryCount, DayCount, ExperimentDay, ExperimentStatistics, FlagStatistics, MetricDay, ParameterStatistics, VariationTotals,
};
use utoipa::ToSchema;

use super::number;

/// How often a parameter was fetched.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConfigStats)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterFigures<'a> {
    platform: &'a str,
    environment: &'a str,
    config_key: &'a str,
    fetch_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    last_fetched_at: Option<Timestamp>,
    /// Distinct clients, as far as they said who they are. An estimate beyond a few hundred.
    unique_clients24h: u64,
    /// `null` when nothing was recorded yet.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    updated_at: Option<Timestamp>,
}

impl<'a> ParameterFigures<'a> {
    pub(crate) fn new(places: [&'a str; 3], figures: Option<&ParameterStatistics>) -> Self {
        let [platform, environment, config_key] = places;
        Self {
            platform,
            environment,
            config_key,
            fetch_count: figures.map_or(0, |figures| figures.fetches),
            last_fetched_at: figures.map(|figures| figures.last_at),
            unique_clients24h: figures.map_or(0, |figures| figures.clients_24h),
            updated_at: figures.map(|figures| figures.last_at),
        }
    }
}

/// How often a flag was evaluated.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlagStats)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagFigures<'a> {
    platform: &'a str,
    environment: &'a str,
    flag_key: &'a str,
    total_evaluations: u64,
    value_a_count: u64,
    value_b_count: u64,
    /// Distinct users. An estimate beyond a few hundred.
    #[serde(rename = "uniqueUsersA24h")]
    unique_users_a24h: u64,
    /// Distinct users. An estimate beyond a few hundred.
    #[serde(rename = "uniqueUsersB24h")]
    unique_users_b24h: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    last_evaluated_at: Option<Timestamp>,
    /// `null` when nothing was recorded yet.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    updated_at: Option<Timestamp>,
}

impl<'a> FlagFigures<'a> {
    pub(crate) fn new(places: [&'a str; 3], figures: Option<&FlagStatistics>) -> Self {
        let [platform, environment, flag_key] = places;
        let count = |read: fn(&FlagStatistics) -> u64| figures.map_or(0, read);
        Self {
            platform,
            environment,
            flag_key,
            total_evaluations: count(|figures| figures.served_a.saturating_add(figures.served_b)),
            value_a_count: count(|figures| figures.served_a),
            value_b_count: count(|figures| figures.served_b),
            unique_users_a24h: count(|figures| figures.users_a_24h),
            unique_users_b24h: count(|figures| figures.users_b_24h),
            last_evaluated_at: figures.map(|figures| figures.last_at),
            updated_at: figures.map(|figures| figures.last_at),
        }
    }
}

/// A flag's evaluations for a country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlagStatsByCountry)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountryFigures<'a> {
    /// In capitals.
    country: &'a str,
    value_a_count: u64,
    value_b_count: u64,
    total_evaluations: u64,
}

impl<'a> From<&'a CountryCount> for CountryFigures<'a> {
    fn from(count: &'a CountryCount) -> Self {
        Self {
            country: &count.country,
            value_a_count: count.served_a,
            value_b_count: count.served_b,
            total_evaluations: count.served_a.saturating_add(count.served_b),
        }
    }
}

/// A flag's evaluations of a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlagStatsDaily)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DayFigures<'a> {
    /// UTC, `YYYY-MM-DD`.
    date: &'a str,
    value_a_count: u64,
    value_b_count: u64,
    total_evaluations: u64,
}

impl<'a> From<&'a DayCount> for DayFigures<'a> {
    fn from(count: &'a DayCount) -> Self {
        Self {
            date: &count.day,
            value_a_count: count.served_a,
            value_b_count: count.served_b,
            total_evaluations: count.served_a.saturating_add(count.served_b),
        }
    }
}

/// A variation's exposures.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VariationStats)]
#[serde(rename_all = "camelCase")]
struct VariationFigures<'a> {
    variation_key: &'a str,
    /// Distinct users.
    participants: u64,
    /// Exposures.
    views: u64,
    /// Distinct users.
    users: u64,
    /// Exposures.
    exposures: u64,
}

impl<'a> From<&'a VariationTotals> for VariationFigures<'a> {
    fn from(totals: &'a VariationTotals) -> Self {
        Self {
            variation_key: totals.variation.as_str(),
            participants: totals.users,
            views: totals.exposures,
            users: totals.users,
            exposures: totals.exposures,
        }
    }
}

/// A metric's conversions of a variation on a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricStats)]
#[serde(rename_all = "camelCase")]
struct MetricFigures<'a> {
    platform: &'a str,
    environment: &'a str,
    experiment_key: &'a str,
    variation_key: &'a str,
    metric_id: &'a str,
    /// UTC, `YYYY-MM-DD`.
    date: &'a str,
    sample_size: u64,
    #[serde(serialize_with = "number::serialize")]
    sum: f64,
    count: u64,
    conversions: u64,
}

/// A variation's traffic of a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExperimentStatsDaily)]
#[serde(rename_all = "camelCase")]
struct TrafficFigures<'a> {
    /// UTC, `YYYY-MM-DD`.
    date: &'a str,
    variation_key: &'a str,
    /// Users who saw the variation for the first time.
    participants: u64,
    conversions: u64,
    exposures: u64,
}

impl<'a> From<&'a ExperimentDay> for TrafficFigures<'a> {
    fn from(day: &'a ExperimentDay) -> Self {
        Self {
            date: &day.day,
            variation_key: day.variation.as_str(),
            participants: day.new_users,
            conversions: day.conversions,
            exposures: day.exposures,
        }
    }
}

/// A check of how users are split over variations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SampleRatioMismatch)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SrmView {
    /// Whether the split is taken to be broken (p below 0.01).
    has_mismatch: bool,
    #[serde(serialize_with = "number::serialize")]
    p_value: f64,
    /// In the order of the experiment's variations.
    expected_ratios: Vec<f64>,
    /// In the order of the experiment's variations.
    observed_ratios: Vec<f64>,
    #[serde(serialize_with = "number::serialize")]
    chi_squared: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    warning: Option<String>,
    /// `None`, `Warning`, `Serious` or `Critical`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    severity: Option<&'static str>,
}

impl SrmView {
    /// The contract shows the severity among an experiment's figures, not among its results.
    pub(crate) fn new(srm: &Srm, with_severity: bool) -> Self {
        Self {
            has_mismatch: srm.has_mismatch,
            p_value: srm.p_value,
            expected_ratios: srm.expected_ratios.clone(),
            observed_ratios: srm.observed_ratios.clone(),
            chi_squared: srm.chi_squared,
            warning: srm.warning.map(|warning| warning.to_string()),
            severity: with_severity.then_some(srm.severity.as_str()),
        }
    }
}

/// An experiment's figures.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExperimentStats)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExperimentFigures<'a> {
    platform: &'a str,
    environment: &'a str,
    experiment_key: &'a str,
    variations: Vec<VariationFigures<'a>>,
    metric_results: Vec<MetricFigures<'a>>,
    daily_data: Vec<TrafficFigures<'a>>,
    /// `null` when nothing was recorded yet.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    updated_at: Option<Timestamp>,
}

impl<'a> ExperimentFigures<'a> {
    /// `metrics`: whether the conversions by metric and day are shown; among the results the contract leaves them out.
    pub(crate) fn new(places: [&'a str; 3], figures: Option<&'a ExperimentStatistics>, metrics: bool) -> Self {
        let [platform, environment, experiment_key] = places;
        let metric = |day: &'a MetricDay| MetricFigures {
            platform,
            environment,
            experiment_key,
            variation_key: day.variation.as_str(),
            metric_id: &day.metric,
            date: &day.day,
            sample_size: day.conversions,
            sum: day.sum,
            count: day.conversions,
            conversions: day.conversions,
        };
        Self {
            platform,
            environment,
            experiment_key,
            variations: figures.iter().flat_map(|figures| &figures.variations).map(Into::into).collect(),
            metric_results: figures.iter().filter(|_| metrics).flat_map(|figures| &figures.metric_days).map(metric).collect(),
            daily_data: figures.iter().flat_map(|figures| &figures.days).map(Into::into).collect(),
            updated_at: figures.and_then(|figures| figures.updated_at),
        }
    }
}

/// An experiment's figures, with the check of its split.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExperimentStatsWithSplit)]
pub(crate) struct SplitFigures<'a> {
    #[serde(flatten)]
    pub(crate) figures: ExperimentFigures<'a>,
    /// `null` when it cannot be checked.
    #[schema(required)]
    pub(crate) srm: Option<SrmView>,
}

/// The three places of something inside an environment.
pub(crate) fn places<'a>(scope: &'a Scope, key: &'a str) -> [&'a str; 3] {
    [scope.platform.as_str(), scope.environment.as_str(), key]
}
