//! What is due, lists, and what a tenant has.

use togglebox_billing::store::{Document, MOST_AT_ONCE, Shelf};
use togglebox_core::{Page, PageRequest, StoreResult, TenantId, Timestamp};

use super::super::Database;
use super::super::engine::Engine;
use super::super::page::{one_more, page_of};
use super::super::statement::Statement;
use super::{COLUMNS, document_of};
use crate::cursor::List;
use crate::position;

pub(super) const DUE: &str = "-- billing.due
SELECT tenant, shelf, id, version, list, at, due, body FROM billing_documents
WHERE shelf = $1 AND due <= $2 ORDER BY due, id LIMIT $3";

/// From the start or from a place on. Only fixed words are joined.
pub(super) fn list_statement(goes_on: bool) -> String {
    let (after, limit) = if goes_on { (" AND (at, id) < ($3, $4)", 5) } else { ("", 3) };
    format!(
        "-- billing.list
SELECT {COLUMNS} FROM billing_documents WHERE shelf = $1 AND list = $2{after} ORDER BY at DESC, id DESC LIMIT ${limit}"
    )
}

/// The same of what a tenant has.
pub(super) fn of_statement(goes_on: bool) -> String {
    let (after, limit) = if goes_on { (" AND id > $3", 4) } else { ("", 3) };
    format!(
        "-- billing.of
SELECT {COLUMNS} FROM billing_documents WHERE tenant = $1 AND shelf = $2{after} ORDER BY id LIMIT ${limit}"
    )
}

/// Lists of a shelf are of no tenant; their name tells them from those that are of one.
const NO_TENANT: TenantId = TenantId::DEFAULT;

impl<E: Engine> Database<E> {
    pub(super) async fn due_documents(&self, shelf: Shelf, now: Timestamp, limit: usize) -> StoreResult<Vec<Document>> {
        const OPERATION: &str = "billing.due";
        let find = Statement::new(DUE).bind(shelf.as_str()).bind(now).bind(limit.clamp(1, MOST_AT_ONCE) as u64);
        let rows = self.documents(OPERATION).await?.rows(find).await?;
        rows.iter().map(|row| document_of(row, OPERATION)).collect()
    }

    pub(super) async fn listed_documents(&self, shelf: Shelf, name: &str, page: &PageRequest) -> StoreResult<Page<Document>> {
        const OPERATION: &str = "billing.list";
        let parts = [Some(shelf.as_str()), Some(name)];
        let list = List::new(OPERATION, NO_TENANT, &parts);
        let after = page.cursor().map(|cursor| list.position(cursor)).transpose()?.map(|place| position::moment_and_text(&place));
        let find = Statement::new(list_statement(after.is_some())).bind(shelf.as_str()).bind(name);
        let find = match after {
            Some((at, id)) => find.bind(at).bind(id),
            None => find,
        };
        let documents = self.documents(OPERATION).await?.rows(find.bind(one_more(page))).await?;
        page_of(
            &documents,
            page,
            |row| document_of(row, OPERATION),
            |row| {
                let Document { at, address, .. } = document_of(row, OPERATION)?;
                Ok(list.cursor(position::of_moment_and_text(at.as_ms(), &address.id)))
            },
        )
    }

    pub(super) async fn documents_of(&self, tenant: TenantId, shelf: Shelf, page: &PageRequest) -> StoreResult<Page<Document>> {
        const OPERATION: &str = "billing.of";
        let parts = [Some(shelf.as_str())];
        let list = List::new(OPERATION, tenant, &parts);
        let after = page.cursor().map(|cursor| list.position(cursor)).transpose()?.map(|place| position::moment_and_text(&place));
        let mut reader = self.reader(OPERATION, tenant).await?;
        let find = reader.statement(of_statement(after.is_some())).bind(shelf.as_str());
        let find = match after {
            Some((_, id)) => find.bind(id),
            None => find,
        };
        page_of(
            &reader.rows(find.bind(one_more(page))).await?,
            page,
            |row| document_of(row, OPERATION),
            |row| Ok(list.cursor(position::of_moment_and_text(0, &document_of(row, OPERATION)?.address.id))),
        )
    }
}
