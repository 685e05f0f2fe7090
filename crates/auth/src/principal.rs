//! Who is asking, and what they may do.

use togglebox_core::Actor;
use uuid::Uuid;

use crate::{ApiKey, Permission, Permissions, Role, SignedKey, TokenSession, User};

/// A person who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedInUser {
    /// As the store had the user a moment ago. The role is the store's, not the token's.
    pub user: User,
    /// The session and its token; `None` for a token of the original system.
    pub session: Option<TokenSession>,
}

/// A program that came with an API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    key: ApiKey,
    owner: User,
    permissions: Permissions,
}

impl KeyHolder {
    /// The holder of a key, and whose key it is, as the store had the user a moment ago.
    pub fn new(key: ApiKey, owner: User) -> Self {
        let granted: Permissions = key.permissions.iter().filter_map(|word| Permission::parse(word)).collect();
        Self { permissions: granted.intersection(owner.role.permissions()), key, owner }
    }

    /// The key.
    pub const fn key(&self) -> &ApiKey {
        &self.key
    }

    /// Whose key it is.
    pub const fn owner(&self) -> &User {
        &self.owner
    }
}

/// The result of authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Principal {
    /// A person who signed in.
    User(SignedInUser),
    /// A program with an API key.
    ApiKey(KeyHolder),
    /// A program with a key of the original system's second kind.
    SignedKey(SignedKey),
}

impl Principal {
    /// What the caller may do: a user what the role allows, a key what it was granted as far as its owner's role allows it now.
    pub fn permissions(&self) -> Permissions {
        match self {
            Self::User(caller) => caller.user.role.permissions(),
            Self::ApiKey(caller) => caller.permissions,
            Self::SignedKey(key) => key.permissions,
        }
    }

    /// Whether the caller may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions().contains(permission)
    }

    /// The role of a person. Keys have none: what is reserved to a role is out of their reach.
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::User(caller) => Some(caller.user.role),
            Self::ApiKey(_) | Self::SignedKey(_) => None,
        }
    }

    /// The person who signed in, for what only a person may do.
    pub const fn signed_in(&self) -> Option<&SignedInUser> {
        match self {
            Self::User(caller) => Some(caller),
            Self::ApiKey(_) | Self::SignedKey(_) => None,
        }
    }

    /// The person behind the caller: the user, or the key's owner.
    pub const fn user_id(&self) -> Option<Uuid> {
        match self {
            Self::User(caller) => Some(caller.user.id),
            Self::ApiKey(caller) => Some(caller.owner.id),
            Self::SignedKey(_) => None,
        }
    }

    /// The caller as audit records name it.
    pub fn actor(&self) -> Actor {
        match self {
            Self::User(caller) => caller.actor(),
            Self::ApiKey(caller) => Actor::api_key(caller.key.id.to_string(), caller.owner.email.as_str()),
            Self::SignedKey(key) => Actor::api_key(key.id.as_str(), Actor::SYSTEM_EMAIL),
        }
    }
}

impl SignedInUser {
    /// The user as audit records name it.
    pub fn actor(&self) -> Actor {
        actor(&self.user)
    }
}

/// A user as audit records name it.
pub(crate) fn actor(user: &User) -> Actor {
    Actor::user(user.id.to_string(), user.email.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Email, KeyHash, PasswordHash};
    use togglebox_core::{ActorKind, Revision, Timestamp};

    fn owner(role: Role) -> User {
        User {
            id: Uuid::from_u128(1),
            name: None,
            email: Email::new("ann@example.com").unwrap(),
            password: PasswordHash::new("$"),
            role,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
            tokens_valid_from: Timestamp::EPOCH,
            revision: Revision::ZERO,
        }
    }

    fn key(permissions: &[&str], role: Role) -> Principal {
        let key = ApiKey {
            id: Uuid::from_u128(2),
            user: Uuid::from_u128(1),
            name: "ci".to_owned(),
            hash: KeyHash([0; 32]),
            prefix: "tbx_live".to_owned(),
            last4: "0000".to_owned(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            expires_at: None,
            last_used_at: None,
            created_at: Timestamp::EPOCH,
        };
        Principal::ApiKey(KeyHolder::new(key, owner(role)))
    }

    #[test]
    fn a_key_never_may_more_than_its_owner_may_now() {
        let words = ["config:read", "config:write", "user:manage", "*", "nonsense"];
        let of = |role| key(&words, role).permissions();
        assert_eq!(of(Role::Admin), Permissions::of(&[Permission::ConfigRead, Permission::ConfigWrite, Permission::UserManage]));
        assert_eq!(of(Role::Developer), Permissions::of(&[Permission::ConfigRead, Permission::ConfigWrite]));
        assert_eq!(of(Role::Viewer), Permissions::of(&[Permission::ConfigRead]));
        assert_eq!(key(&["*"], Role::Admin).permissions(), Permissions::NONE, "there is no wildcard");
    }

    #[test]
    fn a_key_acts_for_its_owner_and_is_no_admin() {
        let key = key(&["config:write"], Role::Admin);
        assert_eq!((key.role(), key.user_id()), (None, Some(Uuid::from_u128(1))));
        assert!(key.signed_in().is_none() && key.may(Permission::ConfigWrite) && !key.may(Permission::ConfigRead));
        let actor = key.actor();
        assert_eq!((actor.kind, actor.email.as_str()), (ActorKind::ApiKey, "ann@example.com"));
    }
}
