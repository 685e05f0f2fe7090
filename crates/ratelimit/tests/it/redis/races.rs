//! Many at once.

use std::sync::Arc;
use std::time::Duration;

use togglebox_ratelimit::{LimitStore as _, Quota};

use super::{one, patient, server};

/// Thirty-two tasks over four clients ask for more than there is: exactly what there is passes, each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_burst_passes_whoever_asks() {
    let Some(url) = server::shared() else { return };
    let prefix = server::prefix();
    let options = super::options(&url).with_prefix(&prefix).unwrap().with_timeout(togglebox_core::testkit::PATIENCE);
    let clients: Vec<_> = (0..4).map(|_| Arc::new(super::store(options.clone()))).collect();
    for client in &clients {
        client.connected().await;
    }
    let quota = Quota::rate(1, Duration::from_hours(1)).burst(100).unwrap();
    for trial in 0..server::trials(60) {
        let mut tasks = tokio::task::JoinSet::new();
        for client in clients.iter().cycle().take(32).map(Arc::clone) {
            let batch = one(1, &format!("trial-{trial}"), quota);
            tasks.spawn(async move {
                let mut passed = 0;
                for _ in 0..5 {
                    passed += u32::from(client.consume(&batch).await.unwrap().passed);
                }
                passed
            });
        }
        let passed: u32 = tasks.join_all().await.into_iter().sum();
        assert_eq!(passed, 100, "trial {trial}");
    }
}

/// Calls that wait for the same answers do not wait for each other for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_takes_nobody_with_it() {
    let Some(url) = server::shared() else { return };
    let store = Arc::new(patient(&url));
    store.connected().await;
    let batch = one(1, "gone", super::burst_only(1_000_000));
    for _ in 0..100 {
        let gone = tokio::spawn({
            let (store, batch) = (Arc::clone(&store), batch.clone());
            async move { store.consume(&batch).await }
        });
        tokio::task::yield_now().await;
        gone.abort();
        assert!(store.consume(&batch).await.unwrap().passed);
    }
}
