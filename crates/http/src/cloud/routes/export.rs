//! All that a workspace has, for its admins: in whatever standing, as long as it is there.

use actix_web::http::Method;
use togglebox_multitenancy::manage::TenancyError;
use togglebox_multitenancy::{Member, MemberRole, Tenant};

use super::super::failure::tenancy;
use super::workspaces;
use crate::call::Call;
use crate::download::Download;
use crate::error::{ApiError, Code, Result};
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};

/// JSON, a line each.
const LINES: &str = "application/x-ndjson";

/// On the workspace's own host.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route(Route::get("/api/v1/workspace/export", "exportWorkspace", Access::User, handler!(export)))
            .about("Hands out all that the workspace has, as a file that `togglebox import` takes; for its admins"),
    ]
}

/// On the central host, which still knows a workspace that is deleted.
pub(super) fn central() -> Vec<Route> {
    vec![
        route(Route::get("/api/v1/workspaces/{subdomain}/export", "exportOwnWorkspace", Access::User, handler!(export_own))).about(
            "Hands out all that a workspace has, as a file that `togglebox import` takes; for its admins, also in the grace period \
             after its deletion",
        ),
    ]
}

fn route(route: Route) -> Route {
    route.class(RouteClass::Export).uncached().download(LINES).errors(&[400, 403, 404, 409])
}

async fn export(call: Call) -> Result<Reply> {
    // The register says at once who is no admin any more; the guest follows within a moment.
    let member = match call.cloud()?.tenancy.member(call.tenant, call.user()?.user.id).await {
        Err(TenancyError::MemberNotFound) => return Err(only_admins()),
        member => member.map_err(tenancy)?,
    };
    hand_out(&call, &member).await
}

async fn export_own(call: Call) -> Result<Reply> {
    let member = workspaces::own(&call).await?.member;
    hand_out(&call, &member).await
}

async fn hand_out(call: &Call, Member { tenant, role, .. }: &Member) -> Result<Reply> {
    if *role != MemberRole::Admin {
        return Err(only_admins());
    }
    let services = call.cloud()?;
    if call.request.method() == Method::HEAD {
        let tenant = services.tenancy.tenant(*tenant).await.map_err(tenancy)?;
        return Ok(Reply::download(file(call, &tenant)));
    }
    let turn = services.exports.turn(*tenant)?;
    let tenant = services.tenancy.note_export(*tenant, &call.actor()?).await.map_err(tenancy)?;
    let pieces = services.exports.begin(turn).await?;
    Ok(Reply::download(Download { pieces: Some(pieces), ..file(call, &tenant) }))
}

fn file(call: &Call, tenant: &Tenant) -> Download {
    Download { content_type: LINES, name: format!("{}-{}.jsonl", tenant.subdomain, call.now.day()), pieces: None }
}

fn only_admins() -> ApiError {
    ApiError::new(Code::Forbidden, "Only admins of the workspace can do this")
}
