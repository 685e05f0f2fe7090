//! Experiments and their life.

use togglebox_auth::Permission;
use togglebox_core::Revision;
use togglebox_toggles::input::{CompleteExperiment, ExperimentPatch, NewExperiment, StartExperiment, TrafficUpdate};
use togglebox_toggles::manage::{Error, Step};
use togglebox_toggles::{CompiledExperiment, ExperimentKey, Scope};

use crate::call::{Call, Read, ReadEnvironment};
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::paging::{CursorMeta, List};
use crate::reply::Reply;
use crate::route::{Access, Handler, Parameter, Route, handler};
use crate::schema::{CompleteBody, ExperimentPatchBody, NewExperimentBody, StartBody, TrafficBody};
use crate::view::ExperimentView;

const QUERY: &[Parameter] = &[
    Parameter { name: "status", required: false, about: "Only experiments in this status" },
    Parameter { name: "limit", required: false, about: "At most this many, 1 to 100" },
    Parameter { name: "nextToken", required: false, about: "Where the page before ended" },
];

pub(super) fn routes() -> Vec<Route> {
    let mut routes = records();
    routes.extend(steps());
    routes
}

fn records() -> Vec<Route> {
    let write = Access::Permission(Permission::ConfigWrite);
    vec![
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/experiments",
            "listExperiments",
            Access::Conditional,
            Handler::Reads(list),
        )
        .about("Lists experiments, by key")
        .query(QUERY)
        .revalidated()
        .paged::<ExperimentView<'_>, CursorMeta>(),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/experiments/{key}",
            "getExperiment",
            Access::Conditional,
            Handler::Reads(get),
        )
        .about("Shows an experiment")
        .revalidated()
        .one::<ExperimentView<'_>>()
        .errors(&[404]),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments",
            "createExperiment",
            write,
            handler!(create),
        )
        .about("Makes an experiment, as a draft")
        .takes::<NewExperimentBody>()
        .status(201)
        .one::<ExperimentView<'_>>()
        .errors(&[404, 409]),
        Route::delete(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}",
            "deleteExperiment",
            Access::Permission(Permission::ConfigDelete),
            handler!(delete),
        )
        .about("Deletes an experiment with its statistics, unless it is running")
        .errors(&[400, 404, 409]),
    ]
}

fn steps() -> Vec<Route> {
    let write = Access::Permission(Permission::ConfigWrite);
    vec![
        step(
            Route::put(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}",
                "updateExperiment",
                write,
                handler!(update),
            )
            .may_take::<ExperimentPatchBody>(),
            "Edits a draft",
        ),
        step(
            Route::patch(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/traffic",
                "shareExperimentTraffic",
                write,
                handler!(traffic),
            )
            .takes::<TrafficBody>(),
            "Shares the traffic anew",
        ),
        step(
            Route::post(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/start",
                "startExperiment",
                write,
                handler!(start),
            )
            .takes::<StartBody>(),
            "Starts a draft",
        ),
        step(
            Route::post(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/pause",
                "pauseExperiment",
                write,
                handler!(pause),
            ),
            "Pauses a running experiment",
        ),
        step(
            Route::post(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/resume",
                "resumeExperiment",
                write,
                handler!(resume),
            ),
            "Lets a paused experiment go on",
        ),
        step(
            Route::post(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/complete",
                "completeExperiment",
                write,
                handler!(complete),
            )
            .takes::<CompleteBody>(),
            "Ends an experiment, perhaps with a winner",
        ),
        step(
            Route::post(
                "/api/v1/internal/platforms/{platform}/environments/{environment}/experiments/{key}/archive",
                "archiveExperiment",
                write,
                handler!(archive),
            ),
            "Puts a completed experiment away",
        ),
    ]
}

fn step(route: Route, about: &'static str) -> Route {
    route.about(about).one::<ExperimentView<'_>>().errors(&[400, 404, 409])
}

fn list(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let status = call.query.get("status").filter(|status| !status.is_empty());
    let name = environment.map_or_else(String::new, |environment| {
        format!("experiments:{}?{}", environment.value.scope(), status.unwrap_or_default())
    });
    let list = List { tenant: call.tenant, name: &name, tokens: &call.api.page_tokens };
    let Some(environment) = environment else {
        let (_, meta) = list.entries(&[""; 0], |key| key, call.query)?;
        return Ok(Reply::list(call.now, &[(); 0], &meta));
    };
    let served = environment.value;
    if status.is_none() && !list.is_paged(call.query) {
        return Ok(Reply::rendered(served.experiments()).tagged(served.tag()).stale(environment.stale));
    }
    let wanted = |experiment: &&CompiledExperiment| status.is_none_or(|status| experiment.record().status.as_str() == status);
    let experiments: Vec<&CompiledExperiment> = served.snapshot().experiments().filter(wanted).collect();
    let (page, meta) = list.entries(&experiments, |experiment| experiment.record().key.as_str(), call.query)?;
    let page: Vec<_> = page.iter().map(|experiment| ExperimentView::new(served.scope(), experiment.record())).collect();
    Ok(Reply::list(served.changed_at(), &page, &meta).tagged(list.tag(served.tag(), &meta)).stale(environment.stale))
}

fn get(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let missing = || ApiError::not_found("Experiment not found");
    let environment = environment.ok_or_else(missing)?;
    let experiment = environment.value.snapshot().experiment(call.param(2)).ok_or_else(missing)?.record();
    let tag = environment.value.record_tag(experiment.revision);
    let view = ExperimentView::new(environment.value.scope(), experiment);
    Ok(Reply::data(experiment.updated_at, &view).tagged(tag).stale(environment.stale))
}

async fn create(call: Call) -> Result<Reply> {
    let draft = NewExperiment::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let scope = call.scope().ok_or_else(|| failure::no_environment(call.param(0), call.param(1)))?;
    let written = call.api.experiments.create(call.tenant, &scope, draft, &call.actor()?).await.map_err(failure::manage)?;
    let tag = call.settled(&scope, written.revision, written.value.revision).await;
    Ok(Reply::created(call.now, &ExperimentView::new(&scope, &written.value)).tagged_if(tag))
}

async fn update(call: Call) -> Result<Reply> {
    let patch = ExperimentPatch::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    advance(call, Step::Update(Box::new(patch))).await
}

async fn traffic(call: Call) -> Result<Reply> {
    let update = TrafficUpdate::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    advance(call, Step::Traffic(update)).await
}

async fn start(call: Call) -> Result<Reply> {
    StartExperiment::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    advance(call, Step::Start).await
}

async fn pause(call: Call) -> Result<Reply> {
    advance(call, Step::Pause).await
}

async fn resume(call: Call) -> Result<Reply> {
    advance(call, Step::Resume).await
}

async fn complete(call: Call) -> Result<Reply> {
    let completion = CompleteExperiment::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    advance(call, Step::Complete(completion.winner)).await
}

async fn archive(call: Call) -> Result<Reply> {
    advance(call, Step::Archive).await
}

async fn advance(call: Call, step: Step) -> Result<Reply> {
    let (scope, key, expected) = named(&call).await?;
    let advanced = call.api.experiments.advance(call.tenant, &scope, &key, &step, &call.actor()?, expected).await;
    let written = advanced.map_err(|error| match (error, &step) {
        (Error::UnknownVariation(winner), Step::Complete(_)) => {
            let message = format!("Winner variation \"{winner}\" does not exist in experiment {key}");
            ApiError::new(Code::InvalidVariationKey, message)
        }
        (error, _) => failure::manage(error),
    })?;
    let tag = call.settled(&scope, written.revision, written.value.revision).await;
    Ok(Reply::data(call.now, &ExperimentView::new(&scope, &written.value)).tagged_if(tag))
}

async fn delete(call: Call) -> Result<Reply> {
    let (scope, key, expected) = named(&call).await?;
    let written =
        call.api.experiments.delete(call.tenant, &scope, &key, &call.actor()?, expected).await.map_err(failure::manage)?;
    call.api.memory.settle(call.tenant, &scope, written.revision).await;
    Ok(Reply::no_content())
}

async fn named(call: &Call) -> Result<(Scope, ExperimentKey, Option<Revision>)> {
    match (call.scope(), ExperimentKey::new(call.param(2))) {
        (Some(scope), Ok(key)) => Ok((scope, key, call.expected_within().await?)),
        _ => Err(ApiError::not_found(format!("Experiment not found: {}", call.param(2)))),
    }
}
