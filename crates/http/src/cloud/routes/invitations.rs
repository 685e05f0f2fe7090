//! Inviting people to a workspace, and joining one.

use actix_web::http::StatusCode;
use secrecy::ExposeSecret as _;
use togglebox_auth::input::Registration;
use togglebox_auth::{Permission, User};
use togglebox_multitenancy::manage::Issued;
use togglebox_multitenancy::{InvitationToken, Person};
use uuid::Uuid;

use super::super::CENTRAL;
use super::super::failure::tenancy;
use super::super::input::{self, Invite, Joining};
use super::super::schema::{InvitationBody, InviteBody, JoiningBody};
use super::super::view::{EntranceView, InvitationView, OfferView, SentInvitationView};
use super::{PAGES, entrance};
use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::paging::CursorMeta;
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};

const MISSING: &str = "Invitation not found";

const LIST: &str = "invitations";

/// On the workspace's host.
pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::UserManage);
    vec![
        Route::get("/api/v1/workspace/invitations", "listInvitations", manage, handler!(list))
            .about("Lists the invitations that wait")
            .uncached()
            .query(PAGES)
            .paged::<InvitationView<'_>, CursorMeta>(),
        Route::post("/api/v1/workspace/invitations", "invite", manage, handler!(invite))
            .about("Invites somebody by mail")
            .small()
            .uncached()
            .takes::<InviteBody>()
            .status(201)
            .one::<SentInvitationView<'_>>()
            .errors(&[409]),
        Route::post("/api/v1/workspace/invitations/{id}/resend", "resendInvitation", manage, handler!(resend))
            .about("Sends an invitation again. What was sent before is worth nothing from then on")
            .small()
            .uncached()
            .one::<SentInvitationView<'_>>()
            .errors(&[404]),
        Route::delete("/api/v1/workspace/invitations/{id}", "revokeInvitation", manage, handler!(revoke))
            .about("Takes an invitation back")
            .uncached()
            .errors(&[404]),
    ]
}

/// On the central host.
pub(super) fn central() -> Vec<Route> {
    vec![
        Route::post("/api/v1/invitations/show", "showInvitation", Access::Open, handler!(show))
            .class(RouteClass::Login)
            .about("Says what somebody is invited to")
            .small()
            .uncached()
            .takes::<InvitationBody>()
            .one::<OfferView<'_>>(),
        Route::post("/api/v1/invitations/accept", "acceptInvitation", Access::User, handler!(accept))
            .about("Makes the signed-in user a member, and signs in at the workspace")
            .small()
            .uncached()
            .takes::<InvitationBody>()
            .one::<EntranceView<'_>>()
            .errors(&[403, 409]),
        Route::post("/api/v1/invitations/join", "joinByInvitation", Access::Open, handler!(join))
            .class(RouteClass::Register)
            .about("Makes an account for the invited address and a member of it, and signs in at the workspace")
            .small()
            .uncached()
            .takes::<JoiningBody>()
            .status(201)
            .one::<EntranceView<'_>>()
            .errors(&[409]),
    ]
}

async fn list(call: Call) -> Result<Reply> {
    let page = call.cloud()?.tenancy.invitations(call.tenant, &call.page(LIST)?).await.map_err(tenancy)?;
    let views: Vec<InvitationView<'_>> = page.items.iter().map(Into::into).collect();
    Ok(Reply::list(call.now, &views, &CursorMeta::of(call.sealed(LIST, page.next.as_ref()))))
}

async fn invite(call: Call) -> Result<Reply> {
    let Invite { email, role } = Invite::read(call.body()).map_err(ApiError::field_validation)?;
    let issued =
        call.cloud()?.tenancy.invite(call.tenant, &call.actor()?, inviter(&call)?, email, role).await.map_err(tenancy)?;
    Ok(Reply::created(call.now, &sent(&issued)))
}

async fn resend(call: Call) -> Result<Reply> {
    let (actor, id) = (call.actor()?, call.id(0, MISSING)?);
    let issued = call.cloud()?.tenancy.resend(call.tenant, &actor, inviter(&call)?, id).await.map_err(tenancy)?;
    Ok(Reply::data(call.now, &sent(&issued)))
}

/// In whose name people are invited: the caller's, or the owner's of the key.
fn inviter(call: &Call) -> Result<Uuid> {
    let person = call.principal()?.user_id();
    person.ok_or_else(|| ApiError::new(Code::Forbidden, "Only people and their keys can invite"))
}

async fn revoke(call: Call) -> Result<Reply> {
    call.cloud()?.tenancy.revoke(call.tenant, &call.actor()?, call.id(0, MISSING)?).await.map_err(tenancy)?;
    Ok(Reply::no_content())
}

fn sent(issued: &Issued) -> SentInvitationView<'_> {
    SentInvitationView {
        invitation: InvitationView::from(&issued.invitation),
        mailed: issued.mailed,
        token: (!issued.mailed).then(|| issued.token.secret().expose_secret()),
    }
}

async fn show(call: Call) -> Result<Reply> {
    let token = input::invitation(call.body()).map_err(ApiError::field_validation)?;
    let (tenant, invitation) = call.cloud()?.tenancy.invitation(&token).await.map_err(tenancy)?;
    let offer = OfferView {
        workspace_name: tenant.name.as_str(),
        subdomain: tenant.subdomain.as_str(),
        email: invitation.email.as_str(),
        role: invitation.role.as_str(),
        invited_by: &invitation.invited_by,
        expires_at: invitation.expires_at,
    };
    Ok(Reply::data(call.now, &offer))
}

async fn accept(call: Call) -> Result<Reply> {
    let token = input::invitation(call.body()).map_err(ApiError::field_validation)?;
    let account = call.user()?.user.clone();
    joined(&call, &token, &account).await
}

async fn join(call: Call) -> Result<Reply> {
    let form = Joining::read(call.body()).map_err(ApiError::field_validation)?;
    let services = call.cloud()?;
    // Whoever has the token has read that mailbox.
    let (_, invitation) = services.tenancy.invitation(&form.token).await.map_err(tenancy)?;
    let registration = Registration { name: form.name, email: invitation.email, password: form.password };
    let account = services.accounts.register_invited(CENTRAL, registration).await.map_err(failure::accounts)?;
    Ok(joined(&call, &form.token, &account).await?.status(StatusCode::CREATED))
}

async fn joined(call: &Call, token: &InvitationToken, account: &User) -> Result<Reply> {
    let services = call.cloud()?;
    let person = Person { user: account.id, email: account.email.clone() };
    let member = services.tenancy.accept(token, &person).await.map_err(tenancy)?;
    let tenant = services.tenancy.tenant(member.tenant).await.map_err(tenancy)?;
    entrance(call, &tenant, &services.enter(member.tenant, account).await?)
}
