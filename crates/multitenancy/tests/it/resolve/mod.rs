//! A resolver over a source whose answers are held back, refused and changed at will.

mod claims;
mod counted;
mod flights;
mod limits;
mod lives;
mod news;
mod preload;
mod stress;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{ManualStopwatch, Stopwatch as _, StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_multitenancy::{
    Held, HostKey, HostRef, Notice, ResolveError, ResolveOptions, Resolved, Resolver, Source, TenantSource, Versioned,
};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub(crate) const ACME: HostRef<'static> = HostRef::Subdomain("acme");
pub(crate) const FLAGS: HostRef<'static> = HostRef::Domain("flags.acme.test");

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) version: u64,
    pub(crate) suspended: bool,
}

impl Versioned for Entry {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn outlasts_outage(&self) -> bool {
        !self.suspended
    }

    fn vouched(tenant: TenantId, version: u64, _name: HostRef<'_>) -> Option<Self> {
        Some(Self { tenant, version, suspended: false })
    }
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn entry(number: u128, version: u64) -> Entry {
    Entry { tenant: tenant(number), version, suspended: false }
}

pub(crate) fn notice(number: u128, version: u64, names: &[HostRef<'_>]) -> Notice {
    Notice { tenant: tenant(number), version, names: names.iter().map(|name| name.to_key()).collect() }
}

/// What the source does with a load, before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Says that it is not there.
    Down,
    Panics,
    /// Never answers.
    Hangs,
}

/// A store of tenants.
#[derive(Debug)]
pub(crate) struct Register {
    stored: Mutex<HashMap<HostKey, Arc<Entry>>>,
    mood: Mutex<Mood>,
    /// A load that has read takes one to answer.
    pub(crate) answers: Semaphore,
    loads: AtomicU64,
}

impl Register {
    pub(crate) fn put(&self, key: HostRef<'_>, entry: Entry) {
        self.stored.lock().unwrap().insert(key.to_key(), Arc::new(entry));
    }

    pub(crate) fn remove(&self, key: HostRef<'_>) {
        self.stored.lock().unwrap().remove(&key.to_key());
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Loads that have begun since the last time.
    pub(crate) fn loads(&self) -> u64 {
        self.loads.swap(0, Ordering::SeqCst)
    }

    /// Lets loads read and wait, until [`answer`](Self::answer).
    pub(crate) fn hold_back(&self) {
        self.answers.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn answer(&self, loads: usize) {
        self.answers.add_permits(loads);
    }
}

#[async_trait]
impl TenantSource for Register {
    type Entry = Entry;

    async fn load(&self, key: &HostKey) -> StoreResult<Option<Arc<Entry>>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let found = self.stored.lock().unwrap().get(key).cloned();
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => {}
            Mood::Down => return Err(StoreError::new(StoreErrorKind::Unavailable, "tenants.find")),
            Mood::Panics => panic!("a bug in an adapter"),
            Mood::Hangs => std::future::pending().await,
        }
        self.answers.acquire().await.unwrap().forget();
        Ok(found)
    }
}

/// A resolver, its store and its time.
pub(crate) struct Rig {
    pub(crate) register: Arc<Register>,
    pub(crate) stopwatch: Arc<ManualStopwatch>,
    pub(crate) resolver: Resolver<Entry>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(ResolveOptions::default())
    }

    pub(crate) fn with(options: ResolveOptions) -> Self {
        let register = Arc::new(Register {
            stored: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            answers: Semaphore::new(Semaphore::MAX_PERMITS),
            loads: AtomicU64::new(0),
        });
        let stopwatch = Arc::new(ManualStopwatch::new(1_000_000));
        let resolver = Resolver::new(Arc::<Register>::clone(&register), Arc::<ManualStopwatch>::clone(&stopwatch), options);
        Self { register, stopwatch, resolver }
    }

    /// Puts a node in the place of this one, which has heard nothing.
    pub(crate) fn start_anew(&mut self, options: ResolveOptions) {
        let (register, stopwatch) = (Arc::<Register>::clone(&self.register), Arc::<ManualStopwatch>::clone(&self.stopwatch));
        self.resolver = Resolver::new(register, stopwatch, options);
    }

    /// One that remembers `acme`, at version 1.
    pub(crate) async fn of_acme(options: ResolveOptions) -> Self {
        let rig = Self::with(options);
        rig.register.put(ACME, entry(1, 1));
        assert_eq!(rig.version(ACME).await, Ok(1));
        assert_eq!(rig.register.loads(), 1);
        rig
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.stopwatch.advance(time);
    }

    pub(crate) async fn resolve(&self, key: HostRef<'_>) -> Result<Resolved<Entry>, ResolveError> {
        self.resolver.resolve(key).await
    }

    /// The version that a name leads to, or what went wrong.
    pub(crate) async fn version(&self, key: HostRef<'_>) -> Result<u64, &'static str> {
        self.resolve(key).await.map(|resolved| resolved.entry.version).map_err(|error| word(&error))
    }

    /// Where the answer comes from.
    pub(crate) async fn source(&self, key: HostRef<'_>) -> Result<Source, &'static str> {
        self.resolve(key).await.map(|resolved| resolved.source).map_err(|error| word(&error))
    }

    /// Lets everything run that can.
    pub(crate) async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn held(&self) -> Held {
        self.resolver.held()
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.stopwatch.now_us()
    }
}

pub(crate) fn word(error: &ResolveError) -> &'static str {
    match error {
        ResolveError::NotFound => "nobody",
        ResolveError::OtherTenant => "other tenant",
        ResolveError::Overloaded { .. } => "overloaded",
        ResolveError::Behind => "behind",
        ResolveError::Store(_) => "store",
        _ => "abandoned",
    }
}
