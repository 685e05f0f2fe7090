//! Identity of a tenant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The owner of everything that is stored. Every port call names one first.
///
/// The open-source server has exactly one, [`TenantId::DEFAULT`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(Uuid);

impl TenantId {
    /// The only tenant of a single-tenant installation: the nil UUID.
    pub const DEFAULT: Self = Self(Uuid::nil());

    /// Wraps an id that was made elsewhere.
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// The id itself.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({self})")
    }
}

impl FromStr for TenantId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_tenant_reads_back() {
        let text = TenantId::DEFAULT.to_string();
        assert_eq!(text, "00000000-0000-0000-0000-000000000000");
        assert_eq!(text.parse::<TenantId>().unwrap(), TenantId::DEFAULT);
        assert!("acme".parse::<TenantId>().is_err());
    }
}
