//! A store of nothing but places and revisions, which takes its time and counts what it is asked.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{
    AuditRecord, Change, Limit, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp, Written,
};
use togglebox_toggles::store::{DirectoryStore, EnvironmentState, EnvironmentStore, Revisions};
use togglebox_toggles::{Directory, Environment, Platform, PlatformName, Scope};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::Memory;

pub(super) const TENANT: TenantId = TenantId::DEFAULT;

pub(super) fn scope(environment: &str) -> Scope {
    Scope::new("web".parse().unwrap(), environment.parse().unwrap())
}

/// Revisions by place are those of the environments' contents.
#[derive(Default)]
struct Contents {
    directory: Directory,
    revisions: Revisions,
    /// Since when each environment's contents were at which revision, oldest first.
    log: Vec<(Instant, Uuid, Revision)>,
    ids: u128,
}

/// The store. Writes are made at once and by hand; what nodes ask takes `delay`, and is answered as it was in the middle of it; but the
/// revisions of contents each as it was at a moment of its own within it, which is all that a store without such moments can promise.
#[derive(Default)]
pub(super) struct Model {
    contents: Mutex<Contents>,
    delay: Duration,
    hangs: AtomicBool,
    loads: AtomicUsize,
    directories: AtomicUsize,
    polls: AtomicUsize,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Model")
    }
}

impl Model {
    pub(super) fn new(delay: Duration) -> Arc<Self> {
        let model = Self { delay, ..Self::default() };
        let platform = Platform {
            id: Uuid::from_u128(1),
            name: "web".parse().unwrap(),
            description: None,
            created_by: None,
            created_at: Timestamp::EPOCH,
            revision: Revision::ZERO,
        };
        model.contents().directory.platforms.insert(platform.name.clone(), platform);
        Arc::new(model)
    }

    /// A node over it.
    pub(super) fn node(self: &Arc<Self>) -> Arc<Memory> {
        Memory::new(Arc::<Self>::clone(self), Arc::<Self>::clone(self))
    }

    /// Makes an environment, whose contents begin at zero.
    pub(super) fn create(&self, place: &Scope) -> Change {
        let mut contents = self.contents();
        contents.ids += 1;
        let environment = Environment {
            id: Uuid::from_u128(1000 + contents.ids),
            platform: place.platform.clone(),
            name: place.environment.clone(),
            description: None,
            created_by: None,
            created_at: Timestamp::EPOCH,
            revision: Revision::ZERO,
        };
        contents.log.push((Instant::now(), environment.id, Revision::ZERO));
        contents.directory.environments.insert(place.clone(), environment);
        contents.revisions.environments.insert(place.clone(), Revision::ZERO);
        Self::turn(&mut contents)
    }

    pub(super) fn delete(&self, place: &Scope) -> Change {
        let mut contents = self.contents();
        contents.directory.environments.remove(place);
        contents.revisions.environments.remove(place);
        Self::turn(&mut contents)
    }

    /// Changes something inside an environment that is there.
    pub(super) fn write(&self, place: &Scope) -> Change {
        let mut contents = self.contents();
        let revision = contents.revisions.environments.get_mut(place).unwrap();
        *revision = revision.next();
        let revision = *revision;
        let id = contents.directory.environments[place].id;
        contents.log.push((Instant::now(), id, revision));
        told(place, revision.get())
    }

    /// Which environment is there, and at which revision.
    pub(super) fn stands(&self, place: &Scope) -> Option<(Uuid, u64)> {
        let contents = self.contents();
        let id = contents.directory.environments.get(place)?.id;
        Some((id, contents.revisions.environments[place].get()))
    }

    pub(super) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    /// How often an environment was loaded.
    pub(super) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// How often the directory was loaded.
    pub(super) fn directories(&self) -> usize {
        self.directories.load(Ordering::SeqCst)
    }

    /// How often a tenant's revisions were asked for since the last time.
    pub(super) fn polls(&self) -> usize {
        self.polls.swap(0, Ordering::SeqCst)
    }

    fn turn(contents: &mut Contents) -> Change {
        let revision = contents.directory.revision.next();
        contents.directory.revision = revision;
        contents.revisions.directory = revision;
        Change::Directory { tenant: TENANT, revision }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap()
    }

    async fn answer<T>(&self, look: impl FnOnce(&Contents) -> T) -> StoreResult<T> {
        let half = self.delay / 2;
        tokio::time::sleep(half).await;
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let answer = look(&self.contents());
        tokio::time::sleep(half).await;
        Ok(answer)
    }
}

/// A notice of an environment.
pub(super) fn told(place: &Scope, revision: u64) -> Change {
    let (platform, environment) = (place.platform.to_string(), place.environment.to_string());
    Change::Environment { tenant: TENANT, platform, environment, revision: Revision::new(revision) }
}

#[async_trait]
impl EnvironmentStore for Model {
    async fn load(&self, _: TenantId, place: &Scope) -> StoreResult<Option<EnvironmentState>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let look = |contents: &Contents| {
            let id = contents.directory.environments.get(place)?.id;
            let revision = contents.revisions.environments[place];
            let (parameters, flags, experiments) = (Vec::new(), Vec::new(), Vec::new());
            Some(EnvironmentState { id, revision, changed_at: Timestamp::EPOCH, parameters, flags, experiments })
        };
        self.answer(look).await
    }
}

fn by_hand<T>() -> StoreResult<T> {
    Err(StoreError::new(StoreErrorKind::Refused("writes are made by hand"), "model"))
}

#[async_trait]
impl DirectoryStore for Model {
    async fn directory(&self, _: TenantId) -> StoreResult<Directory> {
        self.directories.fetch_add(1, Ordering::SeqCst);
        self.answer(|contents| contents.directory.clone()).await
    }

    async fn revisions(&self, tenant: TenantId) -> StoreResult<Revisions> {
        Ok(self.revisions_of(&[tenant]).await?.remove(0))
    }

    /// Every tenant has the same.
    async fn revisions_of(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revisions>> {
        self.polls.fetch_add(tenants.len(), Ordering::SeqCst);
        let began = Instant::now();
        let directory = self.answer(|contents| contents.directory.clone()).await?;
        let contents = self.contents();
        let revision = |place: &Scope, id: Uuid| {
            // Any quarter of the call, the same in every run.
            let quarter = BuildHasherDefault::<DefaultHasher>::default().hash_one((place, contents.log.len())) % 5;
            let moment = began + self.delay * u32::try_from(quarter).unwrap() / 4;
            let mut revisions = contents.log.iter().filter(|(since, of, _)| *of == id && *since <= moment);
            // One that was made after its moment had nothing in it then.
            revisions.next_back().map_or(Revision::ZERO, |(_, _, revision)| *revision)
        };
        let environments = directory.environments.iter().map(|(place, made)| (place.clone(), revision(place, made.id))).collect();
        Ok(vec![Revisions { directory: directory.revision, environments }; tenants.len()])
    }

    async fn create_platform(&self, _: TenantId, _: &Platform, _: Limit, _: &AuditRecord) -> StoreResult<Written<Platform>> {
        by_hand()
    }

    async fn replace_platform(&self, _: TenantId, _: &Platform, _: Revision, _: &AuditRecord) -> StoreResult<Written<Platform>> {
        by_hand()
    }

    async fn delete_platform(&self, _: TenantId, _: &PlatformName, _: Revision, _: &AuditRecord) -> StoreResult<Written<()>> {
        by_hand()
    }

    async fn create_environment(
        &self,
        _: TenantId,
        _: &Environment,
        _: Limit,
        _: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        by_hand()
    }

    async fn replace_environment(
        &self,
        _: TenantId,
        _: &Environment,
        _: Revision,
        _: &AuditRecord,
    ) -> StoreResult<Written<Environment>> {
        by_hand()
    }

    async fn delete_environment(&self, _: TenantId, _: &Scope, _: Revision, _: &AuditRecord) -> StoreResult<Written<()>> {
        by_hand()
    }
}
