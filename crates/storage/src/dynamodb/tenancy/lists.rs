//! Lists of a tenant: entries in the order in which things came, each leading to an item.

use std::collections::BTreeSet;

use togglebox_core::{Page, PageRequest, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::item::{Attributes, Draft, Item};
use super::super::key::Key;
use super::super::store::Range;
use super::key;
use crate::cursor::List;
use crate::position;

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
        let after: Option<[i64; 3]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let after = after.map(|[at, high, low]| key::oldest_first(Timestamp::from_ms(at), position::id([high, low])));
        let mut patience = self.patience();
        // One more than the page holds tells whether there is another page.
        let range = Range { after, limit: Some(page.limit() + 1), ..Range::all(listing.partition.clone()) };
        let entries = self.query(operation, &mut patience, range).await?;
        let shown = &entries[..entries.len().min(page.limit())];
        let places = shown.iter().map(|entry| place(entry, operation)).collect::<StoreResult<Vec<_>>>()?;
        let last = places.last().filter(|_| entries.len() > shown.len());
        let next = last.map(|(at, id)| list.cursor(position::of_moment(at.as_ms(), id)));
        let keys: Vec<Key> = places.iter().map(|(_, id)| (listing.key)(tenant, *id)).collect();
        // What went and came again while the list was read is in it twice, and a request must not name an item twice.
        let distinct: BTreeSet<Key> = keys.iter().cloned().collect();
        let mut items = self.get_all(operation, &mut patience, distinct).await?;
        // One that is not there went after its entry was read.
        let found = keys.iter().filter_map(|key| items.remove(key));
        Ok(Page { items: found.map(|item| (listing.read)(&item, operation)).collect::<StoreResult<_>>()?, next })
    }
}

/// An entry at its place.
pub(super) fn entry(key: &Key, at: Timestamp, id: Uuid) -> Draft {
    Draft::new(key).with("id", id).with("at", at)
}

fn place(entry: &Item, operation: &'static str) -> StoreResult<(Timestamp, Uuid)> {
    let attributes = Attributes::new(entry, operation);
    Ok((attributes.get("at")?, attributes.get("id")?))
}
