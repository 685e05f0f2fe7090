//! Remote configs: typed parameters with a history.

use serde::{Deserialize, Serialize};
use togglebox_core::{Revision, Timestamp};

use crate::ParameterKey;

/// What a parameter's text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    /// The text itself.
    String,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Any JSON.
    Json,
}

impl ValueType {
    /// The words of the wire, each with its type.
    pub const WORDS: [(&'static str, Self); 4] =
        [("string", Self::String), ("number", Self::Number), ("boolean", Self::Boolean), ("json", Self::Json)];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Json => "json",
        }
    }
}

/// What a version of a parameter says. This is the document that stores keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterDefinition {
    /// How to read `default_value`.
    pub value_type: ValueType,
    /// The value as text, at most 10 000 UTF-16 units.
    pub default_value: String,
    /// At most 500 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// At most 100 UTF-16 units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_group: Option<String>,
}

/// One version of a parameter. Versions are never changed, only activated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterVersion {
    /// The parameter's key.
    pub key: ParameterKey,
    /// 1, 2, 3 and so on; never reused while the parameter lives.
    pub version: u64,
    /// What it says.
    pub definition: ParameterDefinition,
    /// Whether clients get this version. True for exactly one version of a parameter.
    pub active: bool,
    /// The author's e-mail address.
    pub created_by: String,
    /// When this version was made.
    pub created_at: Timestamp,
}

/// A parameter: its active version, and how far its history goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The version that clients get.
    pub active: ParameterVersion,
    /// The highest version number ever given. After a rollback it is above the active one's.
    pub latest_version: u64,
    /// The environment's revision at the parameter's last change.
    pub revision: Revision,
}

impl Parameter {
    /// The most active parameters that one environment may hold.
    pub const MAX_PER_ENVIRONMENT: usize = 2000;

    /// Its key.
    pub const fn key(&self) -> &ParameterKey {
        &self.active.key
    }
}
