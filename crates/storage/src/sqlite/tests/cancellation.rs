//! Calls that are dropped before they return.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use togglebox_core::{AuditFilter, AuditLog, Limit, PageRequest};
use togglebox_toggles::store::DirectoryStore;

use super::super::Sqlite;
use super::{TENANT, audit, open, platform};

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

async fn check(store: &Sqlite) {
    let mut dropped = 0;
    for n in 0..120 {
        let polls = u32::try_from(n % 12 + 1).unwrap();
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

#[tokio::test]
async fn a_dropped_write_is_done_wholly_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    check(&open(folder.path()).await).await;
    check(&Sqlite::in_memory().await.unwrap()).await;
}

#[tokio::test]
async fn dropped_reads_leave_their_connections_usable() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    let mut dropped = 0;
    for n in 0..100 {
        dropped += usize::from(dropped_after(n % 10 + 1, store.directory(TENANT)).await);
    }
    assert!(dropped > 0, "every call was faster than its drop");
    // A connection stuck in an old view would not see this.
    store.create_platform(TENANT, &platform(2), Limit::Unlimited, &audit(2)).await.unwrap();
    for _ in 0..20 {
        assert_eq!(store.directory(TENANT).await.unwrap().platforms.len(), 2);
    }
}
