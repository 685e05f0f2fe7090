//! Feature flags: two values, and who gets which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use togglebox_core::{Revision, Timestamp};

use crate::FlagKey;

/// The type of a flag's two values. Cannot be changed once the flag exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlagType {
    /// `true` and `false`.
    Boolean,
    /// Texts.
    String,
    /// Numbers.
    Number,
}

impl FlagType {
    /// The words of the wire, each with its type.
    pub const WORDS: [(&'static str, Self); 3] = [("boolean", Self::Boolean), ("string", Self::String), ("number", Self::Number)];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Number => "number",
        }
    }
}

/// One of a flag's two values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FlagValue {
    /// Of a boolean flag.
    Boolean(bool),
    /// Of a number flag.
    Number(serde_json::Number),
    /// Of a string flag.
    String(String),
}

impl FlagValue {
    /// The type that this value fits.
    pub const fn flag_type(&self) -> FlagType {
        match self {
            Self::Boolean(_) => FlagType::Boolean,
            Self::Number(_) => FlagType::Number,
            Self::String(_) => FlagType::String,
        }
    }
}

/// Which of the two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// The words of the wire, each with its side.
    pub const WORDS: [(&'static str, Self); 2] = [("A", Self::A), ("B", Self::B)];

    /// Its letter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// What users of a language get, within a country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LanguageRule {
    /// Two UTF-16 units, compared without regard to case.
    pub language: String,
    /// What they get.
    pub serve_value: Side,
}

/// What users of a country get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CountryRule {
    /// Two UTF-16 units, compared without regard to case.
    pub country: String,
    /// What they get, unless a language says otherwise.
    pub serve_value: Side,
    /// Exceptions by language. Absent and empty mean the same; both are shown as they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<LanguageRule>>,
}

/// Who gets which value by rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagTargeting {
    /// Rules by country; the first that matches decides.
    #[serde(default)]
    pub countries: Vec<CountryRule>,
    /// Users who always get A.
    #[serde(default)]
    pub force_include_users: Vec<String>,
    /// Users who always get B. Beats inclusion.
    #[serde(default)]
    pub force_exclude_users: Vec<String>,
}

/// What a version of a flag says. This is the document that stores keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagDefinition {
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The master switch. Off serves B.
    pub enabled: bool,
    /// The type of both values.
    pub flag_type: FlagType,
    /// The first value.
    pub value_a: FlagValue,
    /// The second value.
    pub value_b: FlagValue,
    /// Who gets which value by rule.
    pub targeting: FlagTargeting,
    /// Which value when nothing else applies.
    pub default_value: Side,
    /// Whether users whom no rule matches are split by percentage.
    pub rollout_enabled: bool,
    /// Share of A in percent, 0 to 100, fractions allowed. Absent from a document, it is 100.
    #[serde(default = "everybody")]
    pub rollout_percentage_a: f64,
    /// Share of B in percent. Shown, never evaluated: everybody who does not get A gets B.
    pub rollout_percentage_b: f64,
}

const fn everybody() -> f64 {
    100.0
}

/// Version of a flag, shown as `1.0.n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlagVersion(u64);

impl FlagVersion {
    /// `1.0.0`.
    pub const FIRST: Self = Self(0);

    /// `1.0.{patch}`.
    pub const fn from_patch(patch: u64) -> Self {
        Self(patch)
    }

    /// The last of its three numbers.
    pub const fn patch(self) -> u64 {
        self.0
    }

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for FlagVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.0.{}", self.0)
    }
}

impl FromStr for FlagVersion {
    type Err = InvalidFlagVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let patch = text.strip_prefix("1.0.").ok_or(InvalidFlagVersion)?;
        // "+5" and "05" are numbers to Rust but not how a version is written.
        let canonical = patch == "0" || (patch.bytes().all(|b| b.is_ascii_digit()) && !patch.starts_with('0'));
        if canonical { patch.parse().map(Self).map_err(|_| InvalidFlagVersion) } else { Err(InvalidFlagVersion) }
    }
}

/// A text that is not of the form `1.0.n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flag's version has the form 1.0.n")]
pub struct InvalidFlagVersion;

/// A flag at one version.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// Its key.
    pub key: FlagKey,
    /// What it says.
    pub definition: FlagDefinition,
    /// This version.
    pub version: FlagVersion,
    /// Whether clients get this version. True for exactly one version of a flag.
    pub active: bool,
    /// E-mail address of this version's author.
    pub created_by: String,
    /// When the flag (not this version) was made.
    pub created_at: Timestamp,
    /// When this version was last changed.
    pub updated_at: Timestamp,
    /// The environment's revision at this version's last change.
    pub revision: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_number() {
        let parse = |text: &str| text.parse::<FlagVersion>();
        assert!(parse("1.0.10").unwrap() > parse("1.0.9").unwrap());
        assert_eq!(parse("1.0.0").unwrap().next().to_string(), "1.0.1");
        for bad in ["1.0", "1.0.", "1.0.-1", "1.0.+1", "1.0.01", "2.0.0", "1.0.1.0", "1.0.99999999999999999999"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn documents_read_back() {
        let json = r#"{"name":"n","enabled":true,"flagType":"number","valueA":1.5,"valueB":0,"targeting":{"countries":[],
            "forceIncludeUsers":[],"forceExcludeUsers":[]},"defaultValue":"B","rolloutEnabled":false,"rolloutPercentageA":100,
            "rolloutPercentageB":0}"#;
        let definition: FlagDefinition = serde_json::from_str(json).unwrap();
        assert_eq!(definition.value_a.flag_type(), FlagType::Number);
        let text = serde_json::to_string(&definition).unwrap();
        assert_eq!(serde_json::from_str::<FlagDefinition>(&text).unwrap(), definition);
    }
}
