//! Feature flags.

use togglebox_auth::Permission;
use togglebox_core::{Revision, Written};
use togglebox_toggles::input::{FlagPatch, FlagRollback, FlagRollout, FlagToggle, NewFlag};
use togglebox_toggles::{CompiledFlag, Flag, FlagKey, Scope};

use crate::call::{Call, Read, ReadEnvironment};
use crate::error::{ApiError, Result};
use crate::failure;
use crate::paging::{CursorMeta, List};
use crate::reply::Reply;
use crate::route::{Access, Handler, Route, handler};
use crate::schema::{FlagPatchBody, FlagRollbackBody, FlagRolloutBody, FlagToggleBody, HistoryMeta, NewFlagBody, PAGES};
use crate::view::FlagView;

pub(super) fn routes() -> Vec<Route> {
    let (read, write) = (Access::Permission(Permission::ConfigRead), Access::Permission(Permission::ConfigWrite));
    vec![
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/flags",
            "listFlags",
            Access::Conditional,
            Handler::Reads(list),
        )
        .about("Lists flags, by key")
        .query(PAGES)
        .revalidated()
        .paged::<FlagView<'_>, CursorMeta>(),
        Route::get(
            "/api/v1/platforms/{platform}/environments/{environment}/flags/{key}",
            "getFlag",
            Access::Conditional,
            Handler::Reads(get),
        )
        .about("Shows a flag")
        .revalidated()
        .one::<FlagView<'_>>()
        .errors(&[404]),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags",
            "createFlag",
            write,
            handler!(create),
        )
        .about("Makes a flag")
        .takes::<NewFlagBody>()
        .status(201)
        .one::<FlagView<'_>>()
        .errors(&[404, 409]),
        Route::put(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}",
            "updateFlag",
            write,
            handler!(update),
        )
        .about("Makes a new version of a flag")
        .may_take::<FlagPatchBody>()
        .one::<FlagView<'_>>()
        .errors(&[404, 409]),
        Route::patch(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/toggle",
            "toggleFlag",
            write,
            handler!(toggle),
        )
        .about("Switches a flag on or off")
        .takes::<FlagToggleBody>()
        .one::<FlagView<'_>>()
        .errors(&[404, 409]),
        Route::patch(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/rollout",
            "rollOutFlag",
            write,
            handler!(rollout),
        )
        .about("Changes a flag's rollout")
        .takes::<FlagRolloutBody>()
        .one::<FlagView<'_>>()
        .errors(&[404, 409]),
        Route::post(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/rollback",
            "rollBackFlag",
            write,
            handler!(rollback),
        )
        .about("Makes a new version with the content of an earlier one")
        .takes::<FlagRollbackBody>()
        .one::<FlagView<'_>>()
        .errors(&[404, 409]),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/versions",
            "listFlagVersions",
            read,
            handler!(versions),
        )
        .about("Lists the versions of a flag, newest first")
        .paged::<FlagView<'_>, HistoryMeta>(),
        Route::get(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}/versions/{version}",
            "getFlagVersion",
            read,
            handler!(version),
        )
        .about("Shows a version of a flag")
        .one::<FlagView<'_>>()
        .errors(&[404]),
        Route::delete(
            "/api/v1/internal/platforms/{platform}/environments/{environment}/flags/{key}",
            "deleteFlag",
            Access::Permission(Permission::ConfigDelete),
            handler!(delete),
        )
        .about("Deletes a flag with its history")
        .errors(&[404, 409]),
    ]
}

fn list(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let name = environment.map_or_else(String::new, |environment| format!("flags:{}", environment.value.scope()));
    let list = List { tenant: call.tenant, name: &name, tokens: &call.api.page_tokens };
    let Some(environment) = environment else {
        let (_, meta) = list.entries(&[""; 0], |key| key, call.query)?;
        return Ok(Reply::list(call.now, &[(); 0], &meta));
    };
    let served = environment.value;
    if !list.is_paged(call.query) {
        return Ok(Reply::rendered(served.flags()).tagged(served.tag()).stale(environment.stale));
    }
    let flags: Vec<&CompiledFlag> = served.snapshot().flags().collect();
    let (page, meta) = list.entries(&flags, |flag| flag.record().key.as_str(), call.query)?;
    let page: Vec<_> = page.iter().map(|flag| FlagView::new(served.scope(), flag.record())).collect();
    Ok(Reply::list(served.changed_at(), &page, &meta).tagged(list.tag(served.tag(), &meta)).stale(environment.stale))
}

fn get(call: &Read<'_>, environment: Option<ReadEnvironment<'_>>) -> Result<Reply> {
    let missing = || ApiError::not_found("Feature flag not found");
    let environment = environment.ok_or_else(missing)?;
    let flag = environment.value.snapshot().flag(call.param(2)).ok_or_else(missing)?.record();
    let tag = environment.value.record_tag(flag.revision);
    let view = FlagView::new(environment.value.scope(), flag);
    Ok(Reply::data(flag.updated_at, &view).tagged(tag).stale(environment.stale))
}

async fn create(call: Call) -> Result<Reply> {
    let draft = NewFlag::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let scope = call.scope().ok_or_else(|| failure::no_environment(call.param(0), call.param(1)))?;
    let written = call.api.flags.create(call.tenant, &scope, draft, &call.actor()?).await.map_err(failure::manage)?;
    let tag = call.settled(&scope, written.revision, written.value.revision).await;
    Ok(Reply::created(call.now, &FlagView::new(&scope, &written.value)).tagged_if(tag))
}

async fn update(call: Call) -> Result<Reply> {
    let patch = FlagPatch::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let (scope, key, expected) = named(&call).await?;
    let written = call.api.flags.update(call.tenant, &scope, &key, &patch, &call.actor()?, expected).await;
    changed(&call, &scope, written.map_err(failure::manage)?).await
}

async fn toggle(call: Call) -> Result<Reply> {
    let toggle = FlagToggle::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let (scope, key, expected) = named(&call).await?;
    let written = call.api.flags.toggle(call.tenant, &scope, &key, toggle, &call.actor()?, expected).await;
    changed(&call, &scope, written.map_err(failure::manage)?).await
}

async fn rollout(call: Call) -> Result<Reply> {
    let rollout = FlagRollout::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let (scope, key, expected) = named(&call).await?;
    let written = call.api.flags.rollout(call.tenant, &scope, &key, rollout, &call.actor()?, expected).await;
    changed(&call, &scope, written.map_err(failure::manage)?).await
}

async fn rollback(call: Call) -> Result<Reply> {
    let target = FlagRollback::read(call.body()).map_err(|issues| ApiError::validation(&issues))?;
    let (scope, key, expected) = named(&call).await?;
    let written = call.api.flags.rollback(call.tenant, &scope, &key, target, &call.actor()?, expected).await;
    changed(&call, &scope, written.map_err(failure::manage)?).await
}

async fn changed(call: &Call, scope: &Scope, written: Written<Flag>) -> Result<Reply> {
    let tag = call.settled(scope, written.revision, written.value.revision).await;
    Ok(Reply::data(call.now, &FlagView::new(scope, &written.value)).tagged_if(tag))
}

async fn versions(call: Call) -> Result<Reply> {
    let (Some(scope), Ok(key)) = (call.scope(), FlagKey::new(call.param(2))) else {
        return Ok(Reply::list(call.now, &[(); 0], &HistoryMeta { total: 0 }));
    };
    let versions = call.api.flags.versions(call.tenant, &scope, &key).await.map_err(failure::manage)?;
    let views: Vec<_> = versions.iter().map(|flag| FlagView::new(&scope, flag)).collect();
    Ok(Reply::list(call.now, &views, &HistoryMeta { total: views.len() }))
}

async fn version(call: Call) -> Result<Reply> {
    let missing = || ApiError::not_found(format!("Feature flag version {} not found", call.param(3)));
    let (Some(scope), Ok(key)) = (call.scope(), FlagKey::new(call.param(2))) else { return Err(missing()) };
    let flag = call.api.flags.version(call.tenant, &scope, &key, call.param(3)).await.map_err(failure::manage)?;
    Ok(Reply::data(call.now, &FlagView::new(&scope, &flag)))
}

async fn delete(call: Call) -> Result<Reply> {
    let (scope, key, expected) = named(&call).await?;
    let written = call.api.flags.delete(call.tenant, &scope, &key, &call.actor()?, expected).await.map_err(failure::manage)?;
    call.api.memory.settle(call.tenant, &scope, written.revision).await;
    Ok(Reply::no_content())
}

async fn named(call: &Call) -> Result<(Scope, FlagKey, Option<Revision>)> {
    match (call.scope(), FlagKey::new(call.param(2))) {
        (Some(scope), Ok(key)) => Ok((scope, key, call.expected_within().await?)),
        _ => Err(ApiError::not_found(format!("Feature flag not found: {}", call.param(2)))),
    }
}
