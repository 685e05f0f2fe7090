//! Users and API keys.

use serde::Serialize;
use togglebox_auth::{ApiKey, User};
use togglebox_core::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

/// A user, as others may see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserView<'a> {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<&'a str>,
    email: &'a str,
    /// `admin`, `developer` or `viewer`.
    role: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> From<&'a User> for UserView<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id,
            name: user.name.as_deref(),
            email: user.email.as_str(),
            role: user.role.as_str(),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A signed-in user and the token to show from now on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Login)]
pub(crate) struct LoginView<'a> {
    pub(crate) user: UserView<'a>,
    /// For `Authorization: Bearer`.
    pub(crate) token: &'a str,
}

/// An API key, without the key itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyView<'a> {
    id: Uuid,
    name: &'a str,
    key_prefix: &'a str,
    key_last4: &'a str,
    permissions: &'a [String],
    /// `null` when it never expires.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    expires_at: Option<Timestamp>,
    /// `null` when it was never used.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    last_used_at: Option<Timestamp>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> From<&'a ApiKey> for ApiKeyView<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id,
            name: &key.name,
            key_prefix: &key.prefix,
            key_last4: &key.last4,
            permissions: &key.permissions,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            created_at: key.created_at,
        }
    }
}

/// A new API key: the only answer that ever shows the key.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub(crate) struct CreatedApiKeyView<'a> {
    #[serde(flatten)]
    pub(crate) record: ApiKeyView<'a>,
    /// The key.
    pub(crate) key: &'a str,
}
