//! A document as an item.

use togglebox_billing::store::{Document, Shelf};
use togglebox_core::{StoreResult, TenantId};
use uuid::Uuid;

use super::super::item::{Attributes, Draft, Item};
use super::super::key::{Key, PK};
use super::key;

pub(super) const VERSION: &str = "version";
/// Which commit wrote it: drawn anew for each.
pub(super) const BY: &str = "by";
const LIST: &str = "list";
const AT: &str = "at";
const DUE: &str = "due";
const TENANT: &str = "tenant";
const BODY: &str = "body";

/// A document at its version.
pub(super) fn item(document: &Document, by: Uuid, operation: &'static str) -> StoreResult<Item> {
    let draft = Draft::new(&key::document(&document.address)).with(VERSION, document.version).with(BY, by);
    let draft = draft.with(LIST, &*document.list).with(AT, document.at).with(BODY, &*document.body);
    draft.maybe(DUE, document.due).maybe(TENANT, document.tenant.map(|tenant| *tenant.as_uuid())).finish(operation)
}

/// What leads to a document.
pub(super) fn entry(key: &Key, by: Uuid, operation: &'static str) -> StoreResult<Item> {
    Draft::new(key).with(BY, by).finish(operation)
}

pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Document> {
    let attributes = Attributes::new(item, operation);
    let address = Key::of(item).and_then(|key| key::address(&key.pk));
    Ok(Document {
        address: address.ok_or_else(|| attributes.unreadable(PK, "it is not that of a document"))?,
        tenant: attributes.maybe::<Uuid>(TENANT)?.map(TenantId::from_uuid),
        version: attributes.get(VERSION)?,
        list: attributes.get::<String>(LIST)?.into(),
        at: attributes.get(AT)?,
        due: attributes.maybe(DUE)?,
        body: attributes.get::<String>(BODY)?.into(),
    })
}

/// Which commit wrote an item.
pub(super) fn written_by(item: &Item, operation: &'static str) -> StoreResult<Uuid> {
    Attributes::new(item, operation).get(BY)
}

/// Which document an entry leads to.
pub(super) fn led_to(entry: &Item, shelf: Shelf, by_moment: bool, operation: &'static str) -> StoreResult<(Key, Key)> {
    let unreadable = || Attributes::new(entry, operation).unreadable(super::super::key::SK, "it leads to no document");
    let entry = Key::of(entry).ok_or_else(unreadable)?;
    let id = if by_moment { key::placed(&entry.sk).ok_or_else(unreadable)? } else { &entry.sk };
    let document = key::document(&togglebox_billing::store::Address::new(shelf, id));
    Ok((entry, document))
}

#[cfg(test)]
mod tests {
    use togglebox_billing::store::Address;
    use togglebox_core::Timestamp;

    use super::*;

    #[test]
    fn a_document_reads_back() {
        let full = Document {
            address: Address::new(Shelf::SignUp, "a#b"),
            tenant: Some(TenantId::from_uuid(Uuid::from_u128(7))),
            version: 3,
            list: "done".into(),
            at: Timestamp::from_ms(-5),
            due: Some(Timestamp::EPOCH),
            body: "{\"a\":1}".into(),
        };
        let plain = Document { tenant: None, due: None, ..full.clone() };
        for document in [full, plain] {
            let item = item(&document, Uuid::from_u128(9), "test").unwrap();
            assert_eq!(read(&item, "test").unwrap(), document);
            assert_eq!(written_by(&item, "test").unwrap(), Uuid::from_u128(9));
        }
    }
}
