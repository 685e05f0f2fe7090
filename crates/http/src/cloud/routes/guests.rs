//! Accounts on a workspace's host. The paths are those of the open-source server, so that its clients work; what they do, they do to the
//! account on the central host, or to the membership.

use secrecy::ExposeSecret as _;
use togglebox_auth::input::{Login, PasswordChange, ProfileUpdate, ResetCompletion, ResetRequest, ResetToken, RoleChange};
use togglebox_auth::{Permission, SignedIn, SignedInUser};
use togglebox_ratelimit::Subject;
use uuid::Uuid;

use super::super::CENTRAL;
use super::super::failure::tenancy;
use super::super::people::member_role;
use crate::call::Call;
use crate::error::{ApiError, Code, Result};
use crate::failure;
use crate::reply::{Reply, envelope};
use crate::route::{Access, Route, RouteClass, handler};
use crate::routes::api_keys;
use crate::routes::auth::ResetTarget;
use crate::schema::{
    LoginBody, NewUserBody, PasswordChangeBody, RegisterBody, ResetCompleteBody, ResetRequestBody, ResetTokenBody, RoleBody,
    UserPatchBody,
};
use crate::view::{LoginView, UserView};

pub(super) fn routes() -> Vec<Route> {
    let manage = Access::Permission(Permission::UserManage);
    let mut routes = vec![
        Route::post("/api/v1/auth/register", "register", Access::Open, handler!(by_invitation))
            .class(RouteClass::Register)
            .about("Says that people join a workspace by invitation")
            .small()
            .uncached()
            .takes::<RegisterBody>()
            .message()
            .errors(&[403]),
        Route::post("/api/v1/auth/login", "login", Access::Open, handler!(login))
            .class(RouteClass::Login)
            .about("Signs a member of the workspace in")
            .small()
            .uncached()
            .takes::<LoginBody>()
            .one::<LoginView<'_>>()
            .errors(&[401, 429]),
        Route::post("/api/v1/auth/refresh", "refresh", Access::User, handler!(refresh))
            .about("Replaces the token by a new one")
            .small()
            .uncached()
            .one::<LoginView<'_>>()
            .errors(&[404]),
        Route::post("/api/v1/auth/password-reset/request", "requestPasswordReset", Access::Open, handler!(request_reset))
            .class(RouteClass::PasswordReset)
            .about("Mails a link that sets a new password, if there is such an account")
            .small()
            .uncached()
            .takes::<ResetRequestBody>()
            .message(),
        Route::post("/api/v1/auth/password-reset/verify", "verifyPasswordReset", Access::Open, handler!(verify_reset))
            .about("Says whether a token from such a mail is still good")
            .small()
            .uncached()
            .takes::<ResetTokenBody>()
            .one::<ResetTarget<'_>>(),
        Route::post("/api/v1/auth/password-reset/complete", "completePasswordReset", Access::Open, handler!(complete_reset))
            .about("Sets a new password, for all workspaces")
            .small()
            .uncached()
            .takes::<ResetCompleteBody>()
            .message(),
        Route::patch("/api/v1/users/me", "updateMe", Access::User, handler!(update_me))
            .about("Changes the signed-in user's name, in all workspaces")
            .small()
            .uncached()
            .takes::<UserPatchBody>()
            .one::<UserView<'_>>()
            .errors(&[404, 409]),
        Route::post("/api/v1/users/me/password", "changePassword", Access::User, handler!(change_password))
            .about("Changes the signed-in user's password and ends all sessions, in all workspaces")
            .small()
            .uncached()
            .takes::<PasswordChangeBody>()
            .message()
            .errors(&[404, 409, 429]),
        Route::post("/api/v1/internal/users", "createUser", manage, handler!(by_invitation))
            .about("Says that people join a workspace by invitation")
            .small()
            .takes::<NewUserBody>()
            .message()
            .errors(&[403]),
    ];
    for (path, id, access) in [
        ("/api/v1/api-keys", "createApiKey", Access::User),
        ("/api/v1/internal/api-keys", "createApiKeyInternally", Access::Permission(Permission::ApiKeyManage)),
    ] {
        routes.push(api_keys::creating(Route::post(path, id, access, handler!(create_key))));
    }
    for (path, delete_id, role_id) in [
        ("/api/v1/users", "deleteUser", "changeRole"),
        ("/api/v1/internal/users", "deleteUserInternally", "changeRoleInternally"),
    ] {
        let [one, role]: [&'static str; 2] = if path == "/api/v1/users" {
            ["/api/v1/users/{id}", "/api/v1/users/{id}/role"]
        } else {
            ["/api/v1/internal/users/{id}", "/api/v1/internal/users/{id}/role"]
        };
        routes.push(
            Route::delete(one, delete_id, manage, handler!(remove))
                .about("Removes a member from the workspace, with sessions and keys")
                .uncached()
                .message()
                .errors(&[400, 404, 409]),
        );
        routes.push(
            Route::patch(role, role_id, manage, handler!(change_role))
                .about("Changes a member's role")
                .small()
                .uncached()
                .takes::<RoleBody>()
                .one::<UserView<'_>>()
                .errors(&[400, 404, 409]),
        );
    }
    routes
}

async fn by_invitation(_: Call) -> Result<Reply> {
    Err(ApiError::new(Code::RegistrationDisabled, "People join a workspace by invitation: ask an admin for one"))
}

async fn login(call: Call) -> Result<Reply> {
    let form = Login::read(call.body()).map_err(ApiError::field_validation)?;
    let entered = call.cloud()?.sign_in(call.tenant, form).await?;
    Ok(entrance(&call, &entered))
}

async fn refresh(call: Call) -> Result<Reply> {
    let entered = call.cloud()?.refresh(call.tenant, call.user()?).await?;
    Ok(entrance(&call, &entered))
}

fn entrance(call: &Call, entered: &SignedIn) -> Reply {
    let view = LoginView { user: UserView::from(&entered.user), token: entered.token.expose_secret() };
    Reply::data(call.now, &view)
}

async fn request_reset(call: Call) -> Result<Reply> {
    let form = ResetRequest::read(call.body()).map_err(ApiError::field_validation)?;
    if let Some(limits) = &call.api.limits {
        let class = RouteClass::PasswordReset;
        // The mailbox is one, whichever host is asked.
        let subject = Subject::of(class.as_str()).account(form.email.as_str());
        let (passed, told) = limits.pass(class, &subject).await;
        passed.map_err(|error| error.telling(told))?;
    }
    call.api.accounts.request_reset(CENTRAL, form);
    Ok(Reply::message(call.now, "If the email exists, a password reset link has been sent"))
}

async fn verify_reset(call: Call) -> Result<Reply> {
    let token = ResetToken::read(call.body()).map_err(ApiError::field_validation)?;
    let email = call.api.accounts.verify_reset(CENTRAL, &token).await.map_err(failure::accounts)?;
    let target = ResetTarget { valid: true, email: email.as_str() };
    let body = envelope(Some(&target), Some("Token is valid"), None::<&()>, call.now);
    Ok(Reply::json(actix_web::http::StatusCode::OK, body))
}

async fn complete_reset(call: Call) -> Result<Reply> {
    let form = ResetCompletion::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.complete_reset(CENTRAL, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&user).await;
    Ok(Reply::message(call.now, "Password has been reset successfully"))
}

async fn update_me(call: Call) -> Result<Reply> {
    let form = ProfileUpdate::read(call.body()).map_err(ApiError::field_validation)?;
    let services = call.cloud()?;
    let account = services.accounts.update_profile(CENTRAL, &account(&call)?, form).await.map_err(failure::accounts)?;
    services.spread(&account).await;
    let guest = services.accounts.profile(call.tenant, call.user()?).await.map_err(failure::accounts)?;
    Ok(Reply::data(call.now, &UserView::from(&guest)))
}

async fn change_password(call: Call) -> Result<Reply> {
    let form = PasswordChange::read(call.body()).map_err(ApiError::field_validation)?;
    let services = call.cloud()?;
    let account = services.accounts.change_password(CENTRAL, &account(&call)?, form).await.map_err(failure::accounts)?;
    services.spread(&account).await;
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
    let (user, actor) = (id(&call)?, call.actor()?);
    services.tenancy.remove_member(call.tenant, &actor, user, None).await.map_err(user_missing)?;
    services.unseat(call.tenant, user, &actor).await?;
    Ok(Reply::message(call.now, "User deleted successfully"))
}

async fn change_role(call: Call) -> Result<Reply> {
    let form = RoleChange::read(call.body())
        .ok_or_else(|| ApiError::new(Code::BadRequest, "Invalid role. Must be admin, developer, or viewer"))?;
    let services = call.cloud()?;
    let (user, actor) = (id(&call)?, call.actor()?);
    let changed = services.tenancy.change_role(call.tenant, &actor, user, member_role(form.role), None).await;
    let guest = services.seat(&changed.map_err(user_missing)?, &actor).await?;
    Ok(Reply::data(call.now, &UserView::from(&guest)))
}

fn user_missing(error: togglebox_multitenancy::manage::TenancyError) -> ApiError {
    match error {
        togglebox_multitenancy::manage::TenancyError::MemberNotFound => ApiError::not_found("User not found"),
        other => tenancy(other),
    }
}

/// What is no id is nobody's.
fn id(call: &Call) -> Result<Uuid> {
    call.param(0).parse().map_err(|_| ApiError::not_found("User not found"))
}
