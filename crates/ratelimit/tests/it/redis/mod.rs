//! The store in Redis, against real servers.
#![expect(clippy::unwrap_used, reason = "a broken promise is a panic here")]

mod cluster;
mod exact;
mod faults;
mod nodes;
mod races;
mod server;
mod suite;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use togglebox_core::testkit::PATIENCE;
use togglebox_core::{OsEntropy, SystemClock, TenantId};
use togglebox_ratelimit::testkit::Limits;
use togglebox_ratelimit::{Batch, Digest, Limit, ManualStopwatch, Quota, RedisOptions, RedisStore, Tag};
use uuid::Uuid;

/// A store by the server's own clock that a busy machine does not make impatient.
fn patient(url: &str) -> RedisStore {
    store(options(url).with_timeout(PATIENCE))
}

fn store(options: RedisOptions) -> RedisStore {
    RedisStore::new(options, Arc::new(SystemClock), Arc::new(OsEntropy))
}

/// With a prefix of its own.
fn options(url: &str) -> RedisOptions {
    RedisOptions::parse(url).unwrap().with_prefix(&server::prefix()).unwrap()
}

/// An empty store at this address by a clock that the test moves.
async fn fresh_at(url: &str) -> Limits {
    let clock = Arc::new(ManualStopwatch::new(1_795_000_000_000_000));
    let store = patient(url).with_stopwatch(Arc::<ManualStopwatch>::clone(&clock));
    store.connected().await;
    Limits { store: Arc::new(store), clock, exact: true }
}

/// So many units and, while a test runs, no more.
fn burst_only(burst: u32) -> Quota {
    Quota::rate(1, Duration::from_mins(10)).burst(burst).unwrap()
}

/// One unit of a limit of this name, of one of many tenants.
fn one(tenant: u128, name: &str, quota: Quota) -> Batch {
    Batch::one(Tag::Tenant(TenantId::from_uuid(Uuid::from_u128(tenant))), limit(name, quota))
}

fn limit(name: &str, quota: Quota) -> Limit {
    Limit::new("test".parse().unwrap(), Digest::of([name.as_bytes()]), quota, 1).unwrap()
}

/// Waits until so many more have passed.
async fn count_on(passed: &AtomicU32, more: u32) {
    let wanted = passed.load(Ordering::Relaxed) + more;
    in_time(async {
        while passed.load(Ordering::Relaxed) < wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// What happens in the end.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it happens in the end")
}

/// A value as it stands in Redis: `us` and `part`, and when the key goes.
fn value(us: u64, part: u32, gone_us: u64) -> Vec<u8> {
    [double(us), f64::from(part), double(gone_us)].map(f64::to_le_bytes).concat()
}

/// The same, read.
fn read(value: &[u8]) -> (u64, u32, u64) {
    let (numbers, rest) = value.as_chunks::<8>();
    let [us, part, gone_us] = *numbers else { panic!("{value:?}") };
    assert!(rest.is_empty(), "{value:?}");
    (whole(us), u32::try_from(whole(part)).unwrap(), whole(gone_us))
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn double(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is compared with what it was made of")]
fn whole(bytes: [u8; 8]) -> u64 {
    let double = f64::from_le_bytes(bytes);
    let number = double as u64;
    assert!(self::double(number).to_bits() == double.to_bits(), "{double} is no whole number");
    number
}
