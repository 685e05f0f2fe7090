//! The one table of roles and permissions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May do everything.
    Admin,
    /// May change configs, flags and experiments, and make keys.
    Developer,
    /// May look.
    Viewer,
}

impl Role {
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

    /// What it may do: the one table.
    pub const fn permissions(self) -> Permissions {
        use Permission as P;
        match self {
            Self::Admin => Permissions::ALL,
            Self::Developer => Permissions::of(&[
                P::ConfigRead,
                P::ConfigWrite,
                P::ConfigUpdate,
                P::ConfigDelete,
                P::CacheInvalidate,
                P::PlatformRead,
                P::EnvironmentRead,
                P::ApiKeyManage,
                P::MemberRead,
            ]),
            Self::Viewer => Permissions::of(&[P::ConfigRead, P::PlatformRead, P::EnvironmentRead, P::MemberRead]),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// One thing that a caller may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Permission {
            $($(#[$doc])* $name,)*
        }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }
    };
}

permissions! {
    /// Read configs, flags, experiments and their figures.
    ConfigRead = "config:read",
    /// Make and change platforms, environments, configs, flags and experiments.
    ConfigWrite = "config:write",
    /// Kept for clients that ask for it; no route needs it.
    ConfigUpdate = "config:update",
    /// Delete configs, flags and experiments.
    ConfigDelete = "config:delete",
    /// Purge caches in front of the API.
    CacheInvalidate = "cache:invalidate",
    /// Kept for clients that ask for it; no route needs it.
    PlatformRead = "platform:read",
    /// Kept for clients that ask for it; no route needs it.
    EnvironmentRead = "environment:read",
    /// Make and revoke one's own API keys through the management routes.
    ApiKeyManage = "apikey:manage",
    /// Manage users.
    UserManage = "user:manage",
    /// See the members of a workspace.
    MemberRead = "member:read",
    /// Invite members to a workspace.
    MemberInvite = "member:invite",
    /// Change the members of a workspace.
    MemberManage = "member:manage",
    /// Remove members from a workspace.
    MemberRemove = "member:remove",
}

impl Permission {
    /// The permission that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == word)
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u32);

impl Permissions {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self::of(Permission::ALL);

    /// The set of these.
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < permissions.len() {
            bits |= permissions[i].bit();
            i += 1;
        }
        Self(bits)
    }

    /// Whether it holds `permission`.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// What both sets hold.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its members, in the order of [`Permission::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |bits, permission| bits | permission.bit()))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.as_str()), Some(*permission));
        }
        assert_eq!(Permission::parse("*"), None, "there is no wildcard");
        assert_eq!(Role::parse("king"), None);
    }

    #[test]
    fn each_role_may_do_what_the_next_lower_may() {
        let [admin, developer, viewer] = [Role::Admin, Role::Developer, Role::Viewer].map(Role::permissions);
        assert_eq!(admin.intersection(developer), developer);
        assert_eq!(developer.intersection(viewer), viewer);
        assert!(developer.contains(Permission::ConfigDelete) && developer.contains(Permission::ApiKeyManage));
        assert!(!developer.contains(Permission::UserManage));
        assert!(!viewer.contains(Permission::ConfigWrite));
    }
}
