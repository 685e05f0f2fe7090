//! Who belongs to the workspace.

use togglebox_auth::Permission;
use uuid::Uuid;

use super::super::failure::tenancy;
use super::super::input;
use super::super::view::MemberView;
use super::PAGES;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::paging::CursorMeta;
use crate::reply::Reply;
use crate::route::{Access, Route, handler};
use crate::schema::RoleBody;

const MISSING: &str = "Member not found";

const LIST: &str = "members";

pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::UserManage);
    vec![
        Route::get("/api/v1/workspace/members", "listMembers", manage, handler!(list))
            .about("Lists the members in the order in which they joined")
            .uncached()
            .query(PAGES)
            .paged::<MemberView<'_>, CursorMeta>(),
        Route::patch("/api/v1/workspace/members/{userId}", "updateMember", manage, handler!(update))
            .about("Changes a member's role")
            .small()
            .uncached()
            .takes::<RoleBody>()
            .one::<MemberView<'_>>()
            .errors(&[400, 404, 409]),
        Route::delete("/api/v1/workspace/members/{userId}", "removeMember", manage, handler!(remove))
            .about("Removes a member, with sessions and keys")
            .uncached()
            .errors(&[400, 404, 409]),
        Route::post("/api/v1/workspace/leave", "leaveWorkspace", Access::User, handler!(leave))
            .about("Leaves the workspace")
            .small()
            .uncached()
            .message()
            .errors(&[400, 404]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let page = call.cloud()?.tenancy.members(call.tenant, &call.page(LIST)?).await.map_err(tenancy)?;
    let views: Vec<MemberView<'_>> = page.items.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(LIST, page.next.as_ref()))))
}

async fn update(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let role = input::role(call.body()).map_err(ApiError::field_validation)?;
    let (user, actor) = (call.id(0, MISSING)?, call.actor()?);
    let changed = services.tenancy.change_role(call.tenant, &actor, user, role, call.expected(None)?).await;
    let member = changed.map_err(tenancy)?;
    services.seat(&member, &actor).await?;
    Ok(Reply::data(call.now, &MemberView::from(&member)))
}

async fn remove(call: Call) -> Result<Reply> {
    let user = call.id(0, MISSING)?;
    take_out(&call, user).await?;
    Ok(Reply::no_content())
}

async fn leave(call: Call) -> Result<Reply> {
    let user = call.user()?.user.id;
    take_out(&call, user).await?;
    Ok(Reply::message(call.now, "You have left the workspace"))
}

async fn take_out(call: &Call, user: Uuid) -> Result<()> {
    let (services, actor) = (call.cloud()?, call.actor()?);
    services.tenancy.remove_member(call.tenant, &actor, user, call.expected(None)?).await.map_err(tenancy)?;
    services.unseat(call.tenant, user, &actor).await
}
