//! Config parameters.

use togglebox_auth::Permission;
use togglebox_toggles::input::{NewParameter, ParameterPatch, RollbackTarget};
use togglebox_toggles::manage::{Error, Resource};
use togglebox_toggles::{ParameterKey, Scope};

use crate::call::{Call, Read, ReadEnvironment};
use crate::error::{ApiError, Result};
use crate::failure;
use crate::paging::{List, PlaceMeta};
use crate::reply::Reply;
use crate::route::{Access, Handler, Route, handler};
use crate::schema::{Count, HistoryMeta, NewParameterBody, PAGES, ParameterPatchBody, RollbackBody, Values};
use crate::view::ParameterView;

pub(super) fn routes() -> Vec<Route> {
    let mut routes = reads();
    routes.extend(writes());
    routes
}

fn reads() -> Vec<Route> {
    let read = Access::Permission(Permission::ConfigRead);
    vec![
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/configs",
            "getConfigs",
            Access::Conditional,
            Handler::Reads(values),
        )
        .about("Shows the typed values of all parameters, by key")
        .revalidated()
        .one::<Values>(),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/configs/list",
            "listConfigs",
            Access::Conditional,
            Handler::Reads(list),
        )
        .about("Lists parameters, by key")
        .query(PAGES)
        .revalidated()
        .paged::<ParameterView<'_>, PlaceMeta>(),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/configs/count",
            "countConfigs",
            Access::Conditional,
            Handler::Reads(count),
        )
        .about("Counts parameters")
        .revalidated()
        .one::<Count>(),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/configs/{key}",
            "getConfig",
            Access::Conditional,
            Handler::Reads(get),
        )
        .about("Shows a parameter as it is stored")
        .revalidated()
        .one::<ParameterView<'_>>()
        .errors(&[404]),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/configs/{key}/versions",
            "listConfigVersions",
            Access::Conditional,
            handler!(versions),
        )
        .about("Lists the versions of a parameter, newest first")
        .uncached()
        .paged::<ParameterView<'_>, HistoryMeta>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/list",
            "listConfigsInternally",
            read,
            Handler::Reads(list),
        )
        .about("Lists parameters, by key")
        .query(PAGES)
        .paged::<ParameterView<'_>, PlaceMeta>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/count",
            "countConfigsInternally",
            read,
            Handler::Reads(count),
        )
        .about("Counts parameters")
        .one::<Count>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/{key}/versions",
            "listConfigVersionsInternally",
            read,
            handler!(versions),
        )
        .about("Lists the versions of a parameter, newest first")
        .paged::<ParameterView<'_>, HistoryMeta>(),
    ]
}

fn writes() -> Vec<Route> {
    let write = Access::Permission(Permission::ConfigWrite);
    vec![
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs",
            "createConfig",
            write,
            handler!(create),
        )
        .about("Makes a parameter")
        .takes::<NewParameterBody>()
        .status(201)
        .one::<ParameterView<'_>>()
        .errors(&[404, 409]),
        Route::patch(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/{key}",
            "updateConfig",
            write,
            handler!(update),
        )
        .about("Makes a new version of a parameter")
        .may_take::<ParameterPatchBody>()
        .one::<ParameterView<'_>>()
        .errors(&[404, 409]),
        Route::delete(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/{key}",
            "deleteConfig",
            Access::Permission(Permission::ConfigDelete),
            handler!(delete),
        )
        .about("Deletes a parameter with its history")
        .errors(&[404, 409]),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/configs/{key}/rollback",
            "rollBackConfig",
            write,
            handler!(rollback),
        )
        .about("Makes an earlier version the active one")
        .takes::<RollbackBody>()
        .one::<ParameterView<'_>>()
        .errors(&[404, 409]),
    ]
}

#[expect(clippy::unnecessary_wraps, reason = "as every handler")]
fn values(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let Some(environment) = environment else {
        return Ok(Reply::data(call.now, &serde_json::Map::new()));
    };
    Ok(Reply::rendered(environment.value.values()).tagged(environment.value.tag()).stale(environment.stale))
}

fn list(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let (parameters, name) = match environment {
        Some(environment) => (environment.value.snapshot().parameters(), format!("configs:{}", environment.value.scope())),
        None => (&[][..], String::new()),
    };
    let list = List { tenant: call.tenant, name: &name, tokens: &call.api.page_tokens };
    let (page, meta) = list.places(parameters, |parameter| parameter.key().as_str(), call.query)?;
    let Some(environment) = environment else { return Ok(Reply::list(call.now, &[(); 0], &meta)) };
    let scope = environment.value.scope();
    let page: Vec<_> = page.iter().map(|parameter| ParameterView::new(scope, &parameter.active)).collect();
    let tag = list.tag(environment.value.tag(), &meta);
    Ok(Reply::list(environment.value.changed_at(), &page, &meta).tagged(tag).stale(environment.stale))
}

#[expect(clippy::unnecessary_wraps, reason = "as every handler")]
fn count(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let Some(environment) = environment else { return Ok(Reply::data(call.now, &Count { count: 0 })) };
    let count = Count { count: environment.value.snapshot().parameters().len() };
    Ok(Reply::data(environment.value.changed_at(), &count).tagged(environment.value.tag()).stale(environment.stale))
}

fn get(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let environment = environment.ok_or_else(not_found)?;
    let parameter = environment.value.snapshot().parameter(call.param(2)).ok_or_else(not_found)?;
    let view = ParameterView::new(environment.value.scope(), &parameter.active);
    let tag = environment.value.record_tag(parameter.revision);
    Ok(Reply::data(parameter.active.created_at, &view).tagged(tag).stale(environment.stale))
}

async fn versions(call: Call) -> Result<Reply> {
    let (Some(scope), Ok(key)) = (call.scope(), ParameterKey::new(call.param(2))) else {
        return Ok(Reply::list(call.now, &[(); 0], &HistoryMeta { total: 0 }));
    };
    let versions = call.api.parameters.versions(call.tenant, &scope, &key).await.map_err(failure::manage)?;
    let views: Vec<_> = versions.iter().map(|version| ParameterView::new(&scope, version)).collect();
    Ok(Reply::list(call.now, &views, &HistoryMeta { total: views.len() }))
}

async fn create(call: Call) -> Result<Reply> {
    let draft = NewParameter::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let scope = call.scope().ok_or_else(|| failure::no_environment(call.param(0), call.param(1)))?;
    let written = call.api.parameters.create(call.tenant, &scope, draft, &call.actor()?).await.map_err(failure::manage)?;
    let tag = call.settled(&scope, written.revision, written.value.revision).await;
    let view = ParameterView::new(&scope, &written.value.active);
    Ok(Reply::created(call.now, &view).tagged_if(tag))
}

async fn update(call: Call) -> Result<Reply> {
    let patch = ParameterPatch::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let (scope, key) = named(&call).ok_or_else(|| not_found_in(&call))?;
    let (actor, expected) = (call.actor()?, call.expected_within().await?);
    let written =
        call.api.parameters.update(call.tenant, &scope, &key, &patch, &actor, expected).await.map_err(failure::manage)?;
    let tag = call.settled(&scope, written.revision, written.value.revision).await;
    Ok(Reply::data(call.now, &ParameterView::new(&scope, &written.value.active)).tagged_if(tag))
}

async fn rollback(call: Call) -> Result<Reply> {
    let target = RollbackTarget::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let missing = |version: &str| ApiError::not_found(format!("Version {version} not found for parameter {}", call.param(2)));
    let (scope, key) = named(&call).ok_or_else(|| missing(&target.version))?;
    let (actor, expected) = (call.actor()?, call.expected_within().await?);
    let written =
        call.api.parameters.rollback(call.tenant, &scope, &key, &target, &actor, expected).await.map_err(
            |error| match error {
                Error::NotFound(Resource::Parameter(..)) => missing(&target.version),
                error => failure::manage(error),
            },
        )?;
    let tag = call.settled(&scope, written.revision, written.value.revision).await;
    Ok(Reply::data(call.now, &ParameterView::new(&scope, &written.value.active)).tagged_if(tag))
}

async fn delete(call: Call) -> Result<Reply> {
    let (scope, key) = named(&call).ok_or_else(not_found)?;
    let (actor, expected) = (call.actor()?, call.expected_within().await?);
    let written = call.api.parameters.delete(call.tenant, &scope, &key, &actor, expected).await.map_err(|error| match error {
        Error::NotFound(_) => not_found(),
        error => failure::manage(error),
    })?;
    call.api.memory.settle(call.tenant, &scope, written.revision).await;
    Ok(Reply::no_content())
}

fn named(call: &Call) -> Option<(Scope, ParameterKey)> {
    Some((call.scope()?, ParameterKey::new(call.param(2)).ok()?))
}

fn not_found() -> ApiError {
    ApiError::not_found("Parameter not found")
}

fn not_found_in(call: &Call) -> ApiError {
    ApiError::not_found(format!("Parameter {} not found in {}/{}", call.param(2), call.param(0), call.param(1)))
}
