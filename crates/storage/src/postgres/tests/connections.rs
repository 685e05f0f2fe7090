//! Connections that die, wait, or are let go of half-way.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use togglebox_core::testkit::PATIENCE;
use togglebox_core::{
    Actor, AuditFilter, AuditLog, AuditRecord, Limit, PageRequest, Revision, StoreErrorKind, TenantId, Timestamp,
};
use togglebox_toggles::Platform;
use togglebox_toggles::store::DirectoryStore;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::super::{Postgres, PostgresOptions};
use super::server::Opened;
use crate::sql::{Access, Engine as _};
use crate::transfer::Transfer as _;

const TENANT: TenantId = TenantId::DEFAULT;

fn audit(n: u128) -> AuditRecord {
    AuditRecord {
        id: Uuid::from_u128(n),
        at: Timestamp::EPOCH,
        actor: Actor::system(),
        action: "platform.create".to_owned(),
        platform: None,
        environment: None,
        target: n.to_string(),
        before: None,
        after: None,
    }
}

fn platform(n: u128) -> Platform {
    Platform {
        id: Uuid::from_u128(n),
        name: format!("p{n}").parse().unwrap(),
        description: None,
        created_by: None,
        created_at: Timestamp::EPOCH,
        revision: Revision::ZERO,
    }
}

/// Polls `call` at most `polls` times, then drops it; says whether it was dropped.
async fn dropped_after<T>(polls: u32, call: impl Future<Output = T>) -> bool {
    let mut call = pin!(call);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(true);
        }
        left -= 1;
        call.as_mut().poll(context).map(|_| false)
    })
    .await
}

/// The number of the lock behind which a tenant's writes queue.
fn write_lock() -> i64 {
    super::super::engine::lock_of(TENANT, "writes")
}

/// Waits until a connection to the database waits for a lock: told by the server, not by a clock.
async fn until_someone_waits(watcher: &mut PgConnection) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..10_000 {
        if sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut *watcher).await.unwrap() > 0 {
            return;
        }
    }
    panic!("nobody waits for a lock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_write_is_done_wholly_or_not_at_all() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let mut dropped = 0;
    for n in 0..120 {
        let polls = u32::try_from(n % 24 + 1).unwrap();
        dropped +=
            usize::from(dropped_after(polls, store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n))).await);
    }
    assert!(dropped > 0, "every call was faster than its drop");
    // The last word, also because it queues behind whatever was dropped.
    store.create_platform(TENANT, &platform(1000), Limit::Unlimited, &audit(1000)).await.unwrap();
    let directory = store.directory(TENANT).await.unwrap();
    let records = store.list(TENANT, &AuditFilter::default(), &PageRequest::first(1000)).await.unwrap().items;
    assert_eq!(directory.revision.get(), directory.platforms.len() as u64);
    assert_eq!(records.len(), directory.platforms.len());
    for record in records {
        assert!(directory.platforms.contains_key(format!("p{}", record.target).as_str()), "{record:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropped_reads_leave_their_connections_usable() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    let mut dropped = 0;
    for n in 0..100 {
        dropped += usize::from(dropped_after(n % 12 + 1, store.directory(TENANT)).await);
    }
    assert!(dropped > 0, "every call was faster than its drop");
    // A connection stuck in an old view would not see this.
    store.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), 2);
    }
}

/// The driver alone would keep the lock, once it got it, for as long as the connection lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_dropped_while_it_waits_does_not_keep_the_lock() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let (mut holder, mut watcher) = (database.connect().await, database.connect().await);
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(write_lock()).execute(&mut *held).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await }
    });
    until_someone_waits(&mut watcher).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    held.rollback().await.unwrap();
    let written = store.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap();
    assert_eq!(written.revision.get(), 1, "the write that was dropped has not been made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_unused_are_replaced() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    // Many at once, so that the pool holds several connections.
    let mut reads = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        reads.spawn(async move { store.directory(TENANT).await.unwrap() });
    }
    reads.join_all().await;
    let kill = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'togglebox'";
    let killed: i64 = sqlx::query_scalar(kill).fetch_one(&mut database.connect().await).await.unwrap();
    assert!(killed > 1, "{killed}");
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), 1);
}

/// A worker of the HTTP server is such a caller; the last figures are written when all of them have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_outlive_the_runtime_of_the_caller_who_needed_them_first() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let caller = store.clone();
    let calls = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut reads = JoinSet::new();
            for _ in 0..20 {
                let store = caller.clone();
                reads.spawn(async move { store.directory(TENANT).await.unwrap() });
            }
            reads.join_all().await;
            // They are given back in the background.
            while caller.engine.pool.num_idle() < caller.engine.pool.size() as usize {
                tokio::task::yield_now().await;
            }
        });
    };
    tokio::task::spawn_blocking(calls).await.unwrap();
    let mut connections = 0;
    while let Some(mut connection) = store.engine.pool.try_acquire() {
        connection.execute("SELECT 1").await.unwrap();
        drop(connection.leak());
        connections += 1;
    }
    assert!(connections > 1, "{connections}");
}

/// Waits until so many connections are there, all of which nobody uses.
async fn are_idle(store: &Postgres, connections: usize) {
    let (pool, began) = (&store.engine.pool, Instant::now());
    while pool.num_idle() != connections || pool.size() as usize != connections {
        assert!(began.elapsed() < PATIENCE, "{} of {}, not {connections}", pool.num_idle(), pool.size());
        tokio::task::yield_now().await;
    }
}

/// As a router does that has forgotten its connections: each of them takes what is sent, and says nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_connections_that_are_lost_in_silence_one_is_waited_for() {
    let Some(Opened { database, .. }) = Opened::fresh().await else { return };
    let (proxy, options) = database.behind(1).await;
    let options = options.with_statement_timeout(Duration::from_millis(50)).with_max_connections(8);
    let store = Postgres::open(&options).await.unwrap();
    let sessions = try_join_all((0..8).map(|_| store.engine.begin(TENANT, Access::Read))).await.unwrap();
    drop(sessions);
    are_idle(&store, 8).await;
    proxy.half_open();
    let error = store.directory(TENANT).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    // The others are asked behind the answer.
    are_idle(&store, 0).await;
    for n in 0..20 {
        store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_stays_is_unavailable_until_it_is_free() {
    let Some(Opened { database, .. }) = Opened::fresh().await else { return };
    let options = database.options().with_statement_timeout(Duration::from_millis(50)).with_max_connections(2);
    let store = Postgres::open(&options).await.unwrap();
    let mut holder = database.connect().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(write_lock()).execute(&mut *held).await.unwrap();
    // More often than there are connections: none may be left behind in a broken state.
    for n in 0..5 {
        let error = store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n)).await.unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        // Reading does not wait for writers, nor does another tenant.
        assert!(store.directory(TENANT).await.unwrap().platforms.is_empty());
    }
    let other = TenantId::from_uuid(Uuid::from_u128(1));
    store.create_platform(other, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    held.rollback().await.unwrap();
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
}

/// A node that is cut off in the middle of a write, or whose machine is gone, closes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_left_in_the_middle_gives_its_lock_back() {
    let Some(Opened { database, .. }) = Opened::fresh().await else { return };
    let options = database.options().with_statement_timeout(Duration::from_millis(50)).with_max_connections(2);
    let (gone, store) = (Postgres::open(&options).await.unwrap(), Postgres::open(&options).await.unwrap());
    let left = gone.engine.begin(TENANT, Access::Write).await.unwrap();
    let began = Instant::now();
    while let Err(error) = store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await {
        assert_eq!(*error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(began.elapsed() < PATIENCE, "the lock is never free again");
    }
    // Should it come back, it goes on as after any lost connection.
    drop(left);
    gone.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap();
}

/// A dump whose listener is slow says that it goes on; one that says nothing is taken for a node that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_outlasts_a_slow_listener() {
    let Some(Opened { database, .. }) = Opened::fresh().await else { return };
    let options = database.options().with_statement_timeout(Duration::from_millis(50)).with_max_connections(2);
    let store = Postgres::open(&options).await.unwrap();
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    let (mut silent, mut staying) = (store.dump(TENANT).await.unwrap(), store.dump(TENANT).await.unwrap());
    let mut watcher = database.connect().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL \
                AND pid <> pg_backend_pid()";
    let began = Instant::now();
    loop {
        staying.stay().await.unwrap();
        let open: i64 = sqlx::query_scalar(AssertSqlSafe(open)).fetch_one(&mut watcher).await.unwrap();
        if open == 1 {
            break;
        }
        assert!(open == 2 && began.elapsed() < PATIENCE, "{open}");
    }
    assert_eq!(*silent.next(10).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert!(!staying.next(10).await.unwrap().is_empty());
}

/// The program's own statements never wait for each other in a circle; those of an administrator may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_undone_in_a_deadlock_is_made_again() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    let (mut other, mut watcher) = (database.connect().await, database.connect().await);
    // The write is the one that notices.
    other.execute("SET deadlock_timeout = '1h'").await.unwrap();
    let mut held = other.begin().await.unwrap();
    held.execute("SELECT * FROM tenant_revisions FOR UPDATE").await.unwrap();
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await }
    });
    until_someone_waits(&mut watcher).await;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(write_lock()).execute(&mut *held).await.unwrap();
    held.commit().await.unwrap();
    assert_eq!(writing.await.unwrap().unwrap().revision.get(), 2);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let mut seen = 0_i64;
    for _ in 0..10_000 {
        // Counted when the connection that was undone reports, which takes it a moment.
        watcher.execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        seen = sqlx::query_scalar(AssertSqlSafe(deadlocks)).fetch_one(&mut watcher).await.unwrap();
        if seen > 0 {
            break;
        }
    }
    assert_eq!(seen, 1, "there was a deadlock to get out of");
    assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_write_to_one_database_at_once() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    let other = Postgres::open(&database.options()).await.unwrap();
    let mut writing = JoinSet::new();
    for (first, store) in [(0, store.clone()), (100, other.clone())] {
        writing.spawn(async move {
            for n in first..first + 25 {
                store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n)).await.unwrap();
            }
        });
    }
    writing.join_all().await;
    let seen = store.directory(TENANT).await.unwrap();
    assert_eq!((seen.platforms.len(), seen.revision.get()), (50, 50));
    assert_eq!(other.directory(TENANT).await.unwrap(), seen);
}

#[tokio::test]
async fn closing_ends_every_clone() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let clone = store.clone();
    clone.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    store.close().await.unwrap();
    let error = clone.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(*clone.directory(TENANT).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn options_reach_the_server() {
    let Some(Opened { store, database }) = Opened::fresh().await else { return };
    store.directory(TENANT).await.unwrap();
    let named = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'togglebox'";
    let named: i64 = sqlx::query_scalar(named).fetch_one(&mut database.connect().await).await.unwrap();
    assert!(named > 0);
    assert_eq!(PostgresOptions::DEFAULT_ROLE, "togglebox_app");
}
