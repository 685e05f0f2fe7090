//! The workspace itself.

use togglebox_auth::Permission;
use togglebox_multitenancy::manage::{TenancyError, TenantUpdate};

use super::super::failure::tenancy;
use super::super::input::{self, WorkspacePatch};
use super::super::schema::{TransferBody, WorkspacePatchBody};
use super::super::view::{LimitsView, WorkspaceView, limits};
use super::shown;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::reply::Reply;
use crate::route::{Access, Route, handler};

const PATH: &str = "/api/v1/workspace";

pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::UserManage);
    vec![
        Route::get(PATH, "getWorkspace", Access::User, handler!(get))
            .about("Shows the workspace")
            .stays_open()
            .uncached()
            .one::<WorkspaceView<'_>>(),
        Route::patch(PATH, "updateWorkspace", manage, handler!(update))
            .about("Changes the workspace's name or subdomain")
            .small()
            .uncached()
            .takes::<WorkspacePatchBody>()
            .one::<WorkspaceView<'_>>()
            .errors(&[409]),
        Route::delete(PATH, "deleteWorkspace", Access::User, handler!(delete))
            .about("Deletes the workspace; for its owner. Until the end of its grace period the owner can restore it on the central host")
            .uncached()
            .status(200)
            .one::<WorkspaceView<'_>>()
            .errors(&[403, 409]),
        Route::post("/api/v1/workspace/transfer", "transferWorkspace", Access::User, handler!(transfer))
            .about("Hands the workspace over to another of its admins; for its owner")
            .small()
            .uncached()
            .takes::<TransferBody>()
            .one::<WorkspaceView<'_>>()
            .errors(&[403, 404]),
        Route::get("/api/v1/workspace/limits", "getWorkspaceLimits", Access::User, handler!(get_limits))
            .about("Shows what the workspace may have")
            .uncached()
            .one::<LimitsView<'_>>(),
    ]
}

async fn get(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let tenant = services.tenancy.tenant(call.tenant).await.map_err(tenancy)?;
    Ok(Reply::data(call.now, &shown(services, &tenant)))
}

async fn update(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let form = WorkspacePatch::read(call.body()).map_err(ApiError::field_validation)?;
    let update = TenantUpdate { name: form.name, subdomain: form.subdomain };
    let updated = services.tenancy.update(call.tenant, &call.actor()?, &update, call.expected(None)?).await;
    Ok(Reply::data(call.now, &shown(services, &updated.map_err(tenancy)?)))
}

async fn delete(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    expect_owner(&call).await?;
    let deleted = services.delete(call.tenant, &call.actor()?, call.expected(None)?).await?;
    Ok(Reply::data(call.now, &shown(services, &deleted)))
}

async fn transfer(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let to = input::user(call.body()).map_err(ApiError::field_validation)?;
    let from = call.user()?.user.id;
    let handed = services.tenancy.transfer(call.tenant, &call.actor()?, from, to).await.map_err(tenancy)?;
    Ok(Reply::data(call.now, &shown(services, &handed)))
}

async fn get_limits(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let tenant = services.tenancy.tenant(call.tenant).await.map_err(tenancy)?;
    let allowed = services.tenancy.limits(&tenant).map_err(tenancy)?;
    Ok(Reply::data(call.now, &LimitsView { plan: tenant.plan.as_str(), limits: limits(&allowed) }))
}

async fn expect_owner(call: &Call) -> Result<()> {
    let tenant = call.cloud()?.tenancy.tenant(call.tenant).await.map_err(tenancy)?;
    if tenant.owner == call.user()?.user.id { Ok(()) } else { Err(tenancy(TenancyError::NotTheOwner)) }
}
