//! Who asks, and what.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use limitador::counter::Counter;
use limitador::limit::Context;
use limitador::storage::redis::{AsyncRedisStorage, CachedRedisStorage};
use limitador::storage::{AsyncCounterStorage, Authorization};
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_ratelimit::{Batch, Digest, Limit, LimitStore as _, Quota, RedisOptions, RedisStore, Tag};

/// So many in so many seconds.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub(crate) limit: u32,
    pub(crate) seconds: u64,
}

/// One unit of each of some limits, in the words of both.
#[derive(Clone)]
pub(crate) struct Question {
    batch: Batch,
    counters: Vec<Counter>,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Ours,
    Limitador,
    /// Limitador with its cache, as it comes: what was counted goes to Redis within a second.
    Cached,
}

/// What one node of a service has.
#[derive(Clone)]
pub(crate) enum Client {
    /// It makes two connections, which take turns.
    Ours(Arc<RedisStore>),
    /// A storage makes one connection, so that two of them, which take turns, are as much.
    Limitador(Arc<(AtomicUsize, [AsyncRedisStorage; 2])>),
    /// One connection, over which nobody waits.
    Cached(Arc<CachedRedisStorage>),
}

impl Question {
    /// `subject` is whose limits they are. Two windows of a subject have different lengths.
    pub(crate) fn new(subject: &str, windows: &[Window]) -> Self {
        let limits = windows.iter().map(|window| limit(subject, *window));
        let batch = Batch::new(Tag::Tenant(TenantId::DEFAULT), limits).unwrap();
        Self { batch, counters: windows.iter().map(|window| counter(subject, *window)).collect() }
    }
}

fn limit(subject: &str, Window { limit, seconds }: Window) -> Limit {
    let quota = Quota::rate(limit, Duration::from_secs(seconds)).burst(limit).unwrap();
    let policy = format!("window-{seconds}");
    let slot = Digest::of([subject.as_bytes(), policy.as_bytes()]);
    Limit::new(policy.parse().unwrap(), slot, quota, 1).unwrap()
}

/// With an id, which makes for the shorter keys of the two sorts that Limitador has.
fn counter(subject: &str, Window { limit, seconds }: Window) -> Counter {
    let id = format!("{subject}-{seconds}");
    let limit = limitador::limit::Limit::with_id(id, subject, limit.into(), seconds, [], []);
    Counter::new(limit, &Context::default()).unwrap().unwrap()
}

impl Client {
    /// Connected, and with what it needs loaded.
    pub(crate) async fn new(kind: Kind, url: &str) -> Self {
        match kind {
            Kind::Ours => {
                // What is measured is how long it takes, and not whether that is too long.
                let options = RedisOptions::parse(url).unwrap().with_timeout(Duration::from_secs(10));
                let store = RedisStore::new(options, Arc::new(SystemClock), Arc::new(OsEntropy));
                store.connected().await;
                Self::Ours(Arc::new(store))
            }
            Kind::Limitador => {
                let storages = [AsyncRedisStorage::new(url).await.unwrap(), AsyncRedisStorage::new(url).await.unwrap()];
                Self::Limitador(Arc::new((AtomicUsize::new(0), storages)))
            }
            Kind::Cached => Self::Cached(Arc::new(CachedRedisStorage::new(url).await.unwrap())),
        }
    }

    /// Whether it passes.
    pub(crate) async fn ask(&self, question: &Question) -> bool {
        match self {
            Self::Ours(store) => store.consume(&question.batch).await.unwrap().passed,
            Self::Limitador(storages) => {
                let (turn, storages) = &**storages;
                count(&storages[turn.fetch_add(1, Ordering::Relaxed) % 2], question).await
            }
            Self::Cached(storage) => count(&**storage, question).await,
        }
    }
}

async fn count(storage: &impl AsyncCounterStorage, question: &Question) -> bool {
    // It writes what is left into them.
    let mut counters = question.counters.clone();
    matches!(storage.check_and_update(&mut counters, 1).await.unwrap(), Authorization::Ok)
}
