//! What is counted, as a recorder gets it.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::*;

/// Counters alone, by name and labels.
#[derive(Default)]
struct Counted(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

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

#[tokio::test(start_paused = true)]
async fn each_answer_is_counted_once_by_where_it_came_from() {
    let counted = Counted::default();
    let rig = metrics::with_local_recorder(&counted, || Rig::with(ResolveOptions::default().strangers(2, 2)));
    rig.register.put(ACME, entry(1, 1));
    for _ in 0..3 {
        assert_eq!(rig.version(ACME).await, Ok(1));
    }
    for name in ["one", "one", "two", "three"] {
        rig.resolve(HostRef::Subdomain(name)).await.unwrap_err();
    }
    rig.resolver.hear(&notice(1, 2, &[ACME]));
    assert_eq!(rig.version(ACME).await, Err("behind"));
    rig.register.be(Mood::Down);
    assert_eq!(rig.version(ACME).await, Err("store"));
    let counters = counted.0.lock().unwrap();
    let counts: BTreeMap<&str, u64> = counters
        .iter()
        .map(|(name, value)| (name.as_str(), value.load(Ordering::Relaxed)))
        .filter(|(_, value)| *value > 0)
        .collect();
    let expected = BTreeMap::from([
        ("tenancy_loads_total absent", 2),
        ("tenancy_loads_total failed", 1),
        ("tenancy_loads_total found", 4),
        ("tenancy_loads_total overtaken", 3),
        ("tenancy_notices_total ", 1),
        ("tenancy_resolutions_total absent", 1),
        ("tenancy_resolutions_total failed", 2),
        ("tenancy_resolutions_total fresh", 2),
        ("tenancy_resolutions_total load", 3),
        ("tenancy_resolutions_total overloaded", 1),
    ]);
    assert_eq!(counts, expected);
}
