//! What entries lead to: lists, what is due, and what a tenant has.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use togglebox_billing::store::{Document, MOST_AT_ONCE, Shelf};
use togglebox_core::{Page, PageRequest, StoreResult, TenantId, Timestamp};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::Item;
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::store::{Range, Wanted};
use super::key;
use super::record::{self, BY};
use crate::cursor::List;
use crate::position;

/// Documents of a shelf by their entries.
#[derive(Clone)]
pub(super) struct Entries {
    pub(super) operation: &'static str,
    pub(super) shelf: Shelf,
    /// Each has a part of the entries, in the order of sort keys.
    pub(super) partitions: Vec<String>,
    pub(super) wanted: Wanted,
    pub(super) descending: bool,
    /// Whether sort keys are a moment and an id, or an id alone.
    pub(super) by_moment: bool,
}

impl Entries {
    pub(super) fn listed(operation: &'static str, shelf: Shelf, list: &str) -> Self {
        let partitions = key::lists(shelf, list);
        Self { operation, shelf, partitions, wanted: Wanted::All, descending: false, by_moment: true }
    }

    fn newest_first(self) -> Self {
        Self { descending: true, ..self }
    }

    /// Those before a moment.
    pub(super) fn before(self, at_ms: i64) -> Self {
        Self { wanted: Wanted::Below(key::moment(at_ms).into()), ..self }
    }

    fn due(operation: &'static str, shelf: Shelf, now: Timestamp) -> Self {
        let partitions = key::dues(shelf);
        let entries = Self { operation, shelf, partitions, wanted: Wanted::All, descending: false, by_moment: true };
        entries.before(now.as_ms() + 1)
    }

    fn of(operation: &'static str, tenant: TenantId, shelf: Shelf) -> Self {
        let partitions = vec![key::of(tenant, shelf)];
        Self { operation, shelf, partitions, wanted: Wanted::All, descending: false, by_moment: false }
    }
}

impl DynamoDb {
    /// The next entries, in their order, with where they lead to; fewer than `limit` when there are no more.
    async fn entries(&self, of: &Entries, after: Option<&str>, limit: usize) -> StoreResult<Vec<(Key, Key, Item)>> {
        let parts = of.partitions.iter().map(|partition| async move {
            let (wanted, after) = (of.wanted.clone(), after.map(str::to_owned));
            let range = Range { wanted, after, descending: of.descending, limit: Some(limit), ..Range::all(partition.clone()) };
            self.query(of.operation, &mut self.patience(), range).await
        });
        let mut entries = Vec::new();
        for item in try_join_all(parts).await?.concat() {
            let (entry, document) = record::led_to(&item, of.shelf, of.by_moment, of.operation)?;
            entries.push((entry, document, item));
        }
        entries.sort_by(|(one, ..), (other, ..)| one.sk.cmp(&other.sk));
        if of.descending {
            entries.reverse();
        }
        entries.truncate(limit);
        Ok(entries)
    }

    /// Documents in the order of their entries, those after a sort key, and at most `limit`; fewer when there are no more.
    pub(super) async fn led_to(&self, of: &Entries, after: Option<String>, limit: usize) -> StoreResult<Vec<Document>> {
        let (mut found, mut after, mut patience) = (Vec::new(), after, self.patience());
        loop {
            let wanted = limit - found.len();
            let entries = self.entries(of, after.as_deref(), wanted).await?;
            let keys: BTreeSet<Key> = entries.iter().map(|(_, document, _)| document.clone()).collect();
            let items = self.get_all(of.operation, &mut patience, keys).await?;
            let (is_last, mut astray) = (entries.len() < wanted, Vec::new());
            after = entries.last().map(|(entry, ..)| entry.sk.clone());
            for (entry, document, item) in entries {
                let document = items.get(&document).map(|item| record::read(item, of.operation)).transpose()?;
                match document.filter(|document| key::entries(document).contains(&entry)) {
                    Some(document) => found.push(document),
                    None => astray.push((entry, item)),
                }
            }
            self.forget(of.operation, &mut patience, astray).await;
            if is_last || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    /// Removes entries that led nowhere after they were read. One that was put there anew meanwhile is another commit's. Whoever reads has
    /// what it came for: what cannot be removed now is met again.
    async fn forget(&self, operation: &'static str, patience: &mut Patience, astray: Vec<(Key, Item)>) {
        for (key, item) in astray {
            let Ok(by) = record::written_by(&item, operation) else { continue };
            let action = Action::Delete { key, when: Condition::is(BY, by) };
            if let Err(error) = self.settle(operation, patience, vec![action]).await {
                tracing::debug!(operation, error = &error as &dyn std::error::Error, "An entry that leads nowhere stays");
                return;
            }
        }
    }

    /// A page of them; `place` is the position of a document for a cursor, `sort` the sort key of a position.
    async fn page_of_documents(
        &self,
        of: &Entries,
        list: &List<'_>,
        page: &PageRequest,
        place: impl Fn(&Document) -> [i64; 34],
    ) -> StoreResult<Page<Document>> {
        let after = page.cursor().map(|cursor| list.position(cursor)).transpose()?.map(|place| position::moment_and_text(&place));
        let after = after.map(|(at, id)| if of.by_moment { key::place(at, &id) } else { id });
        // One more than the page holds tells whether there is another page.
        let mut items = self.led_to(of, after, page.limit() + 1).await?;
        let is_more = items.len() > page.limit();
        items.truncate(page.limit());
        let next = items.last().filter(|_| is_more).map(|last| list.cursor(place(last)));
        Ok(Page { items, next })
    }

    pub(super) async fn due_documents(&self, shelf: Shelf, now: Timestamp, limit: usize) -> StoreResult<Vec<Document>> {
        self.led_to(&Entries::due("billing.due", shelf, now), None, limit.clamp(1, MOST_AT_ONCE)).await
    }

    pub(super) async fn listed_documents(&self, shelf: Shelf, name: &str, page: &PageRequest) -> StoreResult<Page<Document>> {
        const OPERATION: &str = "billing.list";
        let parts = [Some(shelf.as_str()), Some(name)];
        // Lists of a shelf are of no tenant; their name tells them from those that are of one.
        let list = List::new(OPERATION, TenantId::DEFAULT, &parts);
        let of = Entries::listed(OPERATION, shelf, name).newest_first();
        self.page_of_documents(&of, &list, page, |document| {
            position::of_moment_and_text(document.at.as_ms(), &document.address.id)
        })
        .await
    }

    pub(super) async fn documents_of(&self, tenant: TenantId, shelf: Shelf, page: &PageRequest) -> StoreResult<Page<Document>> {
        const OPERATION: &str = "billing.of";
        let parts = [Some(shelf.as_str())];
        let list = List::new(OPERATION, tenant, &parts);
        let of = Entries::of(OPERATION, tenant, shelf);
        self.page_of_documents(&of, &list, page, |document| position::of_moment_and_text(0, &document.address.id)).await
    }
}
