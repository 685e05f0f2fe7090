//! Accounts on the central host: as in the open-source server, but that changes reach the guests of the account. A workspace's host answers
//! about the account in the same way.

use togglebox_auth::input::{PasswordChange, ProfileUpdate, ResetCompletion};
use togglebox_auth::{SignedInUser, User};

use super::super::CENTRAL;
use super::Answers;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::failure;
use crate::reply::Reply;
use crate::route::handler;
use crate::view::UserView;

/// The routes of the open-source server that the central host has.
pub(super) const ROUTES: &[&str] = &[
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
    "completePasswordReset",
    "getMe",
    "updateMe",
    "changePassword",
];

/// Those that it answers in another way.
pub(super) const ANSWERS: Answers = &[
    ("completePasswordReset", handler!(complete_reset), Some("Sets a new password, for all workspaces")),
    ("updateMe", handler!(update_me), Some("Changes the signed-in user's name, in all workspaces")),
    (
        "changePassword",
        handler!(change_password),
        Some("Changes the signed-in user's password and ends the other sessions, in all workspaces"),
    ),
];

async fn update_me(call: Call) -> Result<Reply> {
    let caller = call.user()?.clone();
    let account = renamed(&call, &caller).await?;
    Ok(Reply::data(call.now, &UserView::from(&account)))
}

/// Changes the name of an account as the body says.
pub(super) async fn renamed(call: &Call, caller: &SignedInUser) -> Result<User> {
    let form = ProfileUpdate::read(call.body()).map_err(ApiError::field_validation)?;
    let account = call.api.accounts.update_profile(CENTRAL, caller, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&account).await;
    Ok(account)
}

async fn change_password(call: Call) -> Result<Reply> {
    let caller = call.user()?.clone();
    repassworded(&call, &caller).await?;
    Ok(Reply::message(call.now, "Password changed successfully"))
}

/// Changes the password of an account as the body says.
pub(super) async fn repassworded(call: &Call, caller: &SignedInUser) -> Result<()> {
    let form = PasswordChange::read(call.body()).map_err(ApiError::field_validation)?;
    let account = call.api.accounts.change_password(CENTRAL, caller, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&account).await;
    Ok(())
}

pub(super) async fn complete_reset(call: Call) -> Result<Reply> {
    let form = ResetCompletion::read(call.body()).map_err(ApiError::field_validation)?;
    let account = call.api.accounts.complete_reset(CENTRAL, form).await.map_err(failure::accounts)?;
    call.cloud()?.spread(&account).await;
    Ok(Reply::message(call.now, "Password has been reset successfully"))
}
