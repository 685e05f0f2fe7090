//! Platforms and environments.

use serde::Serialize;
use togglebox_core::{Actor, Timestamp};
use togglebox_toggles::{Environment, Platform};
use utoipa::ToSchema;
use uuid::Uuid;

/// A platform.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Platform)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlatformView<'a> {
    /// Its id.
    id: Uuid,
    /// Its name.
    name: &'a str,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<&'a str>,
    /// Id of the user who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_by: Option<&'a str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> From<&'a Platform> for PlatformView<'a> {
    fn from(platform: &'a Platform) -> Self {
        Self {
            id: platform.id,
            name: platform.name.as_str(),
            description: platform.description.as_deref(),
            created_by: platform.created_by.as_ref().map(author),
            created_at: platform.created_at,
        }
    }
}

/// An environment.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvironmentView<'a> {
    /// The platform's name.
    platform: &'a str,
    /// Its name.
    environment: &'a str,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<&'a str>,
    /// Id of the user who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    created_by: Option<&'a str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> From<&'a Environment> for EnvironmentView<'a> {
    fn from(environment: &'a Environment) -> Self {
        Self {
            platform: environment.platform.as_str(),
            environment: environment.name.as_str(),
            description: environment.description.as_deref(),
            created_by: environment.created_by.as_ref().map(author),
            created_at: environment.created_at,
        }
    }
}

/// The contract shows a user's id here (and an e-mail address elsewhere); where there is no id, the address.
fn author(actor: &Actor) -> &str {
    actor.id.as_deref().unwrap_or(&actor.email)
}
