//! What a caller may rely on when a call or its answer gets lost, for every operation that there is; and how any store compares with the one
//! in memory.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use togglebox_core::testkit::{At, Delay, Fault, Faults, Gate, Operation};
use togglebox_core::{EntropyExt as _, PageRequest, SeededEntropy, StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::fixtures::{A, B, Store, at, commit, document, put};
use super::{BILLING, FaultyStore, MemoryStore};
use crate::store::{Address, BillingStore as _, Committed, Document, Shelf, Write};

/// What a call gave, in a form in which the answers of all scenes can be compared.
type Answer = Result<String, StoreErrorKind>;

/// A tenant with a document that is due and one that is old, each scene in a list of its own.
struct Scene {
    store: Store,
    tenant: TenantId,
    list: String,
}

impl Scene {
    async fn set(store: &Store) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let tenant = TenantId::from_uuid(Uuid::from_u128(0xface_0000 + u128::from(number)));
        let scene = Self { store: Arc::clone(store), tenant, list: format!("scene-{number}") };
        commit(store, &[put(&scene.document("first", 0)), put(&scene.document("second", 10))]).await;
        scene
    }

    fn document(&self, name: &str, seconds: i64) -> Document {
        let id = format!("{}-{name}", self.list);
        Document {
            tenant: Some(self.tenant),
            list: self.list.as_str().into(),
            at: at(seconds),
            due: Some(at(seconds)),
            ..document(&id)
        }
    }

    /// All that can be seen of a scene, without what tells it from others.
    async fn view(&self) -> Vec<String> {
        let page = PageRequest::first(100);
        let of = self.store.of(self.tenant, Shelf::Event, &page).await.unwrap().items;
        let listed = self.store.list(Shelf::Event, &self.list, &page).await.unwrap().items;
        let due = self.store.due(Shelf::Event, at(1000), 1000).await.unwrap();
        let due = due.into_iter().filter(|document| document.tenant == Some(self.tenant));
        let told = |document: Document| format!("{} {}", document.address.id.replace(&self.list, ""), document.version);
        of.into_iter().chain(listed).chain(due).map(told).collect()
    }

    /// Calls an operation, with the same arguments each time.
    async fn call(&self, store: &FaultyStore, operation: &str) -> Answer {
        let page = PageRequest::first(100);
        match operation {
            "billing.get" => told(store.get(&[self.document("first", 0).address]).await.map(|found| found.len())),
            "billing.commit" => {
                let changed = Document { version: 1, due: None, ..self.document("first", 0) };
                let second = Write::Expect(self.document("second", 0).address, 1);
                told(store.commit(&[put(&changed), put(&self.document("third", 20)), second]).await)
            }
            "billing.due" => told(
                store
                    .due(Shelf::Event, at(1000), 1000)
                    .await
                    .map(|due| due.into_iter().filter(|document| document.tenant == Some(self.tenant)).count()),
            ),
            "billing.list" => told(store.list(Shelf::Event, &self.list, &page).await.map(|page| page.items.len())),
            "billing.of" => told(store.of(self.tenant, Shelf::Event, &page).await.map(|page| page.items.len())),
            "billing.prune" => told(store.prune(Shelf::Event, &self.list, at(5), 10).await),
            // The port has got a method that nobody tries yet: a promise that nobody checks.
            other => panic!("{other} is not tried: say in the testkit how it is called"),
        }
    }
}

fn told<T: Debug>(outcome: StoreResult<T>) -> Answer {
    outcome.map(|answer| format!("{answer:?}")).map_err(|error| error.kind().clone())
}

/// A call that failed before it was made has left nothing; one whose answer was lost has been made as a whole. Whoever makes the same commit
/// again is told that it is stale, and by reading learns that it is done.
pub async fn calls_bear_faults(store: &Store) {
    for operation in BILLING {
        bears_faults(store, operation).await;
    }
}

async fn bears_faults(store: &Store, operation: &Operation) {
    let name = operation.name;
    // How it is when nothing goes wrong: called once, and called again.
    let plain = FaultyStore::new(Arc::clone(store));
    let scene = Scene::set(store).await;
    let before = scene.view().await;
    let answer = scene.call(&plain, name).await;
    let once = scene.view().await;
    assert!(answer.is_ok(), "{name}: {answer:?}");
    assert_eq!(before != once, operation.writes, "{name} changes what it must, and nothing else");
    let again = scene.call(&plain, name).await;
    assert_eq!(scene.view().await, once, "{name}: what the same call again left");
    let expected = match name {
        "billing.commit" => Ok("Stale".to_owned()),
        "billing.prune" => Ok("0".to_owned()),
        _ => answer.clone(),
    };
    assert_eq!(again, expected, "{name}: the same call again");

    let unavailable = Err(StoreErrorKind::Unavailable);
    let open = Gate::closed();
    open.open();
    let cases = [
        (Fault::Before, &unavailable, &before, &answer),
        (Fault::Throttled, &unavailable, &before, &answer),
        (Fault::After, &unavailable, &once, &again),
        (Fault::Twice, &answer, &once, &again),
        (Fault::Late(Delay::until(&open)), &answer, &once, &again),
        (Fault::AnsweredLate(Delay::until(&open)), &answer, &once, &again),
    ];
    for (fault, given, left, retried) in cases {
        let (faults, what) = (Arc::new(Faults::none()), format!("{name}, {fault:?}"));
        faults.inject(At::operation(name), fault);
        let (scene, faulty) = (Scene::set(store).await, FaultyStore::with_faults(Arc::clone(store), Arc::clone(&faults)));
        assert_eq!(&scene.call(&faulty, name).await, given, "{what}");
        assert_eq!(&scene.view().await, left, "{what}: what it left");
        assert_eq!(faults.counts().injected(), 1, "{what}: tried");
        assert_eq!(&scene.call(&faulty, name).await, retried, "{what}: the same call again");
        assert_eq!(scene.view().await, once, "{what}: what the same call again left");
    }
}

/// A commit that is held up does what it does at the end of it: if it is late by then, nothing.
pub async fn a_commit_that_is_held_up_does_not_overtake(store: &Store) {
    let (gate, faults) = (Gate::closed(), Arc::new(Faults::none()));
    faults.inject(At::operation("billing.commit"), Fault::Late(Delay::until(&gate)));
    let slow = FaultyStore::with_faults(Arc::clone(store), faults);
    let call = tokio::spawn(async move { slow.commit(&[put(&document("one")), put(&document("other"))]).await.unwrap() });
    gate.reached(1).await;
    commit(store, &[put(&document("one"))]).await;
    gate.open();
    assert_eq!(call.await.unwrap(), Committed::Stale);
    assert_eq!(super::fixtures::get(store, &document("other").address).await, None);
}

/// Commits at random, each compared with what the store in memory makes of it; and then all that can be asked.
pub async fn any_store_does_what_the_one_in_memory_does(store: &Store) {
    let (model, draw) = (MemoryStore::new(), SeededEntropy::new(11));
    let below = |limit: u64| u64::from(u32::from_le_bytes(draw.bytes())) % limit;
    let second = |limit: u64| i64::try_from(below(limit)).unwrap();
    let shelves = [Shelf::Event, Shelf::Effect];
    let lists = [super::fixtures::LIST, "done", "dead"];
    let place = |n: u64| Address::new(shelves[usize::try_from(n % 2).unwrap()], format!("d-{:02}", n / 2));
    for _ in 0..80 {
        let mut places: Vec<u64> = (0..=below(5)).map(|_| below(30)).collect();
        places.sort_unstable();
        places.dedup();
        let mut writes = Vec::new();
        for address in places.into_iter().map(place) {
            let stands = model.get(std::slice::from_ref(&address)).await.unwrap()[0].as_ref().map_or(0, |found| found.version);
            // Some are wrong.
            let version = if below(12) == 0 { stands + 1 } else { stands };
            writes.push(match below(6) {
                0 => Write::Remove(address, version),
                1 => Write::Expect(address, version),
                _ => Write::Put(Document {
                    address,
                    tenant: [None, Some(A), Some(B)][usize::try_from(below(3)).unwrap()],
                    version,
                    list: lists[usize::try_from(below(3)).unwrap()].into(),
                    at: at(second(20)),
                    due: (below(2) == 0).then(|| at(second(20))),
                    body: format!("{}", below(1000)).into(),
                }),
            });
        }
        assert_eq!(store.commit(&writes).await.unwrap(), model.commit(&writes).await.unwrap(), "{writes:?}");
        if below(10) == 0 {
            let (list, before) = (lists[usize::try_from(below(3)).unwrap()], at(second(8)));
            let removed = model.prune(Shelf::Event, list, before, 100).await.unwrap();
            assert_eq!(store.prune(Shelf::Event, list, before, 100).await.unwrap(), removed);
        }
    }
    let page = PageRequest::first(100);
    for shelf in shelves {
        for list in lists {
            let told = store.list(shelf, list, &page).await.unwrap();
            assert_eq!(told.items, model.list(shelf, list, &page).await.unwrap().items);
        }
        for tenant in [A, B] {
            let told = store.of(tenant, shelf, &page).await.unwrap();
            assert_eq!(told.items, model.of(tenant, shelf, &page).await.unwrap().items);
        }
        for now in 0..20 {
            let told = store.due(shelf, at(now), 5).await.unwrap();
            assert_eq!(told, model.due(shelf, at(now), 5).await.unwrap());
        }
    }
}
