//! Signing in and out, registering, and lost passwords.

use secrecy::ExposeSecret as _;
use serde::Serialize;
use togglebox_auth::SignedIn;
use togglebox_auth::input::{Login, Registration, ResetCompletion, ResetRequest, ResetToken};
use togglebox_ratelimit::Subject;
use utoipa::ToSchema;

use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::failure;
use crate::reply::{Reply, envelope};
use crate::route::{Access, Route, RouteClass, handler};
use crate::schema::{LoginBody, RegisterBody, ResetCompleteBody, ResetRequestBody, ResetTokenBody};
use crate::view::{LoginView, UserView};

/// Whose password a reset token would set.
#[derive(Serialize, ToSchema)]
struct ResetTarget<'a> {
    /// `true`.
    valid: bool,
    email: &'a str,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/auth/register", "register", Access::Open, handler!(register))
            .class(RouteClass::Register)
            .about("Makes an account for a viewer")
            .small()
            .uncached()
            .takes::<RegisterBody>()
            .status(201)
            .one::<UserView<'_>>()
            .errors(&[403, 409]),
        Route::post("/api/v1/auth/login", "login", Access::Open, handler!(login))
            .class(RouteClass::Login)
            .about("Signs a user in")
            .small()
            .uncached()
            .takes::<LoginBody>()
            .one::<LoginView<'_>>()
            .errors(&[401, 429]),
        Route::post("/api/v1/auth/refresh", "refresh", Access::User, handler!(refresh))
            .stays_open()
            .about("Replaces the token by a new one")
            .small()
            .uncached()
            .one::<LoginView<'_>>()
            .errors(&[404]),
        Route::post("/api/v1/auth/logout", "logout", Access::User, handler!(logout))
            .stays_open()
            .about("Ends the session")
            .small()
            .uncached()
            .message(),
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
            .about("Sets a new password")
            .small()
            .uncached()
            .takes::<ResetCompleteBody>()
            .message(),
    ]
}

async fn register(call: Call) -> Result<Reply> {
    let form = Registration::read(call.body()).map_err(ApiError::field_validation)?;
    let user = call.api.accounts.register(call.tenant, form).await.map_err(failure::accounts)?;
    Ok(Reply::created(call.now, &UserView::from(&user)))
}

async fn login(call: Call) -> Result<Reply> {
    let form = Login::read(call.body()).map_err(ApiError::field_validation)?;
    let signed_in = call.api.accounts.login(call.tenant, form).await.map_err(failure::accounts)?;
    Ok(signed_in_reply(&call, &signed_in))
}

async fn refresh(call: Call) -> Result<Reply> {
    let signed_in = call.api.accounts.refresh(call.tenant, call.user()?, None).await.map_err(failure::accounts)?;
    Ok(signed_in_reply(&call, &signed_in))
}

fn signed_in_reply(call: &Call, signed_in: &SignedIn) -> Reply {
    let view = LoginView { user: UserView::from(&signed_in.user), token: signed_in.token.expose_secret() };
    Reply::data(call.now, &view)
}

async fn logout(call: Call) -> Result<Reply> {
    call.api.accounts.logout(call.tenant, call.user()?).await.map_err(failure::accounts)?;
    Ok(Reply::message(call.now, "Signed out"))
}

pub(crate) async fn request_reset(call: Call) -> Result<Reply> {
    let form = ResetRequest::read(call.body()).map_err(ApiError::field_validation)?;
    // A mailbox is not to be filled from many addresses either; whether there is such an account makes no difference.
    if let Some(limits) = &call.api.limits {
        let class = RouteClass::PasswordReset;
        let subject = Subject::of(class.as_str()).account(form.email.as_str());
        // How it stands is told only to those whom it denies: how often others have asked for it is nobody's business.
        let (passed, told) = limits.pass(class, &subject).await;
        passed.map_err(|error| error.telling(told))?;
    }
    call.api.accounts.request_reset(call.tenant, form);
    Ok(Reply::message(call.now, "If the email exists, a password reset link has been sent"))
}

pub(crate) async fn verify_reset(call: Call) -> Result<Reply> {
    let token = ResetToken::read(call.body()).map_err(ApiError::field_validation)?;
    let email = call.api.accounts.verify_reset(call.tenant, &token).await.map_err(failure::accounts)?;
    let target = ResetTarget { valid: true, email: email.as_str() };
    let body = envelope(Some(&target), Some("Token is valid"), None::<&()>, call.now);
    Ok(Reply::json(actix_web::http::StatusCode::OK, body))
}

async fn complete_reset(call: Call) -> Result<Reply> {
    let form = ResetCompletion::read(call.body()).map_err(ApiError::field_validation)?;
    call.api.accounts.complete_reset(call.tenant, form).await.map_err(failure::accounts)?;
    Ok(Reply::message(call.now, "Password has been reset successfully"))
}
