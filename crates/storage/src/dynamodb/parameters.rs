//! Config parameters: an item with a copy of the active version, and a history of immutable versions.

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Limit, Page, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use togglebox_toggles::store::ParameterStore;
use togglebox_toggles::{Parameter, ParameterKey, ParameterVersion, Scope};
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::error::{Crowded, Trouble};
use super::item::{Attributes, Draft, Item};
use super::key::{self, Key, Kind};
use super::record::{Window, version_key};
use super::store::Range;
use crate::cursor::List;

const KIND: Kind = Kind::Parameter;

#[async_trait]
impl ParameterStore for DynamoDb {
    async fn find(&self, tenant: TenantId, scope: &Scope, key: &ParameterKey) -> StoreResult<Option<Parameter>> {
        const OPERATION: &str = "parameters.find";
        let found = self.find_record(OPERATION, &mut self.patience(), tenant, scope, KIND, key.as_str()).await?;
        found.map(|found| parameter_of(&found.item, OPERATION)).transpose()
    }

    async fn create(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        limit: usize,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let mut write = self.write_in("parameters.create", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, version.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| parameter_of(item, operation))? {
                return Ok(written);
            }
            let place = target.vacant(&write)?;
            if place.contents.counts.of(KIND) >= limit as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit }));
            }
            let claim = write.claim(tenant, KIND, quota).await?;
            let next = place.contents.with_new(audit.at, KIND);
            let active = ParameterVersion { version: 1, active: true, ..version.clone() };
            let parameter = Parameter { active, latest_version: 1, revision: next.revision };
            let mut actions = vec![
                place.advance(next),
                add_version(tenant, place.incarnation, &parameter.active, audit.id, operation)?,
                put(tenant, place.incarnation, &parameter, audit.id, Condition::absent(), operation)?,
            ];
            actions.extend(claim);
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: parameter, revision: next.revision });
            }
        }
    }

    async fn append(
        &self,
        tenant: TenantId,
        scope: &Scope,
        version: &ParameterVersion,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let mut write = self.write_in("parameters.append", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, version.key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| parameter_of(item, operation))? {
                return Ok(written);
            }
            let (place, item) = target.both(&write)?;
            let stands = parameter_of(&item, operation)?;
            write.expect(stands.revision, expected)?;
            let incarnation = Attributes::new(&item, operation).get("incarnation")?;
            let next = place.contents.with_another(audit.at, expected);
            let latest_version = stands.latest_version + 1;
            let active = ParameterVersion { version: latest_version, active: true, ..version.clone() };
            let parameter = Parameter { active, latest_version, revision: next.revision };
            let actions = vec![
                place.advance(next),
                add_version(tenant, place.incarnation, &parameter.active, incarnation, operation)?,
                put(tenant, place.incarnation, &parameter, incarnation, Condition::is("rev", expected), operation)?,
            ];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: parameter, revision: next.revision });
            }
        }
    }

    async fn activate(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Parameter>> {
        let mut write = self.write_in("parameters.activate", tenant, scope, audit).await?;
        let operation = write.operation();
        loop {
            let target = write.target(tenant, scope, KIND, key.as_str()).await?;
            if let Some(written) = target.repeated(&write, |item| parameter_of(item, operation))? {
                return Ok(written);
            }
            let (place, item) = target.both(&write)?;
            let stands = parameter_of(&item, operation)?;
            write.expect(stands.revision, expected)?;
            let incarnation = Attributes::new(&item, operation).get("incarnation")?;
            let history = key::history(tenant, place.incarnation, KIND, key.as_str(), incarnation);
            let wanted = write.get(&version_key(&history, version)).await?;
            let wanted = wanted.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let next = place.contents.with_another(audit.at, expected);
            let active = version_of(&wanted, version, operation)?;
            let parameter = Parameter { active, revision: next.revision, ..stands };
            let actions = vec![
                place.advance(next),
                put(tenant, place.incarnation, &parameter, incarnation, Condition::is("rev", expected), operation)?,
            ];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: parameter, revision: next.revision });
            }
        }
    }

    async fn delete(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        self.delete_record("parameters.delete", tenant, scope, KIND, key.as_str(), expected, audit).await
    }

    async fn version(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        version: u64,
    ) -> StoreResult<Option<ParameterVersion>> {
        const OPERATION: &str = "parameters.version";
        let mut patience = self.patience();
        let found = self.find_record(OPERATION, &mut patience, tenant, scope, KIND, key.as_str()).await?;
        let Some(found) = found else { return Ok(None) };
        let stands = parameter_of(&found.item, OPERATION)?;
        if version == stands.active.version {
            return Ok(Some(stands.active));
        }
        let history = key::history(tenant, found.place.incarnation, KIND, key.as_str(), found.incarnation(OPERATION)?);
        // One that was added since is not of the moment at which the parameter was read.
        if version > stands.latest_version {
            return Ok(None);
        }
        let item = self.get(OPERATION, &mut patience, &version_key(&history, version)).await?;
        item.map(|item| version_of(&item, stands.active.version, OPERATION)).transpose()
    }

    async fn versions(
        &self,
        tenant: TenantId,
        scope: &Scope,
        key: &ParameterKey,
        page: &PageRequest,
    ) -> StoreResult<Page<ParameterVersion>> {
        const OPERATION: &str = "parameters.versions";
        let parts = [Some(scope.platform.as_str()), Some(scope.environment.as_str()), Some(key.as_str())];
        let list = List::new(OPERATION, tenant, &parts);
        let mut patience = self.patience();
        loop {
            let found = self.find_record(OPERATION, &mut patience, tenant, scope, KIND, key.as_str()).await?;
            let Some(found) = found else {
                // A cursor that does not fit is told so, whether or not there is a parameter.
                Window::of(&list, page, 1, 1)?;
                return Ok(Page::empty());
            };
            let stands = parameter_of(&found.item, OPERATION)?;
            let window = Window::of(&list, page, 1, stands.latest_version)?;
            if window.count == 0 {
                return Ok(Page::empty());
            }
            let history = key::history(tenant, found.place.incarnation, KIND, key.as_str(), found.incarnation(OPERATION)?);
            let after = Some(key::version(window.top.saturating_add(1)));
            let limit = Some(usize::try_from(window.count).unwrap_or(usize::MAX));
            let range = Range { after, descending: true, limit, ..Range::all(history) };
            let items = self.query(OPERATION, &mut patience, range).await?;
            if items.len() as u64 == window.count {
                let active = stands.active.version;
                let versions = items.iter().map(|item| version_of(item, active, OPERATION)).collect::<StoreResult<_>>()?;
                return Ok(window.page(&list, versions));
            }
            // Deleted and swept away between the two reads: the next round finds no parameter.
            if !patience.pause(Trouble::Contended).await {
                return Err(Trouble::Contended.error(OPERATION, Crowded));
            }
        }
    }
}

pub(super) fn add_version(
    tenant: TenantId,
    environment: Uuid,
    version: &ParameterVersion,
    incarnation: Uuid,
    operation: &'static str,
) -> StoreResult<Action> {
    let item = version_item(tenant, environment, version, incarnation, operation)?;
    Ok(Action::Put { item, when: Condition::absent() })
}

/// The item of a version in the history.
pub(super) fn version_item(
    tenant: TenantId,
    environment: Uuid,
    version: &ParameterVersion,
    incarnation: Uuid,
    operation: &'static str,
) -> StoreResult<Item> {
    let history = key::history(tenant, environment, KIND, version.key.as_str(), incarnation);
    draft(&version_key(&history, version.version), version, operation)?.finish(operation)
}

pub(super) fn put(
    tenant: TenantId,
    environment: Uuid,
    parameter: &Parameter,
    incarnation: Uuid,
    when: Condition,
    operation: &'static str,
) -> StoreResult<Action> {
    Ok(Action::Put { item: item_of(tenant, environment, parameter, incarnation, operation)?, when })
}

/// The item of a parameter, with its active version.
pub(super) fn item_of(
    tenant: TenantId,
    environment: Uuid,
    parameter: &Parameter,
    incarnation: Uuid,
    operation: &'static str,
) -> StoreResult<Item> {
    draft(&key::record(tenant, environment, KIND, parameter.key().as_str()), &parameter.active, operation)?
        .with("incarnation", incarnation)
        .with("latest_version", parameter.latest_version)
        .with("rev", parameter.revision)
        .finish(operation)
}

/// What the item of a version and that of the parameter have in common.
fn draft(key: &Key, version: &ParameterVersion, operation: &'static str) -> StoreResult<Draft> {
    let draft = Draft::new(key)
        .with("key", version.key.as_str())
        .with("version", version.version)
        .document(operation, &version.definition)?;
    Ok(draft.with("created_by", version.created_by.as_str()).with("created_at", version.created_at))
}

pub(super) fn parameter_of(item: &Item, operation: &'static str) -> StoreResult<Parameter> {
    let attributes = Attributes::new(item, operation);
    Ok(Parameter {
        active: version_of(item, attributes.get("version")?, operation)?,
        latest_version: attributes.get("latest_version")?,
        revision: attributes.get("rev")?,
    })
}

pub(super) fn version_of(item: &Item, active: u64, operation: &'static str) -> StoreResult<ParameterVersion> {
    let attributes = Attributes::new(item, operation);
    let version = attributes.get("version")?;
    Ok(ParameterVersion {
        key: attributes.get("key")?,
        version,
        definition: attributes.document()?,
        active: version == active,
        created_by: attributes.get("created_by")?,
        created_at: attributes.get("created_at")?,
    })
}
