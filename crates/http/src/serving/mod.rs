//! Reads from memory.
//!
//! For each tenant a node holds the directory of platforms and environments, and for each environment that is asked for one immutable
//! snapshot with its answers rendered. A read is a few look-ups in what lies side by side; it never touches the store unless the node was told
//! of a newer revision (by the bus, by its own write, or by the poll) than it holds. Then it waits up to [`WAIT`] for that revision,
//! and after that answers with what it has and says so. A store that is down is not asked more than once in [`RETRY`] per thing.
//!
//! What a node is told is news, not truth: notices may be late, repeated, out of order, or of something that is gone. A load that began
//! after the notice says what there is.

mod directory;
mod environment;
mod held;
mod rendered;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use togglebox_core::{Change, ChangeListener, Revision, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, Revisions};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

pub(crate) use directory::ServedDirectory;
pub(crate) use environment::ServedEnvironment;
pub(crate) use rendered::{INLINE_BYTES, Rendered};

use held::Held;

/// How long a read waits for a revision that the node was told of.
pub(crate) const WAIT: Duration = Duration::from_millis(250);

/// How long a read waits when there is nothing to answer with yet.
pub(crate) const FIRST_WAIT: Duration = Duration::from_secs(5);

/// How long the store may take to tell its revisions. Readiness is asked by probes that have little time themselves.
const ASK: Duration = Duration::from_secs(2);

/// How many tenants the store is asked about in one call.
const TOGETHER: usize = 100;

/// How many such calls are made at once.
const CALLS: usize = 2;

/// How many tenants are brought up to date at once.
const REFRESHES: usize = 8;

/// How many tenants one poll asks about: what is beyond that has its turn the next time, so that a node which serves ten thousand does
/// not spend its time, and the store's, on asking.
const PART: usize = 1000;

/// How long a poll goes on bringing things up to date. Less than the time between two polls, so that none is late.
const REFRESH: Duration = Duration::from_secs(1);

/// How long a failed load keeps further ones away.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// A value from memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh<T> {
    pub(crate) value: T,
    /// Whether the node knows of a newer revision but could not get it, or cannot ask whether there is one.
    pub(crate) stale: bool,
}

impl<T> Fresh<Arc<T>> {
    /// The same, borrowed.
    pub(crate) fn borrowed(&self) -> Fresh<&T> {
        Fresh { value: &self.value, stale: self.stale }
    }
}

/// The memory of one tenant.
#[derive(Debug, Default)]
struct TenantMemory {
    directory: Arc<Held<ServedDirectory>>,
    /// Whether the store left the last poll without an answer: then there may be revisions that this node was not told of.
    unheard: AtomicBool,
}

impl TenantMemory {
    fn look<R>(&self, platform: &str, environment: &str, look: impl FnOnce(Option<Fresh<&ServedEnvironment>>) -> R) -> Poll<R> {
        let stale = self.unheard.load(Ordering::Relaxed);
        let looked = self.directory.with_fresh(|directory| {
            let Some(slot) = directory.slot(platform, environment) else { return Poll::Ready(look(None)) };
            let served = slot.held.with_fresh(|served| {
                if served.is_gone() { Poll::Pending } else { Poll::Ready(look(Some(Fresh { value: served, stale }))) }
            });
            served.unwrap_or(Poll::Pending)
        });
        looked.unwrap_or(Poll::Pending)
    }
}

/// Where the memory of a tenant is, for whoever has asked for the tenant once: there it need not be looked for again. Once a node has one of a
/// tenant, it keeps it.
#[derive(Default)]
pub(crate) struct Home(OnceLock<(TenantId, Arc<TenantMemory>)>);

impl Home {
    /// The memory of this tenant, and of no other one.
    fn of(&self, tenant: TenantId) -> Option<&TenantMemory> {
        self.0.get().filter(|(known, _)| *known == tenant).map(|(_, memory)| &**memory)
    }
}

/// Without what is in memory, which is much.
impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Home").field(&self.0.get().map(|(tenant, _)| tenant)).finish()
    }
}

/// What a node holds of every tenant that it serves.
#[derive(Debug)]
pub struct Memory {
    directories: Arc<dyn DirectoryStore>,
    environments: Arc<dyn EnvironmentStore>,
    tenants: papaya::HashMap<TenantId, Arc<TenantMemory>, foldhash::fast::RandomState>,
    /// The last tenant, by id, that was polled.
    polled: Mutex<Option<TenantId>>,
}

impl Memory {
    /// An empty memory over these stores.
    pub fn new(directories: Arc<dyn DirectoryStore>, environments: Arc<dyn EnvironmentStore>) -> Arc<Self> {
        Arc::new(Self { directories, environments, tenants: papaya::HashMap::default(), polled: Mutex::default() })
    }

    /// Looks at an environment, if that can be done without waiting; at `None` when there is no such environment.
    ///
    /// The look takes no share in anything: a count of shares that every core raises and lowers would be the slowest part of it.
    pub(crate) fn look<R>(
        &self,
        (tenant, home): (TenantId, Option<&Home>),
        platform: &str,
        environment: &str,
        look: impl FnOnce(Option<Fresh<&ServedEnvironment>>) -> R,
    ) -> Poll<R> {
        let Some(memory) = home.and_then(|home| home.of(tenant)) else {
            let tenants = self.tenants.pin();
            let Some(memory) = tenants.get(&tenant) else { return Poll::Pending };
            if let Some(home) = home {
                home.0.get_or_init(|| (tenant, Arc::clone(memory)));
            }
            return memory.look(platform, environment, look);
        };
        memory.look(platform, environment, look)
    }

    /// The directory of a tenant.
    pub(crate) async fn directory(&self, tenant: TenantId) -> StoreResult<Fresh<Arc<ServedDirectory>>> {
        self.directory_by(tenant, Instant::now() + WAIT).await
    }

    async fn directory_by(&self, tenant: TenantId, deadline: Instant) -> StoreResult<Fresh<Arc<ServedDirectory>>> {
        let memory = self.tenant(tenant);
        if let Some(directory) = memory.directory.fresh() {
            return Ok(Fresh { value: directory, stale: memory.unheard.load(Ordering::Relaxed) });
        }
        let store = Arc::clone(&self.directories);
        let held = Arc::clone(&memory.directory);
        let load = async move {
            let directory = store.directory(tenant).await?;
            Ok(ServedDirectory::new(tenant, directory, held.peek().as_deref()))
        };
        memory.directory.get(deadline, load).await
    }

    /// An environment; `None` when it does not exist.
    pub(crate) async fn environment(
        &self,
        tenant: TenantId,
        platform: &str,
        environment: &str,
    ) -> StoreResult<Option<Fresh<Arc<ServedEnvironment>>>> {
        // One wait for all that is behind.
        let deadline = Instant::now() + WAIT;
        // Twice: an environment may have been deleted, and perhaps made again, since the directory was read.
        for _ in 0..2 {
            let directory = self.directory_by(tenant, deadline).await?;
            let Some(slot) = directory.value.slot(platform, environment) else { return Ok(None) };
            let served = if let Some(value) = slot.held.fresh() {
                Fresh { value, stale: directory.stale }
            } else {
                let load = load(Arc::clone(&self.environments), tenant, slot.scope.clone(), slot.id);
                slot.held.get(deadline, load).await?
            };
            if !served.value.is_gone() {
                return Ok(Some(served));
            }
            self.tenant(tenant).directory.expire();
        }
        Ok(None)
    }

    /// Makes the next read of an environment see `revision`, and brings the environment into memory now; gives it, if it is to be had.
    /// For writers: what they wrote is served when they are answered.
    pub(crate) async fn settle(&self, tenant: TenantId, scope: &Scope, revision: Revision) -> Option<Arc<ServedEnvironment>> {
        let (platform, environment) = (scope.platform.as_str(), scope.environment.as_str());
        self.news_of(tenant, platform, environment, revision);
        // A failure shows at the next read, and there it is answered with what is in memory.
        self.environment(tenant, platform, environment).await.ok().flatten().map(|served| served.value)
    }

    /// Like [`settle`](Self::settle), for the directory.
    pub(crate) async fn settle_directory(&self, tenant: TenantId, revision: Revision) {
        self.tenant(tenant).directory.tell(revision);
        let _ = self.directory(tenant).await;
    }

    /// Asks the store for the revisions of the tenants in memory, at most a thousand of them in turn, and begins to bring what is behind up
    /// to date. To be called every two seconds: notices may get lost.
    ///
    /// # Errors
    /// The first error of the store. A store that is not available is asked no further; after another error the other tenants are still
    /// asked about.
    pub async fn poll(&self) -> StoreResult<()> {
        self.poll_of(self.turn()).await
    }

    /// The same of all tenants in memory, however many they are: for where this is not called every two seconds.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub async fn poll_all(&self) -> StoreResult<()> {
        self.poll_of(self.all()).await
    }

    /// The same of these tenants.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub async fn poll_of(&self, tenants: Vec<TenantId>) -> StoreResult<()> {
        let parts = tenants.chunks(TOGETHER).map(<[_]>::to_vec);
        let mut polls = stream::iter(parts).map(|part| self.poll_together(part)).buffer_unordered(CALLS);
        let mut outcome = Ok(());
        while let Some(poll) = polls.next().await {
            let away = poll.as_ref().is_err_and(is_away);
            outcome = outcome.and(poll);
            if away {
                // What was not asked about is as little known to be up to date.
                self.tenants.pin().values().for_each(|memory| memory.unheard.store(true, Ordering::Relaxed));
                break;
            }
        }
        outcome
    }

    async fn poll_together(&self, tenants: Vec<TenantId>) -> StoreResult<()> {
        let outcome = match self.ask(&tenants).await {
            // What is wrong with one tenant is not the others' fault.
            Err(error) if tenants.len() > 1 && !is_away(&error) => self.poll_each(&tenants).await,
            asked => self.heard(&tenants, asked),
        };
        if !outcome.as_ref().is_err_and(is_away) {
            // Told is told: whoever reads what is not brought up to date in this time does so itself.
            let refreshes = stream::iter(tenants).map(|tenant| self.refresh(tenant)).buffer_unordered(REFRESHES);
            let _ = timeout(REFRESH, refreshes.for_each(|()| ready(()))).await;
        }
        outcome
    }

    async fn poll_each(&self, tenants: &[TenantId]) -> StoreResult<()> {
        let mut outcome = Ok(());
        for tenant in tenants.chunks(1) {
            match self.heard(tenant, self.ask(tenant).await) {
                Err(error) if is_away(&error) => return Err(error),
                heard => outcome = outcome.and(heard),
            }
        }
        outcome
    }

    /// Takes in what the store says of tenants, or that it says nothing.
    fn heard(&self, tenants: &[TenantId], asked: StoreResult<Vec<Revisions>>) -> StoreResult<()> {
        for tenant in tenants {
            self.tenant(*tenant).unheard.store(asked.is_err(), Ordering::Relaxed);
        }
        for (tenant, revisions) in tenants.iter().zip(&asked?) {
            self.hear(*tenant, revisions);
        }
        Ok(())
    }

    /// A tenant is at these revisions.
    fn hear(&self, tenant: TenantId, revisions: &Revisions) {
        let memory = self.tenant(tenant);
        memory.directory.tell(revisions.directory);
        for (scope, revision) in &revisions.environments {
            // Where there is no such slot yet, the directory is behind, and has just been told so.
            Self::tell_environment(&memory, scope.platform.as_str(), scope.environment.as_str(), *revision);
        }
    }

    fn all(&self) -> Vec<TenantId> {
        self.tenants.pin().keys().copied().collect()
    }

    /// The tenants in memory whose turn it is to be asked about.
    pub fn turn(&self) -> Vec<TenantId> {
        let mut tenants = self.all();
        if tenants.len() <= PART {
            return tenants;
        }
        tenants.sort_unstable();
        let mut polled = self.polled.lock().unwrap_or_else(PoisonError::into_inner);
        let from = polled.map_or(0, |last| tenants.partition_point(|tenant| *tenant <= last)) % tenants.len();
        tenants.rotate_left(from);
        tenants.truncate(PART);
        *polled = tenants.last().copied();
        tenants
    }

    /// Whether the store answers, within [`ASK`]; at once where it left the last poll without an answer.
    pub(crate) async fn reach(&self, tenant: TenantId) -> bool {
        if self.known(tenant).is_some_and(|memory| memory.unheard.load(Ordering::Relaxed)) {
            return false;
        }
        match self.ask(&[tenant]).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "The store does not answer");
                false
            }
        }
    }

    async fn ask(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revisions>> {
        let late = |late| StoreError::new(StoreErrorKind::Unavailable, "memory.ask").caused_by(late);
        timeout(ASK, self.directories.revisions_of(tenants)).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// Whether there is anything in memory to serve from.
    pub(crate) fn can_serve(&self, tenant: TenantId) -> bool {
        self.known(tenant).is_some_and(|memory| memory.directory.peek().is_some())
    }

    /// Loads what is in memory and behind.
    async fn refresh(&self, tenant: TenantId) {
        let Ok(directory) = self.directory(tenant).await else { return };
        for slot in directory.value.slots().iter().filter(|slot| slot.held.is_behind()) {
            let _ = self.environment(tenant, slot.scope.platform.as_str(), slot.scope.environment.as_str()).await;
        }
    }

    fn tenant(&self, tenant: TenantId) -> Arc<TenantMemory> {
        Arc::clone(self.tenants.pin().get_or_insert_with(tenant, Arc::default))
    }

    /// The memory of a tenant that somebody asked for. Notices come of all tenants, and must not fill the memory with them: what is
    /// asked for later is loaded later, and cannot miss what was written before.
    fn known(&self, tenant: TenantId) -> Option<Arc<TenantMemory>> {
        self.tenants.pin().get(&tenant).map(Arc::clone)
    }

    /// An environment is at this revision, as a writer says. Where the directory does not have it, the directory is behind (or the
    /// environment is gone by now): the next read looks.
    fn news_of(&self, tenant: TenantId, platform: &str, environment: &str, revision: Revision) {
        if let Some(memory) = self.known(tenant)
            && !Self::tell_environment(&memory, platform, environment, revision)
        {
            memory.directory.expire();
        }
    }

    /// Whether there is such an environment in the directory that is in memory.
    fn tell_environment(memory: &TenantMemory, platform: &str, environment: &str, revision: Revision) -> bool {
        let directory = memory.directory.peek();
        let slot = directory.as_ref().and_then(|directory| directory.slot(platform, environment));
        slot.map(|slot| slot.held.tell(revision)).is_some()
    }
}

/// Whether the store does not answer.
fn is_away(error: &StoreError) -> bool {
    *error.kind() == StoreErrorKind::Unavailable
}

async fn load(store: Arc<dyn EnvironmentStore>, tenant: TenantId, scope: Scope, id: Uuid) -> StoreResult<ServedEnvironment> {
    let state = store.load(tenant, &scope).await?;
    Ok(match state.filter(|state| state.id == id) {
        Some(state) => ServedEnvironment::new(scope, state),
        None => ServedEnvironment::gone(scope, id),
    })
}

impl ChangeListener for Memory {
    fn changed(&self, change: &Change) {
        match change {
            Change::Environment { tenant, platform, environment, revision } => {
                self.news_of(*tenant, platform, environment, *revision);
            }
            Change::Directory { tenant, revision } => {
                if let Some(memory) = self.known(*tenant) {
                    memory.directory.tell(*revision);
                }
            }
            // Accounts are the authenticator's business.
            _ => {}
        }
    }
}
