//! What billing keeps: documents with a version, written several at a time or not at all.
//!
//! | item | partition | sort key | attributes |
//! | --- | --- | --- | --- |
//! | a document | `REG#BILLING#DOC#<shelf>#<id>` | `META` | `version`, `by`, `list`, `at`, `body`; `due`, `tenant` |
//! | that it stands in its list | `REG#BILLING#LIST#<shelf>#<shard>#<list>` | `<at>#<id>` | `by` |
//! | that it is due | `REG#BILLING#DUE#<shelf>#<shard>` | `<due>#<id>` | `by` |
//! | that it is a tenant's | `T#<t>#BILLING#<shelf>` | `<id>` | `by` |
//!
//! Documents begin with no tenant, since most are there before it is known whose they are; what leads to them does. Moments are milliseconds,
//! in twenty digits from the first that there is. Lists and what is due are spread over [`key::SHARDS`] partitions by id, so that neither a
//! list that everything goes through nor the moment at which everything is due is one partition's. `by` is drawn anew for each commit.
//!
//! # A commit
//!
//! Reads the documents, with consistent reads. If one has another version, that is the answer. Otherwise everything is done in one
//! transaction: each document on the condition that its version is as it was read, the entries that are new to lead to it, and those that
//! no longer do go. A transaction that is cancelled has done nothing, and it begins anew with reading. Where an answer got lost it does so,
//! too: a document that this very commit has written tells that it was done; where none does and one has another version, nobody knows, and
//! the caller is told so.
//!
//! A transaction has a hundred actions. A commit of 25 documents writes up to 25 documents and 75 entries; entries that then cannot be
//! removed in it stay behind. So whoever reads entries also reads what they lead to, with consistent reads, and leaves out what is not where
//! its entry says; such an entry is removed on the condition that it is still the one that was read (`by`): had the document come back to
//! the place, its commit would have put the entry anew.
//!
//! # What is not promised
//!
//! A page is not of one moment: each of its documents stood in the list when it was read.

mod commits;
pub(super) mod key;
mod lists;
mod pruning;
mod record;

use std::collections::BTreeSet;

use async_trait::async_trait;
use togglebox_billing::store::{Address, BillingStore, Committed, Document, MOST_ID_BYTES, Shelf, Write, check_addresses};
use togglebox_core::{Page, PageRequest, StoreResult, TenantId, Timestamp};

use super::DynamoDb;
use super::key::Key;

#[async_trait]
impl BillingStore for DynamoDb {
    async fn get(&self, addresses: &[Address]) -> StoreResult<Vec<Option<Document>>> {
        const OPERATION: &str = "billing.get";
        check_addresses(addresses, OPERATION)?;
        // No key can be as long as any text.
        let can_be = |address: &&Address| address.id.len() <= MOST_ID_BYTES;
        let keys: BTreeSet<Key> = addresses.iter().filter(can_be).map(key::document).collect();
        let items = self.get_all(OPERATION, &mut self.patience(), keys).await?;
        let found = |address| items.get(&key::document(address)).map(|item| record::read(item, OPERATION)).transpose();
        addresses.iter().map(found).collect()
    }

    async fn commit(&self, writes: &[Write]) -> StoreResult<Committed> {
        self.commit_documents(writes).await
    }

    async fn due(&self, shelf: Shelf, now: Timestamp, limit: usize) -> StoreResult<Vec<Document>> {
        self.due_documents(shelf, now, limit).await
    }

    async fn list(&self, shelf: Shelf, list: &str, page: &PageRequest) -> StoreResult<Page<Document>> {
        self.listed_documents(shelf, list, page).await
    }

    async fn of(&self, tenant: TenantId, shelf: Shelf, page: &PageRequest) -> StoreResult<Page<Document>> {
        self.documents_of(tenant, shelf, page).await
    }

    async fn prune(&self, shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.prune_documents(shelf, list, before, limit).await
    }
}
