//! Bodies of platforms and environments.

use serde_json::Value;
use togglebox_core::input::{Issues, Reader};

use crate::{EnvironmentName, PlatformName};

/// A platform to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPlatform {
    /// Its name.
    pub name: PlatformName,
    /// At most 500 UTF-16 units.
    pub description: Option<String>,
}

impl NewPlatform {
    /// Reads `{name, description?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let platform = root.object().and_then(|_| {
            let name = name(&root.field("name"), "Platform").and_then(|name| PlatformName::new(name).ok());
            let description = root.field("description").optional(description);
            Some(Self { name: name?, description: description? })
        });
        root.finish(platform)
    }
}

/// A change of a platform. Its name stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformPatch {
    /// The new description; absent keeps it.
    pub description: Option<String>,
}

impl PlatformPatch {
    /// Reads `{description?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        patched_description(document).map(|description| Self { description })
    }
}

/// An environment to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEnvironment {
    /// Its name.
    pub name: EnvironmentName,
    /// At most 500 UTF-16 units.
    pub description: Option<String>,
}

impl NewEnvironment {
    /// Reads `{environment, description?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        let root = Reader::new(document);
        let environment = root.object().and_then(|_| {
            let name = name(&root.field("environment"), "Environment").and_then(|name| EnvironmentName::new(name).ok());
            let description = root.field("description").optional(description);
            Some(Self { name: name?, description: description? })
        });
        root.finish(environment)
    }
}

/// A change of an environment. Its name stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentPatch {
    /// The new description; absent keeps it.
    pub description: Option<String>,
}

impl EnvironmentPatch {
    /// Reads `{description?}`.
    ///
    /// # Errors
    /// Every problem.
    pub fn read(document: Option<&Value>) -> Result<Self, Issues> {
        patched_description(document).map(|description| Self { description })
    }
}

fn patched_description(document: Option<&Value>) -> Result<Option<String>, Issues> {
    let root = Reader::new(document);
    let patch = root.object().and_then(|_| root.field("description").optional(description));
    root.finish(patch)
}

fn name<'v>(place: &Reader<'v>, what: &str) -> Option<&'v str> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    place
        .text()
        .min(1, format!("{what} name is required"))
        .max(100, format!("{what} name must be 100 characters or less"))
        .check(
            |text| !text.is_empty() && text.bytes().all(is_name_byte),
            format!("{what} name can only contain letters, numbers, hyphens, and underscores"),
        )
        .get()
}

fn description(place: &Reader<'_>) -> Option<String> {
    place.text().max(500, "Description must be 500 characters or less").owned()
}
