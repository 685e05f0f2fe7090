//! What the libraries' errors are called on the wire: one place per library.

use std::error::Error as StdError;

use togglebox_auth::AccountError;
use togglebox_core::{StoreError, StoreErrorKind};
use togglebox_toggles::manage::{Action, Error, Resource};

use crate::error::{ApiError, Code};

/// A store's error that no service made anything of.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(crate) fn store(error: StoreError) -> ApiError {
    match error.kind() {
        StoreErrorKind::InvalidCursor => page_token(),
        StoreErrorKind::Conflict { current } => conflict(current.get()),
        StoreErrorKind::TooLarge { limit } => {
            ApiError::new(Code::PayloadTooLarge, format!("It is too large to be stored: the store takes {limit} bytes at most"))
        }
        StoreErrorKind::Unavailable => {
            tracing::warn!(error = &error as &(dyn StdError + 'static), "The store is unavailable");
            ApiError::unavailable()
        }
        _ => {
            tracing::error!(error = &error as &(dyn StdError + 'static), "The store failed in {}", error.operation());
            ApiError::internal()
        }
    }
}

/// A token that this list did not make.
pub(crate) fn page_token() -> ApiError {
    let line = "nextToken: not a token of this list with these filters; leave it out to begin at the start";
    ApiError::new(Code::InvalidPageToken, "Invalid pagination token").with_lines(vec![line.to_owned()])
}

pub(crate) fn conflict(current: u64) -> ApiError {
    ApiError::new(Code::Conflict, "It has been changed by someone else in the meantime. Read it again and repeat the change.")
        .with_meta("currentRevision", current)
}

/// An error of managing platforms, environments, parameters, flags and experiments.
pub(crate) fn manage(error: Error) -> ApiError {
    match error {
        Error::Invalid(issues) => ApiError::validation(&issues),
        Error::NotFound(resource) => missing(&resource),
        Error::AlreadyExists(resource) => ApiError::new(Code::AlreadyExists, taken(&resource)),
        Error::Conflict { current } => conflict(current.get()),
        Error::Status { status, action } => ApiError::new(Code::InvalidStatus, Action::refusal(action, status)),
        Error::UnknownVariation(key) => ApiError::new(Code::BadRequest, format!("Unknown variation key: {key}")),
        Error::LimitReached(limit) => {
            let message = format!("Maximum parameters limit reached ({limit})");
            let line = format!("This environment already holds {limit} active parameters: delete some first");
            ApiError::new(Code::LimitExceeded, message).with_lines(vec![line])
        }
        Error::Store(error) => store(error),
        // A kind of error that this version does not know is one that nobody thought of a status for.
        other => {
            tracing::error!(error = &other as &(dyn StdError + 'static), "An operation failed");
            ApiError::internal()
        }
    }
}

fn missing(resource: &Resource) -> ApiError {
    let message = match resource {
        Resource::Platform(_) => "Platform not found".to_owned(),
        Resource::Environment(scope) => return no_environment(scope.platform.as_str(), scope.environment.as_str()),
        Resource::Parameter(scope, key) => format!("Parameter {key} not found in {scope}"),
        Resource::ParameterVersion(_, key, version) => format!("Version {version} not found for parameter {key}"),
        Resource::Flag(_, key) => format!("Feature flag not found: {key}"),
        Resource::FlagVersion(_, _, version) => format!("Feature flag version {version} not found"),
        Resource::Experiment(_, key) => format!("Experiment not found: {key}"),
        other => format!("{other} not found"),
    };
    ApiError::not_found(message)
}

fn taken(resource: &Resource) -> String {
    match resource {
        Resource::Platform(name) => format!("Platform {name} already exists"),
        Resource::Environment(scope) => {
            format!("Environment {} already exists for platform {}", scope.environment, scope.platform)
        }
        Resource::Parameter(scope, key) => format!("Parameter {key} already exists in {scope}"),
        Resource::Flag(scope, key) => format!("Feature flag {key} already exists in {scope}"),
        Resource::Experiment(scope, key) => format!("Experiment {key} already exists in {scope}"),
        other => format!("{other} already exists"),
    }
}

/// Something was to be made in an environment that is not there.
pub(crate) fn no_environment(platform: &str, environment: &str) -> ApiError {
    ApiError::not_found(format!("Environment '{environment}' not found in platform '{platform}'"))
}

/// An error of accounts.
pub(crate) fn accounts(error: AccountError) -> ApiError {
    match error {
        AccountError::RegistrationClosed => ApiError::new(Code::RegistrationDisabled, "Registration is disabled: ask an admin"),
        AccountError::EmailTaken => ApiError::new(Code::AlreadyExists, "User with this email already exists"),
        AccountError::InvalidCredentials => ApiError::new(Code::InvalidCredentials, "Invalid email or password"),
        AccountError::WrongPassword => ApiError::new(Code::WrongPassword, "Current password is incorrect"),
        AccountError::Locked { retry_after } => {
            // Rounded up: a client that waits as long as it is told is let in.
            let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
            ApiError::new(Code::TooManyAttempts, "Too many failed sign-ins: try again later")
                .with_meta("retryAfter", seconds)
                .retry_after(seconds)
        }
        AccountError::SessionEnded => ApiError::new(Code::Unauthorized, "The session has ended: sign in again"),
        AccountError::UserNotFound => ApiError::not_found("User not found"),
        AccountError::SelfDemotion => {
            ApiError::new(Code::Forbidden, "Cannot demote yourself. Ask another admin to change your role.")
        }
        AccountError::SelfDeletion => ApiError::new(Code::Forbidden, "Cannot delete yourself. Ask another admin to do it."),
        AccountError::LastAdmin => {
            ApiError::new(Code::LastAdmin, "Cannot demote the last admin user. Promote another user to admin first.")
        }
        AccountError::KeyNotFound => ApiError::not_found("API key not found"),
        AccountError::NotYourKey => ApiError::not_found("You do not have permission to revoke this API key"),
        AccountError::MissingPermissions(missing) => {
            ApiError::new(Code::Forbidden, format!("User does not have the following permissions: {}", missing.join(", ")))
        }
        AccountError::TooManyKeys { limit } => {
            ApiError::new(Code::LimitExceeded, format!("A user may hold {limit} API keys: revoke one first"))
        }
        AccountError::InvalidResetToken => ApiError::new(Code::InvalidResetToken, "Invalid or expired password reset token"),
        AccountError::Busy => ApiError::unavailable(),
        AccountError::Store(error) => store(error),
        other => {
            tracing::error!(error = &other as &(dyn StdError + 'static), "An operation on accounts failed");
            ApiError::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_to_be_stored_is_a_413_that_says_so() {
        let error = store(StoreError::new(StoreErrorKind::TooLarge { limit: 405_504 }, "flags.create"));
        let body: serde_json::Value = serde_json::from_slice(&error.body("now", "r-1")).unwrap();
        assert_eq!(body["code"], "PAYLOAD_TOO_LARGE");
        assert_eq!(body["error"], "It is too large to be stored: the store takes 405504 bytes at most");
        assert_eq!(Code::PayloadTooLarge.status().as_u16(), 413);
        // Also by way of the services.
        let error = StoreError::new(StoreErrorKind::TooLarge { limit: 1 }, "flags.append");
        let body: serde_json::Value = serde_json::from_slice(&manage(error.into()).body("now", "r-1")).unwrap();
        assert_eq!(body["code"], "PAYLOAD_TOO_LARGE");
    }
}
