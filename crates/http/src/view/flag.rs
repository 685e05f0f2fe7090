//! Flags.

use serde::{Serialize, Serializer};
use togglebox_core::Timestamp;
use togglebox_toggles::{Flag, FlagTargeting, FlagValue, Scope};
use utoipa::ToSchema;

use super::number;

/// A flag at one version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flag)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagView<'a> {
    platform: &'a str,
    environment: &'a str,
    flag_key: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<&'a str>,
    /// The master switch. Off serves B.
    enabled: bool,
    /// `boolean`, `string` or `number`.
    flag_type: &'a str,
    /// A value of the flag's type.
    #[schema(value_type = Value)]
    #[serde(serialize_with = "value")]
    value_a: &'a FlagValue,
    /// A value of the flag's type.
    #[schema(value_type = Value)]
    #[serde(serialize_with = "value")]
    value_b: &'a FlagValue,
    /// `{countries: [{country, serveValue, languages?: [{language, serveValue}]}], forceIncludeUsers, forceExcludeUsers}`.
    #[schema(value_type = Object)]
    targeting: &'a FlagTargeting,
    /// `A` or `B`.
    default_value: &'a str,
    rollout_enabled: bool,
    /// In percent.
    #[serde(serialize_with = "number::serialize")]
    rollout_percentage_a: f64,
    /// In percent.
    #[serde(serialize_with = "number::serialize")]
    rollout_percentage_b: f64,
    /// `1.0.n`.
    version: String,
    /// Whether clients get this version.
    is_active: bool,
    /// The author's e-mail address.
    created_by: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl<'a> FlagView<'a> {
    pub(crate) fn new(scope: &'a Scope, flag: &'a Flag) -> Self {
        let definition = &flag.definition;
        Self {
            platform: scope.platform.as_str(),
            environment: scope.environment.as_str(),
            flag_key: flag.key.as_str(),
            name: &definition.name,
            description: definition.description.as_deref(),
            enabled: definition.enabled,
            flag_type: definition.flag_type.as_str(),
            value_a: &definition.value_a,
            value_b: &definition.value_b,
            targeting: &definition.targeting,
            default_value: definition.default_value.as_str(),
            rollout_enabled: definition.rollout_enabled,
            rollout_percentage_a: definition.rollout_percentage_a,
            rollout_percentage_b: definition.rollout_percentage_b,
            version: flag.version.to_string(),
            is_active: flag.active,
            created_by: &flag.created_by,
            created_at: flag.created_at,
            updated_at: flag.updated_at,
        }
    }
}

/// A flag's value, its numbers as JavaScript writes them.
pub(crate) fn value<S: Serializer>(value: &FlagValue, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        FlagValue::Boolean(value) => serializer.serialize_bool(*value),
        FlagValue::String(value) => serializer.serialize_str(value),
        FlagValue::Number(value) => match value.as_f64().and_then(number::json) {
            // Whole numbers that are exact as they stand stay as they stand.
            Some(shown) if value.is_f64() => shown.serialize(serializer),
            _ => value.serialize(serializer),
        },
    }
}
