//! Accounts on a workspace's host. The paths are those of the open-source server, so that its clients work; what they do, they do to the
//! account on the central host, or to the membership.

use secrecy::ExposeSecret as _;
use togglebox_auth::input::{Login, RoleChange};
use togglebox_auth::{SignedIn, SignedInUser};
use togglebox_multitenancy::manage::TenancyError;

use super::super::CENTRAL;
use super::super::failure::tenancy;
use super::super::people::member_role;
use super::{Answers, accounts};
use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::reply::Reply;
use crate::route::handler;
use crate::routes::{api_keys, auth};
use crate::view::{LoginView, UserView};

const MISSING: &str = "User not found";

/// How a workspace's host answers the routes of accounts.
pub(super) const ANSWERS: Answers = &[
    ("register", handler!(by_invitation), Some("Says that people join a workspace by invitation")),
    ("createUser", handler!(by_invitation), Some("Says that people join a workspace by invitation")),
    ("login", handler!(login), Some("Signs a member of the workspace in")),
    ("refresh", handler!(refresh), None),
    ("requestPasswordReset", handler!(request_reset), None),
    ("verifyPasswordReset", handler!(verify_reset), None),
    ("completePasswordReset", handler!(accounts::complete_reset), Some("Sets a new password, for all workspaces")),
    ("updateMe", handler!(update_me), Some("Changes the signed-in user's name, in all workspaces")),
    (
        "changePassword",
        handler!(change_password),
        Some("Changes the signed-in user's password and ends all sessions, in all workspaces"),
    ),
    ("createApiKey", handler!(create_key), None),
    ("createApiKeyInternally", handler!(create_key), None),
    ("deleteUser", handler!(remove), Some("Removes a member from the workspace, with sessions and keys")),
    ("deleteUserInternally", handler!(remove), Some("Removes a member from the workspace, with sessions and keys")),
    ("changeRole", handler!(change_role), Some("Changes a member's role")),
    ("changeRoleInternally", handler!(change_role), Some("Changes a member's role")),
];

async fn by_invitation(_: Call) -> Result<Reply> {
    Err(ApiError::new(Code::RegistrationDisabled, "People join a workspace by invitation: ask an admin for one"))
}

async fn login(call: Call) -> Result<Reply> {
    let form = Login::read(call.body()).map_err(ApiError::field_validation)?;
    let entered = call.cloud()?.sign_in(call.tenant, form).await?;
    Ok(signed_in(&call, &entered))
}

async fn refresh(call: Call) -> Result<Reply> {
    let entered = call.cloud()?.refresh(call.tenant, call.user()?).await?;
    Ok(signed_in(&call, &entered))
}

fn signed_in(call: &Call, entered: &SignedIn) -> Reply {
    let view = LoginView { user: UserView::from(&entered.user), token: entered.token.expose_secret() };
    Reply::data(call.now, &view)
}

/// The mailbox, the tokens and the password are the account's, whichever host is asked.
async fn request_reset(call: Call) -> Result<Reply> {
    auth::request_reset(Call { tenant: CENTRAL, ..call }).await
}

async fn verify_reset(call: Call) -> Result<Reply> {
    auth::verify_reset(Call { tenant: CENTRAL, ..call }).await
}

async fn update_me(call: Call) -> Result<Reply> {
    accounts::renamed(&call, &account(&call)?).await?;
    let guest = call.api.accounts.profile(call.tenant, call.user()?).await.map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &UserView::from(&guest)))
}

async fn change_password(call: Call) -> Result<Reply> {
    accounts::repassworded(&call, &account(&call)?).await?;
    Ok(Reply::message(call.now, "Password changed successfully: sign in again"))
}

/// The account behind the guest: the same person, in none of the central host's sessions.
fn account(call: &Call) -> Result<SignedInUser> {
    Ok(SignedInUser { user: call.user()?.user.clone(), session: None })
}

async fn create_key(call: Call) -> Result<Reply> {
    call.cloud()?.expect_member(call.tenant, call.user()?.user.id).await?;
    api_keys::create(call).await
}

async fn remove(call: Call) -> Result<Reply> {
    let services = call.cloud()?;
    let (user, actor) = (call.id(0, MISSING)?, call.actor()?);
    services.tenancy.remove_member(call.tenant, &actor, user, None).await.map_err(user_missing)?;
    services.unseat(call.tenant, user, &actor).await?;
    Ok(Reply::message(call.now, "User deleted successfully"))
}

async fn change_role(call: Call) -> Result<Reply> {
    let form = RoleChange::read(call.body())
        .ok_or_else(|| ApiError::new(Code::BadRequest, "Invalid role. Must be admin, developer, or viewer"))?;
    let services = call.cloud()?;
    let (user, actor) = (call.id(0, MISSING)?, call.actor()?);
    let changed = services.tenancy.change_role(call.tenant, &actor, user, member_role(form.role), None).await;
    let guest = services.seat(&changed.map_err(user_missing)?, &actor).await?;
    Ok(Reply::data(call.now, &UserView::from(&guest)))
}

fn user_missing(error: TenancyError) -> ApiError {
    match error {
        TenancyError::MemberNotFound => ApiError::not_found(MISSING),
        other => tenancy(other),
    }
}
