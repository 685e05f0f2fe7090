//! Users, their addresses and password hashes.

use std::fmt;

use togglebox_core::input::is_email;
use togglebox_core::{Revision, Timestamp};
use uuid::Uuid;

use crate::Role;

/// A text that is not an e-mail address of 5 to 255 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("email must be an e-mail address of 5 to 255 characters")]
pub struct InvalidEmail;

/// An e-mail address as its owner writes it. Two addresses that differ in case only are one account: see [`key`](Self::key).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Takes `text` without the white space around it.
    ///
    /// # Errors
    /// [`InvalidEmail`].
    pub fn new(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        if (5..=255).contains(&text.len()) && is_email(text) { Ok(Self(text.to_owned())) } else { Err(InvalidEmail) }
    }

    /// As its owner writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: what accounts are found by, and unique in.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({:?})", self.0)
    }
}

/// A password hash in its standard text form (`$argon2id$…`, `$2b$…`). Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a hash.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
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
    fn case_does_not_make_another_account() {
        let (a, b) = (Email::new(" Ann@Example.com ").unwrap(), Email::new("ann@example.com").unwrap());
        assert_eq!(a.key(), b.key());
        assert_eq!(a.as_str(), "Ann@Example.com");
        assert!(Email::new("a@b").is_err());
    }

    #[test]
    fn a_hash_is_never_shown() {
        assert!(!format!("{:?}", PasswordHash::new("$argon2id$secret")).contains("secret"));
    }
}
