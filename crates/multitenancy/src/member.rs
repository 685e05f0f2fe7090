//! People who belong to a tenant.

use std::fmt;

use togglebox_core::{Email, Revision, TenantId, Timestamp};
use uuid::Uuid;

/// What a member may do in the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MemberRole {
    /// Everything, the members included.
    Admin,
    /// Change configs, flags and experiments.
    Developer,
    /// Look.
    Viewer,
}

impl MemberRole {
    /// The words of the wire, each with its role.
    pub const WORDS: [(&'static str, Self); 3] =
        [("admin", Self::Admin), ("developer", Self::Developer), ("viewer", Self::Viewer)];

    /// Its word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Developer => "developer",
            Self::Viewer => "viewer",
        }
    }

    /// The role that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, role)| *role)
    }
}

impl fmt::Display for MemberRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody with an account, as a tenant's books need to know them. Accounts are another crate's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account's id.
    pub user: Uuid,
    /// Its address, which must have been proven to be theirs.
    pub email: Email,
}

/// One person in one tenant.
///
/// The tenant's owner is always a member, and an admin: so a tenant never runs out of admins, and there is no rule about the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Of which tenant.
    pub tenant: TenantId,
    /// The account's id.
    pub user: Uuid,
    /// The address under which they joined.
    pub email: Email,
    /// What they may do.
    pub role: MemberRole,
    /// Since when.
    pub joined_at: Timestamp,
    /// The revision that the last write to it gave to the register of all tenants.
    pub version: Revision,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for (word, role) in MemberRole::WORDS {
            assert_eq!((MemberRole::parse(word), role.as_str()), (Some(role), word));
        }
        assert_eq!(MemberRole::parse("owner"), None, "who owns a tenant is not a matter of role");
    }
}
