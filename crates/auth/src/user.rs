//! Users and their password hashes.

use std::fmt;

use togglebox_core::{Email, Revision, Timestamp};
use uuid::Uuid;

use crate::Role;

/// A password hash in its standard text form (`$argon2id$…`, `$2b$…`). Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a hash.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash of no password: nobody signs in with any, until one is set.
    pub fn none() -> Self {
        Self("!".to_owned())
    }

    /// The hash, for verification and storage.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// A random UUID.
    pub id: Uuid,
    /// 1 to 100 UTF-16 units; imported accounts may have none.
    pub name: Option<String>,
    /// Unique without regard to case.
    pub email: Email,
    /// Of the current password.
    pub password: PasswordHash,
    /// What the user may do.
    pub role: Role,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Tokens without a session (those of the original system) that were issued before this moment are void: moved on every change
    /// of password or role. Tokens with a session end with their session.
    pub tokens_valid_from: Timestamp,
    /// The accounts' revision at the user's last change.
    pub revision: Revision,
}

/// A permission to set a new password, sent by mail. Only the hash of its token is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordReset {
    /// SHA-256 of the token that was mailed.
    pub token_hash: [u8; 32],
    /// Whose password.
    pub user: Uuid,
    /// Void from this moment on.
    pub expires_at: Timestamp,
    /// When it was asked for.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_never_shown() {
        assert!(!format!("{:?}", PasswordHash::new("$argon2id$secret")).contains("secret"));
    }
}
