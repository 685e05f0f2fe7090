//! The bus over Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use togglebox_core::testkit::{Ear, PATIENCE, change};
use togglebox_core::{Change, ChangeBus, ChangeListener, OsEntropy, StoreErrorKind};
use togglebox_storage::{RedisBus, RedisBusOptions};
use tokio::time::timeout;

use super::redis_server::{Server, prefix, shared};

mod conformance {
    use std::sync::Arc;

    use togglebox_core::testkit::BusPair;

    use super::{pair, prefix, shared};

    async fn fresh() -> Option<BusPair> {
        let (here, there) = pair(&shared()?, &prefix()).await;
        Some(BusPair { here: Arc::new(here), there: Arc::new(there) })
    }

    togglebox_core::change_bus_suite!(fresh);
}

fn options(address: &str, prefix: &str) -> RedisBusOptions {
    RedisBusOptions::new(address).unwrap().with_prefix(prefix)
}

/// A bus as it is by default.
fn bus(address: &str, prefix: &str) -> RedisBus {
    RedisBus::start(options(address, prefix), Arc::new(OsEntropy))
}

/// Two nodes that hear each other, and that a busy machine does not make impatient.
async fn pair(address: &str, prefix: &str) -> (RedisBus, RedisBus) {
    let patient = || RedisBus::start(options(address, prefix).with_publish_timeout(PATIENCE), Arc::new(OsEntropy));
    joined(patient(), patient()).await
}

/// The same, as patient as by default.
async fn default_pair(address: &str, prefix: &str) -> (RedisBus, RedisBus) {
    joined(bus(address, prefix), bus(address, prefix)).await
}

async fn joined(here: RedisBus, there: RedisBus) -> (RedisBus, RedisBus) {
    in_time(async {
        here.connected().await;
        there.connected().await;
    })
    .await;
    (here, there)
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it happens in the end")
}

/// Tells of one change after the other until one is heard; what is lost meanwhile is lost.
async fn until_heard(from: &RedisBus, ear: &Ear, first: u64) -> u64 {
    in_time(async {
        for revision in first.. {
            let _ = from.publish(change(revision)).await;
            if timeout(Duration::from_millis(100), ear.hears(&change(revision))).await.is_ok() {
                return revision;
            }
        }
        unreachable!()
    })
    .await
}

/// Publishes many changes, none of which can be handed over; says how long they took.
async fn lost(bus: &RedisBus) -> Duration {
    let (ear, began) = (Ear::of(bus), Instant::now());
    for revision in 1..=50 {
        let error = bus.publish(change(revision)).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (&StoreErrorKind::Unavailable, "changes.publish"));
        assert_eq!(ear.count(&change(revision)), 1, "the node's own listeners hear it all the same");
    }
    began.elapsed()
}

/// Fifty writes would take more than this, if each waited for Redis.
const SOON: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_started_again_carries_on() {
    let Some(mut server) = Server::running() else { return };
    let (here, there) = default_pair(&server.address(), "a").await;
    let ear = Ear::of(&there);
    until_heard(&here, &ear, 1000).await;
    server.kill();
    assert!(lost(&here).await < SOON);
    server.start();
    let last = until_heard(&here, &ear, 2000).await;
    until_heard(&there, &Ear::of(&here), last + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_costs_a_write_little_and_is_left_until_it_answers() {
    let Some(server) = Server::running() else { return };
    let (here, there) = default_pair(&server.address(), "a").await;
    let ear = Ear::of(&there);
    server.freeze();
    assert!(lost(&here).await < SOON);
    assert!(ear.heard().is_empty());
    server.thaw();
    until_heard(&here, &ear, 2000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_not_there_at_start_is_found_later() {
    let Some(mut server) = Server::stopped() else { return };
    let (here, there) = (bus(&server.address(), "a"), bus(&server.address(), "a"));
    assert!(lost(&here).await < SOON);
    server.start();
    let ear = Ear::of(&there);
    until_heard(&here, &ear, 2000).await;
}

/// Its own connection for publishing is gone, while the other one still hears.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_made_anew() {
    let Some(server) = Server::running() else { return };
    let (here, there) = default_pair(&server.address(), "a").await;
    let ear = Ear::of(&there);
    let mut operator = client(&server.address()).await;
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).exec_async(&mut operator).await.unwrap();
    until_heard(&here, &ear, 1).await;
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).exec_async(&mut operator).await.unwrap();
    until_heard(&here, &ear, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_the_channel_is_skipped() {
    let Some(address) = shared() else { return };
    let prefix = prefix();
    let (here, there) = pair(&address, &prefix).await;
    let ear = Ear::of(&there);
    let mut stranger = client(&address).await;
    let huge = vec![b'x'; 4 << 20];
    let garbage: [&[u8]; 7] = [
        b"",
        b"\xff\x00\xfe",
        b"null",
        br#"{"origin":7,"change":{}}"#,
        br#"{"origin":"00000000-0000-0000-0000-000000000007","change":{"kind":"from_the_future","revision":1}}"#,
        br#"{"origin":"00000000-0000-0000-0000-000000000007","change":{"kind":"directory","revision":-1}}"#,
        &huge,
    ];
    for payload in garbage {
        let channel = format!("{prefix}:changes");
        let heard: u64 = redis::cmd("PUBLISH").arg(&channel).arg(payload).query_async(&mut stranger).await.unwrap();
        assert_eq!(heard, 2, "both nodes listen on this channel");
    }
    here.publish(change(1)).await.unwrap();
    in_time(ear.hears(&change(1))).await;
    assert_eq!(ear.heard(), [change(1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_prefix_is_another_channel() {
    let Some(address) = shared() else { return };
    let (one, other) = (prefix(), prefix());
    let ((here, _there), (stranger, neighbour)) = (pair(&address, &one).await, pair(&address, &other).await);
    let (unrelated, ear) = (Ear::of(&stranger), Ear::of(&neighbour));
    here.publish(change(1)).await.unwrap();
    stranger.publish(change(2)).await.unwrap();
    in_time(ear.hears(&change(2))).await;
    assert_eq!((ear.heard(), unrelated.heard()), (vec![change(2)], vec![change(2)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_many_writers_all_arrive() {
    let Some(address) = shared() else { return };
    let (here, there) = pair(&address, &prefix()).await;
    let (here, ear) = (Arc::new(here), Ear::of(&there));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..20 {
        let here = Arc::clone(&here);
        writers.spawn(async move {
            for n in 0..20 {
                here.publish(change(writer * 20 + n)).await.unwrap();
            }
        });
    }
    in_time(writers.join_all()).await;
    for revision in 0..400 {
        in_time(ear.hears(&change(revision))).await;
    }
    assert_eq!(ear.heard().len(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_panics_does_not_make_its_node_deaf() {
    struct Panics(AtomicBool);
    impl ChangeListener for Panics {
        fn changed(&self, _: &Change) {
            assert!(self.0.swap(true, Ordering::SeqCst), "a panic on purpose");
        }
    }
    let Some(address) = shared() else { return };
    let (here, there) = pair(&address, &prefix()).await;
    let panics = Arc::new(Panics(AtomicBool::new(false)));
    there.subscribe(Arc::<Panics>::clone(&panics));
    let ear = Ear::of(&there);
    here.publish(change(1)).await.unwrap();
    here.publish(change(2)).await.unwrap();
    in_time(ear.hears(&change(2))).await;
    assert!(panics.0.load(Ordering::SeqCst));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_is_dropped_listens_no_more() {
    let Some(address) = shared() else { return };
    let prefix = prefix();
    let (here, there) = pair(&address, &prefix).await;
    drop((here, there));
    let mut operator = client(&address).await;
    in_time(async {
        let channel = format!("{prefix}:changes");
        while redis::cmd("PUBLISH").arg(&channel).arg("").query_async::<u64>(&mut operator).await.unwrap() > 0 {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_used_and_never_shown() {
    let Some(server) = Server::locked("hunter2") else { return };
    let (here, there) = default_pair(&server.address(), "a").await;
    until_heard(&here, &Ear::of(&there), 1).await;
    assert!(!format!("{here:?}").contains("hunter2"));

    let wrong = bus(&server.address().replace("hunter2", "swordfish"), "a");
    let refused = wrong.publish(change(1)).await.unwrap_err();
    let told = format!("{refused:?} {refused} {wrong:?}");
    assert!(!told.contains("swordfish"), "{told}");
    assert!(told.contains(r#"state: "down""#) || told.contains(r#"state: "starting""#), "{told}");
}

async fn client(address: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(address).unwrap().get_multiplexed_async_connection().await.unwrap()
}
