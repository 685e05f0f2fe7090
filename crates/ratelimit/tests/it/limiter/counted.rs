//! What is counted, as a recorder gets it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use togglebox_core::testkit::{At, Fault};
use togglebox_ratelimit::{Batch, Digest, Lease, Limit, LimitStore as _, Mode, OnOutage, Tag};

use super::*;

/// Counters alone, by name and labels.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counted {
    /// What a limiter counts that is made while `making`.
    fn during<T>(&self, making: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(self, making)
    }

    /// Everything that is not zero.
    fn read(&self) -> BTreeMap<String, u64> {
        let counters = self.0.lock().unwrap();
        let values = counters.iter().map(|(name, value)| (name.clone(), value.load(Ordering::Relaxed)));
        values.filter(|(_, value)| *value > 0).collect()
    }
}

impl Recorder for Counted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<&str> = key.labels().map(metrics::Label::value).collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn counts(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_policies_say_is_counted_by_outcome_source_and_mode() {
    let (rig, counted) = (Rig::new(), Counted::default());
    let policies = [
        tenants("firm", per_second(1, 3)).for_routes(["reads"]),
        tenants("trial", per_second(1, 2)).for_routes(["reads"]).mode(Mode::Shadow),
        tenants("sign-in", per_second(1, 1)).for_routes(["login"]).on_outage(OnOutage::Closed),
    ];
    let limiter = counted.during(|| rig.limiter().policies(policies).build().unwrap());
    assert_eq!(allowed(&limiter, &request(), 5).await, 3);
    assert_eq!(
        counted.read(),
        counts(&[
            ("ratelimit_decisions_total firm allowed store enforce", 3),
            ("ratelimit_decisions_total firm denied store enforce", 1),
            ("ratelimit_decisions_total firm denied deny_cache enforce", 1),
            ("ratelimit_decisions_total trial allowed store shadow", 2),
            ("ratelimit_decisions_total trial denied store shadow", 1),
            ("ratelimit_would_deny_total trial", 1),
        ])
    );
    rig.faults.inject(At::any().always(), Fault::Before);
    assert_eq!(allowed(&limiter, &Subject::of("login").tenant(TENANT), 7).await, 0);
    let read = counted.read();
    assert_eq!(read["ratelimit_decisions_total sign-in unavailable fallback enforce"], 7);
    assert_eq!(read["ratelimit_store_faults_total failed"], 5, "then the breaker is open");
    assert_eq!(read["ratelimit_breaker_transitions_total open"], 1);
}

#[tokio::test(start_paused = true)]
async fn units_taken_in_advance_are_accounted_for() {
    let (rig, counted) = (Rig::new(), Counted::default());
    let policy = tenants("tenant", per_second(1000, 1000)).leased(Lease::default());
    let limiter = counted.during(|| rig.limiter().policy(policy).build().unwrap());
    for _ in 0..40 {
        assert_eq!(allowed(&limiter, &request(), 5).await, 5);
        rig.pass(5);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    limiter.close().await;
    let read = counted.read();
    let units = |event: &str| read.get(&format!("ratelimit_lease_units_total {event}")).copied().unwrap_or_default();
    assert!(units("used") > 100, "{read:?}");
    assert_eq!(units("granted"), units("used") + units("returned") + units("lost"), "{read:?}");
    assert_eq!(units("lost"), 0);
}

#[tokio::test]
async fn what_a_full_table_forgets_is_counted() {
    let counted = Counted::default();
    let store = counted.during(|| MemoryStore::with(64, Arc::new(ManualStopwatch::new(1_000_000))));
    for subject in 0..1000_u32 {
        let slot = Digest::of([subject.to_le_bytes().as_slice()]);
        let batch = Batch::one(Tag::Tenant(TENANT), Limit::new("p".parse().unwrap(), slot, per_second(1, 2), 1).unwrap());
        assert!(store.consume_now(&batch).unwrap().unwrap().passed);
    }
    assert!(store.evictions() >= 900, "{}", store.evictions());
    assert_eq!(counted.read(), counts(&[("ratelimit_table_evictions_total ", store.evictions())]));
}
