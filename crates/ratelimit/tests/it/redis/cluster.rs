//! A cluster that loses masters and moves slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use togglebox_core::{StoreErrorKind, TenantId};
use togglebox_ratelimit::{Batch, LimitStore, RedisStore, Tag, Warning, gcra};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::nodes::{Nodes, slot};
use super::{burst_only, count_on, in_time, limit, one, options, patient, server, store};

fn tag(tenant: u128) -> Tag {
    Tag::Tenant(TenantId::from_uuid(Uuid::from_u128(tenant)))
}

async fn connected(store: RedisStore) -> Arc<RedisStore> {
    in_time(store.connected()).await;
    Arc::new(store)
}

/// Asks until somebody answers.
async fn answered(store: &RedisStore, batch: &Batch) -> bool {
    in_time(async {
        loop {
            if let Ok(reply) = store.consume(batch).await {
                return reply.passed;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_stands_still_fails_only_its_own_and_a_replica_takes_its_place() {
    let Some(nodes) = Nodes::impatient("1000").await else { return };
    let tenants = [nodes.tenant_of(0).await, nodes.tenant_of(1).await, nodes.tenant_of(2).await];
    // Those that stand still are to fail soon, and the others not for being busy.
    let (hasty, patient) = (store(options(&nodes.url()).with_timeout(Duration::from_millis(50))), patient(&nodes.url()));
    let (hasty, patient) = (connected(hasty).await, connected(patient).await);
    let shards = tenants.map(|tenant| hasty.shard(tag(tenant)));
    assert_eq!(shards.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "each has a part of its own: {shards:?}");
    assert_eq!(hasty.health().await.unwrap().warnings, [Warning::NotPersisted]);
    for tenant in tenants {
        assert!(answered(&hasty, &one(tenant, "before", burst_only(1))).await);
    }

    nodes.0[0].freeze();
    let mine = one(tenants[0], "during", burst_only(1_000));
    assert_eq!(hasty.consume(&mine).await.unwrap_err().kind(), &StoreErrorKind::Unavailable);
    // Also where the script is not known any more.
    for number in [1, 2] {
        let () = nodes.raw(number).await.ask(&["SCRIPT", "FLUSH"]).await;
    }
    let mut others = 0;
    let replica = async {
        assert!(answered(&hasty, &mine).await);
    };
    let healthy = async {
        loop {
            for tenant in &tenants[1..] {
                assert!(patient.consume(&one(*tenant, "during", burst_only(1_000_000))).await.unwrap().passed);
                others += 1;
            }
        }
    };
    tokio::select! {
        () = replica => {}
        () = healthy => {}
    }
    assert!(others > 100, "the others went on: {others}");
    assert_eq!(tenants.map(|tenant| hasty.shard(tag(tenant))), shards, "the successor has the same number");
    assert!(!hasty.consume(&one(tenants[0], "before", burst_only(1))).await.unwrap().passed, "what was replicated is known");
    // The old one comes back as a replica, and nobody goes by it.
    nodes.0[0].thaw();
    nodes.raw(0).await.until(&["ROLE"], |role| role.contains("slave")).await;
    assert!(answered(&patient, &mine).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_is_gone_before_anybody_has_connected_is_not_waited_for() {
    let Some(mut nodes) = Nodes::impatient("1000").await else { return };
    let tenant = nodes.tenant_of(0).await;
    nodes.0[0].kill();
    let store = connected(patient(&nodes.url())).await;
    assert!(answered(&store, &one(tenant, "after", burst_only(1))).await);
}

/// Tasks that charge one limit that all share, and one or two that nobody has charged before.
struct Load {
    tasks: JoinSet<u32>,
    stop: Arc<AtomicBool>,
    passed: Arc<AtomicU32>,
}

impl Load {
    fn start(store: &Arc<RedisStore>, tenant: u128) -> Self {
        let (stop, passed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut tasks = JoinSet::new();
        for task in 0..4 {
            let (store, stop, all) = (Arc::clone(store), Arc::clone(&stop), Arc::clone(&passed));
            tasks.spawn(async move {
                let mut passed = 0;
                while !stop.load(Ordering::Relaxed) {
                    let new = (0..2).map(|n| limit(&format!("{task}-{passed}-{n}"), burst_only(1)));
                    let batch = Batch::new(tag(tenant), new.chain([limit("shared", burst_only(1_000_000))])).unwrap();
                    assert!(store.consume(&batch).await.unwrap().passed);
                    passed += 1;
                    all.fetch_add(1, Ordering::Relaxed);
                }
                passed
            });
        }
        Self { tasks, stop, passed }
    }

    /// Waits until so many more have passed, or a task has failed.
    async fn more(&self, more: u32) {
        count_on(&self.passed, more).await;
    }

    async fn stop(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        in_time(self.tasks.join_all()).await.into_iter().sum()
    }
}

async fn used(store: &RedisStore, tenant: u128) -> u64 {
    let batch = one(tenant, "shared", burst_only(1_000_000));
    let reply = store.peek(&batch).await.unwrap();
    1_000_000 - gcra::reading(batch.limits()[0].quota(), Some(reply.before[0]), reply.now_us).remaining
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_failover_fails_nobody() {
    let Some(nodes) = Nodes::running().await else { return };
    let (store, tenant) = (connected(patient(&nodes.url())).await, nodes.tenant_of(1).await);
    let load = Load::start(&store, tenant);
    load.more(100).await;
    nodes.fail_over(1).await;
    load.more(100).await;
    let passed = load.stop().await;
    assert_eq!(used(&store, tenant).await, u64::from(passed), "nothing is forgotten and nothing charged twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_fails_nobody() {
    let Some(nodes) = Nodes::running().await else { return };
    let (store, tenant) = (connected(patient(&nodes.url())).await, nodes.tenant_of(0).await);
    let slot = slot(&mut nodes.raw(0).await, tenant).await.to_string();
    let load = Load::start(&store, tenant);
    let shard = store.shard(tag(tenant));
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 2)] {
        load.more(50).await;
        nodes.begin_to_move(&slot, from, to).await;
        // A handful at a time: keys of one call are on both nodes.
        while nodes.move_keys(&slot, from, to, 10).await > 0 {}
        // Nothing is left where the slot is still served; all that is new goes to the other one.
        load.more(50).await;
        assert_eq!(nodes.move_keys(&slot, from, to, 10).await, 0, "nothing is made where the slot is moving away from");
        nodes.end_to_move(&slot, to).await;
    }
    load.more(50).await;
    let passed = load.stop().await;
    assert_eq!(used(&store, tenant).await, u64::from(passed), "nothing is forgotten and nothing charged twice");
    in_time(async {
        while store.shard(tag(tenant)) == shard {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_of_a_cluster_is_no_single_server() {
    let Some(addresses) = server::variable("TOGGLEBOX_TEST_REDIS_CLUSTER") else { return };
    let (first, _) = addresses.split_once(',').unwrap();
    let store = patient(&format!("redis://{first}"));
    let mut sources = Vec::new();
    for tenant in 0..50 {
        let outcome = store.consume(&one(tenant, "elsewhere", burst_only(1))).await;
        sources.extend(outcome.err().map(|error| std::error::Error::source(&error).unwrap().to_string()));
    }
    assert!(!sources.is_empty(), "it is a node of a cluster, and does not have them all");
    assert!(sources.iter().all(|source| source.contains("redis-cluster://")), "{sources:?}");
}
