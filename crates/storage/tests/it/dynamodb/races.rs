//! Writers of several processes at the same things: handles that share nothing but the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use togglebox_core::{Limit, Revision, StoreErrorKind, TenantId};
use togglebox_storage::DynamoDb;
use togglebox_toggles::Parameter;
use togglebox_toggles::store::{DirectoryStore, EnvironmentStore, FlagStore, ParameterStore};
use tokio::task::JoinSet;

use super::fixtures::{audit, environment, flag, parameter, place, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;
const NODES: u128 = 4;

on_every_server! {
    edits_from_many_nodes_each_get_a_version
    a_key_is_created_by_one_of_many_nodes
    the_directory_is_whole_after_writes_from_many_nodes
    a_limit_holds_across_nodes
    states_are_whole_while_many_nodes_write
    revisions_are_of_moments_within_the_call
}

/// Handles of different processes on one table with one environment.
async fn nodes(server: Server) -> Vec<DynamoDb> {
    let (first, options) = server.table().await;
    first.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    first.create_environment(TENANT, &environment(&place(1)), Limit::Unlimited, &audit(2)).await.unwrap();
    let mut nodes = vec![first];
    for _ in 1..NODES {
        nodes.push(DynamoDb::open(&options).await.unwrap());
    }
    nodes
}

async fn edits_from_many_nodes_each_get_a_version(server: Server) {
    let nodes = nodes(server).await;
    let made = FlagStore::create(&nodes[0], TENANT, &place(1), &flag("f"), Limit::Unlimited, &audit(3)).await.unwrap();
    let mut edits = JoinSet::new();
    for n in 0..20 {
        let store = nodes[n % nodes.len()].clone();
        let record = audit(100 + n as u128);
        edits.spawn(async move {
            loop {
                let stands = FlagStore::find(&store, TENANT, &place(1), &flag("f").key).await.unwrap().unwrap();
                match FlagStore::append(&store, TENANT, &place(1), &stands, stands.revision, &record).await {
                    Ok(written) => return written.value.version.patch(),
                    Err(error) => assert!(error.is_conflict(), "{error}"),
                }
            }
        });
    }
    let mut versions = edits.join_all().await;
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    let state = nodes[0].load(TENANT, &place(1)).await.unwrap().unwrap();
    assert_eq!(state.revision.get(), made.revision.get() + 20);
}

async fn a_key_is_created_by_one_of_many_nodes(server: Server) {
    let nodes = nodes(server).await;
    let mut creations = JoinSet::new();
    for (n, store) in (0..).zip(nodes.iter().cycle().take(12).cloned()) {
        creations.spawn(async move {
            FlagStore::create(&store, TENANT, &place(1), &flag("f"), Limit::Unlimited, &audit(100 + n)).await
        });
    }
    let outcomes = creations.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(*error.kind(), StoreErrorKind::AlreadyExists);
    }
}

async fn the_directory_is_whole_after_writes_from_many_nodes(server: Server) {
    let nodes = nodes(server).await;
    let mut writes = JoinSet::new();
    for (n, store) in (2..).zip(nodes.iter().cycle().take(10).cloned()) {
        writes.spawn(async move {
            let made = store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(100 + n)).await.unwrap();
            store.create_environment(TENANT, &environment(&place(n)), Limit::Unlimited, &audit(200 + n)).await.unwrap();
            // A list that a write got into would be told from its digest.
            let seen = store.directory(TENANT).await.unwrap();
            assert!(seen.environments.contains_key(&place(n)));
            if n % 2 == 0 {
                store.delete_platform(TENANT, &made.value.name, made.revision, &audit(300 + n)).await.unwrap();
            }
        });
    }
    writes.join_all().await;
    let directory = nodes[0].directory(TENANT).await.unwrap();
    assert_eq!((directory.platforms.len(), directory.environments.len()), (6, 6));
    assert_eq!(directory.revision.get(), 2 + 10 + 10 + 5);
}

async fn a_limit_holds_across_nodes(server: Server) {
    let nodes = nodes(server).await;
    let mut creations = JoinSet::new();
    for (n, store) in (0..).zip(nodes.iter().cycle().take(12).cloned()) {
        creations.spawn(async move {
            let given = parameter(&format!("p{n}"));
            ParameterStore::create(&store, TENANT, &place(1), &given, 5, Limit::Unlimited, &audit(100 + n)).await
        });
    }
    let outcomes: Vec<Result<Parameter, StoreErrorKind>> = creations
        .join_all()
        .await
        .into_iter()
        .map(|outcome| outcome.map(|written| written.value).map_err(|error| error.kind().clone()))
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    let refused = outcomes.iter().filter(|outcome| **outcome == Err(StoreErrorKind::LimitReached { limit: 5 }));
    assert_eq!(refused.count(), 7);
}

/// Nothing that was acknowledged before the question is missing, and nothing is told that had not been written at its end; so who asks
/// again and again is never told less than before. Another environment comes and goes meanwhile, and with it the directory's revision.
async fn revisions_are_of_moments_within_the_call(server: Server) {
    const WRITES: u64 = 40;
    let nodes = nodes(server).await;
    let (acknowledged, store) = (Arc::new(AtomicU64::new(0)), nodes[0].clone());
    let mut writers = JoinSet::new();
    let told = Arc::clone(&acknowledged);
    writers.spawn(async move {
        let made = ParameterStore::create(&store, TENANT, &place(1), &parameter("p"), 100, Limit::Unlimited, &audit(1000)).await;
        let mut revision = made.unwrap().revision;
        told.store(revision.get(), Ordering::SeqCst);
        while revision.get() < WRITES {
            let record = audit(1000 + u128::from(revision.get()));
            let written = ParameterStore::append(&store, TENANT, &place(1), &parameter("p"), revision, &record).await;
            revision = written.unwrap().revision;
            told.store(revision.get(), Ordering::SeqCst);
        }
    });
    let (store, told) = (nodes[2].clone(), Arc::clone(&acknowledged));
    writers.spawn(async move {
        store.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2000)).await.unwrap();
        let mut n = 2001;
        while told.load(Ordering::SeqCst) < WRITES {
            let made = store.create_environment(TENANT, &environment(&place(2)), Limit::Unlimited, &audit(n)).await.unwrap();
            store.delete_environment(TENANT, &place(2), made.value.revision, &audit(n + 1)).await.unwrap();
            n += 2;
        }
    });
    let (mut directory, mut asked) = (Revision::ZERO, 0);
    while acknowledged.load(Ordering::SeqCst) < WRITES {
        if let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let revisions = nodes[1].revisions(TENANT).await.unwrap();
        let after = nodes[3].load(TENANT, &place(1)).await.unwrap().unwrap().revision.get();
        let shown = revisions.environments[&place(1)].get();
        assert!((before..=after).contains(&shown), "{shown} between {before} and {after}");
        assert!(revisions.directory >= directory);
        directory = revisions.directory;
        asked += 1;
    }
    writers.join_all().await;
    assert!(asked > 3 && directory > Revision::new(4), "{asked} {directory:?}");
}

async fn states_are_whole_while_many_nodes_write(server: Server) {
    let nodes = nodes(server).await;
    let mut writers = JoinSet::new();
    for (n, store) in (0..).zip(nodes.iter().cloned()) {
        writers.spawn(async move {
            let key = format!("p{n}");
            let made = ParameterStore::create(
                &store,
                TENANT,
                &place(1),
                &parameter(&key),
                100,
                Limit::Unlimited,
                &audit(1000 * (n + 1)),
            )
            .await;
            let mut revision = made.unwrap().revision;
            for round in 1..8 {
                let record = audit(1000 * (n + 1) + round);
                let next = ParameterStore::append(&store, TENANT, &place(1), &parameter(&key), revision, &record).await;
                revision = next.unwrap().revision;
            }
        });
    }
    let (mut last, all) = (0, 8 * u64::try_from(NODES).unwrap());
    while last < all {
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
        let state = nodes[1].load(TENANT, &place(1)).await.unwrap().unwrap();
        assert!(state.revision.get() >= last);
        let newest = state.parameters.iter().map(|parameter| parameter.revision.get()).max().unwrap_or(0);
        assert_eq!(newest, state.revision.get());
        let writes: u64 = state.parameters.iter().map(|parameter| parameter.latest_version).sum();
        assert_eq!(writes, state.revision.get(), "every write up to the revision, and none after it");
        last = state.revision.get();
    }
}
