//! Where configs, flags and experiments live.

use std::fmt;

use crate::{EnvironmentName, PlatformName};

/// One environment of one platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The platform's name.
    pub platform: PlatformName,
    /// The environment's name.
    pub environment: EnvironmentName,
}

impl Scope {
    /// The environment called `environment` of `platform`.
    pub const fn new(platform: PlatformName, environment: EnvironmentName) -> Self {
        Self { platform, environment }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.platform, self.environment)
    }
}
