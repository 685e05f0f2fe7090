//! Batches of statistics of many tenants in one transaction, where somebody is writing in one of them.

use std::time::Duration;

use togglebox_core::{TenantId, Timestamp};
use togglebox_toggles::store::{StatisticsBatch, StatisticsStore};
use tokio::time::timeout;
use uuid::Uuid;

use super::server::Opened;
use crate::sql::{Access, Engine as _, Session as _};

fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(n))
}

fn sent(tenants: impl IntoIterator<Item = u128>) -> Vec<(TenantId, StatisticsBatch)> {
    let batch = |n| StatisticsBatch { id: Uuid::from_u128(n), at: Timestamp::EPOCH, deltas: Vec::new() };
    tenants.into_iter().map(|n| (tenant(n), batch(n))).collect()
}

/// Who is writing in one of the others keeps nobody waiting: the batches before it are taken. Only for the first one is waited.
#[tokio::test]
async fn whoever_writes_in_a_tenant_keeps_nobody_else_waiting() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let writing = store.engine.begin(tenant(3), Access::Write).await.unwrap();
    let batches = sent([1, 2, 3, 4]);
    assert_eq!(store.record_together(&batches).await.unwrap(), 2);
    // Neither is anybody kept waiting by what was held meanwhile.
    for n in [1, 2, 4] {
        store.engine.begin(tenant(n), Access::Write).await.unwrap().commit().await.unwrap();
    }
    assert_eq!(store.record_together(&sent([1, 2, 4])).await.unwrap(), 3);
    let waiting = timeout(Duration::from_millis(300), store.record_together(&batches[2..])).await;
    assert!(waiting.is_err(), "{waiting:?}");
    let waiting = tokio::spawn({
        let (store, batches) = (store.clone(), batches.clone());
        async move { store.record_together(&batches[2..]).await }
    });
    // It holds nothing while it waits.
    store.engine.begin(tenant(4), Access::Write).await.unwrap().commit().await.unwrap();
    writing.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 2);
}

/// Those that count wait for each other, in whatever order each has the tenants.
#[tokio::test]
async fn whoever_counts_in_a_tenant_is_waited_for() {
    let Some(Opened { store, database: _database }) = Opened::fresh().await else { return };
    let counting = store.engine.begin(tenant(2), Access::Count).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.record_together(&sent([1, 2, 3])).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    counting.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 3);
}
