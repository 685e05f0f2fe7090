//! What the operator's people do with workspaces.

use togglebox_auth::Role;
use togglebox_core::TenantId;
use togglebox_multitenancy::store::TenantFilter;
use togglebox_multitenancy::{PlanName, Tenant, TenantStatus};

use super::super::billing::failure::{SUBSCRIBED, billing, state};
use super::super::failure::tenancy;
use super::super::input::{self, PlanChange};
use super::super::schema::{EntryReasonBody, PlanChangeBody, SuspensionBody};
use super::super::services::CloudServices;
use super::super::view::{EntranceView, LimitsView, WorkspaceView, limits};
use super::{PAGES, entrance, shown};
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::CursorMeta;
use crate::reply::Reply;
use crate::route::{Access, Parameter, Route, handler};
use crate::routes::audit;
use crate::view::AuditView;

const MISSING: &str = "Workspace not found";

const QUERY: &[Parameter] = &[
    Parameter { name: "status", required: false, about: "Only in this status" },
    Parameter { name: "plan", required: false, about: "Only of this plan" },
    Parameter { name: "search", required: false, about: "Only those whose subdomain or name holds this" },
    PAGES[0],
    PAGES[1],
];

pub(super) fn routes() -> Vec<Route> {
    let step = |path, id, handler| Route::post(path, id, Access::Operator, handler).small().uncached().one::<WorkspaceView<'_>>();
    vec![
        Route::get("/api/v1/admin/workspaces", "adminListWorkspaces", Access::Operator, handler!(list))
            .about("Lists workspaces by subdomain")
            .uncached()
            .query(QUERY)
            .paged::<WorkspaceView<'_>, CursorMeta>(),
        Route::get("/api/v1/admin/audit", "adminListAudit", Access::Operator, handler!(list_audit))
            .about("Lists what the operator's own log holds, newest first: workspaces that were purged")
            .uncached()
            .query(audit::QUERY)
            .paged::<AuditView<'_>, CursorMeta>(),
        Route::get("/api/v1/admin/workspaces/{id}", "adminGetWorkspace", Access::Operator, handler!(get))
            .about("Shows a workspace")
            .uncached()
            .one::<WorkspaceView<'_>>()
            .errors(&[404]),
        Route::get("/api/v1/admin/workspaces/{id}/limits", "adminGetLimits", Access::Operator, handler!(get_limits))
            .about("Shows what a workspace may have")
            .uncached()
            .one::<LimitsView<'_>>()
            .errors(&[404]),
        step("/api/v1/admin/workspaces/{id}/suspend", "adminSuspend", handler!(suspend))
            .about("Stops a workspace: its people can manage nothing; whether its clients go on is a matter of policy")
            .takes::<SuspensionBody>()
            .errors(&[400, 404, 409]),
        step("/api/v1/admin/workspaces/{id}/resume", "adminResume", handler!(resume))
            .about("Lets a suspended workspace go on")
            .errors(&[400, 404, 409]),
        step("/api/v1/admin/workspaces/{id}/plan", "adminChangePlan", handler!(change_plan))
            .about("Moves a workspace to another plan, or sets limits of its own")
            .takes::<PlanChangeBody>()
            .errors(&[404, 409]),
        step("/api/v1/admin/workspaces/{id}/delete", "adminDelete", handler!(delete))
            .about("Deletes a workspace; until the end of its grace period it can be restored")
            .errors(&[400, 404, 409]),
        step("/api/v1/admin/workspaces/{id}/restore", "adminRestore", handler!(restore))
            .about("Brings a deleted workspace back")
            .errors(&[400, 404, 409]),
        Route::post("/api/v1/admin/workspaces/{id}/enter", "adminEnter", Access::Operator, handler!(enter))
            .about("Signs the operator in at a workspace as a developer, and says so in the workspace's audit log")
            .small()
            .uncached()
            .takes::<EntryReasonBody>()
            .one::<EntranceView<'_>>()
            .errors(&[404]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let get = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
    let unknown = |name: &str, allowed: String| ApiError::validation(&[togglebox_core::input::Issue::new(name, allowed)]);
    let status = match get("status") {
        None => None,
        Some(word) => Some(TenantStatus::parse(word).ok_or_else(|| {
            let words = TenantStatus::WORDS.map(|(word, _)| word).join(", ");
            unknown("status", format!("must be one of {words}"))
        })?),
    };
    let plan = get("plan").map(|plan| PlanName::new(plan).map_err(|error| unknown("plan", error.to_string()))).transpose()?;
    let filter = TenantFilter { status, plan, holds: get("search").map(str::to_lowercase) };
    // Quoted, so that no two filters have one name.
    let name = format!("admin-workspaces:{:?}", (get("status"), get("plan"), &filter.holds));
    let page = services.tenancy.list(&filter, &call.page(&name)?).await.map_err(tenancy)?;
    let views: Vec<WorkspaceView<'_>> = page.items.iter().map(|tenant| shown(services, tenant)).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(&name, page.next.as_ref()))))
}

async fn list_audit(call: Call) -> Result<Reply> {
    audit::list(call).await
}

async fn get(call: Call) -> Result<Reply> {
    let tenant = found(&call).await?;
    answer(&call, &tenant)
}

async fn get_limits(call: Call) -> Result<Reply> {
    let tenant = found(&call).await?;
    let allowed = call.cloud()?.tenancy.limits(&tenant).map_err(tenancy)?;
    Ok(Reply::data(call.now, &LimitsView { plan: tenant.plan.as_str(), limits: limits(&allowed) }))
}

async fn suspend(call: Call) -> Result<Reply> {
    let reason = input::reason(call.body()).map_err(ApiError::field_validation)?;
    let done = call.cloud()?.tenancy.suspend(call.id(0, MISSING)?, &call.actor()?, reason, call.expected(None)?).await;
    answer(&call, &done.map_err(tenancy)?)
}

async fn resume(call: Call) -> Result<Reply> {
    let done = call.cloud()?.tenancy.resume(call.id(0, MISSING)?, &call.actor()?, call.expected(None)?).await;
    answer(&call, &done.map_err(tenancy)?)
}

async fn change_plan(call: Call) -> Result<Reply> {
    let form = PlanChange::read(call.body()).map_err(ApiError::field_validation)?;
    let (tenant, actor, expected) = (call.id(0, MISSING)?, call.actor()?, call.expected(None)?);
    let services = call.cloud()?;
    expect_unsold(services, tenant, &form.plan).await?;
    let done = services.tenancy.change_plan(tenant, &actor, form.plan, form.overrides, expected).await;
    answer(&call, &done.map_err(tenancy)?)
}

/// A workspace has the plan that it pays for: whoever gave it another one would see it go back with the next payment.
async fn expect_unsold(services: &CloudServices, tenant: TenantId, plan: &PlanName) -> Result<()> {
    let Some(desk) = &services.billing else { return Ok(()) };
    let changes = services.tenancy.tenant(tenant).await.map_err(tenancy)?.plan != *plan;
    if changes && desk.billing.pays(tenant).await.map_err(billing)? {
        let text = "The workspace pays for its plan: only a change of its subscription changes it";
        return Err(state(SUBSCRIBED, text));
    }
    Ok(())
}

async fn delete(call: Call) -> Result<Reply> {
    let done = call.cloud()?.delete(call.id(0, MISSING)?, &call.actor()?, call.expected(None)?).await?;
    answer(&call, &done)
}

async fn restore(call: Call) -> Result<Reply> {
    let done = call.cloud()?.restore(call.id(0, MISSING)?, &call.actor()?, call.expected(None)?).await?;
    answer(&call, &done)
}

async fn enter(call: Call) -> Result<Reply> {
    let reason = input::reason(call.body()).map_err(ApiError::field_validation)?;
    let services = call.cloud()?;
    let (tenant, operator) = (found(&call).await?, &call.user()?.user);
    let entered = services.visit(tenant.id, operator, Role::Developer, reason.as_str()).await?;
    entrance(&call, &tenant, &entered)
}

fn answer(call: &Call, tenant: &Tenant) -> Result<Reply> {
    Ok(Reply::data(call.now, &shown(call.cloud()?, tenant)))
}

async fn found(call: &Call) -> Result<Tenant> {
    call.cloud()?.tenancy.tenant(call.id(0, MISSING)?).await.map_err(tenancy)
}
