//! Notices between nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::Row;
use togglebox_core::{Change, ChangeBus, ChangeListener, OsEntropy, Revision, StoreErrorKind, TenantId};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::super::{NotifyBus, PostgresOptions};
use super::server::Database;

mod conformance {
    use std::sync::Arc;

    use togglebox_core::testkit::BusPair;

    use super::{Database, node};

    struct Lent {
        buses: BusPair,
        _database: Database,
    }

    impl AsRef<BusPair> for Lent {
        fn as_ref(&self) -> &BusPair {
            &self.buses
        }
    }

    async fn fresh() -> Option<Lent> {
        let database = Database::empty().await?;
        let ((here, _), (there, _)) = (node(&database).await, node(&database).await);
        Some(Lent { buses: BusPair { here: Arc::new(here), there: Arc::new(there) }, _database: database })
    }

    togglebox_core::change_bus_suite!(fresh);
}

/// Long enough for anything that comes at all.
const PATIENCE: Duration = Duration::from_secs(20);

struct Ear(UnboundedSender<Change>);

impl ChangeListener for Ear {
    fn changed(&self, change: &Change) {
        // The test may have ended.
        let _ = self.0.send(change.clone());
    }
}

fn listener(bus: &NotifyBus) -> UnboundedReceiver<Change> {
    let (ear, heard) = unbounded_channel();
    bus.subscribe(Arc::new(Ear(ear)));
    heard
}

fn change(n: u64) -> Change {
    Change::Environment {
        tenant: TenantId::DEFAULT,
        platform: "web".to_owned(),
        environment: "production".to_owned(),
        revision: Revision::new(n),
    }
}

async fn next(heard: &mut UnboundedReceiver<Change>) -> Change {
    timeout(PATIENCE, heard.recv()).await.expect("something is heard").unwrap()
}

async fn node(database: &Database) -> (NotifyBus, UnboundedReceiver<Change>) {
    let bus = NotifyBus::start(&database.options(), &OsEntropy);
    let heard = listener(&bus);
    timeout(PATIENCE, bus.listening()).await.expect("the bus listens");
    (bus, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_hears_a_change_once() {
    let Some(database) = Database::empty().await else { return };
    let ((a, mut at_a), (b, mut at_b)) = (node(&database).await, node(&database).await);
    a.publish(change(1)).await.unwrap();
    assert_eq!(at_a.try_recv().unwrap(), change(1), "one's own listeners hear it before the call returns");
    assert_eq!(next(&mut at_b).await, change(1));
    b.publish(change(2)).await.unwrap();
    assert_eq!(next(&mut at_b).await, change(2));
    // The server keeps the order: A's first notice has come back to A by now, and was not told again.
    assert_eq!(next(&mut at_a).await, change(2));
    a.publish(Change::Directory { tenant: TenantId::DEFAULT, revision: Revision::new(3) }).await.unwrap();
    assert!(matches!(next(&mut at_b).await, Change::Directory { .. }), "B was not told its own again, either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_one_server_do_not_hear_each_other() {
    let (Some(first), Some(second)) = (Database::empty().await, Database::empty().await) else { return };
    let ((a, _), (b, _), (_c, mut at_c)) = (node(&first).await, node(&second).await, node(&second).await);
    a.publish(change(1)).await.unwrap();
    b.publish(change(2)).await.unwrap();
    assert_eq!(next(&mut at_c).await, change(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_that_cannot_be_read_are_left_out() {
    let Some(database) = Database::empty().await else { return };
    let ((a, _), (_b, mut at_b)) = (node(&database).await, node(&database).await);
    for payload in
        ["", "{", "{\"origin\":7}", "{\"origin\":\"00000000-0000-0000-0000-000000000000\",\"change\":{\"kind\":\"later\"}}"]
    {
        database.run(&format!("NOTIFY togglebox_changes, '{payload}'")).await;
    }
    a.publish(change(1)).await.unwrap();
    assert_eq!(next(&mut at_b).await, change(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_connection_is_made_anew_and_nothing_false_is_told() {
    let Some(database) = Database::empty().await else { return };
    let ((a, _), (_b, mut at_b)) = (node(&database).await, node(&database).await);
    let mut superuser = database.connect().await;
    let kill = "SELECT count(pg_terminate_backend(pid, 5000)) AS killed FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let killed: i64 = sqlx::query(kill).fetch_one(&mut superuser).await.unwrap().get("killed");
    assert!(killed >= 2, "{killed}");
    // What is published before B listens again is lost, and a publisher's own connection may have died, too.
    let mut sent = 0;
    let first_heard = loop {
        sent += 1;
        assert!(sent < 1000, "nothing was heard any more");
        let _ = a.publish(change(sent)).await;
        if let Ok(heard) = timeout(Duration::from_millis(50), at_b.recv()).await {
            break heard.unwrap();
        }
    };
    let Change::Environment { revision, .. } = first_heard else { panic!("{first_heard:?}") };
    assert!((1..=sent).contains(&revision.get()), "only what was published is told");
}

/// A worker of the HTTP server is such a publisher: it may be busy with something else, or have ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notices_do_not_depend_on_the_runtime_of_an_earlier_publisher() {
    let Some(database) = Database::empty().await else { return };
    let ((a, _), (_b, mut at_b)) = (node(&database).await, node(&database).await);
    let a = Arc::new(a);
    for first in [1, 3] {
        let publisher = Arc::clone(&a);
        let publish = move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(publisher.publish(change(first))).unwrap();
            runtime
        };
        // From here on nobody drives it.
        let standing = spawn_blocking(publish).await.unwrap();
        a.publish(change(first + 1)).await.unwrap();
        assert_eq!((next(&mut at_b).await, next(&mut at_b).await), (change(first), change(first + 1)));
        standing.shutdown_background();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_panics_does_not_make_its_node_deaf() {
    struct Panics(AtomicBool);
    impl ChangeListener for Panics {
        fn changed(&self, _: &Change) {
            assert!(self.0.swap(true, Ordering::SeqCst), "a panic on purpose");
        }
    }
    let Some(database) = Database::empty().await else { return };
    let ((a, _), (b, _)) = (node(&database).await, node(&database).await);
    let panics = Arc::new(Panics(AtomicBool::new(false)));
    b.subscribe(Arc::<Panics>::clone(&panics));
    let mut at_b = listener(&b);
    a.publish(change(1)).await.unwrap();
    a.publish(change(2)).await.unwrap();
    while next(&mut at_b).await != change(2) {}
    assert!(panics.0.load(Ordering::SeqCst));
}

#[tokio::test]
async fn without_a_server_only_this_node_hears() {
    let options = PostgresOptions::new("postgres://ann:hunter2@127.0.0.1:1/flags").unwrap();
    let bus = NotifyBus::start(&options, &OsEntropy);
    let mut heard = listener(&bus);
    let error = bus.publish(change(1)).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (&StoreErrorKind::Unavailable, "changes.publish"));
    assert!(!format!("{error:?} {bus:?}").contains("hunter2"));
    assert_eq!(heard.try_recv().unwrap(), change(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_that_is_too_long_for_the_server_is_told_here_only() {
    let Some(database) = Database::empty().await else { return };
    let (bus, mut heard) = node(&database).await;
    let long = |length| Change::Environment {
        tenant: TenantId::DEFAULT,
        platform: "p".repeat(length),
        environment: "e".to_owned(),
        revision: Revision::new(1),
    };
    assert_eq!(*bus.publish(long(8000)).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert_eq!(heard.try_recv().unwrap(), long(8000));
    // The longest names that there are leave much room.
    bus.publish(long(7000)).await.unwrap();
}
