//! What is counted. No label is a tenant, or a name.

use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use super::Held;

/// The figures of a resolver, registered with whatever recorder is installed when it is made.
pub(super) struct Metrics {
    pub(super) hit: Counter,
    pub(super) stale: Counter,
    pub(super) vouched: Counter,
    pub(super) outage: Counter,
    pub(super) negative: Counter,
    pub(super) miss: Counter,
    pub(super) overloaded: Counter,
    pub(super) failed: Counter,
    pub(super) loads_found: Counter,
    pub(super) loads_absent: Counter,
    pub(super) loads_failed: Counter,
    pub(super) loads_overtaken: Counter,
    pub(super) load_seconds: Histogram,
    pub(super) notices: Counter,
    tenants: Gauge,
    absent: Gauge,
    floors: Gauge,
}

impl Metrics {
    pub(super) fn register() -> Self {
        describe();
        let resolved = |source: &'static str| counter!("tenancy_resolutions_total", "source" => source);
        let loads = |outcome: &'static str| counter!("tenancy_loads_total", "outcome" => outcome);
        Self {
            hit: resolved("fresh"),
            stale: resolved("stale"),
            vouched: resolved("token"),
            outage: resolved("outage"),
            negative: resolved("absent"),
            miss: resolved("load"),
            overloaded: resolved("overloaded"),
            failed: resolved("failed"),
            loads_found: loads("found"),
            loads_absent: loads("absent"),
            loads_failed: loads("failed"),
            loads_overtaken: loads("overtaken"),
            load_seconds: histogram!("tenancy_load_seconds"),
            notices: counter!("tenancy_notices_total"),
            tenants: gauge!("tenancy_held", "what" => "tenants"),
            absent: gauge!("tenancy_held", "what" => "absent"),
            floors: gauge!("tenancy_held", "what" => "floors"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(super) fn held(&self, held: Held) {
        self.tenants.set(held.tenants as f64);
        self.absent.set(held.absent as f64);
        self.floors.set(held.floors as f64);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn describe() {
    describe_counter!("tenancy_resolutions_total", "Names that were asked for, by where the answer came from.");
    describe_counter!("tenancy_loads_total", "Look-ups in the store, by what came of them.");
    describe_histogram!("tenancy_load_seconds", metrics::Unit::Seconds, "How long a look-up in the store took.");
    describe_counter!("tenancy_notices_total", "Notices of changed tenants.");
    describe_gauge!("tenancy_held", "What is remembered: tenants, names that lead to nobody, floors.");
}
