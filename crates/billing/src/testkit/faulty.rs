//! The port of [`store`](crate::store) where calls go wrong as planned, and where a process ends in the middle of its work.

use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use togglebox_core::testkit::{Faults, Faulty};
use togglebox_core::{Page, PageRequest, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp, faulty_port};

use crate::store::{Address, BillingStore, Committed, Document, Shelf, Write};

faulty_port! {
    tenantless BillingStore as "billing", BILLING {
        read get(addresses: &[Address]) -> Vec<Option<Document>>;
        write commit(writes: &[Write]) -> Committed;
        read due(shelf: Shelf, now: Timestamp, limit: usize) -> Vec<Document>;
        read list(shelf: Shelf, list: &str, page: &PageRequest) -> Page<Document>;
        read of(tenant: TenantId, shelf: Shelf, page: &PageRequest) -> Page<Document>;
        write prune(shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> usize;
    }
}

/// A store as a process sees it that may end at any call: [`Faults`] for what goes wrong with single calls, and a crash, from which on
/// nothing that the process asks for is done. Clones are the same process.
///
/// ```
/// # use std::sync::Arc;
/// # use togglebox_billing::testkit::{FaultyStore, MemoryStore};
/// # use togglebox_billing::{BillingStore, Shelf};
/// # use togglebox_core::Timestamp;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = FaultyStore::new(Arc::new(MemoryStore::new()));
/// for call in 1.. {
///     store.revive();
///     store.crash_at(call);
///     // What is tried: here, two calls.
///     for _ in 0..2 {
///         drop(store.due(Shelf::Event, Timestamp::EPOCH, 10).await);
///     }
///     if !store.has_crashed() {
///         // It got to its end: every call has been the last one once.
///         assert_eq!(call, 3);
///         break;
///     }
///     // Another process goes on over `store.inner()`, and puts everything right.
/// }
/// # });
/// ```
pub struct FaultyStore<S: ?Sized = dyn BillingStore> {
    store: Faulty<S>,
    life: Arc<Mutex<Life>>,
}

#[derive(Debug, Default)]
struct Life {
    /// Calls that came in since it began or was revived.
    calls: u64,
    end: Option<End>,
    has_crashed: bool,
}

/// The last call of a process.
#[derive(Clone, Copy, Debug)]
struct End {
    call: u64,
    /// Whether the store is still asked to do it. Nobody learns of its answer.
    is_made: bool,
}

/// What becomes of a call.
enum Fate {
    Made,
    /// Made, and the process ends before it has the answer.
    Last,
    Never,
}

impl Life {
    fn next(&mut self) -> Fate {
        self.calls += 1;
        let Some(end) = self.end.filter(|end| self.calls >= end.call) else { return Fate::Made };
        self.has_crashed = true;
        if end.is_made && self.calls == end.call { Fate::Last } else { Fate::Never }
    }
}

impl<S: ?Sized> FaultyStore<S> {
    /// Over a store, without faults yet.
    pub fn new(inner: Arc<S>) -> Self {
        Self::with_faults(inner, Arc::new(Faults::none()))
    }

    /// Over a store, to which things happen as `faults` say: operations are `billing.get`, `billing.commit` and so on ([`BILLING`]).
    pub fn with_faults(inner: Arc<S>, faults: Arc<Faults>) -> Self {
        Self { store: Faulty::new(inner, faults), life: Arc::default() }
    }

    /// The store behind.
    pub const fn inner(&self) -> &Arc<S> {
        self.store.inner()
    }

    /// The plan of what goes wrong.
    pub const fn faults(&self) -> &Arc<Faults> {
        self.store.faults()
    }

    /// Ends the process before its `call`th call from now on (1 is the next): that one and all that follow are `Unavailable`, and the store
    /// is not asked.
    pub fn crash_at(&self, call: u64) {
        self.end(call, false);
    }

    /// Ends the process after its `call`th call from now on (1 is the next): the store does it, but nobody learns of it; all that follow
    /// are `Unavailable`, and the store is not asked.
    pub fn crash_after(&self, call: u64) {
        self.end(call, true);
    }

    /// As a new process: there is no end to come, and calls are counted from 0.
    pub fn revive(&self) {
        self.change(|life| *life = Life::default());
    }

    /// Calls that came in, after the crash too.
    pub fn calls(&self) -> u64 {
        self.change(|life| life.calls)
    }

    /// Whether a call has met the crash that was planned.
    pub fn has_crashed(&self) -> bool {
        self.change(|life| life.has_crashed)
    }

    fn end(&self, call: u64, is_made: bool) {
        self.change(|life| life.end = Some(End { call: life.calls + call, is_made }));
    }

    fn change<T>(&self, change: impl FnOnce(&mut Life) -> T) -> T {
        change(&mut self.life.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn live<T>(&self, operation: &'static str, call: impl Future<Output = StoreResult<T>> + Send) -> StoreResult<T> {
        let crashed = || StoreError::new(StoreErrorKind::Unavailable, operation).caused_by("injected: the process has ended");
        match self.change(Life::next) {
            Fate::Made => call.await,
            Fate::Last => {
                drop(call.await);
                Err(crashed())
            }
            Fate::Never => Err(crashed()),
        }
    }
}

impl<S: ?Sized> Clone for FaultyStore<S> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), life: Arc::clone(&self.life) }
    }
}

impl<S: ?Sized + Debug> Debug for FaultyStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("store", &self.store).field("life", &self.life).finish()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: BillingStore + ?Sized> BillingStore for FaultyStore<S> {
    async fn get(&self, addresses: &[Address]) -> StoreResult<Vec<Option<Document>>> {
        self.live("billing.get", self.store.get(addresses)).await
    }

    async fn commit(&self, writes: &[Write]) -> StoreResult<Committed> {
        self.live("billing.commit", self.store.commit(writes)).await
    }

    async fn due(&self, shelf: Shelf, now: Timestamp, limit: usize) -> StoreResult<Vec<Document>> {
        self.live("billing.due", self.store.due(shelf, now, limit)).await
    }

    async fn list(&self, shelf: Shelf, list: &str, page: &PageRequest) -> StoreResult<Page<Document>> {
        self.live("billing.list", self.store.list(shelf, list, page)).await
    }

    async fn of(&self, tenant: TenantId, shelf: Shelf, page: &PageRequest) -> StoreResult<Page<Document>> {
        self.live("billing.of", self.store.of(tenant, shelf, page)).await
    }

    async fn prune(&self, shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.live("billing.prune", self.store.prune(shelf, list, before, limit)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryStore;
    use super::*;

    fn put(id: &str) -> Write {
        Write::Put(Document {
            address: Address::new(Shelf::Event, id),
            tenant: None,
            version: 0,
            list: "l".into(),
            at: Timestamp::EPOCH,
            due: None,
            body: "{}".into(),
        })
    }

    /// Which of three commits stand after a crash, and what was told of them.
    async fn commits(plan: impl FnOnce(&FaultyStore<MemoryStore>)) -> (Vec<bool>, Vec<bool>) {
        let store = FaultyStore::new(Arc::new(MemoryStore::new()));
        plan(&store);
        let ids = ["a", "b", "c"];
        let mut told = Vec::new();
        for id in ids {
            told.push(store.commit(&[put(id)]).await.is_ok());
        }
        assert_eq!((store.calls(), store.has_crashed()), (3, told.contains(&false)));
        let stand = store.inner().get(&ids.map(|id| Address::new(Shelf::Event, id))).await.unwrap();
        (stand.iter().map(Option::is_some).collect(), told)
    }

    #[tokio::test]
    async fn a_crash_ends_everything_from_its_call_on() {
        assert_eq!(commits(|_| {}).await, (vec![true; 3], vec![true; 3]));
        assert_eq!(commits(|store| store.crash_at(2)).await, (vec![true, false, false], vec![true, false, false]));
        assert_eq!(commits(|store| store.crash_after(2)).await, (vec![true, true, false], vec![true, false, false]));
        assert_eq!(commits(|store| store.crash_at(4)).await, (vec![true; 3], vec![true; 3]));
        let revived = commits(|store| {
            store.crash_at(1);
            store.revive();
        });
        assert_eq!(revived.await, (vec![true; 3], vec![true; 3]));
    }
}
