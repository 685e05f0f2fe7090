//! Bodies of config parameters.

use serde_json::Value;
use togglebox_core::input::{Issue, Issues, Patch, Reader};

use super::members;
use crate::{ParameterDefinition, ParameterKey, ValueType, value};

/// Keys that clash with routes: a parameter of that name could not be fetched.
const RESERVED: [&str; 2] = ["list", "count"];

/// A parameter to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewParameter {
    /// Its key.
    pub key: ParameterKey,
    /// What it says.
    pub definition: ParameterDefinition,
}

impl NewParameter {
    /// Reads `{parameterKey, valueType, defaultValue, description?, parameterGroup?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = members(document);
        let key = key(&root.field("parameterKey"));
        let value_type = root.field("valueType").one_of(&ValueType::WORDS);
        let place = root.field("defaultValue");
        let default_value = default_value(&place);
        let description = root.field("description").optional(description);
        let parameter_group = root.field("parameterGroup").optional(group);
        if let (Some(value_type), Some(text)) = (value_type, &default_value)
            && let Some(message) = misfit(value_type, text)
        {
            place.issue(message);
        }
        let parameter = (|| {
            let definition = ParameterDefinition {
                value_type: value_type?,
                default_value: default_value?,
                description: description?,
                parameter_group: parameter_group?,
            };
            Some(Self { key: key?, definition })
        })();
        root.finish(parameter)
    }
}

/// A change of a parameter. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterPatch {
    /// How to read the value.
    pub value_type: Option<ValueType>,
    /// The value as text.
    pub default_value: Option<String>,
    /// For people; `null` removes it.
    pub description: Patch<String>,
    /// For people; `null` removes it.
    pub parameter_group: Patch<String>,
}

impl ParameterPatch {
    /// Reads any of `{valueType, defaultValue, description, parameterGroup}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = members(document);
        let value_type = root.field("valueType").optional(|word| word.one_of(&ValueType::WORDS));
        let place = root.field("defaultValue");
        let default_value = place.optional(default_value);
        let description = root.field("description").nullable(description);
        let parameter_group = root.field("parameterGroup").nullable(group);
        if let (Some(Some(value_type)), Some(Some(text))) = (value_type, &default_value)
            && let Some(message) = misfit(value_type, text)
        {
            place.issue(message);
        }
        let patch = (|| {
            Some(Self {
                value_type: value_type?,
                default_value: default_value?,
                description: description?,
                parameter_group: parameter_group?,
            })
        })();
        root.finish(patch)
    }

    /// The definition that results. A new type must fit the value that stays, and a new value the type.
    ///
    /// # Errors
    /// The value does not fit.
    pub fn apply(self, current: &ParameterDefinition) -> Result<ParameterDefinition, Issues> {
        let touched = self.value_type.is_some() || self.default_value.is_some();
        let merged = ParameterDefinition {
            value_type: self.value_type.unwrap_or(current.value_type),
            default_value: self.default_value.unwrap_or_else(|| current.default_value.clone()),
            description: self.description.apply(current.description.clone()),
            parameter_group: self.parameter_group.apply(current.parameter_group.clone()),
        };
        match misfit(merged.value_type, &merged.default_value) {
            Some(message) if touched => Err(vec![Issue::new("defaultValue", message)]),
            _ => Ok(merged),
        }
    }
}

/// Which version of a parameter to go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollbackTarget {
    /// Digits, as the client wrote them.
    pub version: String,
}

impl RollbackTarget {
    /// Reads `{version}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let target = root.object().and_then(|_| {
            let version = root.field("version");
            let version = version.text().check(is_number, r#"Version must be a numeric string (e.g., "1", "2", "3")"#).owned();
            version.map(|version| Self { version })
        });
        root.finish(target)
    }

    /// The version's number; `None` when no version is written like this (`007`, or beyond 64 bits).
    pub fn number(&self) -> Option<u64> {
        self.version.parse().ok().filter(|number: &u64| number.to_string() == self.version)
    }
}

fn key(place: &Reader<'_>) -> Option<ParameterKey> {
    let starts_well = |text: &str| text.starts_with(|c: char| c.is_ascii_alphabetic());
    let goes_on_well = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let text = place
        .text()
        .min(1, "String must contain at least 1 character(s)")
        .max(256, "String must contain at most 256 character(s)")
        .check(
            |text| starts_well(text) && goes_on_well(text),
            "Must start with a letter, containing only letters, numbers, underscores, and hyphens",
        )
        .check(|text| !RESERVED.contains(&text), "This key is reserved")
        .get()?;
    ParameterKey::new(text).ok()
}

fn default_value(place: &Reader<'_>) -> Option<String> {
    place.text().max(10_000, "String must contain at most 10000 character(s)").owned()
}

fn description(place: &Reader<'_>) -> Option<String> {
    place.text().max(500, "String must contain at most 500 character(s)").owned()
}

fn group(place: &Reader<'_>) -> Option<String> {
    place.text().max(100, "String must contain at most 100 character(s)").owned()
}

/// Why `text` is no value of the type.
fn misfit(value_type: ValueType, text: &str) -> Option<String> {
    if value::fits(value_type, text) {
        return None;
    }
    Some(match value_type {
        ValueType::Number => format!("defaultValue \"{text}\" is not a valid number"),
        ValueType::Boolean => "defaultValue must be \"true\" or \"false\" for boolean type".to_owned(),
        ValueType::Json => "defaultValue is not valid JSON".to_owned(),
        ValueType::String => "defaultValue is not valid text".to_owned(),
    })
}
