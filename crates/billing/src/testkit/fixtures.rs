//! What the promises are tried on.

use std::future::Future;
use std::sync::Arc;

use togglebox_core::{PageRequest, TenantId, Timestamp};
use uuid::Uuid;

use crate::store::{Address, BillingStore, Committed, Document, Shelf, Write};

/// A store that promises are tried on. Clones are the same store.
pub(super) type Store = Arc<dyn BillingStore>;

/// How many take part in a race.
pub(super) const CROWD: u8 = 8;
/// The tenant that most promises are about.
pub(super) const A: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa_0001));
/// Another one.
pub(super) const B: TenantId = TenantId::from_uuid(Uuid::from_u128(0xa_0002));
/// The list of documents of which a test does not care where they stand.
pub(super) const LIST: &str = "waiting";

/// 2028-02-28T00:00Z, the day before a leap day.
const FIRST_MS: i64 = 21_242 * 86_400_000;

/// Seconds into the tests' time.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(FIRST_MS + 1000 * seconds)
}

pub(super) fn address(id: &str) -> Address {
    Address::new(Shelf::Event, id)
}

/// A document that is not there yet: nobody's, and never due.
pub(super) fn document(id: &str) -> Document {
    Document {
        address: address(id),
        tenant: None,
        version: 0,
        list: LIST.into(),
        at: at(0),
        due: None,
        body: format!("{{\"of\":{}}}", id.len()).into(),
    }
}

/// The same document as a commit leaves it.
pub(super) fn after(document: &Document) -> Document {
    Document { version: document.version + 1, ..document.clone() }
}

pub(super) fn put(document: &Document) -> Write {
    Write::Put(document.clone())
}

pub(super) fn ids(documents: &[Document]) -> Vec<&str> {
    documents.iter().map(|document| &*document.address.id).collect()
}

/// Commits, and sees to it that it is done.
pub(super) async fn commit(store: &Store, writes: &[Write]) {
    assert_eq!(store.commit(writes).await.unwrap(), Committed::Done);
}

/// Writes documents, as many at a time as can be.
pub(super) async fn write(store: &Store, documents: &[Document]) {
    for part in documents.chunks(crate::store::MOST_WRITES) {
        commit(store, &part.iter().map(put).collect::<Vec<_>>()).await;
    }
}

pub(super) async fn get(store: &Store, address: &Address) -> Option<Document> {
    let mut found = store.get(std::slice::from_ref(address)).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// Everything of a list of the shelf of events, `limit` at a time.
pub(super) async fn listed(store: &Store, list: &str, limit: usize) -> Vec<Document> {
    all(limit, async |page| store.list(Shelf::Event, list, &page).await.unwrap()).await
}

/// Everything of a tenant on the shelf of events, `limit` at a time.
pub(super) async fn all_of(store: &Store, tenant: TenantId, limit: usize) -> Vec<Document> {
    all(limit, async |page| store.of(tenant, Shelf::Event, &page).await.unwrap()).await
}

async fn all(limit: usize, page: impl AsyncFn(PageRequest) -> togglebox_core::Page<Document>) -> Vec<Document> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = page(PageRequest::first(limit).after(after)).await;
        assert!(page.items.len() == limit || page.next.is_none(), "a page is as long as it may be");
        assert!(!page.items.is_empty() || page.next.is_none(), "more follows only where more is");
        items.extend(page.items);
        after = page.next;
        if after.is_none() {
            return items;
        }
    }
}

/// Runs [`CROWD`] calls at once. Their answers stand in the order of the calls, whichever ends first.
pub(super) async fn race<T, F>(call: impl Fn(u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let calls: Vec<_> = (0..CROWD).map(|n| tokio::spawn(call(n))).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}
