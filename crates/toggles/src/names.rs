//! Names and keys. The only way in is a constructor that checks.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The most characters of a key. The contract knows no limit, but what cannot stand in an address can never be read or deleted again,
/// and no event may name it.
pub(crate) const MAX_KEY: usize = 512;

/// A text that is not a name or key of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidName {
    what: &'static str,
    rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(SmolStr);

        impl $name {
            /// Takes `text` as it is.
            ///
            /// # Errors
            /// [`InvalidName`] when `text` breaks the rule.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(text) { Ok(Self(text.into())) } else { Err(InvalidName { what: $what, rule: $rule }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:?})"), self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// Name of a platform: 1 to 100 letters, digits, hyphens and underscores.
    PlatformName,
    "platform",
    "1 to 100 letters, digits, hyphens or underscores",
    is_place
);
name!(
    /// Name of an environment: 1 to 100 letters, digits, hyphens and underscores.
    EnvironmentName,
    "environment",
    "1 to 100 letters, digits, hyphens or underscores",
    is_place
);
name!(
    /// Key of a config parameter: 1 to 256 letters, digits, hyphens and underscores, beginning with a letter.
    ParameterKey,
    "parameterKey",
    "1 to 256 letters, digits, hyphens or underscores, beginning with a letter",
    |text| text.len() <= 256 && starts_with(text, |b| b.is_ascii_alphabetic()) && text.bytes().all(is_place_byte)
);
name!(
    /// Key of a flag: 1 to 512 lower-case letters, digits, hyphens and underscores, beginning with a letter.
    FlagKey,
    "flagKey",
    "1 to 512 lower-case letters, digits, hyphens or underscores, beginning with a letter",
    is_lower_key
);
name!(
    /// Key of an experiment: 1 to 512 lower-case letters, digits, hyphens and underscores, beginning with a letter.
    ExperimentKey,
    "experimentKey",
    "1 to 512 lower-case letters, digits, hyphens or underscores, beginning with a letter",
    is_lower_key
);
name!(
    /// Key of a variation: 1 to 512 lower-case letters, digits, hyphens and underscores, beginning with a letter.
    VariationKey,
    "variationKey",
    "1 to 512 lower-case letters, digits, hyphens or underscores, beginning with a letter",
    is_lower_key
);

fn is_place(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(is_place_byte)
}

fn is_place_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_lower_key(text: &str) -> bool {
    let rest = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    text.len() <= MAX_KEY && starts_with(text, |b| b.is_ascii_lowercase()) && text.bytes().all(rest)
}

fn starts_with(text: &str, accepts: impl FnOnce(u8) -> bool) -> bool {
    text.bytes().next().is_some_and(accepts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_hold() {
        assert!(PlatformName::new("Acme_2-x").is_ok());
        assert!(PlatformName::new("a/b").is_err());
        assert!(PlatformName::new("a".repeat(101)).is_err());
        assert!(EnvironmentName::new("").is_err());
        assert!(ParameterKey::new("Title-1_x").is_ok());
        assert!(ParameterKey::new("1x").is_err());
        assert!(ParameterKey::new("a".repeat(257)).is_err());
        assert!(FlagKey::new("dark-mode").is_ok());
        assert!(FlagKey::new("Dark").is_err());
        assert!(FlagKey::new("a".repeat(512)).is_ok());
        assert!(FlagKey::new("a".repeat(513)).is_err());
        assert!(VariationKey::new("buy-now").is_ok());
        assert_eq!(FlagKey::new("é").unwrap_err().to_string().split(' ').next(), Some("flagKey"));
    }
}
