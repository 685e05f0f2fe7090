//! Statistics, many at once and large; what they leave behind.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use togglebox_core::{EntropyExt, Limit, OsEntropy, TenantId, Timestamp};
use togglebox_storage::DynamoDb;
use togglebox_toggles::statistics::Sketch;
use togglebox_toggles::store::{
    Delta, DirectoryStore, ExperimentStore, ParameterStore, ScopedDelta, StatisticsBatch, StatisticsStore, Subject, SubjectSums,
};
use tokio::task::JoinSet;

use super::fixtures::{audit, environment, experiment, parameter, place, platform};
use super::on_every_server;
use super::server::{DYNOXIDE, Server};

const TENANT: TenantId = TenantId::DEFAULT;
const AT: Timestamp = Timestamp::from_ms(1_760_004_000_000);
const DAY: &str = "2025-10-09";

on_every_server! {
    a_large_batch_that_many_send_at_once_counts_once
    figures_of_what_was_deleted_are_swept_away
}

/// A store with a parameter `p` and an experiment `x`.
async fn prepared(server: Server) -> (DynamoDb, String) {
    let (store, options) = server.table().await;
    store.create_platform(TENANT, &platform(1), Limit::Unlimited, &audit(1)).await.unwrap();
    store.create_environment(TENANT, &environment(&place(1)), Limit::Unlimited, &audit(2)).await.unwrap();
    ParameterStore::create(&store, TENANT, &place(1), &parameter("p"), 100, Limit::Unlimited, &audit(3)).await.unwrap();
    ExperimentStore::create(&store, TENANT, &place(1), &experiment("x"), Limit::Unlimited, &audit(4)).await.unwrap();
    (store, options.table().to_owned())
}

fn batch(deltas: Vec<Delta>) -> StatisticsBatch {
    let deltas = deltas.into_iter().map(|delta| ScopedDelta { scope: place(1), delta }).collect();
    StatisticsBatch { id: OsEntropy.uuid(), at: AT, deltas }
}

fn subject(n: u32) -> Subject {
    Subject((u128::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes())
}

fn fetch(by: u32) -> Delta {
    let mut sketch = Sketch::new();
    sketch.insert(&subject(by));
    let hour = u64::try_from(AT.as_ms() / 3_600_000).unwrap();
    Delta::Parameter { key: "p".parse().unwrap(), fetches: 1, last_at: AT, clients: vec![(hour, sketch.to_bytes())] }
}

/// Everybody saw a variation and bought for 0.1.
fn bought(subjects: std::ops::Range<u32>) -> Vec<Delta> {
    let (key, variation) = (|| "x".parse().unwrap(), || "short".parse().unwrap());
    let sums = |n| SubjectSums { subject: subject(n), conversions: 1, values: 1, sum: 0.1 };
    vec![
        Delta::Exposure {
            key: key(),
            variation: variation(),
            day: DAY.to_owned(),
            exposures: subjects.len() as u64,
            subjects: subjects.clone().map(subject).collect(),
            last_at: AT,
        },
        Delta::Conversion {
            key: key(),
            variation: variation(),
            metric: "buy".to_owned(),
            day: DAY.to_owned(),
            subjects: subjects.map(sums).collect(),
            last_at: AT,
        },
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_increments_at_once_are_a_thousand() {
    if !DYNOXIDE.is_there() {
        return;
    }
    let (store, _) = prepared(DYNOXIDE).await;
    let sends = stream::iter(0..1_000_u32).map(|n| {
        let (store, sent) = (store.clone(), batch(vec![fetch(n % 10)]));
        tokio::spawn(async move {
            // As a node does it: until it is answered.
            while store.record(TENANT, &sent).await.is_err() {}
        })
    });
    sends.buffer_unordered(100).for_each(|sent| async move { sent.unwrap() }).await;
    let figures = store.parameter(TENANT, &place(1), &"p".parse().unwrap(), AT).await.unwrap().unwrap();
    assert_eq!((figures.fetches, figures.clients_24h), (1_000, 10));
}

async fn a_large_batch_that_many_send_at_once_counts_once(server: Server) {
    let (store, _) = prepared(server).await;
    let sent = Arc::new(batch(bought(0..150)));
    let mut senders = JoinSet::new();
    for _ in 0..4 {
        let (store, sent) = (store.clone(), Arc::clone(&sent));
        // One that has lost too many races is told to send it again.
        senders.spawn(async move { while store.record(TENANT, &sent).await.is_err() {} });
    }
    senders.join_all().await;
    store.record(TENANT, &batch(bought(100..160))).await.unwrap();
    let figures = store.experiment(TENANT, &place(1), &"x".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((figures.variations[0].exposures, figures.variations[0].users), (210, 160));
    assert_eq!((figures.days[0].new_users, figures.days[0].conversions), (160, 210));
    assert_eq!((figures.metric_days[0].conversions, figures.metric_days[0].sum), (210, 21.0));
    let sample = &figures.samples[0];
    assert_eq!((sample.converted_users, sample.values, sample.values_squared), (160, 210, 110.0 + 50.0 * 4.0));
}

async fn figures_of_what_was_deleted_are_swept_away(server: Server) {
    let (store, table) = prepared(server).await;
    let far = Timestamp::from_ms(4_000_000_000_000);
    let before = server.count(&table).await;
    let (p, x) = ("p".parse().unwrap(), "x".parse().unwrap());
    store.record(TENANT, &batch([bought(0..20), vec![fetch(1)]].concat())).await.unwrap();
    assert_eq!(store.sweep(far, 1_000).await.unwrap().removed, 0, "nothing was deleted");
    let stands = ExperimentStore::find(&store, TENANT, &place(1), &x).await.unwrap().unwrap();
    ExperimentStore::delete(&store, TENANT, &place(1), &x, stands.revision, &audit(5)).await.unwrap();
    // Of the experiment: the record, its total, its day, its metric's day, and two items for each subject.
    while store.sweep(far, 7).await.unwrap().removed > 0 {}
    assert!(store.parameter(TENANT, &place(1), &p, AT).await.unwrap().is_some());
    // The parameter's total and clients, and the batch.
    assert_eq!(server.count(&table).await, before - 1 + 3);
}
