//! What only a file of SQLite's promises.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use togglebox_core::{AuditFilter, AuditLog, Limit, PageRequest, StoreErrorKind, TenantId};
use togglebox_storage::{OpenError, Sqlite, SqliteOptions};
use togglebox_toggles::store::DirectoryStore;
use tokio::time::Instant;

use crate::database::{Database, audit, platform};

const TENANT: TenantId = TenantId::DEFAULT;

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let database = Database::fresh().await;
    let written = database.store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    let options = database.options();
    // Not closed: as after the sudden end of a process, the log has not been written back.
    let again = Sqlite::open(&options).await.unwrap();
    let directory = again.directory(TENANT).await.unwrap();
    assert_eq!((directory.revision, &directory.platforms[&written.value.name]), (written.revision, &written.value));
    again.close().await.unwrap();
    database.store.close().await.unwrap();
    let third = Sqlite::open(&options).await.unwrap();
    assert_eq!(third.directory(TENANT).await.unwrap(), directory);
}

#[tokio::test]
async fn closing_writes_the_log_back_and_ends_every_clone() {
    let database = Database::fresh().await;
    let clone = database.store.clone();
    clone.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    database.store.close().await.unwrap();
    let log = database.path().with_extension("db-wal");
    assert!(std::fs::metadata(&log).map_or(0, |log| log.len()) == 0);
    for _ in 0..2 {
        let error = clone.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap_err();
        assert_eq!(*error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(*clone.directory(TENANT).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused() {
    let database = Database::fresh().await;
    database.store.close().await.unwrap();
    let mut connection = database.connect().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (7000, 'later', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let error = Sqlite::open(&database.options()).await.unwrap_err();
    assert!(matches!(error, OpenError::FromTheFuture { found: 7000, .. }), "{error:?}");
    assert!(error.to_string().contains("start the newer version"), "{error}");
}

#[tokio::test]
async fn a_step_of_the_schema_that_was_altered_afterwards_is_refused() {
    let database = Database::fresh().await;
    database.store.close().await.unwrap();
    let mut connection = database.connect().await;
    sqlx::query("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1").execute(&mut connection).await.unwrap();
    let error = Sqlite::open(&database.options()).await.unwrap_err();
    assert!(matches!(error, OpenError::Migration(_)), "{error:?}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "not a database, by any means. ".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = Sqlite::open(&SqliteOptions::new(&path)).await.unwrap_err();
    assert!(matches!(error, OpenError::Database(_)), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let nowhere = SqliteOptions::new(folder.path().join("missing").join("togglebox.db"));
    assert!(matches!(Sqlite::open(&nowhere).await.unwrap_err(), OpenError::File { .. }));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let database = Database::fresh().await;
    database.store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    let path = database.path();
    let folder = path.parent().unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        seen += 1;
    }
    assert_eq!(seen, 3, "the database, its log and the log's index");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn programs_that_start_at_once_on_a_new_file_all_come_up() {
    for _ in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("togglebox.db"));
        let mut starting = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let options = options.clone();
            starting.spawn(async move { Sqlite::open(&options).await });
        }
        for opened in starting.join_all().await {
            let store = opened.unwrap();
            assert!(store.directory(TENANT).await.unwrap().platforms.is_empty());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_programs_write_to_one_file_at_once() {
    let database = Database::fresh().await;
    let other = Sqlite::open(&database.options()).await.unwrap();
    let mut writing = tokio::task::JoinSet::new();
    for (first, store) in [(0, database.store.clone()), (100, other.clone())] {
        writing.spawn(async move {
            for n in first..first + 25 {
                store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n)).await.unwrap();
            }
        });
    }
    writing.join_all().await;
    let seen = database.store.directory(TENANT).await.unwrap();
    assert_eq!((seen.platforms.len(), seen.revision.get()), (50, 50));
    assert_eq!(other.directory(TENANT).await.unwrap(), seen);
    let records = other.list(TENANT, &AuditFilter::default(), &PageRequest::first(1000)).await.unwrap();
    assert_eq!(records.items.len(), 50);
}

#[tokio::test]
async fn a_file_that_stays_locked_is_unavailable_until_it_is_free() {
    let database = Database::fresh().await;
    let options = database.options().with_busy_timeout(Duration::from_millis(50));
    let store = Sqlite::open(&options).await.unwrap();
    let mut other = database.connect().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap_err();
    assert_eq!(*error.kind(), StoreErrorKind::Unavailable);
    // Reading does not wait for writers.
    assert!(store.directory(TENANT).await.unwrap().platforms.is_empty());
    lock.rollback().await.unwrap();
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
}

#[tokio::test]
async fn a_write_waits_for_its_turn_only_so_long_and_leaves_nothing_behind() {
    let database = Database::fresh().await;
    let store = Sqlite::open(&database.options()).await.unwrap();
    let mut other = database.connect().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    // From here on the clock runs ahead whenever everybody waits: no time passes in truth.
    tokio::time::pause();
    let began = Instant::now();
    // One waits for the lock, the other behind it for the connection: both for the same time.
    let (first, second) = (platform(1), platform(2));
    let (one, two) = (audit(1), audit(2));
    let (first, second) =
        tokio::join!(async { (store.create_platform(TENANT, &first, Limit::Unlimited, &one).await, began.elapsed()) }, async {
            (store.create_platform(TENANT, &second, Limit::Unlimited, &two).await, began.elapsed())
        },);
    for (outcome, after) in [first, second] {
        assert_eq!(*outcome.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert!((Duration::from_secs(5)..Duration::from_millis(5_100)).contains(&after), "{after:?}");
    }
    tokio::time::resume();
    lock.rollback().await.unwrap();
    let made = store.create_platform(TENANT, &platform(3), Limit::Unlimited, &audit(3)).await.unwrap();
    assert_eq!(made.revision.get(), 1);
    assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), 1);
}

impl Database {
    /// A connection past the store.
    async fn connect(&self) -> SqliteConnection {
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(self.path())).await.unwrap()
    }
}
