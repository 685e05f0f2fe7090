//! The signed-in person's workspaces, on the central host.

use togglebox_multitenancy::store::Workspace;
use togglebox_multitenancy::{Allowed, Subdomain};

use super::super::billing::view::PendingView;
use super::super::failure::tenancy;
use super::super::input::NewWorkspace;
use super::super::schema::NewWorkspaceBody;
use super::super::view::{EntranceView, OwnWorkspaceView, WorkspaceView};
use super::super::workspace::closed;
use super::billing::sign_up::{begin, purchase};
use super::{PAGES, entrance, onboarding, shown};
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::CursorMeta;
use crate::reply::Reply;
use crate::route::{Access, Route, handler};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/workspaces", "listWorkspaces", Access::User, handler!(list))
            .about("Lists the workspaces that the signed-in user belongs to")
            .uncached()
            .query(PAGES)
            .paged::<OwnWorkspaceView<'_>, CursorMeta>(),
        Route::post("/api/v1/workspaces", "createWorkspace", Access::User, handler!(create))
            .about("Makes a workspace of the signed-in user's; for a plan that costs something, says where it is paid for first")
            .small()
            .uncached()
            .takes::<NewWorkspaceBody>()
            .status(201)
            .one::<WorkspaceView<'_>>()
            .or::<PendingView<'_>>(202)
            .errors(&[402, 409, 502]),
        Route::post("/api/v1/workspaces/{subdomain}/token", "enterWorkspace", Access::User, handler!(enter))
            .about("Signs in at a workspace")
            .small()
            .uncached()
            .one::<EntranceView<'_>>()
            .errors(&[402, 404]),
        Route::post("/api/v1/workspaces/{subdomain}/restore", "restoreWorkspace", Access::User, handler!(restore))
            .about("Brings a deleted workspace back, as long as its grace period lasts; for its owner")
            .small()
            .uncached()
            .one::<WorkspaceView<'_>>()
            .errors(&[400, 404, 409]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let user = call.user()?.user.id;
    let name = format!("workspaces:{user}");
    let page = services.tenancy.workspaces(user, &call.page(&name)?).await.map_err(tenancy)?;
    let views: Vec<OwnWorkspaceView<'_>> = page
        .items
        .iter()
        .filter(|workspace| !workspace.tenant.standing.is_purged())
        .map(|Workspace { tenant, member }| OwnWorkspaceView { workspace: shown(services, tenant), role: member.role.as_str() })
        .collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(&name, page.next.as_ref()))))
}

async fn create(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let form = NewWorkspace::read(call.body()).map_err(ApiError::field_validation)?;
    if let Some(purchase) = purchase(services, &form)? {
        return begin(&call, purchase, &call.user()?.user, form).await;
    }
    let tenant = onboarding::make(services, &call.user()?.user, form).await?;
    Ok(Reply::created(call.now, &shown(services, &tenant)))
}

async fn enter(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let (tenant, account) = (own(&call).await?.tenant, &call.user()?.user);
    if tenant.standing.deletion.is_some() {
        return Err(missing());
    }
    if tenant.standing.is_reserved() {
        return Err(closed(&tenant.standing, Allowed::NOTHING).error());
    }
    let entered = services.enter(tenant.id, account).await?;
    entrance(&call, &tenant, &entered)
}

async fn restore(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let tenant = own(&call).await?.tenant;
    if tenant.owner != call.user()?.user.id {
        return Err(tenancy(togglebox_multitenancy::manage::TenancyError::NotTheOwner));
    }
    let restored = services.restore(tenant.id, &call.actor()?, call.expected(None)?).await?;
    Ok(Reply::data(call.now, &shown(services, &restored)))
}

/// The workspace that the path names, if the signed-in user belongs to it.
pub(super) async fn own(call: &Call) -> Result<Workspace> {
    let services = call.cloud()?;
    let subdomain = Subdomain::new(call.param(0)).map_err(|_| missing())?;
    let found = services.tenancy.workspace_of(call.user()?.user.id, &subdomain).await.map_err(tenancy)?;
    found.ok_or_else(missing)
}

fn missing() -> ApiError {
    ApiError::not_found("Workspace not found")
}
