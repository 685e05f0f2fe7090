//! Platforms and environments.

use std::collections::{BTreeMap, HashMap};

use togglebox_core::{Clock as _, Revision, StoreErrorKind, StoreResult, SystemClock, TenantId};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::directory::{EnvironmentDraft, IMPORTING, environment_item, environment_of, platform_item, platform_of};
use super::super::gone::Gone;
use super::super::item::{Attributes, Item};
use super::super::key::{self, Key};
use super::super::store::Range;
use super::super::{accounts, digest::Digest};
use super::restore::{incarnation, refusal};
use super::{Group, RESTORE, Restoring, Teller};
use crate::transfer::record::{Environment, Platform, Tenant};

/// An environment: by which id its records name it, and by which incarnation their keys do.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Inside {
    pub(in super::super) environment: Uuid,
    pub(in super::super) incarnation: Uuid,
}

/// Everything that stands in the directory's partition.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// How far it has counted, if anything ever was.
    pub(super) revision: Option<Revision>,
    /// Whether all of the tenant comes from an import that is not complete.
    pub(super) importing: bool,
    pub(super) platforms: BTreeMap<String, (Platform, Uuid)>,
    /// Those that belong to a platform that is there.
    pub(super) environments: BTreeMap<Uuid, Standing>,
    /// What a deleted platform has left behind, by key.
    left_over: HashMap<Key, Uuid>,
}

/// An environment that is there.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) key: Key,
    pub(super) record: Environment,
    pub(super) incarnation: Uuid,
}

impl Directory {
    pub(super) fn insides(&self) -> Vec<Inside> {
        let inside = |standing: &Standing| Inside { environment: standing.record.id, incarnation: standing.incarnation };
        self.environments.values().map(inside).collect()
    }

    /// Of the revisions of all platforms and environments.
    pub(super) fn digest(&self) -> Digest {
        let platforms = self.platforms.values().map(|(platform, _)| platform.revision);
        platforms.chain(self.environments.values().map(|standing| standing.record.revision)).collect()
    }
}

/// Reads the directory.
pub(super) async fn read(store: &DynamoDb, operation: &'static str, tenant: TenantId) -> StoreResult<Directory> {
    let items = store.query(operation, &mut store.long_patience(), Range::all(key::directory(tenant))).await?;
    let (mut directory, mut inside) = (Directory::default(), Vec::new());
    for item in &items {
        let attributes = Attributes::new(item, operation);
        let sk: String = attributes.get(key::SK)?;
        if sk == key::directory_head(tenant).sk {
            directory.revision = Some(attributes.get("rev")?);
            directory.importing = item.contains_key(IMPORTING);
        } else if sk.starts_with('P') {
            let platform = platform_of(item, operation)?;
            let record = Platform {
                name: platform.name,
                id: platform.id,
                description: platform.description,
                created_by: platform.created_by,
                created_at: platform.created_at,
                revision: platform.revision,
            };
            directory.platforms.insert(record.name.to_string(), (record, attributes.get("incarnation")?));
        } else {
            inside.push(item);
        }
    }
    for item in inside {
        directory.take_in(item, operation)?;
    }
    Ok(directory)
}

impl Directory {
    fn take_in(&mut self, item: &Item, operation: &'static str) -> StoreResult<()> {
        let attributes = Attributes::new(item, operation);
        let key = Key::of(item).ok_or_else(|| attributes.unreadable(key::SK, "the item has no key"))?;
        let incarnation = attributes.get("incarnation")?;
        let (environment, owner) = environment_of(item, operation)?;
        if self.platforms.get(environment.platform.as_str()).is_none_or(|(_, platform)| *platform != owner) {
            self.left_over.insert(key, incarnation);
            return Ok(());
        }
        let record = Environment {
            id: environment.id,
            platform: environment.platform,
            name: environment.name,
            description: environment.description,
            created_by: environment.created_by,
            created_at: environment.created_at,
            revision: environment.revision,
            contents_revision: attributes.get("contents")?,
            changed_at: attributes.get("changed_at")?,
        };
        self.environments.insert(record.id, Standing { key, record, incarnation });
        Ok(())
    }
}

/// Tells how far the tenant has counted, if it ever has.
pub(super) async fn tenant(teller: &Teller, directory: &Directory) -> StoreResult<()> {
    let accounts = accounts::revision(&teller.store, super::DUMP, teller.tenant).await?;
    if directory.revision.is_none() && accounts.is_none() {
        return Ok(());
    }
    let (directory, accounts) = (directory.revision.unwrap_or_default(), accounts.unwrap_or_default());
    teller.tell(vec![Tenant { directory, accounts }.into()]).await
}

pub(super) async fn platforms(teller: &Teller, directory: &Directory) -> StoreResult<()> {
    teller.tell(directory.platforms.values().map(|(platform, _)| platform.clone().into()).collect()).await
}

pub(super) async fn environments(teller: &Teller, directory: &Directory) -> StoreResult<()> {
    teller.tell(directory.environments.values().map(|standing| standing.record.clone().into()).collect()).await
}

impl Restoring<'_> {
    /// Writes how far the tenant has counted, if nothing is there of it.
    pub(super) async fn tenants(&mut self, records: &[&Tenant]) -> StoreResult<usize> {
        let Some(record) = records.first() else { return Ok(0) };
        let keys = [key::directory_head(self.tenant), accounts::head(self.tenant)];
        self.settle(&keys, |standing| {
            if !standing.is_empty() {
                return Ok(Vec::new());
            }
            let directory = Action::Update {
                key: keys[0].clone(),
                set: vec![
                    ("rev", record.directory.into()),
                    ("digest", Digest::default().number().into()),
                    (IMPORTING, true.into()),
                ],
                remove: Vec::new(),
                when: Condition::absent(),
            };
            let accounts = accounts::new_head(self.tenant, record.accounts);
            Ok(vec![Group { actions: vec![directory, accounts], tally: None }])
        })
        .await
    }

    pub(super) async fn platforms(&mut self, records: &[&Platform]) -> StoreResult<usize> {
        let tenant = self.tenant;
        let count = self
            .settle_places(|directory| {
                if directory.revision.is_none() {
                    return Err(refusal(StoreErrorKind::NotFound));
                }
                let mut names: HashMap<&str, Uuid> =
                    directory.platforms.iter().map(|(name, (platform, _))| (name.as_str(), platform.id)).collect();
                let mut groups = Vec::new();
                for record in records {
                    if names.contains_key(record.name.as_str()) {
                        continue;
                    }
                    if names.values().any(|id| *id == record.id) {
                        return Err(refusal(StoreErrorKind::AlreadyExists));
                    }
                    names.insert(record.name.as_str(), record.id);
                    let platform = togglebox_toggles::Platform {
                        id: record.id,
                        name: record.name.clone(),
                        description: record.description.clone(),
                        created_by: record.created_by.clone(),
                        created_at: record.created_at,
                        revision: record.revision,
                    };
                    let key = key::platform(tenant, &record.name);
                    let item = platform_item(&key, &platform, incarnation(), RESTORE)?;
                    groups.push(Action::Put { item, when: Condition::absent() }.into());
                }
                Ok(groups)
            })
            .await;
        self.forget_places();
        count
    }

    pub(super) async fn environments(&mut self, records: &[&Environment]) -> StoreResult<usize> {
        let tenant = self.tenant;
        let count = self
            .settle_places(|directory| {
                let mut taken: HashMap<Key, Uuid> =
                    directory.environments.values().map(|standing| (standing.key.clone(), standing.record.id)).collect();
                let mut ids: std::collections::HashSet<Uuid> = directory.environments.keys().copied().collect();
                let mut groups = Vec::new();
                for record in records {
                    if !ids.insert(record.id) {
                        continue;
                    }
                    let owner = directory.platforms.get(record.platform.as_str()).map(|(_, incarnation)| *incarnation);
                    let owner = owner.ok_or_else(|| refusal(StoreErrorKind::NotFound))?;
                    let scope = togglebox_toggles::Scope::new(record.platform.clone(), record.name.clone());
                    let key = key::environment(tenant, &scope);
                    if taken.insert(key.clone(), record.id).is_some() {
                        return Err(refusal(StoreErrorKind::AlreadyExists));
                    }
                    groups.push(environment(tenant, record, &key, owner, directory)?);
                }
                Ok(groups)
            })
            .await;
        self.forget_places();
        count
    }
}

/// What writes an environment. What a deleted platform of the same name has left behind makes room, as it does for one that is made.
fn environment(tenant: TenantId, record: &Environment, key: &Key, owner: Uuid, directory: &Directory) -> StoreResult<Group> {
    let mut actions = Vec::new();
    let when = match directory.left_over.get(key) {
        Some(left) => {
            let gone = Gone::Environment { incarnation: *left };
            actions.push(gone.note(RESTORE, tenant, SystemClock.now())?);
            Condition::is("incarnation", *left)
        }
        None => Condition::absent(),
    };
    let environment = togglebox_toggles::Environment {
        id: record.id,
        platform: record.platform.clone(),
        name: record.name.clone(),
        description: record.description.clone(),
        created_by: record.created_by.clone(),
        created_at: record.created_at,
        revision: record.revision,
    };
    let draft =
        EnvironmentDraft { owner, incarnation: incarnation(), contents: record.contents_revision, changed_at: record.changed_at };
    let item = environment_item(key, &environment, draft, RESTORE)?;
    actions.push(Action::Put { item, when });
    Ok(Group { actions, tally: None })
}
