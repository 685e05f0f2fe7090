//! Lists of a tenant: entries in the order in which things came, each leading to an item.

use togglebox_core::{Page, PageRequest, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::super::store::Range;
use super::key;
use crate::cursor::List;

/// What is listed.
pub(super) struct Listing<T> {
    pub(super) operation: &'static str,
    pub(super) tenant: TenantId,
    /// Of the entries.
    pub(super) partition: String,
    /// Where the item with an id is.
    pub(super) key: fn(TenantId, Uuid) -> Key,
    pub(super) read: fn(&Item, &'static str) -> StoreResult<T>,
}

impl DynamoDb {
    /// A page of what the entries of a list lead to.
    pub(super) async fn oldest_first<T>(&self, listing: &Listing<T>, page: &PageRequest) -> StoreResult<Page<T>> {
        let (operation, tenant) = (listing.operation, listing.tenant);
        let list = List::new(operation, tenant, &[]);
        let after = page.cursor().map(|cursor| list.position(cursor)).transpose()?.map(entry_at);
        let mut patience = self.patience();
        // One more than the page holds tells whether there is another page.
        let range = Range { after, limit: Some(page.limit() + 1), ..Range::all(listing.partition.clone()) };
        let entries = self.query(operation, &mut patience, range).await?;
        let shown = &entries[..entries.len().min(page.limit())];
        let positions = shown.iter().map(|entry| position(entry, operation)).collect::<StoreResult<Vec<_>>>()?;
        let next = positions.last().filter(|_| entries.len() > shown.len()).map(|last| list.cursor(*last));
        let keys: Vec<Key> = positions.iter().map(|position| (listing.key)(tenant, id_of(*position))).collect();
        let mut items = self.get_all(operation, &mut patience, keys.iter().cloned()).await?;
        // One that is not there went after its entry was read.
        let found = keys.iter().filter_map(|key| items.remove(key));
        Ok(Page { items: found.map(|item| (listing.read)(&item, operation)).collect::<StoreResult<_>>()?, next })
    }
}

/// An entry at its place.
pub(super) fn entry(key: &Key, at: Timestamp, id: Uuid) -> Draft {
    Draft::new(key).with("id", id).with("at", at)
}

fn position(entry: &Item, operation: &'static str) -> StoreResult<[i64; 3]> {
    let attributes = Attributes::new(entry, operation);
    let (at, id): (Timestamp, Uuid) = (attributes.get("at")?, attributes.get("id")?);
    let (high, low) = id.as_u64_pair();
    Ok([at.as_ms(), high.cast_signed(), low.cast_signed()])
}

const fn id_of([_, high, low]: [i64; 3]) -> Uuid {
    Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned())
}

/// The sort key of the entry at a position.
fn entry_at(position: [i64; 3]) -> String {
    key::oldest_first(Timestamp::from_ms(position[0]), id_of(position))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn positions_lead_back_to_entries(at: i64, id: u128) {
            let (at, id) = (Timestamp::from_ms(at), Uuid::from_u128(id));
            let place = Key::new("any", key::oldest_first(at, id));
            let entry = entry(&place, at, id).finish("test").unwrap();
            let position = position(&entry, "test").unwrap();
            prop_assert_eq!((id_of(position), entry_at(position)), (id, place.sk));
        }
    }
}
