//! Figures of configs, flags and experiments.

use std::time::Duration;

use serde::Serialize;
use togglebox_auth::Permission;
use togglebox_toggles::input::Conversion;
use togglebox_toggles::statistics::{Occurrence, srm};
use togglebox_toggles::store::Subject;
use togglebox_toggles::{ExperimentKey, FlagKey, ParameterKey, Scope};
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::query::Query;
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};
use crate::schema::ConversionBody;
use crate::view::figures::{CountryFigures, DayFigures, ExperimentFigures, FlagFigures, ParameterFigures, SplitFigures, SrmView};

const DAYS: &[Parameter] = &[Parameter { name: "days", required: false, about: "How many days back, 1 to 365; 30 without" }];
const RATIOS: &[Parameter] = &[Parameter {
    name: "expectedRatios",
    required: false,
    about: "Planned shares in the order of the variations, as `0.5,0.5`; the traffic allocation without",
}];

/// A conversion was counted.
#[derive(Serialize, ToSchema)]
struct Recorded {
    /// `true`.
    recorded: bool,
}

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Permission(Permission::ConfigRead), Access::Permission(Permission::ConfigWrite));
    vec![
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/{key}/stats",
            "getConfigStats",
            read,
            handler!(parameter),
        )
        .about("Says how often a parameter was fetched")
        .one::<ParameterFigures<'_>>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/stats",
            "getFlagStats",
            read,
            handler!(flag),
        )
        .about("Says how often a flag was evaluated")
        .one::<FlagFigures<'_>>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/stats/by-country",
            "getFlagStatsByCountry",
            read,
            handler!(by_country),
        )
        .about("Says how often a flag was evaluated, by country")
        .many::<CountryFigures<'_>>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/stats/daily",
            "getFlagStatsByDay",
            read,
            handler!(by_day),
        )
        .about("Says how often a flag was evaluated, by day")
        .query(DAYS)
        .many::<DayFigures<'_>>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/stats",
            "getExperimentStats",
            read,
            handler!(experiment),
        )
        .about("Shows an experiment's figures, with a check of how its users are split")
        .query(RATIOS)
        .one::<SplitFigures<'_>>(),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/conversions",
            "recordConversion",
            write,
            handler!(convert),
        )
        .about("Counts a conversion")
        .takes::<ConversionBody>()
        .one::<Recorded>()
        .errors(&[404]),
    ]
}

/// Writes out what this node has counted of the tenant, so that whoever looks sees their own events. What other nodes hold follows within a
/// second, or as long as it takes them to write what they have counted of all tenants.
pub(super) async fn settle(call: &Call) {
    if let Err(error) = call.api.flusher.flush_of(call.tenant).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "Showing figures without what was counted last");
    }
}

async fn parameter(call: Call) -> Result<Reply> {
    settle(&call).await;
    let shown = [call.param(0), call.param(1), call.param(2)];
    let figures = match (call.scope(), ParameterKey::new(call.param(2))) {
        (Some(scope), Ok(key)) => {
            call.api.statistics.parameter(call.tenant, &scope, &key, call.now).await.map_err(failure::store)?
        }
        _ => None,
    };
    Ok(Reply::data(call.now, &ParameterFigures::new(shown, figures.as_ref())))
}

async fn flag(call: Call) -> Result<Reply> {
    settle(&call).await;
    let shown = [call.param(0), call.param(1), call.param(2)];
    let figures = match named_flag(&call) {
        Some((scope, key)) => call.api.statistics.flag(call.tenant, &scope, &key, call.now).await.map_err(failure::store)?,
        None => None,
    };
    Ok(Reply::data(call.now, &FlagFigures::new(shown, figures.as_ref())))
}

async fn by_country(call: Call) -> Result<Reply> {
    settle(&call).await;
    let counts = match named_flag(&call) {
        Some((scope, key)) => call.api.statistics.flag_by_country(call.tenant, &scope, &key).await.map_err(failure::store)?,
        None => Vec::new(),
    };
    let views: Vec<CountryFigures<'_>> = counts.iter().map(Into::into).collect();
    Ok(Reply::data(call.now, &views))
}

async fn by_day(call: Call) -> Result<Reply> {
    settle(&call).await;
    let first = call.now.minus(Duration::from_hours(24) * days(&call.query)).day();
    let counts = match named_flag(&call) {
        Some((scope, key)) => {
            let range = (first.as_str(), &*call.now.day());
            call.api.statistics.flag_by_day(call.tenant, &scope, &key, range.0, range.1).await.map_err(failure::store)?
        }
        None => Vec::new(),
    };
    let views: Vec<DayFigures<'_>> = counts.iter().map(Into::into).collect();
    Ok(Reply::data(call.now, &views))
}

/// 30 for nothing, zero and what is no number; else 1 to 365.
fn days(query: &Query<'_>) -> u32 {
    let text = query.get("days").unwrap_or("").trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    match text[..end].parse::<u32>() {
        Ok(0) => 30,
        Ok(days) => days.min(365),
        Err(_) if end > 0 => 365,
        Err(_) if text.starts_with('-') && text[1..].starts_with(|c: char| c.is_ascii_digit()) => 1,
        Err(_) => 30,
    }
}

async fn experiment(call: Call) -> Result<Reply> {
    settle(&call).await;
    let shown = [call.param(0), call.param(1), call.param(2)];
    let named = call.scope().zip(ExperimentKey::new(call.param(2)).ok());
    let figures = match &named {
        Some((scope, key)) => call.api.statistics.experiment(call.tenant, scope, key).await.map_err(failure::store)?,
        None => None,
    };
    let environment = call.environment().await?;
    let record = environment.as_ref().and_then(|environment| environment.value.snapshot().experiment(call.param(2)));
    let split = figures.as_ref().zip(record).and_then(|(figures, experiment)| {
        let ratios = ratios(call.query.get("expectedRatios"));
        srm(experiment.record(), figures, ratios.as_deref())
    });
    let srm = split.as_ref().map(|srm| SrmView::new(srm, true));
    Ok(Reply::data(call.now, &SplitFigures { figures: ExperimentFigures::new(shown, figures.as_ref(), true), srm }))
}

/// What is no number makes the ratios unusable, not absent.
fn ratios(text: Option<&str>) -> Option<Vec<f64>> {
    let text = text.filter(|text| !text.trim().is_empty())?;
    Some(text.split(',').map(|ratio| ratio.trim().parse().unwrap_or(f64::NAN)).collect())
}

async fn convert(call: Call) -> Result<Reply> {
    let conversion = Conversion::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let missing = || ApiError::new(Code::ExperimentNotFound, format!("Experiment not found: {}", call.param(2)));
    let environment = call.environment().await?.ok_or_else(missing)?;
    let experiment = environment.value.snapshot().experiment(call.param(2)).ok_or_else(missing)?.record();
    let definition = &experiment.definition;
    let variation = definition.variations.iter().find(|variation| variation.key.as_str() == conversion.variation_key);
    let variation = variation.ok_or_else(|| {
        let valid: Vec<_> = definition.variations.iter().map(|variation| variation.key.as_str()).collect();
        let message = format!("Invalid variationKey: {}. Valid keys: {}", conversion.variation_key, valid.join(", "));
        ApiError::new(Code::InvalidVariationKey, message)
    })?;
    if definition.metrics().all(|metric| metric.id != conversion.metric_id) {
        let valid: Vec<_> = definition.metrics().map(|metric| metric.id.as_str()).collect();
        let message = format!("Invalid metricId: {}. Valid IDs: {}", conversion.metric_id, valid.join(", "));
        return Err(ApiError::new(Code::InvalidMetricId, message));
    }
    let occurrence = Occurrence::Conversion {
        experiment: &experiment.key,
        metric: &conversion.metric_id,
        variation: &variation.key,
        user: Subject::of(&conversion.user_id),
        value: conversion.value,
    };
    call.api.recorder.count(call.tenant, environment.value.scope(), occurrence, call.now);
    Ok(Reply::data(call.now, &Recorded { recorded: true }))
}

fn named_flag(call: &Call) -> Option<(Scope, FlagKey)> {
    Some((call.scope()?, FlagKey::new(call.param(2)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_as_the_contract_reads_them() {
        let read = |text: &str| days(&Query::parse(&format!("days={text}")).unwrap());
        assert_eq!(["", "0", "abc", "7", "7.9", "400", "99999999999", "-3"].map(read), [30, 30, 30, 7, 7, 365, 365, 1]);
    }

    #[test]
    fn ratios_that_are_no_numbers_are_not_absent() {
        assert_eq!(ratios(None), None);
        assert_eq!(ratios(Some("0.5, 0.5")), Some(vec![0.5, 0.5]));
        assert!(ratios(Some("a,b")).unwrap()[0].is_nan());
    }
}
