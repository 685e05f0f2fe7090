//! The audit log.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use togglebox_core::{Actor, Revision, Timestamp};
use uuid::Uuid;

use super::fields;

/// A change. Identity: its id. Of changes of the same millisecond, the earlier one stands first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What was done.
    pub action: String,
    /// The platform, for things below one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The environment, for things inside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The key, name or id of what was changed.
    pub target: String,
    /// The state before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub before: Option<Value>,
    /// The state after.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "fields::present")]
    pub after: Option<Value>,
    /// What the write gave to its container.
    #[serde(deserialize_with = "fields::revision")]
    pub revision: Revision,
}
