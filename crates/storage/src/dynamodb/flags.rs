//! Feature flags: an item that is the active version, and a history of those before it.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, StoreResult, TenantId, Written};
use togglebox_toggles::store::FlagStore;
use togglebox_toggles::{Flag, FlagKey, FlagVersion, Scope};
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::error::{Crowded, Trouble};
use super::item::{Attributes, Draft, Item};
use super::key::{self, Key, Kind};
use super::record::{Window, version_key};
use super::store::Range;
use crate::cursor::List;

const KIND: Kind = Kind::Flag;

#[async_trait]
impl FlagStore for DynamoDb {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &FlagKey) -> StoreResult<Option<Flag>> {
        const OPERATION: &str = "flags.find";
        let found = self.find_record(OPERATION, &mut self.patience(), tenant, scope, KIND, key.as_str()).await?;
        found.map(|found| flag_of(&found.item, true, OPERATION)).transpose()
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let mut write = self.write_in("flags.create", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, flag.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| flag_of(item, true, operation))? {
                return Ok(written);
            }
            let place = target.vacant(&write)?;
            let claim = write.claim(tenant, KIND, quota).await?;
            let next = place.contents.with_new(audit.at, KIND);
            let flag = Flag { version: FlagVersion::FIRST, active: true, revision: next.revision, ..flag.clone() };
            let key = key::record(tenant, place.incarnation, KIND, flag.key.as_str());
            let item = item_of(&key, &flag, audit.id, operation)?;
            let mut actions = vec![place.advance(next), Action::Put { item, when: Condition::absent() }];
            actions.extend(claim);
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: flag, revision: next.revision });
            }
        }
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let mut write = self.write_in("flags.append", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, flag.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| flag_of(item, true, operation))? {
                return Ok(written);
            }
            let (place, item) = target.both(&write)?;
            let stands = flag_of(&item, true, operation)?;
            write.expect(stands.revision, expected)?;
            let incarnation: Uuid = Attributes::new(&item, operation).get("incarnation")?;
            let next = place.contents.with_another(audit.at, expected);
            let flag = Flag {
                version: stands.version.next(),
                active: true,
                created_at: stands.created_at,
                revision: next.revision,
                ..flag.clone()
            };
            let key = key::record(tenant, place.incarnation, KIND, flag.key.as_str());
            let history = key::history(tenant, place.incarnation, KIND, flag.key.as_str(), incarnation);
            // What stood until now becomes history.
            let retired = item_of(&version_key(&history, stands.version.patch()), &stands, incarnation, operation)?;
            let item = item_of(&key, &flag, incarnation, operation)?;
            let actions = vec![
                place.advance(next),
                Action::Put { item: retired, when: Condition::absent() },
                Action::Put { item, when: Condition::is("rev", expected) },
            ];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: flag, revision: next.revision });
            }
        }
    }

    async fn amend(
        &self,
        tenant: TenantId,
        scope: &Scope,
        flag: &Flag,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Flag>> {
        let mut write = self.write_in("flags.amend", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, flag.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| flag_of(item, true, operation))? {
                return Ok(written);
            }
            let (place, item) = target.both(&write)?;
            let stands = flag_of(&item, true, operation)?;
            write.expect(stands.revision, expected)?;
            let incarnation = Attributes::new(&item, operation).get("incarnation")?;
            let next = place.contents.with_another(audit.at, expected);
            let Flag { version, created_at, .. } = stands;
            let flag = Flag { version, active: true, created_at, revision: next.revision, ..flag.clone() };
            let key = key::record(tenant, place.incarnation, KIND, flag.key.as_str());
            let item = item_of(&key, &flag, incarnation, operation)?;
            let actions = vec![place.advance(next), Action::Put { item, when: Condition::is("rev", expected) }];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: flag, revision: next.revision });
            }
        }
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &FlagKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.delete_record("flags.delete", tenant, scope, KIND, key.as_str(), expected, audit).await
    }

    async fn version(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, version: FlagVersion) -> StoreResult<Option<Flag>> {
        const OPERATION: &str = "flags.version";
        let mut patience = self.patience();
        let found = self.find_record(OPERATION, &mut patience, tenant, scope, KIND, key.as_str()).await?;
        let Some(found) = found else { return Ok(None) };
        let active = flag_of(&found.item, true, OPERATION)?;
        if version >= active.version {
            return Ok((version == active.version).then_some(active));
        }
        let history = key::history(tenant, found.place.incarnation, KIND, key.as_str(), found.incarnation(OPERATION)?);
        let item = self.get(OPERATION, &mut patience, &version_key(&history, version.patch())).await?;
        item.map(|item| flag_of(&item, false, OPERATION)).transpose()
    }

    async fn versions(&self, tenant: TenantId, scope: &Scope, key: &FlagKey, page: &PageRequest) -> StoreResult<Page<Flag>> {
        const OPERATION: &str = "flags.versions";
        let parts = [Some(scope.platform.as_str()), Some(scope.environment.as_str()), Some(key.as_str())];
        let list = List::new(OPERATION, tenant, &parts);
        let mut patience = self.patience();
        loop {
            let found = self.find_record(OPERATION, &mut patience, tenant, scope, KIND, key.as_str()).await?;
            let Some(found) = found else {
                // A cursor that does not fit is told so, whether or not there is a flag.
                Window::of(&list, page, 0, 0)?;
                return Ok(Page::empty());
            };
            let active = flag_of(&found.item, true, OPERATION)?;
            let latest = active.version.patch();
            let window = Window::of(&list, page, 0, latest)?;
            let mut flags = Vec::new();
            if window.count > 0 && window.top == latest {
                flags.push(active);
            }
            let left = usize::try_from(window.count).unwrap_or(usize::MAX) - flags.len();
            if left > 0 {
                let history = key::history(tenant, found.place.incarnation, KIND, key.as_str(), found.incarnation(OPERATION)?);
                let after = Some(key::version(latest.min(window.top + 1)));
                let range = Range { after, descending: true, limit: Some(left), ..Range::all(history) };
                let items = self.query(OPERATION, &mut patience, range).await?;
                for item in &items {
                    flags.push(flag_of(item, false, OPERATION)?);
                }
            }
            if flags.len() as u64 == window.count {
                return Ok(window.page(&list, flags));
            }
            // Deleted and swept away between the two reads: the next round finds no flag.
            if !patience.pause(Trouble::Contended).await {
                return Err(Trouble::Contended.error(OPERATION, Crowded));
            }
        }
    }
}

/// The item of the active version, or of one in the history.
pub(super) fn item_of(key: &Key, flag: &Flag, incarnation: Uuid, operation: &'static str) -> StoreResult<Item> {
    Draft::new(key)
        .with("key", flag.key.as_str())
        .with("incarnation", incarnation)
        .with("version", flag.version.patch())
        .document(operation, &flag.definition)?
        .with("created_by", flag.created_by.as_str())
        .with("created_at", flag.created_at)
        .with("updated_at", flag.updated_at)
        .with("rev", flag.revision)
        .finish(operation)
}

pub(super) fn flag_of(item: &Item, active: bool, operation: &'static str) -> StoreResult<Flag> {
    let attributes = Attributes::new(item, operation);
    Ok(Flag {
        key: attributes.get("key")?,
        definition: attributes.document()?,
        version: FlagVersion::from_patch(attributes.get("version")?),
        active,
        created_by: attributes.get("created_by")?,
        created_at: attributes.get("created_at")?,
        updated_at: attributes.get("updated_at")?,
        revision: attributes.get("rev")?,
    })
}
