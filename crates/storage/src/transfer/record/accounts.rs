//! Accounts and their keys.

use serde::{Deserialize, Serialize};
use togglebox_auth::{Email, KeyHash, PasswordHash, Role};
use togglebox_core::{Revision, Timestamp};
use uuid::Uuid;

use super::fields;

/// An account. Identity: its id; its address is unique without regard to case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    #[serde(with = "fields::email")]
    pub email: Email,
    /// The hash of its password: argon2id, or bcrypt of the original; or that of none.
    #[serde(with = "fields::password")]
    pub password: PasswordHash,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Tokens without a session that are older are void.
    pub tokens_valid_from: Timestamp,
    /// The accounts' revision at its last change.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
}

/// An API key. Identity: its id; its hash is unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// Its owner's id.
    pub user: Uuid,
    /// For people.
    pub name: String,
    /// What it is found by: under the secret of the source, or the plain SHA-256 of the original.
    #[serde(with = "fields::key_hash")]
    pub hash: KeyHash,
    /// The key's first characters.
    pub prefix: String,
    /// The key's last characters.
    pub last4: String,
    /// What it may do.
    pub permissions: Vec<String>,
    /// Void from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}
