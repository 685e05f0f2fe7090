//! What parameters, flags and experiments have in common.

use togglebox_core::{AuditRecord, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::Scope;
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::gone::Gone;
use super::item::{Attributes, Item};
use super::key::{self, Key, Kind};
use super::patience::Patience;
use super::place::{self, Place};
use super::write::Write;
use crate::cursor::List;

/// An item that stands for a record, and where it stands.
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) item: Item,
}

impl Found {
    /// Tells this record from others that had or will have its key: the id of the audit record of its creation.
    pub(super) fn incarnation(&self, operation: &'static str) -> StoreResult<Uuid> {
        Attributes::new(&self.item, operation).get("incarnation")
    }
}

/// What a write to a record has read.
pub(super) struct Target {
    /// The revision that this write gave when it was made before.
    pub(super) earlier: Option<Revision>,
    /// The environment, if it is there.
    pub(super) place: Option<Place>,
    /// The record's item, if it is there.
    pub(super) item: Option<Item>,
}

impl DynamoDb {
    /// Begins a write to a record of an environment.
    pub(super) async fn write_in<'a>(
        &'a self,
        operation: &'static str,
        tenant: TenantId,
        scope: &Scope,
        audit: &'a AuditRecord,
    ) -> StoreResult<Write<'a>> {
        self.write(operation, tenant, key::environment(tenant, scope), audit).await
    }

    /// A record's item, if it is there.
    pub(super) async fn find_record(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        scope: &Scope,
        kind: Kind,
        key: &str,
    ) -> StoreResult<Option<Found>> {
        let Some(place) = self.place(operation, patience, tenant, scope).await? else { return Ok(None) };
        let item = self.get(operation, patience, &key::record(tenant, place.incarnation, kind, key)).await?;
        Ok(item.map(|item| Found { place, item }))
    }

    /// Deletes a record: its item goes, its history lies unreachable until it is swept away.
    #[expect(clippy::too_many_arguments, reason = "the arguments of the three ports, and which of them it is")]
    pub(super) async fn delete_record(
        &self,
        operation: &'static str,
        tenant: TenantId,
        scope: &Scope,
        kind: Kind,
        key: &str,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let mut write = self.write_in(operation, tenant, scope, audit).await?;
        loop {
            let target = write.target(tenant, scope, kind, key).await?;
            if let Some(revision) = target.earlier {
                return Ok(Written { value: (), revision });
            }
            let (place, item) = target.both(&write)?;
            let attributes = Attributes::new(&item, operation);
            write.expect(attributes.get("rev")?, expected)?;
            let next = place.contents.without(audit.at, kind, expected);
            let incarnation = attributes.get("incarnation")?;
            let gone = Gone::Record { environment: place.incarnation, kind, key: key.to_owned(), incarnation };
            let actions = vec![
                place.advance(next),
                Action::Delete { key: key::record(tenant, place.incarnation, kind, key), when: Condition::is("rev", expected) },
                gone.note(operation, tenant, audit.at)?,
            ];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: (), revision: next.revision });
            }
        }
    }
}

impl Write<'_> {
    /// Reads a record, and whether this write has been made before.
    pub(super) async fn target(&mut self, tenant: TenantId, scope: &Scope, kind: Kind, key: &str) -> StoreResult<Target> {
        let (stage, place) = loop {
            let stage = self.read(place::keys(tenant, scope)).await?;
            let place = Place::of(&stage.items, tenant, scope, self.operation())?;
            if !self.yields(place.as_ref().and_then(|place| place.hold)).await? {
                break (stage, place);
            }
        };
        let item = match &place {
            Some(place) => self.get(&key::record(tenant, place.incarnation, kind, key)).await?,
            None => None,
        };
        Ok(Target { earlier: stage.earlier, place, item })
    }
}

impl Target {
    /// The answer to a write that was made before: what still stands of the record. `None` when the write is new.
    pub(super) fn repeated<T>(
        &self,
        write: &Write<'_>,
        read: impl FnOnce(&Item) -> StoreResult<T>,
    ) -> StoreResult<Option<Written<T>>> {
        let Some(revision) = self.earlier else { return Ok(None) };
        let stands = self.item.as_ref().map(read).transpose()?;
        write.repeated(stands, revision).map(Some)
    }

    /// The environment and the record, or that one of them is not there.
    pub(super) fn both(self, write: &Write<'_>) -> StoreResult<(Place, Item)> {
        self.place.zip(self.item).ok_or_else(|| write.error(StoreErrorKind::NotFound))
    }

    /// The environment in which the record is still to be made.
    pub(super) fn vacant(self, write: &Write<'_>) -> StoreResult<Place> {
        match self {
            Self { place: None, .. } => Err(write.error(StoreErrorKind::NotFound)),
            Self { item: Some(_), .. } => Err(write.error(StoreErrorKind::AlreadyExists)),
            Self { place: Some(place), item: None, .. } => Ok(place),
        }
    }
}

/// Which versions a page shows: `count` of them, from `top` downwards. They are numbered without a gap, so that this is known before
/// any of them is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) top: u64,
    pub(super) count: u64,
    more: bool,
}

impl Window {
    /// The window of a page of a history that goes from `first` to `latest`.
    pub(super) fn of(list: &List<'_>, page: &PageRequest, first: u64, latest: u64) -> StoreResult<Self> {
        let below: Option<[i64; 1]> = page.cursor().map(|cursor| list.position(cursor)).transpose()?;
        let below = below.map_or(u64::MAX, |[below]| u64::try_from(below).unwrap_or(0));
        let top = latest.min(below.saturating_sub(1));
        // `below` may be the first version itself.
        let there = if below > first { (top + 1).saturating_sub(first) } else { 0 };
        let count = there.min(page.limit() as u64);
        Ok(Self { top, count, more: there > count })
    }

    /// The page, once its versions were read.
    pub(super) fn page<T>(self, list: &List<'_>, items: Vec<T>) -> Page<T> {
        let last = (self.top + 1).saturating_sub(self.count);
        let next = self.more.then(|| list.cursor([i64::try_from(last).unwrap_or(i64::MAX)]));
        Page { items, next }
    }
}

/// The key of a version in a history.
pub(super) fn version_key(history: &str, number: u64) -> Key {
    Key::new(history, key::version(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_cover_a_history_once(first in 0..2_u64, length in 1..40_u64, limit in 1..15_usize) {
            let list = List::new("flags.versions", TenantId::DEFAULT, &[]);
            let latest = first + length - 1;
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let window = Window::of(&list, &PageRequest::first(limit).after(cursor), first, latest).unwrap();
                prop_assert!(window.count >= 1 && window.count <= limit as u64);
                let shown: Vec<u64> = (0..window.count).map(|n| window.top - n).collect();
                let page = window.page(&list, shown);
                seen.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            prop_assert_eq!(seen, (first..=latest).rev().collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_is_below_the_first() {
        let list = List::new("flags.versions", TenantId::DEFAULT, &[]);
        for (first, below) in [(0, 0), (1, 1), (1, 0), (1, -5)] {
            let page = PageRequest::first(5).after(Some(list.cursor([below])));
            let window = Window::of(&list, &page, first, 9).unwrap();
            assert_eq!((window.count, window.more), (0, false));
        }
    }
}
