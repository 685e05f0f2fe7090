//! Callers with runtimes of their own: a worker of the HTTP server is one, and the last figures are written when all of them have ended.

use std::time::Duration;

use togglebox_core::{Limit, TenantId};
use togglebox_storage::DynamoDb;
use togglebox_toggles::store::DirectoryStore;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, spawn_blocking};

use super::fixtures::{audit, platform};
use super::on_every_server;
use super::server::Server;

const TENANT: TenantId = TenantId::DEFAULT;
/// How many calls a caller makes at once.
const CALLS: u128 = 20;

on_every_server! {
    connections_go_on_while_the_runtime_of_a_caller_stands_still
    connections_outlive_the_runtime_of_the_caller_who_needed_them_first
}

/// A store that makes each request once, and waits for its answer for longer than anything takes that depends on nobody who stands still.
async fn opened(server: Server) -> DynamoDb {
    let (_, options) = server.table().await;
    let options = options.with_patience(Duration::ZERO).with_attempt_timeout(Duration::from_mins(1));
    DynamoDb::open(&options).await.unwrap()
}

/// Calls at once, more than there are connections so far, on a runtime of the caller's own.
async fn called_elsewhere(store: &DynamoDb) -> Runtime {
    let store = store.clone();
    let calls = move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(calls(&store));
        runtime
    };
    spawn_blocking(calls).await.unwrap()
}

async fn calls(store: &DynamoDb) {
    let mut reads = JoinSet::new();
    for _ in 0..CALLS {
        let store = store.clone();
        reads.spawn(async move { store.directory(TENANT).await.unwrap() });
    }
    reads.join_all().await;
}

/// A runtime that nobody drives is a worker that computes, to the rest of the program.
async fn connections_go_on_while_the_runtime_of_a_caller_stands_still(server: Server) {
    let store = opened(server).await;
    let standing = called_elsewhere(&store).await;
    calls(&store).await;
    let written = store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    assert_eq!(written.revision.get(), 1);
    standing.shutdown_background();
}

async fn connections_outlive_the_runtime_of_the_caller_who_needed_them_first(server: Server) {
    let store = opened(server).await;
    for n in 1..=5 {
        let ending = called_elsewhere(&store).await;
        let others = store.clone();
        let under_way = tokio::spawn(async move { calls(&others).await });
        ending.shutdown_background();
        under_way.await.unwrap();
        let written = store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n)).await.unwrap();
        assert_eq!(u128::from(written.revision.get()), n);
    }
}
