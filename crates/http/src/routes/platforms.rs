//! Platforms.

use togglebox_auth::{Permission, Role};
use togglebox_core::Revision;
use togglebox_toggles::PlatformName;
use togglebox_toggles::input::{NewPlatform, PlatformPatch};

use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::etag::EntityTag;
use crate::failure;
use crate::paging::{List, PlaceMeta};
use crate::reply::Reply;
use crate::route::{Access, Route, handler};
use crate::schema::{NewPlatformBody, PAGES, PlacePatchBody};
use crate::view::PlatformView;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/platforms", "listPlatforms", Access::Conditional, handler!(list))
            .about("Lists platforms, by name")
            .query(PAGES)
            .revalidated()
            .paged::<PlatformView<'_>, PlaceMeta>(),
        Route::get("/api/v1/platforms/{platform}", "getPlatform", Access::Conditional, handler!(get))
            .about("Shows a platform")
            .revalidated()
            .one::<PlatformView<'_>>()
            .errors(&[404]),
        Route::post(
            "/api/v1/internal/platforms",
            "createPlatform",
            Access::Permission(Permission::ConfigWrite),
            handler!(create),
        )
        .about("Makes a platform")
        .takes::<NewPlatformBody>()
        .status(201)
        .one::<PlatformView<'_>>()
        .errors(&[409]),
        Route::patch(
            "/api/v1/internal/platforms/{platform}",
            "updatePlatform",
            Access::Permission(Permission::ConfigWrite),
            handler!(update),
        )
        .about("Changes a platform's description")
        .takes::<PlacePatchBody>()
        .one::<PlatformView<'_>>()
        .errors(&[404, 409]),
        Route::delete(
            "/api/v1/internal/platforms/{platform}",
            "deletePlatform",
            Access::Permission(Permission::ConfigDelete),
            handler!(delete),
        )
        .about("Deletes a platform with everything below it; admins only")
        .errors(&[404, 409]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let directory = call.directory().await?;
    let platforms = directory.value.platforms();
    let list = List { tenant: call.tenant, name: "platforms", tokens: &call.api.page_tokens };
    let (page, meta) = list.places(&platforms, |platform| platform.name.as_str(), &call.query)?;
    let page: Vec<PlatformView<'_>> = page.iter().map(|platform| PlatformView::from(*platform)).collect();
    let tag = list.tag(directory.value.tag(), &meta);
    Ok(match directory.value.newest() {
        Some(newest) => Reply::list(newest, &page, &meta).tagged(tag),
        None => Reply::list(call.now, &page, &meta),
    }
    .stale(directory.stale))
}

async fn get(call: Call) -> Result<Reply> {
    let directory = call.directory().await?;
    let platform = directory.value.platform(call.param(0)).ok_or_else(not_found)?;
    let tag = EntityTag::new(platform.id, platform.revision);
    Ok(Reply::data(platform.created_at, &PlatformView::from(platform)).tagged(tag).stale(directory.stale))
}

async fn create(call: Call) -> Result<Reply> {
    let draft = NewPlatform::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let written = call.api.directories.create_platform(call.tenant, draft, &call.actor()?).await.map_err(failure::manage)?;
    call.api.memory.settle_directory(call.tenant, written.revision).await;
    let tag = EntityTag::new(written.value.id, written.value.revision);
    Ok(Reply::created(call.now, &PlatformView::from(&written.value)).tagged(tag))
}

async fn update(call: Call) -> Result<Reply> {
    let patch = PlatformPatch::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let name = PlatformName::new(call.param(0)).map_err(|_| not_found())?;
    let (actor, expected) = (call.actor()?, expected(&call).await?);
    let written =
        call.api.directories.update_platform(call.tenant, &name, &patch, &actor, expected).await.map_err(failure::manage)?;
    call.api.memory.settle_directory(call.tenant, written.revision).await;
    let tag = EntityTag::new(written.value.id, written.value.revision);
    Ok(Reply::data(call.now, &PlatformView::from(&written.value)).tagged(tag))
}

async fn delete(call: Call) -> Result<Reply> {
    admins_only(&call, "platforms")?;
    let name = PlatformName::new(call.param(0)).map_err(|_| not_found())?;
    let (actor, expected) = (call.actor()?, expected(&call).await?);
    let written = call.api.directories.delete_platform(call.tenant, &name, &actor, expected).await.map_err(failure::manage)?;
    call.api.memory.settle_directory(call.tenant, written.revision).await;
    Ok(Reply::no_content())
}

async fn expected(call: &Call) -> Result<Option<Revision>> {
    let directory = call.directory().await?;
    call.expected(directory.value.platform(call.param(0)).map(|platform| platform.id))
}

/// What takes everything below with it is for signed-in admins; a key never may.
pub(super) fn admins_only(call: &Call, what: &str) -> Result<()> {
    if call.principal()?.role() == Some(Role::Admin) {
        return Ok(());
    }
    Err(ApiError::new(Code::Forbidden, format!("Forbidden: Only admins can delete {what}")))
}

fn not_found() -> ApiError {
    ApiError::not_found("Platform not found")
}
