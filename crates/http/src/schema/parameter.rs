//! Bodies of config parameters.

use utoipa::ToSchema;

use super::value::{ParameterKey, ValueType};

/// A parameter to be made. The keys `list` and `count` are taken by routes.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct NewParameterBody {
    parameter_key: ParameterKey,
    value_type: ValueType,
    /// The value as text: a number, `true` or `false`, or JSON, if that is its type.
    #[schema(max_length = 10000)]
    default_value: String,
    /// For people.
    #[schema(nullable = false, max_length = 500)]
    description: Option<String>,
    /// What it is shown with.
    #[schema(nullable = false, max_length = 100)]
    parameter_group: Option<String>,
}

/// A change of a parameter. What is absent stays.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct ParameterPatchBody {
    #[schema(nullable = false)]
    value_type: Option<ValueType>,
    /// The value as text: a number, `true` or `false`, or JSON, if that is its type.
    #[schema(nullable = false, max_length = 10000)]
    default_value: Option<String>,
    /// For people; `null` removes it.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// What it is shown with; `null` removes it.
    #[schema(max_length = 100)]
    parameter_group: Option<String>,
}

/// Which version of a parameter to go back to.
#[derive(ToSchema)]
pub(crate) struct RollbackBody {
    /// Its number.
    #[schema(pattern = "^[0-9]+$", example = "3")]
    version: String,
}
