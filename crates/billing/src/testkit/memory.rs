//! A store in memory that keeps the promises of the port.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use togglebox_core::{Cursor, Page, PageRequest, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};

use super::BillingStores;
use crate::store::{Address, BillingStore, Committed, Document, MOST_AT_ONCE, Shelf, Write, check_addresses, check_writes};

/// Documents in memory. For tests, and for programs that need not remember.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Documents>);

type Documents = BTreeMap<Address, Document>;

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The port of an empty store: what the suite asks for.
    #[expect(clippy::unused_async, reason = "other stores need to be waited for")]
    pub async fn fresh() -> BillingStores {
        BillingStores::over(&Arc::new(Self::new()))
    }

    /// All that there is, in the order of shelves and ids. For tests that look at everything at once.
    pub fn documents(&self) -> Vec<Document> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Documents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(documents: &Documents, address: &Address) -> u64 {
    documents.get(address).map_or(0, |document| document.version)
}

/// What a list is ordered by.
type Place = (i64, Box<str>);

/// A list, by whatever tells it from others. Its cursors begin with that.
struct Listing(String);

impl Listing {
    fn cursor(&self, (at, id): &Place) -> Cursor {
        Cursor::new(format!("{}|{at}|{}|{id}", self.0, id.len()))
    }

    fn place(&self, cursor: &Cursor, operation: &'static str) -> StoreResult<Place> {
        let parse = || {
            let rest = cursor.as_str().strip_prefix(&self.0)?.strip_prefix('|')?;
            let (at, rest) = rest.split_once('|')?;
            let (length, id) = rest.split_once('|')?;
            // A text that was cut off is none of ours.
            let is_whole = length.parse() == Ok(id.len());
            Some((at.parse().ok()?, Box::from(id))).filter(|_| is_whole)
        };
        parse().ok_or_else(|| StoreError::new(StoreErrorKind::InvalidCursor, operation))
    }
}

/// A page of `items`, each at its place, which is in their order.
fn page_of(items: Vec<(Place, Document)>, listing: &Listing, page: &PageRequest) -> Page<Document> {
    let more = items.len() > page.limit();
    let next = items.get(page.limit() - 1).filter(|_| more).map(|(place, _)| listing.cursor(place));
    Page { items: items.into_iter().take(page.limit()).map(|(_, document)| document).collect(), next }
}

#[async_trait]
impl BillingStore for MemoryStore {
    async fn get(&self, addresses: &[Address]) -> StoreResult<Vec<Option<Document>>> {
        check_addresses(addresses, "billing.get")?;
        let documents = self.lock();
        Ok(addresses.iter().map(|address| documents.get(address).cloned()).collect())
    }

    async fn commit(&self, writes: &[Write]) -> StoreResult<Committed> {
        check_writes(writes, "billing.commit")?;
        let mut documents = self.lock();
        let stands = |write: &Write| {
            let (address, expected) = write.expected();
            version(&documents, address) == expected
        };
        if !writes.iter().all(stands) {
            return Ok(Committed::Stale);
        }
        for write in writes {
            match write {
                Write::Put(document) => {
                    let document = Document { version: document.version + 1, ..document.clone() };
                    documents.insert(document.address.clone(), document);
                }
                Write::Remove(address, _) => drop(documents.remove(address)),
                Write::Expect(..) => {}
            }
        }
        Ok(Committed::Done)
    }

    async fn due(&self, shelf: Shelf, now: Timestamp, limit: usize) -> StoreResult<Vec<Document>> {
        let documents = self.lock();
        let is_due = |document: &&Document| document.address.shelf == shelf && document.due.is_some_and(|due| due <= now);
        let mut due: Vec<_> = documents.values().filter(is_due).cloned().collect();
        due.sort_by_key(|document| document.due);
        due.truncate(limit.clamp(1, MOST_AT_ONCE));
        Ok(due)
    }

    async fn list(&self, shelf: Shelf, list: &str, page: &PageRequest) -> StoreResult<Page<Document>> {
        let listing = Listing(format!("list|{shelf}|{}|{list}", list.len()));
        let after = page.cursor().map(|cursor| listing.place(cursor, "billing.list")).transpose()?;
        let documents = self.lock();
        let mut items: Vec<(Place, Document)> = documents
            .values()
            .filter(|document| document.address.shelf == shelf && *document.list == *list)
            .map(|document| ((document.at.as_ms(), document.address.id.clone()), document.clone()))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place < after))
            .collect();
        items.sort_by(|(one, _), (other, _)| Reverse(one).cmp(&Reverse(other)));
        Ok(page_of(items, &listing, page))
    }

    async fn of(&self, tenant: TenantId, shelf: Shelf, page: &PageRequest) -> StoreResult<Page<Document>> {
        let listing = Listing(format!("of|{tenant}|{shelf}"));
        let after = page.cursor().map(|cursor| listing.place(cursor, "billing.of")).transpose()?;
        let documents = self.lock();
        let items: Vec<(Place, Document)> = documents
            .values()
            .filter(|document| document.address.shelf == shelf && document.tenant == Some(tenant))
            .map(|document| ((0, document.address.id.clone()), document.clone()))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
            .collect();
        Ok(page_of(items, &listing, page))
    }

    async fn prune(&self, shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let mut documents = self.lock();
        let goes = |document: &&Document| document.address.shelf == shelf && *document.list == *list && document.at < before;
        let gone: Vec<Address> = documents.values().filter(goes).map(|document| document.address.clone()).collect();
        let gone = &gone[..gone.len().min(limit.clamp(1, MOST_AT_ONCE))];
        for address in gone {
            documents.remove(address);
        }
        Ok(gone.len())
    }
}
