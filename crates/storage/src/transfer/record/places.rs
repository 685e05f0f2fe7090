//! Where everything lives.

use serde::{Deserialize, Serialize};
use togglebox_core::{Actor, Revision, Timestamp};
use togglebox_toggles::{EnvironmentName, PlatformName};
use uuid::Uuid;

use super::fields;

/// How far a tenant has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// The changes to platforms and environments.
    #[serde(deserialize_with = "fields::revision")]
    pub directory: Revision,
    /// The changes to accounts.
    #[serde(deserialize_with = "fields::revision")]
    pub accounts: Revision,
}

/// A platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Platform {
    /// Its name: its identity.
    pub name: PlatformName,
    /// Its id; unique.
    pub id: Uuid,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Actor>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The directory's revision at its last change.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
}

/// An environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Its id: its identity, and what its contents name.
    pub id: Uuid,
    /// The platform's name.
    pub platform: PlatformName,
    /// Its name; unique within the platform.
    pub name: EnvironmentName,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Actor>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The directory's revision at its last change.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
    /// How far its contents have counted.
    #[serde(deserialize_with = "fields::revision")]
    pub contents_revision: Revision,
    /// When its contents were last changed.
    pub changed_at: Timestamp,
}
