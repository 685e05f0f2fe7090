//! What an experiment's figures say.

use serde::Serialize;
use togglebox_auth::Permission;
use togglebox_toggles::ExperimentKey;
use togglebox_toggles::statistics::{Analysis, analyse};
use utoipa::ToSchema;

use super::statistics::settle;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::failure;
use crate::reply::Reply;
use crate::route::{Access, Route, handler};
use crate::view::ExperimentView;
use crate::view::analysis::AnalysisView;
use crate::view::figures::{ExperimentFigures, places};

/// An experiment, its figures, and what they say.
#[derive(Serialize, ToSchema)]
struct Results<'a> {
    experiment: ExperimentView<'a>,
    /// `null` when there is nothing to compare yet.
    #[schema(required)]
    stats: Option<ExperimentFigures<'a>>,
    /// `null` when there is nothing to compare yet.
    #[schema(required)]
    analysis: Option<AnalysisView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<&'a str>,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/results",
            "getExperimentResults",
            Access::Permission(Permission::ConfigRead),
            handler!(results),
        )
        .about("Says what an experiment's figures mean")
        .one::<Results<'_>>()
        .errors(&[404]),
    ]
}

async fn results(call: Call) -> Result<Reply> {
    settle(&call).await;
    let missing = || ApiError::not_found("Experiment not found");
    let environment = call.environment().await?.ok_or_else(missing)?;
    let experiment = environment.value.snapshot().experiment(call.param(2)).ok_or_else(missing)?.record();
    let scope = environment.value.scope();
    let key: &ExperimentKey = &experiment.key;
    let figures = call.api.statistics.experiment(call.tenant, scope, key).await.map_err(failure::store)?;
    let analysis = figures.as_ref().map(|figures| analyse(experiment, figures)).filter(Analysis::is_comparable);
    let comparable = analysis.is_some();
    let results = Results {
        experiment: ExperimentView::new(scope, experiment),
        stats: figures
            .as_ref()
            .filter(|_| comparable)
            .map(|figures| ExperimentFigures::new(places(scope, key.as_str()), Some(figures), false)),
        analysis: analysis.as_ref().map(Into::into),
        message: (!comparable).then_some("Not enough data for analysis"),
    };
    Ok(Reply::data(call.now, &results))
}
