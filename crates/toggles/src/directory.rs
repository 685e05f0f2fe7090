//! Platforms and their environments.

use std::collections::BTreeMap;

use togglebox_core::{Actor, Revision, Timestamp};
use uuid::Uuid;

use crate::{EnvironmentName, PlatformName, Scope};

/// A product or front end that is configured: the upper of the two levels.
#[derive(Clone, Debug, PartialEq)]
pub struct Platform {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique within the tenant; cannot be changed.
    pub name: PlatformName,
    /// At most 500 UTF-16 units.
    pub description: Option<String>,
    /// Who made it; absent for platforms imported without an author.
    pub created_by: Option<Actor>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The directory's revision at its last change.
    pub revision: Revision,
}

/// A stage of a platform: what configs, flags and experiments live in.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    /// Its id. A deleted and re-created environment has another one.
    pub id: Uuid,
    /// The platform's name.
    pub platform: PlatformName,
    /// Its name, unique within the platform; cannot be changed.
    pub name: EnvironmentName,
    /// At most 500 UTF-16 units.
    pub description: Option<String>,
    /// Who made it; absent for environments imported without an author.
    pub created_by: Option<Actor>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The directory's revision at its last change (of the environment's own record, not of what lives in it).
    pub revision: Revision,
}

impl Environment {
    /// Where it is.
    pub fn scope(&self) -> Scope {
        Scope::new(self.platform.clone(), self.name.clone())
    }
}

/// All platforms and environments of a tenant at one revision.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// Counts the changes to platforms and environments.
    pub revision: Revision,
    /// Every platform, by name.
    pub platforms: BTreeMap<PlatformName, Platform>,
    /// Every environment, by place.
    pub environments: BTreeMap<Scope, Environment>,
}

impl Directory {
    /// The environments of `platform`, by name.
    pub fn environments_of<'a>(&'a self, platform: &'a str) -> impl Iterator<Item = &'a Environment> + 'a {
        self.environments.values().filter(move |environment| environment.platform.as_str() == platform)
    }
}
