//! What can go wrong with accounts.

use std::error::Error;
use std::time::Duration;

use togglebox_core::StoreError;

use crate::HashingError;

/// Why something was not done, told by what the caller is to be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// Strangers may not register here.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The address, in whatever case, has an account already.
    #[error("a user with this email already exists")]
    EmailTaken,
    /// No account with this address, or another password.
    #[error("the email or password is wrong")]
    InvalidCredentials,
    /// The password of the signed-in user is another one. The session is in order: not a 401.
    #[error("the current password is wrong")]
    WrongPassword,
    /// Too many wrong passwords for this address.
    #[error("the account is locked for {} seconds", retry_after.as_secs())]
    Locked {
        /// How long it still is.
        retry_after: Duration,
    },
    /// The session has ended, or its token was replaced: the caller must sign in again.
    #[error("the session has ended")]
    SessionEnded,
    /// There is no such user.
    #[error("the user was not found")]
    UserNotFound,
    /// Admins cannot take the role from themselves.
    #[error("nobody can demote themselves")]
    SelfDemotion,
    /// Nobody deletes the account that is asking.
    #[error("nobody can delete themselves")]
    SelfDeletion,
    /// Someone must be able to manage users.
    #[error("the last admin must stay one")]
    LastAdmin,
    /// The user has no such key.
    #[error("the API key was not found")]
    KeyNotFound,
    /// The key to be revoked is another user's. Answered as not found, in other words.
    #[error("the API key belongs to another user")]
    NotYourKey,
    /// A key was to be granted what its owner may not do.
    #[error("the user lacks permissions that the key was to have")]
    MissingPermissions(Vec<String>),
    /// The user holds as many keys as a user may.
    #[error("a user may hold {limit} API keys")]
    TooManyKeys {
        /// The most.
        limit: usize,
    },
    /// The reset token is unknown, used, or expired.
    #[error("the password reset token is not valid")]
    InvalidResetToken,
    /// Too many passwords are being checked. Trying again in a few seconds is right.
    #[error("too many passwords are being checked")]
    Busy,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that should not happen.
    #[error("an internal step failed")]
    Internal(#[source] Box<dyn Error + Send + Sync + 'static>),
}

impl From<HashingError> for AccountError {
    fn from(error: HashingError) -> Self {
        match error {
            HashingError::Busy => Self::Busy,
            error @ HashingError::Failed(_) => Self::Internal(Box::new(error)),
        }
    }
}
