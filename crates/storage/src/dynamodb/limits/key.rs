//! The keys of limits.

use togglebox_core::TenantId;
use togglebox_ratelimit::{Digest, Tag};

use super::super::key::Key;

const HEAD: &str = "META";

/// The item that the limits of a tag stand in, or a part of them. `None` for a tag that this version does not know.
///
/// Every partition begins with a tenant. What belongs to nobody, an address or an account that nobody has signed in to, stands under the
/// installation's own.
pub(super) fn shelf(tag: Tag, shard: u32) -> Option<Key> {
    let nobody = TenantId::DEFAULT;
    let pk = match tag {
        Tag::Tenant(tenant) => format!("T#{tenant}#LIMIT#{shard}"),
        Tag::Address(address) => format!("T#{nobody}#LIMIT#IP#{address}#{shard}"),
        Tag::Account(account) => format!("T#{nobody}#LIMIT#A#{account}#{shard}"),
        _ => return None,
    };
    Some(Key::new(pk, HEAD))
}

/// The item of a limit that found no room in such an item.
pub(super) fn own(shelf: &Key, slot: Digest) -> Key {
    Key::new(format!("{}#{slot}", shelf.pk), HEAD)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn keys_are_spelled_as_documented() {
        let (tenant, digest) = (TenantId::from_uuid(Uuid::from_u128(7)), Digest::of([b"x".as_slice()]));
        let nobody = "00000000-0000-0000-0000-000000000000";
        let pk = |tag, shard| shelf(tag, shard).unwrap().pk;
        assert_eq!(pk(Tag::Tenant(tenant), 0), "T#00000000-0000-0000-0000-000000000007#LIMIT#0");
        assert_eq!(pk(Tag::Address(digest), 0), format!("T#{nobody}#LIMIT#IP#{digest}#0"));
        assert_eq!(pk(Tag::Account(digest), 3), format!("T#{nobody}#LIMIT#A#{digest}#3"));
        let own = own(&shelf(Tag::Tenant(tenant), 2).unwrap(), digest);
        assert_eq!(own, Key::new(format!("T#{tenant}#LIMIT#2#{digest}"), "META"));
    }
}
