//! Batches of statistics whose sender stops at any step, on a real server.

use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_dynamodb::config::interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use togglebox_core::{EntropyExt as _, Limit, OsEntropy};
use togglebox_toggles::store::{
    Delta, DirectoryStore, ExperimentStatistics, ExperimentStore, ScopedDelta, StatisticsBatch, StatisticsStore, Subject,
    SubjectSums,
};
use togglebox_toggles::{Environment, ExperimentKey, Platform, VariationKey};

use super::*;
use crate::dynamodb::store::Range;

pub(super) const SEEN: u16 = 120;
const CONVERTED: u16 = 60;

/// Lets so many requests through. The next one fails before the server gets it, or after it has done it; all that follow fail.
#[derive(Debug)]
struct Fuse {
    left: AtomicI64,
    answer_lost: bool,
}

impl Intercept for Fuse {
    fn name(&self) -> &'static str {
        "Fuse"
    }

    fn modify_before_transmit(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left > 0 || left == 0 && self.answer_lost { Ok(()) } else { Err("stopped before it was sent".into()) }
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.left.load(Ordering::SeqCst) < 0 { Err("stopped before it was answered".into()) } else { Ok(()) }
    }
}

/// A handle that stops after so many requests.
pub(super) fn stopping(endpoint: &str, table: &str, requests: i64, answer_lost: bool) -> DynamoDb {
    let config = at(endpoint).interceptor(Fuse { left: AtomicI64::new(requests), answer_lost });
    DynamoDb::over(Client::from_conf(config.build()), table, Duration::from_millis(20))
}

pub(super) fn numbered(n: u128) -> AuditRecord {
    AuditRecord { id: Uuid::from_u128(n), ..audit() }
}

/// An experiment to count for.
pub(super) async fn prepare(store: &DynamoDb, tenant: TenantId) {
    let (created_by, created_at, revision) = (None, Timestamp::EPOCH, Revision::ZERO);
    let Scope { platform, environment } = scope();
    let web = Platform { id: Uuid::nil(), name: platform.clone(), description: None, created_by: None, created_at, revision };
    store.create_platform(tenant, &web, Limit::Unlimited, &numbered(1)).await.unwrap();
    let production =
        Environment { id: Uuid::nil(), platform, name: environment, description: None, created_by, created_at, revision };
    store.create_environment(tenant, &production, Limit::Unlimited, &numbered(2)).await.unwrap();
    ExperimentStore::create(store, tenant, &scope(), &experiment(), Limit::Unlimited, &numbered(3)).await.unwrap();
}

/// More than fits into two transactions.
pub(super) fn large() -> StatisticsBatch {
    let subject = |n: u16| Subject((u128::from(n) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes());
    let (key, variation, day, last_at) = ("x".parse().unwrap(), "short".parse().unwrap(), "2026-01-01".to_owned(), audit().at);
    let sums = |n| SubjectSums { subject: subject(n), conversions: 1, values: 1, sum: 1.5 };
    let deltas = [
        Delta::Conversion {
            key: ExperimentKey::clone(&key),
            variation: VariationKey::clone(&variation),
            metric: "buy".to_owned(),
            day: day.clone(),
            subjects: (0..CONVERTED).map(sums).collect(),
            last_at,
        },
        Delta::Exposure { key, variation, day, exposures: SEEN.into(), subjects: (0..SEEN).map(subject).collect(), last_at },
    ];
    let deltas = deltas.into_iter().map(|delta| ScopedDelta { scope: scope(), delta }).collect();
    StatisticsBatch { id: Uuid::from_u128(0xb), at: audit().at, deltas }
}

pub(super) async fn figures(store: &DynamoDb, tenant: TenantId) -> Option<ExperimentStatistics> {
    store.experiment(tenant, &scope(), &experiment().key).await.unwrap()
}

pub(super) fn is_full(figures: &ExperimentStatistics) -> bool {
    let (variation, day, sample) = (&figures.variations[0], &figures.metric_days[0], &figures.samples[0]);
    (variation.exposures, variation.users) == (SEEN.into(), SEEN.into())
        && (day.conversions, sample.converted_users, sample.values) == (CONVERTED.into(), CONVERTED.into(), CONVERTED.into())
        && [day.sum, sample.sum].map(f64::to_bits) == [(1.5 * f64::from(CONVERTED)).to_bits(); 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_stops_anywhere_has_counted_all_or_nothing() {
    let Some(endpoint) = endpoint() else { return };
    let (store, table) = with_table(&endpoint).await;
    let (mut swept_up, mut never_began) = (0, 0);
    for answer_lost in [false, true] {
        let mut stopped = 0;
        loop {
            let tenant = TenantId::from_uuid(OsEntropy.uuid());
            prepare(&store, tenant).await;
            let sent = stopping(&endpoint, &table, stopped, answer_lost).record(tenant, &large()).await;
            // Either nobody will ever count it unless it is sent again, or the sweeper brings it to its end.
            store.sweep(Timestamp::from_ms(i64::MAX), 10_000).await.unwrap();
            match figures(&store, tenant).await {
                None => never_began += 1,
                Some(figures) => {
                    assert!(is_full(&figures), "stopped after {stopped} requests: {figures:?}");
                    swept_up += 1;
                }
            }
            store.record(tenant, &large()).await.unwrap();
            store.record(tenant, &large()).await.unwrap();
            let figures = figures(&store, tenant).await.unwrap();
            assert!(is_full(&figures), "sent again after it stopped after {stopped} requests: {figures:?}");
            let batch = Range::all(format!("T#{tenant}#BATCH#{}", large().id));
            let left = store.query("test", &mut store.patience(), batch).await.unwrap();
            assert_eq!(left.len(), 1, "only that it is done is remembered");
            if sent.is_ok() {
                break;
            }
            stopped += 1;
        }
        assert!(stopped > 10, "it takes more requests than {stopped}");
    }
    assert!(swept_up > 10 && never_began > 4, "{swept_up} {never_began}");
}
