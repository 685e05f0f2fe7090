//! A disk that is full, played by a limit on the file's pages.

use sqlx::{AssertSqlSafe, Row};
use togglebox_core::{AuditFilter, AuditLog, Limit, PageRequest, StoreErrorKind};
use togglebox_toggles::store::DirectoryStore;

use super::super::Sqlite;
use super::{TENANT, audit, open, platform};

async fn limit_pages(store: &Sqlite, pages: i64) {
    let mut connection = store.engine.writer.acquire().await.unwrap();
    let sql = format!("PRAGMA max_page_count = {pages}");
    sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut connection = store.engine.writer.acquire().await.unwrap();
    let pages: i64 = sqlx::query("PRAGMA page_count").fetch_one(&mut *connection).await.unwrap().get(0);
    drop(connection);
    limit_pages(&store, pages + 4).await;
    let (mut written, mut refused) = (0, 0);
    for n in 0..200 {
        match store.create_platform(TENANT, &platform(n), Limit::Unlimited, &audit(n)).await {
            Ok(_) => written += 1,
            Err(error) => {
                assert_eq!(*error.kind(), StoreErrorKind::Unavailable, "{error}");
                refused = n;
                break;
            }
        }
    }
    assert!(refused > 0, "the limit was never reached");
    let directory = store.directory(TENANT).await.unwrap();
    assert_eq!((directory.platforms.len(), directory.revision.get()), (written, written as u64));
    let records = store.list(TENANT, &AuditFilter::default(), &PageRequest::first(1000)).await.unwrap().items;
    assert_eq!(records.len(), written);
    limit_pages(&store, pages + 10_000).await;
    // Not a new write, as far as the caller knows: the outcome of the first was unknown.
    store.create_platform(TENANT, &platform(refused), Limit::Unlimited, &audit(refused)).await.unwrap();
    assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), written + 1);
}
