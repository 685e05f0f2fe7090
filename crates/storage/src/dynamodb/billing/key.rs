//! Where the documents of billing stand.
//!
//! Ids and names of lists may hold any character, so they stand last in a key. Moments are as wide as the largest, so that texts are in their
//! order.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use togglebox_billing::store::{Address, Document, Shelf};
use togglebox_core::TenantId;

use super::super::key::Key;

const HEAD: &str = "META";
/// How many partitions each list is spread over, by the ids of its documents.
pub(super) const SHARDS: u8 = 8;
/// What the partitions that are of no tenant begin with.
const REGISTER: &str = "REG#BILLING#";
/// The kind of documents, in partitions of a tenant.
#[cfg(any(feature = "tenancy", test))]
pub(in super::super) const BILLING: &str = "BILLING";

fn shard(id: &str) -> u8 {
    Sha256::digest(id)[0] % SHARDS
}

/// Digits in the order of moments, of milliseconds since 1970.
pub(super) fn moment(at_ms: i64) -> String {
    format!("{:020}", at_ms.abs_diff(i64::MIN))
}

/// The sort key of what is ordered by moment and then by id.
pub(super) fn place(at_ms: i64, id: &str) -> String {
    format!("{}#{id}", moment(at_ms))
}

/// The id in the sort key of what is ordered by moment.
pub(super) fn placed(sk: &str) -> Option<&str> {
    Some(sk.split_once('#')?.1)
}

fn documents() -> String {
    format!("{REGISTER}DOC#")
}

/// A document.
pub(super) fn document(address: &Address) -> Key {
    Key::new(format!("{}{}#{}", documents(), address.shelf, address.id), HEAD)
}

/// What the partition of a document says.
pub(super) fn address(pk: &str) -> Option<Address> {
    let (shelf, id) = pk.strip_prefix(&documents())?.split_once('#')?;
    Some(Address::new(Shelf::parse(shelf)?, id))
}

/// The partitions of a list.
pub(super) fn lists(shelf: Shelf, list: &str) -> Vec<String> {
    (0..SHARDS).map(|shard| in_list(shelf, shard, list)).collect()
}

fn in_list(shelf: Shelf, shard: u8, list: &str) -> String {
    format!("{REGISTER}LIST#{shelf}#{shard}#{list}")
}

/// The partitions of what is due.
pub(super) fn dues(shelf: Shelf) -> Vec<String> {
    (0..SHARDS).map(|shard| in_due(shelf, shard)).collect()
}

fn in_due(shelf: Shelf, shard: u8) -> String {
    format!("{REGISTER}DUE#{shelf}#{shard}")
}

/// The partition of what a tenant has of a shelf.
pub(super) fn of(tenant: TenantId, shelf: Shelf) -> String {
    format!("T#{tenant}#BILLING#{shelf}")
}

/// Which document an entry of a tenant leads to.
#[cfg(feature = "tenancy")]
pub(super) fn owned(key: &Key, tenant: TenantId) -> Option<Address> {
    let shelf = key.pk.strip_prefix(&format!("T#{tenant}#{BILLING}#"))?;
    Some(Address::new(Shelf::parse(shelf)?, key.sk.as_str()))
}

/// Where entries lead to a document.
pub(super) fn entries(document: &Document) -> BTreeSet<Key> {
    let Document { address: Address { shelf, id }, list, at, due, tenant, .. } = document;
    let shard = shard(id);
    let listed = Key::new(in_list(*shelf, shard, list), place(at.as_ms(), id));
    let due = due.map(|due| Key::new(in_due(*shelf, shard), place(due.as_ms(), id)));
    let owned = tenant.map(|tenant| Key::new(of(tenant, *shelf), &**id));
    [Some(listed), due, owned].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::Timestamp;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn what_is_older_comes_first(a: i64, b: i64, x in ".{1,5}", y in ".{1,5}") {
            prop_assert_eq!((a, &x).cmp(&(b, &y)), place(a, &x).cmp(&place(b, &y)));
            let place = place(a, &x);
            prop_assert_eq!(placed(&place), Some(x.as_str()));
        }

        #[test]
        fn addresses_read_back(id in ".{1,50}", shelf in 0..9_usize) {
            let one = Address::new(Shelf::ALL[shelf], id);
            prop_assert_eq!(address(&document(&one).pk), Some(one));
        }
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let tenant = TenantId::from_uuid(Uuid::from_u128(7));
        let one = Document {
            address: Address::new(Shelf::Event, "evt#1"),
            tenant: Some(tenant),
            version: 1,
            list: "to#do".into(),
            at: Timestamp::EPOCH,
            due: Some(Timestamp::from_ms(5)),
            body: "{}".into(),
        };
        assert_eq!(document(&one.address), Key::new("REG#BILLING#DOC#event#evt#1", "META"));
        let shard = shard("evt#1");
        let expected = [
            Key::new(format!("REG#BILLING#DUE#event#{shard}"), "09223372036854775813#evt#1"),
            Key::new(format!("REG#BILLING#LIST#event#{shard}#to#do"), "09223372036854775808#evt#1"),
            Key::new(format!("T#{tenant}#{BILLING}#event"), "evt#1"),
        ];
        assert_eq!(entries(&one), BTreeSet::from(expected));
        let nobodys = Document { tenant: None, due: None, ..one };
        assert_eq!(entries(&nobodys).len(), 1);
    }

    #[test]
    fn documents_are_spread_over_all_shards() {
        let shards: BTreeSet<u8> = (0..200).map(|n| shard(&n.to_string())).collect();
        assert_eq!(shards.len(), usize::from(SHARDS));
        assert_eq!(lists(Shelf::Event, "a").len(), dues(Shelf::Event).len());
    }
}
