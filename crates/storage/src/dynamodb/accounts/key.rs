//! Where accounts stand.

use togglebox_auth::{KeyHash, Role};
use togglebox_core::{TenantId, Timestamp};
use uuid::Uuid;

use super::super::key::{Key, hex};

const HEAD: &str = "META";

fn one(tenant: TenantId, what: &str, name: impl std::fmt::Display) -> Key {
    Key::new(format!("T#{tenant}#{what}#{name}"), HEAD)
}

/// How far the accounts have counted.
pub(in super::super) fn head(tenant: TenantId) -> Key {
    Key::new(format!("T#{tenant}#ACCOUNTS"), HEAD)
}

pub(super) fn user(tenant: TenantId, id: Uuid) -> Key {
    one(tenant, "USER", id)
}

/// Whose an address is.
pub(super) fn email(tenant: TenantId, email_key: &str) -> Key {
    one(tenant, "EMAIL", email_key)
}

/// The list of all users, or of those with a role.
pub(super) fn users(tenant: TenantId, role: Option<Role>) -> String {
    role.map_or_else(|| format!("T#{tenant}#USERS"), |role| format!("T#{tenant}#USERS#{}", role.as_str()))
}

/// The sort key of lists: newest first, then by id.
pub(super) fn newest_first(created_at: Timestamp, id: Uuid) -> String {
    // Never negative, and as wide as the largest.
    let age = i64::MAX.abs_diff(created_at.as_ms());
    format!("{age:020}#{id}")
}

pub(super) fn api_key(tenant: TenantId, hash: &KeyHash) -> Key {
    one(tenant, "KEYHASH", hex(&hash.0))
}

/// Where the key with this id is.
pub(super) fn api_key_id(tenant: TenantId, id: Uuid) -> Key {
    one(tenant, "KEY", id)
}

/// The list of a user's keys.
pub(super) fn api_keys(tenant: TenantId, owner: Uuid) -> String {
    format!("T#{tenant}#KEYS#{owner}")
}

pub(super) fn session(tenant: TenantId, id: Uuid) -> Key {
    one(tenant, "SESSION", id)
}

/// Which sessions a user has.
pub(super) fn session_list(tenant: TenantId, owner: Uuid) -> Key {
    one(tenant, "SESSIONS", owner)
}

pub(super) fn reset(tenant: TenantId, token_hash: &[u8; 32]) -> Key {
    one(tenant, "RESET", hex(token_hash))
}

pub(super) fn attempts(tenant: TenantId, subject: &str) -> Key {
    one(tenant, "ATTEMPTS", subject)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_newer_comes_first(a in -1_000_000_000_000..2_000_000_000_000_i64, b in -1_000_000_000_000..2_000_000_000_000_i64) {
            let key = |ms| newest_first(Timestamp::from_ms(ms), Uuid::nil());
            prop_assert_eq!(b.cmp(&a), key(a).cmp(&key(b)));
        }
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let (tenant, nil) = (TenantId::DEFAULT, Uuid::nil());
        for (key, name) in [
            (user(tenant, nil), format!("USER#{nil}")),
            (email(tenant, "ann@example.com"), "EMAIL#ann@example.com".to_owned()),
            (api_key(tenant, &KeyHash([0xab; 32])), format!("KEYHASH#{}", "ab".repeat(32))),
            (api_key_id(tenant, nil), format!("KEY#{nil}")),
            (session(tenant, nil), format!("SESSION#{nil}")),
            (session_list(tenant, nil), format!("SESSIONS#{nil}")),
            (reset(tenant, &[1; 32]), format!("RESET#{}", "01".repeat(32))),
            (attempts(tenant, "ann"), "ATTEMPTS#ann".to_owned()),
        ] {
            assert_eq!(key, Key::new(format!("T#{nil}#{name}"), "META"));
        }
        assert_eq!(users(tenant, Some(Role::Viewer)), format!("T#{nil}#USERS#viewer"));
    }
}
