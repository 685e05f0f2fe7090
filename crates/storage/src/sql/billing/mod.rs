//! What billing keeps: documents with a version.
//!
//! # Locks
//!
//! A commit locks the addresses of all its documents before it looks at them, in one order, whether they are there or not: so nobody waits
//! in a circle, and nobody makes what another one rests on not being there. Whatever removes what is old does so under the same locks.
//! Rows of a tenant that is removed go without: who writes them notices that they are gone.

mod commits;
mod lists;
mod pruning;

use std::collections::HashMap;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use togglebox_billing::store::{Address, BillingStore, Committed, Document, Shelf, Write, check_addresses};
use togglebox_core::{Page, PageRequest, StoreResult, TenantId, Timestamp};

use super::Database;
use super::cells::{Cell, CellResult, Cells, word};
use super::engine::{Access, Engine, Row};
use super::look::Look;
use super::statement::Statement;

/// Statements for tests that look at their plans.
#[cfg(test)]
pub(super) mod statements {
    use super::{commits, lists, pruning};

    /// Of one tenant: lists that come out of an index in their order.
    pub(in super::super) fn ordered() -> [String; 2] {
        [false, true].map(lists::of_statement)
    }

    /// Of all tenants: by an index, and in its order.
    pub(crate) fn across() -> Vec<String> {
        let fixed = [lists::DUE, pruning::OLDEST, commits::CHANGE, commits::REMOVE].map(str::to_owned);
        let lists = [false, true].map(lists::list_statement);
        fixed.into_iter().chain(lists).collect()
    }

    /// Of all tenants, about several documents: each is found by its key.
    pub(crate) fn by_keys() -> Vec<String> {
        [1, 2, 100].into_iter().flat_map(|count| [super::get_statement(count), commits::versions_statement(count)]).collect()
    }
}

/// The columns of a document.
const COLUMNS: &str = "tenant, shelf, id, version, list, at, due, body";

/// How many documents a statement names: as few statements as there may be, so that a connection keeps them all prepared.
const SIZES: [usize; 4] = [1, 5, 25, 100];

/// The condition on one of several documents. Only fixed words are joined; each has two parameters, and those before `$first` are of others.
fn one_of(first: usize, count: usize) -> String {
    let one = |n| format!("(shelf = ${} AND id = ${})", first + 2 * n, first + 2 * n + 1);
    (0..count).map(one).collect::<Vec<_>>().join(" OR ")
}

/// How many parameters there are for so many documents.
fn room_for(count: usize) -> usize {
    SIZES.into_iter().find(|size| *size >= count).unwrap_or(count)
}

/// Binds the addresses, and the last one again until the statement has what it asks for.
fn bind<'a>(mut statement: Statement, addresses: &'a [&'a Address]) -> Statement {
    let room = room_for(addresses.len());
    for address in addresses.iter().chain(std::iter::repeat_n(&addresses[addresses.len() - 1], room - addresses.len())) {
        statement = statement.bind(address.shelf.as_str()).bind(&*address.id);
    }
    statement
}

fn get_statement(count: usize) -> String {
    format!("-- billing.get\nSELECT {COLUMNS} FROM billing_documents WHERE {}", one_of(1, room_for(count)))
}

/// The numbers of the locks of addresses, each once and in the order in which they are taken. Two addresses with the same number, which do
/// not happen, would wait for each other needlessly.
fn locks<'a>(addresses: impl IntoIterator<Item = &'a Address>) -> Vec<i64> {
    let number = |address: &Address| {
        let mut hash = Sha256::new();
        hash.update("togglebox billing ");
        hash.update(address.shelf.as_str());
        hash.update([0]);
        hash.update(&*address.id);
        let mut number = [0; 8];
        number.copy_from_slice(&hash.finalize()[..8]);
        i64::from_be_bytes(number)
    };
    let mut locks: Vec<i64> = addresses.into_iter().map(number).collect();
    locks.sort_unstable();
    locks.dedup();
    locks
}

impl Cell for Shelf {
    fn read(row: &impl Row, column: &str) -> CellResult<Self> {
        word(&row.text(column)?, &Self::ALL.map(|shelf| (shelf.as_str(), shelf)))
    }
}

fn address_of<R: Row>(cells: &Cells<'_, R>) -> StoreResult<Address> {
    Ok(Address::new(cells.get("shelf")?, cells.get::<String>("id")?))
}

fn document_of(row: &impl Row, operation: &'static str) -> StoreResult<Document> {
    let cells = Cells::new(row, operation, "billing_documents", "id");
    Ok(Document {
        address: address_of(&cells)?,
        tenant: cells.get("tenant")?,
        version: cells.get("version")?,
        list: cells.get::<String>("list")?.into(),
        at: cells.get("at")?,
        due: cells.get("due")?,
        body: cells.get::<String>("body")?.into(),
    })
}

impl<E: Engine> Database<E> {
    /// Begins a reading call about the documents of all tenants.
    async fn documents(&self, operation: &'static str) -> StoreResult<Look<E>> {
        Look::of(self.engine.begin_billing(Access::Read, &[]).await, operation)
    }

    /// Begins to write documents; nobody else writes those with these locks.
    async fn filing(&self, operation: &'static str, locks: &[i64]) -> StoreResult<Look<E>> {
        Look::of(self.engine.begin_billing(Access::Write, locks).await, operation)
    }
}

#[async_trait]
impl<E: Engine> BillingStore for Database<E> {
    async fn get(&self, addresses: &[Address]) -> StoreResult<Vec<Option<Document>>> {
        const OPERATION: &str = "billing.get";
        check_addresses(addresses, OPERATION)?;
        if addresses.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<&Address> = addresses.iter().collect();
        let find = bind(Statement::new(get_statement(wanted.len())), &wanted);
        let mut found = HashMap::new();
        for row in &self.documents(OPERATION).await?.rows(find).await? {
            let document = document_of(row, OPERATION)?;
            found.insert(document.address.clone(), document);
        }
        Ok(addresses.iter().map(|address| found.get(address).cloned()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_one_order() {
        let addresses: Vec<Address> = (0..20).map(|n| Address::new(Shelf::ALL[n % 9], n.to_string())).collect();
        let some = locks(&addresses);
        assert_eq!(some.len(), 20);
        assert!(some.is_sorted());
        assert_eq!(locks(addresses.iter().rev().chain(&addresses)), some);
        assert_ne!(locks([&Address::new(Shelf::Event, "1")]), locks([&Address::new(Shelf::Effect, "1")]));
    }
}
