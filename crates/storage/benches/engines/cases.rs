//! What is measured.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use togglebox_core::{AuditFilter, PageRequest, Timestamp};
use togglebox_toggles::Flag;
use togglebox_toggles::store::{Delta, ScopedDelta, StatisticsBatch};
use tokio::sync::Mutex;

use super::contents::{Contents, TENANT, audit, id};
use super::engine::Engine;
use super::usage;

type Answered = Pin<Box<dyn Future<Output = ()> + Send>>;
/// One client's calls, one after the other.
pub(crate) type Calls = Box<dyn FnMut() -> Answered + Send>;

/// One kind of call.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    calls: fn(&Engine, &Contents, usize) -> Calls,
}

impl Case {
    /// Reads before writes, which make the tables larger.
    pub(crate) const ALL: &[Self] = &[
        Self { name: "read: directory", calls: directory },
        Self { name: "read: revisions", calls: revisions },
        Self { name: "read: environment", calls: environment },
        Self { name: "read: flag", calls: flag },
        Self { name: "read: API key by hash", calls: key },
        Self { name: "read: audit, first page of 20", calls: audit_page },
        Self { name: "write: flag, amended", calls: amend },
        Self { name: "write: flag, appended", calls: append },
        Self { name: "write: statistics, 100 deltas", calls: statistics },
        Self { name: "usage: 1,000 cells, raised", calls: usage::raised },
        Self { name: "usage: 1,000 cells, new", calls: usage::new },
        Self { name: "usage: 500 events, 150 known", calls: usage::events },
        Self { name: "usage: a month by day", calls: usage::month },
    ];

    /// The calls of one client.
    pub(crate) fn calls(&self, engine: &Engine, contents: &Contents, client: usize) -> Calls {
        (self.calls)(engine, contents, client)
    }
}

fn directory(engine: &Engine, _: &Contents, _: usize) -> Calls {
    let store = Arc::clone(&engine.toggles.directory);
    Box::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move { assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), 1) })
    })
}

fn revisions(engine: &Engine, _: &Contents, _: usize) -> Calls {
    let store = Arc::clone(&engine.toggles.directory);
    Box::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move { assert_eq!(store.revisions(TENANT).await.unwrap().environments.len(), 2) })
    })
}

fn environment(engine: &Engine, contents: &Contents, _: usize) -> Calls {
    let (store, place) = (Arc::clone(&engine.toggles.environments), Arc::new(contents.place.clone()));
    let count = contents.flags.len();
    Box::new(move || {
        let (store, place) = (Arc::clone(&store), Arc::clone(&place));
        Box::pin(async move { assert_eq!(store.load(TENANT, &place).await.unwrap().unwrap().flags.len(), count) })
    })
}

fn flag(engine: &Engine, contents: &Contents, client: usize) -> Calls {
    let (store, place) = (Arc::clone(&engine.toggles.flags), Arc::new(contents.place.clone()));
    let keys: Arc<[_]> = contents.flags.iter().map(|flag| flag.key.clone()).collect();
    let mut n = client;
    Box::new(move || {
        let (store, place, keys) = (Arc::clone(&store), Arc::clone(&place), Arc::clone(&keys));
        n = (n + 7) % keys.len();
        Box::pin(async move { assert!(store.find(TENANT, &place, &keys[n]).await.unwrap().is_some()) })
    })
}

fn key(engine: &Engine, contents: &Contents, _: usize) -> Calls {
    let (store, hashes) = (Arc::clone(&engine.keys), [contents.key]);
    Box::new(move || {
        let store = Arc::clone(&store);
        Box::pin(async move { assert!(store.find_by_hash(TENANT, &hashes).await.unwrap().is_some()) })
    })
}

fn audit_page(engine: &Engine, contents: &Contents, _: usize) -> Calls {
    let (store, mut filter) = (Arc::clone(&engine.toggles.audit), AuditFilter::default());
    filter.platform = Some(contents.place.platform.to_string());
    let (filter, page) = (Arc::new(filter), Arc::new(PageRequest::first(20)));
    Box::new(move || {
        let (store, filter, page) = (Arc::clone(&store), Arc::clone(&filter), Arc::clone(&page));
        Box::pin(async move { assert_eq!(store.list(TENANT, &filter, &page).await.unwrap().items.len(), 20) })
    })
}

/// Each client has a flag of its own; they share the environment.
fn amend(engine: &Engine, contents: &Contents, client: usize) -> Calls {
    edit(engine, contents, client, false)
}

fn append(engine: &Engine, contents: &Contents, client: usize) -> Calls {
    edit(engine, contents, client, true)
}

fn edit(engine: &Engine, contents: &Contents, client: usize, append: bool) -> Calls {
    let (store, place) = (Arc::clone(&engine.toggles.flags), Arc::new(contents.own_place()));
    let key = contents.own_flags[client].key.clone();
    // As it stands; read at the first call, since other cases have written it, too.
    let stands: Arc<Mutex<Option<Flag>>> = Arc::default();
    Box::new(move || {
        let (store, place, key, stands) = (Arc::clone(&store), Arc::clone(&place), key.clone(), Arc::clone(&stands));
        Box::pin(async move {
            let mut stands = stands.lock().await;
            let flag = match stands.take() {
                Some(flag) => flag,
                None => store.find(TENANT, &place, &key).await.unwrap().unwrap(),
            };
            let record = audit(Some(&place), "flag.update", key.as_str());
            let written = if append {
                store.append(TENANT, &place, &flag, flag.revision, &record).await
            } else {
                store.amend(TENANT, &place, &flag, flag.revision, &record).await
            };
            *stands = Some(written.unwrap().value);
        })
    })
}

/// A batch counts for each of the hundred flags.
fn statistics(engine: &Engine, contents: &Contents, _: usize) -> Calls {
    let (store, at) = (Arc::clone(&engine.toggles.statistics), Timestamp::from_ms(1_760_000_000_000));
    let delta = |flag: &Flag| Delta::Flag {
        key: flag.key.clone(),
        day: "2026-01-01".to_owned(),
        country: Some("CH".to_owned()),
        served_a: 3,
        served_b: 2,
        last_at: at,
    };
    let deltas: Vec<_> =
        contents.flags.iter().map(|flag| ScopedDelta { scope: contents.place.clone(), delta: delta(flag) }).collect();
    Box::new(move || {
        let (store, batch) = (Arc::clone(&store), StatisticsBatch { id: id(), at, deltas: deltas.clone() });
        Box::pin(async move { store.record(TENANT, &batch).await.unwrap() })
    })
}
