//! Accounts on the central host: as in the open-source server, but that changes reach the guests of the account.

use togglebox_auth::input::{PasswordChange, ProfileUpdate, ResetCompletion};

use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::failure;
use crate::reply::Reply;
use crate::route::{Access, Route, RouteClass, handler};
use crate::schema::{PasswordChangeBody, ResetCompleteBody, UserPatchBody};
use crate::view::UserView;

/// The routes of the open-source server that the central host has just like it.
pub(super) const SHARED: &[&str] = &[
    "getRoot",
    "getHealth",
    "getReadiness",
    "getApiHealth",
    "getDescription",
    "getDescriptionPage",
    "register",
    "login",
    "refresh",
    "logout",
    "requestPasswordReset",
    "verifyPasswordReset",
    "getMe",
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/auth/password-reset/complete", "completePasswordReset", Access::Open, handler!(complete_reset))
            .class(RouteClass::Write)
            .about("Sets a new password")
            .small()
            .uncached()
            .takes::<ResetCompleteBody>()
            .message(),
        Route::patch("/api/v1/users/me", "updateMe", Access::User, handler!(update_me))
            .about("Changes the signed-in user's name")
            .small()
            .uncached()
            .takes::<UserPatchBody>()
            .one::<UserView<'_>>()
            .errors(&[404, 409]),
        Route::post("/api/v1/users/me/password", "changePassword", Access::User, handler!(change_password))
            .about("Changes the signed-in user's password and ends the other sessions, in all workspaces")
            .small()
            .uncached()
            .takes::<PasswordChangeBody>()
            .message()
            .errors(&[404, 409, 429]),
    ]
}

async fn update_me(call: Call) -> Result<Reply> {
    let form = ProfileUpdate::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.update_profile(call.tenant, call.user()?, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&user).await;
    Ok(Reply::data(call.now, &UserView::from(&user)))
}

async fn change_password(call: Call) -> Result<Reply> {
    let form = PasswordChange::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.change_password(call.tenant, call.user()?, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&user).await;
    Ok(Reply::message(call.now, "Password changed successfully"))
}

async fn complete_reset(call: Call) -> Result<Reply> {
    let form = ResetCompletion::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.complete_reset(call.tenant, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&user).await;
    Ok(Reply::message(call.now, "Password has been reset successfully"))
}
