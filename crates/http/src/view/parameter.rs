//! Config parameters.

use serde::Serialize;
use togglebox_core::Timestamp;
use togglebox_toggles::{ParameterVersion, Scope};
use utoipa::ToSchema;

/// A version of a config parameter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConfigParameter)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ParameterView<'a> {
    platform: &'a str,
    environment: &'a str,
    /// The parameter's key.
    parameter_key: &'a str,
    /// `"1"`, `"2"` and so on.
    version: String,
    /// `string`, `number`, `boolean` or `json`.
    value_type: &'a str,
    /// The value as text.
    default_value: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parameter_group: Option<&'a str>,
    /// Whether clients get this version.
    is_active: bool,
    /// The author's e-mail address.
    created_by: &'a str,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> ParameterView<'a> {
    pub(crate) fn new(scope: &'a Scope, parameter: &'a ParameterVersion) -> Self {
        let definition = &parameter.definition;
        Self {
            platform: scope.platform.as_str(),
            environment: scope.environment.as_str(),
            parameter_key: parameter.key.as_str(),
            version: parameter.version.to_string(),
            value_type: definition.value_type.as_str(),
            default_value: &definition.default_value,
            description: definition.description.as_deref(),
            parameter_group: definition.parameter_group.as_deref(),
            is_active: parameter.active,
            created_by: &parameter.created_by,
            created_at: parameter.created_at,
        }
    }
}
