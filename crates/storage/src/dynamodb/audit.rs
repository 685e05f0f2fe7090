//! The audit log: each record in a partition of its own, and an entry for it in every list that can ask for it.
//!
//! The lists are items of the table and not of an index, because an index lags behind: who made a change sees it in the log at once.

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use togglebox_core::{AuditFilter, AuditLog, AuditRecord, Page, PageRequest, Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::item::{Attributes, Draft, Item, json, optional_json};
use super::key::{self, Key};
use super::patience::Patience;
use super::store::{Range, Wanted};
use crate::cursor::List;

/// The most bytes of what was before and after that stand in the record's own item. What is more stands beside it, in parts of so
/// many bytes, so that whatever could be stored can also be changed and deleted.
const PART: usize = 150 * 1024;

/// The revision that the write with this audit record gave.
pub(super) fn revision_of(item: &Item, operation: &'static str) -> StoreResult<Revision> {
    Attributes::new(item, operation).get("rev")
}

/// The items that a record is kept in.
pub(super) struct Kept {
    /// What of it is too large for its own item.
    pub(super) parts: Vec<Item>,
    /// The record itself.
    pub(super) record: Item,
    /// Its entries in the lists that can ask for it, that of everything first.
    pub(super) entries: Vec<Item>,
}

/// What keeps a record. Records of the same millisecond stand in the lists by `order`: the revision, where they were made here.
pub(super) fn kept(
    operation: &'static str,
    tenant: TenantId,
    record: &AuditRecord,
    revision: Revision,
    order: Revision,
) -> StoreResult<Kept> {
    let key = key::audit_record(tenant, record.id);
    let mut draft = Draft::new(&key)
        .with("rev", revision)
        .with("id", record.id)
        .with("at", record.at)
        .with("actor", json(operation, &record.actor)?)
        .with("action", record.action.as_str())
        .maybe("platform", record.platform.as_deref())
        .maybe("environment", record.environment.as_deref())
        .with("target", record.target.as_str())
        .maybe("order", (order != revision).then_some(order));
    let mut parts = Vec::new();
    for (name, count, value) in [("before", "before_parts", &record.before), ("after", "after_parts", &record.after)] {
        let Some(text) = optional_json(operation, value.as_ref())? else { continue };
        if text.len() <= PART {
            draft = draft.with(name, text);
            continue;
        }
        let texts = cut(&text, PART);
        draft = draft.with(count, texts.len() as u64);
        for (n, text) in (0..).zip(texts) {
            parts.push(Draft::new(&Key::new(key.pk.as_str(), part(name, n))).with("text", text).finish(operation)?);
        }
    }
    let entry = |filter: AuditFilter| {
        let entry = Key::new(key::audit_list(tenant, &filter), key::audit_entry(record.at, order, record.id));
        Draft::new(&entry).with("id", record.id).with("at", record.at).with("rev", order).finish(operation)
    };
    let entries = key::audit_filters(record).into_iter().map(entry).collect::<StoreResult<_>>()?;
    Ok(Kept { parts, record: draft.finish(operation)?, entries })
}

/// What appends a record. It fails when there is one with this id.
pub(super) fn actions(
    operation: &'static str,
    tenant: TenantId,
    record: &AuditRecord,
    revision: Revision,
) -> StoreResult<Vec<Action>> {
    let Kept { parts, record, entries } = kept(operation, tenant, record, revision, revision)?;
    let put = |item| Action::Put { item, when: Condition::none() };
    let record = Action::Put { item: record, when: Condition::absent() };
    Ok(parts.into_iter().map(put).chain([record]).chain(entries.into_iter().map(put)).collect())
}

/// Where a record stands among those of the same millisecond.
pub(super) fn order_of(item: &Item, operation: &'static str) -> StoreResult<Revision> {
    let attributes = Attributes::new(item, operation);
    attributes.maybe("order")?.map_or_else(|| attributes.get("rev"), Ok)
}

fn part(name: &str, n: u64) -> String {
    format!("{name}#{n:03}")
}

/// Cuts a text into parts of at most `bytes`, at the borders of characters.
fn cut(mut text: &str, bytes: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (part, rest) = text.split_at(text.floor_char_boundary(bytes));
        parts.push(part);
        text = rest;
    }
    parts
}

#[async_trait]
impl AuditLog for DynamoDb {
    async fn list(&self, tenant: TenantId, filter: &AuditFilter, page: &PageRequest) -> StoreResult<Page<AuditRecord>> {
        const OPERATION: &str = "audit.list";
        let restrictions = [filter.platform.as_deref(), filter.environment.as_deref(), filter.target.as_deref()];
        let list = List::new(OPERATION, tenant, &restrictions);
        let after = page.cursor().map(|cursor| list.position(cursor)).transpose()?.map(entry_at);
        let mut patience = self.patience();
        let range = Range {
            after,
            descending: true,
            // One more than the page holds tells whether there is another page.
            limit: Some(page.limit() + 1),
            ..Range::all(key::audit_list(tenant, filter))
        };
        let found = self.query(OPERATION, &mut patience, range).await?;
        let entries: Vec<Entry> = found.iter().map(|item| Entry::of(item, OPERATION)).collect::<StoreResult<_>>()?;
        let shown = &entries[..entries.len().min(page.limit())];
        let next = if entries.len() > shown.len() { shown.last().map(|last| list.cursor(last.position())) } else { None };
        let keys = shown.iter().map(|entry| key::audit_record(tenant, entry.id));
        let mut records = self.get_all(OPERATION, &mut patience, keys).await?;
        let mut items = Vec::with_capacity(shown.len());
        for entry in shown {
            let key = key::audit_record(tenant, entry.id);
            // One that is not there was removed for its age since the list was read.
            if let Some(item) = records.remove(&key) {
                items.push(self.audit_record(OPERATION, &mut patience, &key, &item).await?);
            }
        }
        Ok(Page { items, next })
    }

    async fn prune(&self, tenant: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize> {
        const OPERATION: &str = "audit.prune";
        let mut patience = self.patience();
        let everything = key::audit_list(tenant, &AuditFilter::default());
        // Every time is written with as many characters, so that what begins with an earlier one comes before it.
        let wanted = Wanted::Below(before.to_string().into());
        let range = Range { wanted, limit: Some(limit), ..Range::all(everything.clone()) };
        let found = self.query(OPERATION, &mut patience, range).await?;
        let entries: Vec<Entry> = found.iter().map(|item| Entry::of(item, OPERATION)).collect::<StoreResult<_>>()?;
        let keys = entries.iter().map(|entry| key::audit_record(tenant, entry.id));
        let records = self.get_all(OPERATION, &mut patience, keys).await?;
        // A record before its entry in the list of everything, and all else before the record: whatever an interrupted call has left
        // is found again from there.
        let (mut first, mut second, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &entries {
            let key = key::audit_record(tenant, entry.id);
            let sk = entry_at(entry.position());
            if let Some(item) = records.get(&key) {
                let record = bare(item, OPERATION)?;
                let lists = key::audit_filters(&record).into_iter().skip(1);
                first.extend(lists.map(|filter| Key::new(key::audit_list(tenant, &filter), sk.as_str())));
                first.extend(parts_of(&key, item, OPERATION)?);
                second.push(key);
            }
            last.push(Key::new(everything.as_str(), sk));
        }
        for keys in [first, second, last] {
            self.remove(OPERATION, &mut patience, keys).await?;
        }
        Ok(entries.len())
    }
}

/// What a record says, but for what was before and after.
fn bare(item: &Item, operation: &'static str) -> StoreResult<AuditRecord> {
    let attributes = Attributes::new(item, operation);
    Ok(AuditRecord {
        id: attributes.get("id")?,
        at: attributes.get("at")?,
        actor: attributes.json("actor")?,
        action: attributes.get("action")?,
        platform: attributes.maybe("platform")?,
        environment: attributes.maybe("environment")?,
        target: attributes.get("target")?,
        before: None,
        after: None,
    })
}

/// The keys of the parts that stand beside a record.
fn parts_of(key: &Key, item: &Item, operation: &'static str) -> StoreResult<Vec<Key>> {
    let mut keys = Vec::new();
    for (name, parts) in [("before", "before_parts"), ("after", "after_parts")] {
        let parts: Option<u64> = Attributes::new(item, operation).maybe(parts)?;
        keys.extend((0..parts.unwrap_or(0)).map(|n| Key::new(key.pk.as_str(), part(name, n))));
    }
    Ok(keys)
}

impl DynamoDb {
    /// What a record says in all.
    pub(super) async fn audit_record(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        key: &Key,
        item: &Item,
    ) -> StoreResult<AuditRecord> {
        let attributes = Attributes::new(item, operation);
        let (mut before, mut after) = (attributes.optional_json("before")?, attributes.optional_json("after")?);
        if let Some(parts) = attributes.maybe("before_parts")? {
            before = Some(self.whole(operation, patience, key, "before", parts).await?);
        }
        if let Some(parts) = attributes.maybe("after_parts")? {
            after = Some(self.whole(operation, patience, key, "after", parts).await?);
        }
        Ok(AuditRecord { before, after, ..bare(item, operation)? })
    }

    /// Puts the parts of a value together.
    async fn whole<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        key: &Key,
        name: &'static str,
        parts: u64,
    ) -> StoreResult<T> {
        let range = Range { wanted: Wanted::Prefix(format!("{name}#")), ..Range::all(key.pk.clone()) };
        let items = self.query(operation, patience, range).await?;
        let unreadable = |source| Attributes::new(&key.item(), operation).unreadable(name, source);
        if items.len() as u64 != parts {
            return Err(unreadable(format!("{} of {parts} parts are there", items.len())));
        }
        let mut text = String::new();
        for item in &items {
            text.push_str(&Attributes::new(item, operation).get::<String>("text")?);
        }
        serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))
    }
}

/// What a list says of a record.
#[derive(Debug)]
struct Entry {
    id: Uuid,
    at: Timestamp,
    revision: Revision,
}

impl Entry {
    fn of(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        Ok(Self { id: attributes.get("id")?, at: attributes.get("at")?, revision: attributes.get("rev")? })
    }

    fn position(&self) -> [i64; 4] {
        let (high, low) = self.id.as_u64_pair();
        [self.at.as_ms(), self.revision.get().cast_signed(), high.cast_signed(), low.cast_signed()]
    }
}

/// The sort key of the entry at a position.
fn entry_at([at, revision, high, low]: [i64; 4]) -> String {
    let id = Uuid::from_u64_pair(high.cast_unsigned(), low.cast_unsigned());
    key::audit_entry(Timestamp::from_ms(at), Revision::new(revision.cast_unsigned()), id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::Actor;

    use super::*;

    proptest! {
        #[test]
        fn parts_make_the_whole(text in ".*", bytes in 4..50_usize) {
            let parts = cut(&text, bytes);
            prop_assert!(parts.iter().all(|part| part.len() <= bytes && !part.is_empty()));
            prop_assert_eq!(parts.concat(), text);
        }

        #[test]
        fn positions_lead_back_to_entries(at in 0..=253_402_300_799_999_i64, revision: u64, id: u128) {
            let entry = Entry { id: Uuid::from_u128(id), at: Timestamp::from_ms(at), revision: Revision::new(revision) };
            prop_assert_eq!(entry_at(entry.position()), key::audit_entry(entry.at, entry.revision, entry.id));
        }
    }

    #[test]
    fn a_large_record_is_appended_in_parts() {
        let record = AuditRecord {
            id: Uuid::from_u128(1),
            at: Timestamp::EPOCH,
            actor: Actor::system(),
            action: "flag.update".to_owned(),
            platform: None,
            environment: None,
            target: "f".to_owned(),
            before: Some("x".repeat(2 * PART).into()),
            after: Some(serde_json::Value::Null),
        };
        let actions = actions("flags.append", TenantId::DEFAULT, &record, Revision::new(1)).unwrap();
        // Three parts (the quotation marks), the record, two lists.
        assert_eq!(actions.len(), 6);
        let conditions: Vec<_> =
            actions.iter().filter(|action| matches!(action, Action::Put { when, .. } if *when == Condition::absent())).collect();
        let [Action::Put { item, .. }] = &conditions[..] else { panic!("one item must be new") };
        let attributes = Attributes::new(item, "test");
        assert_eq!(attributes.get::<u64>("before_parts").unwrap(), 3);
        assert_eq!(attributes.get::<String>("after").unwrap(), "null");
    }
}
