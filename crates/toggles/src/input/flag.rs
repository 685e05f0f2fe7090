//! Bodies of flags.

use serde_json::Value;
use togglebox_core::input::{Issue, Issues, Reader};

use super::{Shares, any_text, key, members, targeting};
use crate::{FlagDefinition, FlagKey, FlagTargeting, FlagType, FlagValue, FlagVersion, Side};

/// A flag to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFlag {
    /// Its key.
    pub key: FlagKey,
    /// What it says.
    pub definition: FlagDefinition,
}

impl NewFlag {
    /// Reads a whole flag. A boolean flag's values are `true` and `false` unless it says otherwise; other types have no such
    /// defaults.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = members(document);
        let key: Option<FlagKey> = key(&root.field("flagKey"), "Flag");
        let name = name(&root.field("name"));
        let description = root.field("description").optional(any_text);
        let enabled = root.field("enabled").optional(Reader::boolean);
        let flag_type = root.field("flagType").optional(|word| word.one_of(&FlagType::WORDS));
        let flag_type = flag_type.map(|flag_type| flag_type.unwrap_or(FlagType::Boolean));
        let value_a = new_value(&root.field("valueA"), flag_type, true);
        let value_b = new_value(&root.field("valueB"), flag_type, false);
        let targeting = root.field("targeting").optional(targeting::of_flag);
        let default_value = root.field("defaultValue").optional(|word| word.one_of(&Side::WORDS));
        let rollout_enabled = root.field("rolloutEnabled").optional(Reader::boolean);
        let shares = Shares::read(&root, &root.field("rolloutPercentageA"));

        let flag = (|| {
            let shares = shares?.apply(Some(Shares::ALL_A))?;
            let definition = FlagDefinition {
                name: name?,
                description: description?,
                enabled: enabled?.unwrap_or_default(),
                flag_type: flag_type?,
                value_a: value_a?,
                value_b: value_b?,
                targeting: targeting?.unwrap_or_default(),
                default_value: default_value?.unwrap_or(Side::B),
                rollout_enabled: rollout_enabled?.unwrap_or_default(),
                rollout_percentage_a: shares.a,
                rollout_percentage_b: shares.b,
            };
            Some(Self { key: key?, definition })
        })();
        root.finish(flag)
    }
}

/// A change of a flag. What is absent stays; its key and type do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlagPatch {
    /// For people.
    pub name: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// The master switch.
    pub enabled: Option<bool>,
    /// The first value; must fit the flag's type.
    pub value_a: Option<FlagValue>,
    /// The second value; must fit the flag's type.
    pub value_b: Option<FlagValue>,
    /// Who gets which value by rule, as a whole.
    pub targeting: Option<FlagTargeting>,
    /// Which value when nothing else applies.
    pub default_value: Option<Side>,
    /// Whether users whom no rule matches are split.
    pub rollout_enabled: Option<bool>,
    /// The split.
    pub shares: Option<Shares>,
}

impl FlagPatch {
    /// Reads a partial flag.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = members(document);
        let name = root.field("name").optional(name);
        let description = root.field("description").optional(any_text);
        let enabled = root.field("enabled").optional(Reader::boolean);
        let value_a = root.field("valueA").optional(any_value);
        let value_b = root.field("valueB").optional(any_value);
        let targeting = root.field("targeting").optional(targeting::of_flag);
        let default_value = root.field("defaultValue").optional(|word| word.one_of(&Side::WORDS));
        let rollout_enabled = root.field("rolloutEnabled").optional(Reader::boolean);
        let shares = Shares::read(&root, &root.field("rolloutPercentageA"));
        let patch = (|| {
            Some(Self {
                name: name?,
                description: description?,
                enabled: enabled?,
                value_a: value_a?,
                value_b: value_b?,
                targeting: targeting?,
                default_value: default_value?,
                rollout_enabled: rollout_enabled?,
                shares: shares?.apply(None),
            })
        })();
        root.finish(patch)
    }

    /// The definition that results.
    ///
    /// # Errors
    /// A value does not fit the flag's type.
    pub fn apply(self, current: &FlagDefinition) -> Result<FlagDefinition, Issues> {
        let flag_type = current.flag_type;
        let values = [("valueA", &self.value_a), ("valueB", &self.value_b)];
        let misfits: Issues = values
            .into_iter()
            .filter_map(|(path, value)| Some((path, value.as_ref()?.flag_type())))
            .filter(|(_, given)| *given != flag_type)
            .map(|(path, given)| Issue::new(path, format!("Expected {}, received {}", flag_type.as_str(), given.as_str())))
            .collect();
        if !misfits.is_empty() {
            return Err(misfits);
        }
        let shares = self.shares.unwrap_or(Shares { a: current.rollout_percentage_a, b: current.rollout_percentage_b });
        Ok(FlagDefinition {
            name: self.name.unwrap_or_else(|| current.name.clone()),
            description: self.description.or_else(|| current.description.clone()),
            enabled: self.enabled.unwrap_or(current.enabled),
            flag_type,
            value_a: self.value_a.unwrap_or_else(|| current.value_a.clone()),
            value_b: self.value_b.unwrap_or_else(|| current.value_b.clone()),
            targeting: self.targeting.unwrap_or_else(|| current.targeting.clone()),
            default_value: self.default_value.unwrap_or(current.default_value),
            rollout_enabled: self.rollout_enabled.unwrap_or(current.rollout_enabled),
            rollout_percentage_a: shares.a,
            rollout_percentage_b: shares.b,
        })
    }
}

/// The master switch, to be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagToggle {
    /// Its new position.
    pub enabled: bool,
}

impl FlagToggle {
    /// Reads `{enabled}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let toggle = root.object().and_then(|_| root.field("enabled").boolean().map(|enabled| Self { enabled }));
        root.finish(toggle)
    }
}

/// A change of the split.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FlagRollout {
    /// Whether users whom no rule matches are split; absent keeps it.
    pub rollout_enabled: Option<bool>,
    /// The split; absent keeps it.
    pub shares: Option<Shares>,
}

impl FlagRollout {
    /// Reads any of `{rolloutEnabled, rolloutPercentageA, rolloutPercentageB}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let rollout = root.object().and_then(|_| {
            let rollout_enabled = root.field("rolloutEnabled").optional(Reader::boolean);
            let shares = Shares::read(&root, &root);
            Some(Self { rollout_enabled: rollout_enabled?, shares: shares?.apply(None) })
        });
        root.finish(rollout)
    }

    /// The definition that results.
    pub fn apply(&self, current: &FlagDefinition) -> FlagDefinition {
        let shares = self.shares.unwrap_or(Shares { a: current.rollout_percentage_a, b: current.rollout_percentage_b });
        FlagDefinition {
            rollout_enabled: self.rollout_enabled.unwrap_or(current.rollout_enabled),
            rollout_percentage_a: shares.a,
            rollout_percentage_b: shares.b,
            ..current.clone()
        }
    }
}

/// Which version of a flag to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagRollback {
    /// The version whose content is wanted.
    pub version: FlagVersion,
}

impl FlagRollback {
    /// Reads `{version}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let target = root.object().and_then(|_| {
            let version = root.field("version");
            let is_version = |text: &str| text.parse::<FlagVersion>().is_ok();
            let text = version.text().check(is_version, "Version must have the form 1.0.n").get()?;
            text.parse().ok().map(|version| Self { version })
        });
        root.finish(target)
    }
}

fn name(place: &Reader<'_>) -> Option<String> {
    place.text().min(1, "Name is required").owned()
}

/// A value of a new flag, of its type; only boolean flags may leave it out. When the type is not known, any value will do: the
/// document is refused anyway.
fn new_value(place: &Reader<'_>, flag_type: Option<FlagType>, absent: bool) -> Option<FlagValue> {
    let Some(flag_type) = flag_type else { return place.optional(any_value).flatten() };
    if !place.is_absent() {
        let value = any_value(place)?;
        if value.flag_type() == flag_type {
            return Some(value);
        }
        place.malformed(format!("Expected {}, received {}", flag_type.as_str(), value.flag_type().as_str()));
        return None;
    }
    if flag_type == FlagType::Boolean {
        return Some(FlagValue::Boolean(absent));
    }
    place.malformed(format!("valueA and valueB are required for {} flags", flag_type.as_str()));
    None
}

/// A truth value, text or number.
fn any_value(place: &Reader<'_>) -> Option<FlagValue> {
    match place.raw() {
        Some(Value::Bool(value)) => Some(FlagValue::Boolean(*value)),
        Some(Value::Number(value)) => Some(FlagValue::Number(value.clone())),
        Some(Value::String(value)) => Some(FlagValue::String(value.clone())),
        _ => {
            place.malformed("Invalid input");
            None
        }
    }
}
