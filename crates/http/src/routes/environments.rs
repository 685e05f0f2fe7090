//! Environments.

use togglebox_auth::Permission;
use togglebox_core::Revision;
use togglebox_toggles::PlatformName;
use togglebox_toggles::input::{EnvironmentPatch, NewEnvironment};
use togglebox_toggles::manage::{Error, Resource};

use super::platforms::admins_only;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::etag::EntityTag;
use crate::failure;
use crate::paging::{List, PlaceMeta};
use crate::reply::Reply;
use crate::route::{Access, Route, handler};
use crate::schema::{NewEnvironmentBody, PAGES, PlacePatchBody};
use crate::view::EnvironmentView;

pub(super) fn routes() -> Vec<Route> {
    let write = Access::Permission(Permission::ConfigWrite);
    vec![
        Route::get("/api/v1/platforms/{platform}/environments", "listEnvironments", Access::Conditional, handler!(list))
            .about("Lists the environments of a platform, by name")
            .query(PAGES)
            .revalidated()
            .paged::<EnvironmentView<'_>, PlaceMeta>(),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}",
            "getEnvironment",
            Access::Conditional,
            handler!(get),
        )
        .about("Shows an environment")
        .revalidated()
        .one::<EnvironmentView<'_>>()
        .errors(&[404]),
        Route::post("/api/v1/internal/platforms/{platform}/environments", "createEnvironment", write, handler!(create))
            .about("Makes an environment")
            .takes::<NewEnvironmentBody>()
            .status(201)
            .one::<EnvironmentView<'_>>()
            .errors(&[404, 409]),
        Route::patch(
            "/api/v1/internal/platforms/{platform}/environments/{environment}",
            "updateEnvironment",
            write,
            handler!(update),
        )
        .about("Changes an environment's description")
        .takes::<PlacePatchBody>()
        .one::<EnvironmentView<'_>>()
        .errors(&[404, 409]),
        Route::delete(
            "/api/v1/internal/platforms/{platform}/environments/{environment}",
            "deleteEnvironment",
            Access::Permission(Permission::ConfigDelete),
            handler!(delete),
        )
        .about("Deletes an environment with everything in it; admins only")
        .errors(&[404, 409]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let directory = call.directory().await?;
    let environments = directory.value.environments(call.param(0));
    let name = format!("environments:{}", call.param(0));
    let list = List { tenant: call.tenant, name: &name, tokens: &call.api.page_tokens };
    let (page, meta) = list.places(environments, |environment| environment.name.as_str(), &call.query)?;
    let page: Vec<EnvironmentView<'_>> = page.iter().map(Into::into).collect();
    let tag = list.tag(directory.value.tag(), &meta);
    Ok(match directory.value.newest() {
        Some(newest) => Reply::list(newest, &page, &meta).tagged(tag),
        None => Reply::list(call.now, &page, &meta),
    }
    .stale(directory.stale))
}

async fn get(call: Call) -> Result<Reply> {
    let directory = call.directory().await?;
    let environment = directory.value.environment(call.param(0), call.param(1)).ok_or_else(not_found)?;
    let tag = EntityTag::new(environment.id, environment.revision);
    Ok(Reply::data(environment.created_at, &EnvironmentView::from(environment)).tagged(tag).stale(directory.stale))
}

async fn create(call: Call) -> Result<Reply> {
    // The one route of the contract whose problems come without their paths.
    let draft = NewEnvironment::read(call.body()).map_err(ApiError::bare_validation)?;
    let no_platform = || ApiError::not_found(format!("Platform '{}' not found", call.param(0)));
    let platform = PlatformName::new(call.param(0)).map_err(|_| no_platform())?;
    let actor = call.actor()?;
    let written =
        call.api.directories.create_environment(call.tenant, &platform, draft, &actor).await.map_err(|error| match error {
            Error::NotFound(Resource::Platform(_)) => no_platform(),
            error => failure::manage(error),
        })?;
    call.api.memory.settle_directory(call.tenant, written.revision).await;
    let tag = EntityTag::new(written.value.id, written.value.revision);
    Ok(Reply::created(call.now, &EnvironmentView::from(&written.value)).tagged(tag))
}

async fn update(call: Call) -> Result<Reply> {
    let patch = EnvironmentPatch::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let scope = call.scope().ok_or_else(not_found)?;
    let (actor, expected) = (call.actor()?, expected(&call).await?);
    let written =
        call.api.directories.update_environment(call.tenant, &scope, &patch, &actor, expected).await.map_err(unknown)?;
    call.api.memory.settle_directory(call.tenant, written.revision).await;
    let tag = EntityTag::new(written.value.id, written.value.revision);
    Ok(Reply::data(call.now, &EnvironmentView::from(&written.value)).tagged(tag))
}

async fn delete(call: Call) -> Result<Reply> {
    admins_only(&call, "environments")?;
    let scope = call.scope().ok_or_else(not_found)?;
    let (actor, expected) = (call.actor()?, expected(&call).await?);
    let written = call.api.directories.delete_environment(call.tenant, &scope, &actor, expected).await.map_err(unknown)?;
    call.api.memory.settle_directory(call.tenant, written.revision).await;
    Ok(Reply::no_content())
}

async fn expected(call: &Call) -> Result<Option<Revision>> {
    let directory = call.directory().await?;
    call.expected(directory.value.environment(call.param(0), call.param(1)).map(|environment| environment.id))
}

/// An environment that is itself the subject is just "not found".
fn unknown(error: Error) -> ApiError {
    match error {
        Error::NotFound(_) => not_found(),
        error => failure::manage(error),
    }
}

fn not_found() -> ApiError {
    ApiError::not_found("Environment not found")
}
