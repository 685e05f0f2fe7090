//! What was deleted is swept away, and nothing else.

use togglebox_core::{Limit, PageRequest, TenantId, Timestamp};
use togglebox_storage::DynamoDb;
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, ExperimentStore, FlagStore, ParameterStore};

use super::fixtures::{audit, environment, experiment, flag, parameter, place, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;

on_every_server! {
    what_was_deleted_is_swept_away_in_batches
    a_place_that_was_made_anew_is_not_swept_away
    what_is_there_is_never_swept_away
}

const fn later(step: i64) -> Timestamp {
    Timestamp::from_ms(4_000_000_000_000 + step)
}

/// Sweeps until nothing is left; tells how many items that were.
async fn sweep_all(store: &DynamoDb, batch: usize) -> usize {
    let mut all = 0;
    // A platform's environments are swept away by the round after it.
    for step in 0..100 {
        let swept = store.sweep(later(step), batch).await.unwrap();
        assert!(swept.removed <= batch + 1, "{swept:?}");
        all += swept.removed;
        if swept.removed == 0 {
            assert!(!swept.more);
            return all;
        }
    }
    panic!("it never ends");
}

/// A platform with an environment that holds one of each kind, with histories.
async fn filled(store: &DynamoDb, n: u128) {
    store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(1000 * n)).await.unwrap();
    store.create_environment(TENANT, &environment(&place(n)), Limit::Unlimited, &audit(1000 * n + 1)).await.unwrap();
    let made = FlagStore::create(store, TENANT, &place(n), &flag("f"), Limit::Unlimited, &audit(1000 * n + 2)).await.unwrap();
    let mut revision = made.revision;
    for step in 3..9 {
        revision =
            FlagStore::append(store, TENANT, &place(n), &flag("f"), revision, &audit(1000 * n + step)).await.unwrap().revision;
    }
    ParameterStore::create(store, TENANT, &place(n), &parameter("p"), 100, Limit::Unlimited, &audit(1000 * n + 20))
        .await
        .unwrap();
    ExperimentStore::create(store, TENANT, &place(n), &experiment("x"), Limit::Unlimited, &audit(1000 * n + 21)).await.unwrap();
}

async fn what_was_deleted_is_swept_away_in_batches(server: Server) {
    let (store, options) = server.table().await;
    filled(&store, 1).await;
    let before = server.count(options.table()).await;
    assert_eq!(sweep_all(&store, 1000).await, 0);
    filled(&store, 2).await;
    let gone = store.directory(TENANT).await.unwrap().platforms[&platform(2).name].clone();
    store.delete_platform(TENANT, &gone.name, gone.revision, &audit(9999)).await.unwrap();
    // One environment, three records, six earlier versions and one of the parameter, three notes less the first.
    assert_eq!(sweep_all(&store, 3).await, 13);
    assert_eq!(server.count(options.table()).await, before);
}

async fn a_place_that_was_made_anew_is_not_swept_away(server: Server) {
    let (store, _) = server.table().await;
    filled(&store, 1).await;
    let old = store.directory(TENANT).await.unwrap();
    let name = platform(1).name;
    store.delete_platform(TENANT, &name, old.platforms[&name].revision, &audit(9000)).await.unwrap();
    // Even under the ids of those that were there before.
    store.create_platform(TENANT, &old.platforms[&name], Limit::Unlimited, &audit(9001)).await.unwrap();
    store.create_environment(TENANT, &old.environments[&place(1)], Limit::Unlimited, &audit(9002)).await.unwrap();
    let empty = store.load(TENANT, &place(1)).await.unwrap().unwrap();
    assert_eq!((empty.revision.get(), empty.flags.len()), (0, 0));
    let made = FlagStore::create(&store, TENANT, &place(1), &flag("f"), Limit::Unlimited, &audit(9003)).await.unwrap();
    FlagStore::append(&store, TENANT, &place(1), &flag("f"), made.revision, &audit(9004)).await.unwrap();
    let before = (store.directory(TENANT).await.unwrap(), store.load(TENANT, &place(1)).await.unwrap());
    assert!(sweep_all(&store, 4).await > 0);
    assert_eq!((store.directory(TENANT).await.unwrap(), store.load(TENANT, &place(1)).await.unwrap()), before);
    let history = FlagStore::versions(&store, TENANT, &place(1), &flag("f").key, &PageRequest::first(10)).await.unwrap();
    assert_eq!(history.items.len(), 2);
}

async fn what_is_there_is_never_swept_away(server: Server) {
    let (store, _) = server.table().await;
    filled(&store, 1).await;
    let state = store.load(TENANT, &place(1)).await.unwrap().unwrap();
    let key = &flag("f").key;
    FlagStore::delete(&store, TENANT, &place(1), key, state.flags[0].revision, &audit(9000)).await.unwrap();
    FlagStore::create(&store, TENANT, &place(1), &flag("f"), Limit::Unlimited, &audit(9001)).await.unwrap();
    // Not yet: it was deleted after this moment.
    assert_eq!(store.sweep(Timestamp::EPOCH, 1000).await.unwrap().removed, 0);
    let before = store.load(TENANT, &place(1)).await.unwrap();
    // Six earlier versions and the note.
    assert_eq!(sweep_all(&store, 2).await, 7);
    assert_eq!(store.load(TENANT, &place(1)).await.unwrap(), before);
    assert_eq!(FlagStore::versions(&store, TENANT, &place(1), key, &PageRequest::first(10)).await.unwrap().items.len(), 1);
}
