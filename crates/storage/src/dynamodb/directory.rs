//! Platforms and environments: one partition of a tenant.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use togglebox_core::{AuditRecord, Limit, Revision, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use togglebox_toggles::store::{DirectoryStore, Revisions};
use togglebox_toggles::{Directory, Environment, Platform, PlatformName, Scope};
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::digest::{Digest, Disturbances};
use super::error::Trouble;
use super::gone::Gone;
use super::item::{Attributes, Draft, Item, Value, optional_json};
use super::key::{self, Key};
use super::patience::Patience;
use super::place::Counts;
use super::store::Range;
use super::transfer::AT_ONCE;
use super::write::{Stage, Write};

/// The attribute of a directory whose tenant was begun by an import that is not complete.
pub(super) const IMPORTING: &str = "importing";

/// How far a tenant's directory has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Head {
    revision: Revision,
    /// Of the revisions of all platforms and environments.
    digest: Digest,
}

impl Head {
    fn of(item: Option<&Item>, operation: &'static str) -> StoreResult<Self> {
        let Some(item) = item else { return Ok(Self::default()) };
        let attributes = Attributes::new(item, operation);
        Ok(Self { revision: attributes.get("rev")?, digest: Digest::from_number(attributes.get("digest")?) })
    }

    /// What counts a write, provided that nothing else was written since this head was read.
    fn advance(self, tenant: TenantId, digest: Digest) -> Action {
        Action::Update {
            key: key::directory_head(tenant),
            set: vec![("rev", self.revision.next().into()), ("digest", digest.number().into())],
            remove: Vec::new(),
            when: Condition::counted("rev", self.revision),
        }
    }
}

/// What ends an import: it puts the digest of all platforms and environments right, provided that the directory has still counted as far.
pub(super) fn completed(tenant: TenantId, revision: Revision, digest: Digest) -> Action {
    Action::Update {
        key: key::directory_head(tenant),
        set: vec![("digest", digest.number().into())],
        remove: vec![IMPORTING],
        when: Condition::is("rev", revision),
    }
}

/// The whole partition, as it was read.
pub(super) struct Listing {
    directory: Directory,
    revisions: BTreeMap<Scope, Revision>,
    /// Of the records in all environments, each environment at its own moment.
    pub(super) counts: Counts,
}

impl DynamoDb {
    /// Everything, at one revision.
    pub(super) async fn listing(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
    ) -> StoreResult<Listing> {
        let mut disturbances = Disturbances::default();
        loop {
            let items = self.query(operation, patience, Range::all(key::directory(tenant))).await?;
            match listing_of(&items, tenant, operation)? {
                Ok(listing) => return Ok(listing),
                Err(revision) => disturbances.pause(operation, patience, revision).await?,
            }
        }
    }
}

/// What the items of a directory's partition say; the revision alone when they are of different moments.
fn listing_of(items: &[Item], tenant: TenantId, operation: &'static str) -> StoreResult<Result<Listing, Revision>> {
    let (mut head, mut digest) = (None, Digest::default());
    let (mut platforms, mut owners, mut inside) = (BTreeMap::new(), HashMap::new(), Vec::new());
    for item in items {
        let sk: String = Attributes::new(item, operation).get(key::SK)?;
        if sk == key::directory_head(tenant).sk {
            head = Some(item);
        } else if sk.starts_with('P') {
            let platform = platform_of(item, operation)?;
            digest = digest.with(platform.revision);
            owners.insert(platform.name.clone(), Attributes::new(item, operation).get::<Uuid>("incarnation")?);
            platforms.insert(platform.name.clone(), platform);
        } else {
            inside.push(item);
        }
    }
    let (mut environments, mut revisions, mut counts) = (BTreeMap::new(), BTreeMap::new(), Counts::default());
    for item in inside {
        let (environment, owner) = environment_of(item, operation)?;
        // What is left of a platform that was deleted, and not swept away yet.
        if owners.get(&environment.platform) != Some(&owner) {
            continue;
        }
        digest = digest.with(environment.revision);
        let attributes = Attributes::new(item, operation);
        revisions.insert(environment.scope(), attributes.get("contents")?);
        counts = counts.and(Counts::read(&attributes)?);
        environments.insert(environment.scope(), environment);
    }
    let head = Head::of(head, operation)?;
    if head.digest != digest {
        return Ok(Err(head.revision));
    }
    let directory = Directory { revision: head.revision, platforms, environments };
    Ok(Ok(Listing { directory, revisions, counts }))
}

#[async_trait]
impl DirectoryStore for DynamoDb {
    async fn directory(&self, tenant: TenantId) -> StoreResult<Directory> {
        Ok(self.listing("directory.directory", &mut self.patience(), tenant).await?.directory)
    }

    async fn revisions(&self, tenant: TenantId) -> StoreResult<Revisions> {
        let Listing { directory, revisions, .. } = self.listing("directory.revisions", &mut self.patience(), tenant).await?;
        Ok(Revisions { directory: directory.revision, environments: revisions })
    }

    /// Each for itself, a few at once: nothing tells of several tenants together.
    async fn revisions_of(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revisions>> {
        stream::iter(tenants.iter().copied()).map(|tenant| self.revisions(tenant)).buffered(AT_ONCE).try_collect().await
    }

    async fn create_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        let key = key::platform(tenant, &platform.name);
        let mut write = self.write("directory.create_platform", tenant, key::directory_head(tenant), audit).await?;
        let operation = write.operation();
        loop {
            let (stage, head) = read(&mut write, tenant, [key.clone()]).await?;
            let stands = find_platform(&stage.items, &key, operation)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands, revision);
            }
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            if quota != Limit::Unlimited {
                let listing = self.listing(operation, write.patience(), tenant).await?;
                write.expect_room(quota, listing.directory.platforms.len() as u64)?;
            }
            let revision = head.revision.next();
            let platform = Platform { revision, ..platform.clone() };
            let item = platform_item(&key, &platform, audit.id, operation)?;
            let actions = vec![head.advance(tenant, head.digest.with(revision)), Action::Put { item, when: Condition::absent() }];
            if write.commit(actions, revision).await? {
                return Ok(Written { value: platform, revision });
            }
        }
    }

    async fn replace_platform(
        &self,
        tenant: TenantId,
        platform: &Platform,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Platform>> {
        let key = key::platform(tenant, &platform.name);
        let mut write = self.write("directory.replace_platform", tenant, key::directory_head(tenant), audit).await?;
        let operation = write.operation();
        loop {
            let (stage, head) = read(&mut write, tenant, [key.clone()]).await?;
            let stands = find_platform(&stage.items, &key, operation)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands, revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.revision, expected)?;
            let revision = head.revision.next();
            let described = describe(key.clone(), platform.description.as_deref(), expected, revision);
            let digest = head.digest.without(expected).with(revision);
            if write.commit(vec![head.advance(tenant, digest), described], revision).await? {
                let value = Platform { description: platform.description.clone(), revision, ..stands };
                return Ok(Written { value, revision });
            }
        }
    }

    async fn delete_platform(
        &self,
        tenant: TenantId,
        name: &PlatformName,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let key = key::platform(tenant, name);
        let mut write = self.write("directory.delete_platform", tenant, key::directory_head(tenant), audit).await?;
        let operation = write.operation();
        loop {
            let (stage, head) = read(&mut write, tenant, [key.clone()]).await?;
            if let Some(revision) = stage.earlier {
                return Ok(Written { value: (), revision });
            }
            let stands = find_platform(&stage.items, &key, operation)?.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.revision, expected)?;
            let revision = head.revision.next();
            // The environments go with their platform: they are counted out here, and lie unreachable until they are swept away. A
            // digest made of a half-seen write would be wrong for ever, so it is made of a list that is known to be whole.
            let Listing { directory, .. } = self.listing(operation, write.patience(), tenant).await?;
            if directory.revision != head.revision {
                write.again(Trouble::Contended).await?;
                continue;
            }
            let inside = directory.environments_of(name.as_str()).map(|environment| environment.revision);
            let digest = inside.fold(head.digest.without(expected), Digest::without);
            let incarnation = incarnation_of(&stage.items, &key, operation)?;
            let gone = Gone::Platform { name: name.clone(), incarnation };
            let actions = vec![
                head.advance(tenant, digest),
                Action::Delete { key: key.clone(), when: Condition::is("rev", expected) },
                gone.note(operation, tenant, audit.at)?,
            ];
            if write.commit(actions, revision).await? {
                return Ok(Written { value: (), revision });
            }
        }
    }

    async fn create_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        quota: Limit,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        let scope = environment.scope();
        let (of, key) = (key::platform(tenant, &scope.platform), key::environment(tenant, &scope));
        let mut write = self.write("directory.create_environment", tenant, key::directory_head(tenant), audit).await?;
        let operation = write.operation();
        loop {
            let (stage, head) = read(&mut write, tenant, [of.clone(), key.clone()]).await?;
            let stands = find_environment(&stage.items, tenant, &scope, operation)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands, revision);
            }
            if !stage.items.contains_key(&of) {
                return Err(write.error(StoreErrorKind::NotFound));
            }
            if stands.is_some() {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            if quota != Limit::Unlimited {
                let listing = self.listing(operation, write.patience(), tenant).await?;
                write.expect_room(quota, listing.directory.environments.len() as u64)?;
            }
            let revision = head.revision.next();
            let environment = Environment { revision, ..environment.clone() };
            // The items were read each at its own moment, so that the platform belongs to the head only if it is still the same.
            let owner = incarnation_of(&stage.items, &of, operation)?;
            let same = Action::Check { key: of.clone(), when: Condition::is("incarnation", owner) };
            let mut actions = vec![head.advance(tenant, head.digest.with(revision)), same];
            // What a deleted platform of this name has left behind makes room, and is noted so that its contents are swept away.
            let when = if stage.items.contains_key(&key) {
                let incarnation = incarnation_of(&stage.items, &key, operation)?;
                actions.push(Gone::Environment { incarnation }.note(operation, tenant, audit.at)?);
                Condition::is("incarnation", incarnation)
            } else {
                Condition::absent()
            };
            let draft =
                EnvironmentDraft { owner, incarnation: audit.id, contents: Revision::ZERO, changed_at: environment.created_at };
            let item = environment_item(&key, &environment, draft, operation)?;
            actions.push(Action::Put { item, when });
            if write.commit(actions, revision).await? {
                return Ok(Written { value: environment, revision });
            }
        }
    }

    async fn replace_environment(
        &self,
        tenant: TenantId,
        environment: &Environment,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        let scope = environment.scope();
        let (of, key) = (key::platform(tenant, &scope.platform), key::environment(tenant, &scope));
        let mut write = self.write("directory.replace_environment", tenant, key::directory_head(tenant), audit).await?;
        let operation = write.operation();
        loop {
            let (stage, head) = read(&mut write, tenant, [of.clone(), key.clone()]).await?;
            let stands = find_environment(&stage.items, tenant, &scope, operation)?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands, revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.revision, expected)?;
            let revision = head.revision.next();
            let described = describe(key.clone(), environment.description.as_deref(), expected, revision);
            let digest = head.digest.without(expected).with(revision);
            if write.commit(vec![head.advance(tenant, digest), described], revision).await? {
                let value = Environment { description: environment.description.clone(), revision, ..stands };
                return Ok(Written { value, revision });
            }
        }
    }

    async fn delete_environment(
        &self,
        tenant: TenantId,
        scope: &Scope,
        expected: Revision,
        audit: &AuditRecord,
    ) -> StoreResult<Written<()>> {
        let (of, key) = (key::platform(tenant, &scope.platform), key::environment(tenant, scope));
        let mut write = self.write("directory.delete_environment", tenant, key::directory_head(tenant), audit).await?;
        let operation = write.operation();
        loop {
            let (stage, head) = read(&mut write, tenant, [of.clone(), key.clone()]).await?;
            if let Some(revision) = stage.earlier {
                return Ok(Written { value: (), revision });
            }
            let stands = find_environment(&stage.items, tenant, scope, operation)?;
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.revision, expected)?;
            let revision = head.revision.next();
            let actions = vec![
                head.advance(tenant, head.digest.without(expected)),
                Action::Delete { key: key.clone(), when: Condition::is("rev", expected) },
                Gone::Environment { incarnation: incarnation_of(&stage.items, &key, operation)? }
                    .note(operation, tenant, audit.at)?,
            ];
            if write.commit(actions, revision).await? {
                return Ok(Written { value: (), revision });
            }
        }
    }
}

/// Reads items of the directory, and how far it has counted.
async fn read(write: &mut Write<'_>, tenant: TenantId, keys: impl IntoIterator<Item = Key>) -> StoreResult<(Stage, Head)> {
    let key = key::directory_head(tenant);
    let stage = write.read(keys.into_iter().chain([key.clone()])).await?;
    let head = Head::of(stage.items.get(&key), write.operation())?;
    Ok((stage, head))
}

/// What replaces the description of a platform or an environment.
fn describe(key: Key, description: Option<&str>, expected: Revision, revision: Revision) -> Action {
    let mut set: Vec<(&'static str, Value)> = vec![("rev", revision.into())];
    let mut remove = Vec::new();
    match description {
        Some(description) => set.push(("description", description.into())),
        None => remove.push("description"),
    }
    Action::Update { key, set, remove, when: Condition::is("rev", expected) }
}

fn find_platform(items: &HashMap<Key, Item>, key: &Key, operation: &'static str) -> StoreResult<Option<Platform>> {
    items.get(key).map(|item| platform_of(item, operation)).transpose()
}

/// The environment, unless what is there was left behind by a platform that was deleted.
fn find_environment(
    items: &HashMap<Key, Item>,
    tenant: TenantId,
    scope: &Scope,
    operation: &'static str,
) -> StoreResult<Option<Environment>> {
    let (platform, key) = (key::platform(tenant, &scope.platform), key::environment(tenant, scope));
    let (true, Some(item)) = (items.contains_key(&platform), items.get(&key)) else { return Ok(None) };
    let (environment, owner) = environment_of(item, operation)?;
    Ok((owner == incarnation_of(items, &platform, operation)?).then_some(environment))
}

/// Tells what has this key from what had or will have it: the id of the audit record of its creation.
fn incarnation_of(items: &HashMap<Key, Item>, key: &Key, operation: &'static str) -> StoreResult<Uuid> {
    let nothing = Item::new();
    Attributes::new(items.get(key).unwrap_or(&nothing), operation).get("incarnation")
}

pub(super) fn platform_item(key: &Key, platform: &Platform, incarnation: Uuid, operation: &'static str) -> StoreResult<Item> {
    Draft::new(key)
        .with("name", platform.name.as_str())
        .with("id", platform.id)
        .with("incarnation", incarnation)
        .maybe("description", platform.description.as_deref())
        .maybe("created_by", optional_json(operation, platform.created_by.as_ref())?)
        .with("created_at", platform.created_at)
        .with("rev", platform.revision)
        .finish(operation)
}

pub(super) fn platform_of(item: &Item, operation: &'static str) -> StoreResult<Platform> {
    let attributes = Attributes::new(item, operation);
    Ok(Platform {
        id: attributes.get("id")?,
        name: attributes.get("name")?,
        description: attributes.maybe("description")?,
        created_by: attributes.optional_json("created_by")?,
        created_at: attributes.get("created_at")?,
        revision: attributes.get("rev")?,
    })
}

/// What an item of an environment says besides the environment.
#[derive(Clone, Copy, Debug)]
pub(super) struct EnvironmentDraft {
    /// The platform's incarnation.
    pub(super) owner: Uuid,
    /// Its own.
    pub(super) incarnation: Uuid,
    /// How far its contents have counted.
    pub(super) contents: Revision,
    /// When they last did.
    pub(super) changed_at: Timestamp,
}

/// An environment in which there is nothing yet.
pub(super) fn environment_item(
    key: &Key,
    environment: &Environment,
    draft: EnvironmentDraft,
    operation: &'static str,
) -> StoreResult<Item> {
    let EnvironmentDraft { owner, incarnation, contents, changed_at } = draft;
    Draft::new(key)
        .with("platform", environment.platform.as_str())
        .with("name", environment.name.as_str())
        .with("id", environment.id)
        .with("incarnation", incarnation)
        .with("owner", owner)
        .maybe("description", environment.description.as_deref())
        .maybe("created_by", optional_json(operation, environment.created_by.as_ref())?)
        .with("created_at", environment.created_at)
        .with("rev", environment.revision)
        .with("contents", contents)
        .with("contents_digest", Digest::default().number())
        .with("changed_at", changed_at)
        .with_all(Counts::default().attributes())
        .finish(operation)
}

/// An environment, and the incarnation of the platform that it belongs to.
pub(super) fn environment_of(item: &Item, operation: &'static str) -> StoreResult<(Environment, Uuid)> {
    let attributes = Attributes::new(item, operation);
    let environment = Environment {
        id: attributes.get("id")?,
        platform: attributes.get("platform")?,
        name: attributes.get("name")?,
        description: attributes.maybe("description")?,
        created_by: attributes.optional_json("created_by")?,
        created_at: attributes.get("created_at")?,
        revision: attributes.get("rev")?,
    };
    Ok((environment, attributes.get("owner")?))
}
