//! What is counted. Labels come from closed sets: policies, outcomes, sources, modes; never a tenant, a key or an address.

use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::decision::Source;
use crate::key::PolicyName;
use crate::policy::Mode;

/// What a policy said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Allowed,
    Denied,
    Unavailable,
}

const SAID: [(Said, &str); 3] = [(Said::Allowed, "allowed"), (Said::Denied, "denied"), (Said::Unavailable, "unavailable")];

const SOURCES: [(Source, &str); 5] = [
    (Source::Off, "off"),
    (Source::Lease, "lease"),
    (Source::DenyCache, "deny_cache"),
    (Source::Store, "store"),
    (Source::Fallback, "fallback"),
];

const MODES: [(Mode, &str); 3] = [(Mode::Shadow, "shadow"), (Mode::Warn, "warn"), (Mode::Enforce, "enforce")];

/// The counters of a limiter, registered with whatever recorder is installed when it is made.
pub(crate) struct Metrics {
    /// By policy, then outcome, source and mode.
    decisions: Vec<[[[Counter; MODES.len()]; SOURCES.len()]; SAID.len()]>,
    would_deny: Vec<Counter>,
    pub(crate) consume_seconds: Histogram,
    pub(crate) grant_seconds: Histogram,
    pub(crate) late: Counter,
    pub(crate) failed: Counter,
    pub(crate) no_room: Counter,
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) open_breakers: Gauge,
    pub(crate) granted: Counter,
    pub(crate) used: Counter,
    pub(crate) returned: Counter,
    pub(crate) lost: Counter,
    pub(crate) fallback_keys: Gauge,
    pub(crate) fallback_ms: Counter,
}

impl Metrics {
    pub(crate) fn register(policies: impl Iterator<Item = PolicyName>) -> Self {
        describe();
        let names: Vec<PolicyName> = policies.collect();
        let decision = |policy: PolicyName, said: &'static str, source: &'static str, mode: &'static str| {
            counter!(
                "ratelimit_decisions_total",
                "policy" => policy.to_string(), "outcome" => said, "source" => source, "mode" => mode
            )
        };
        let decisions = names.iter().map(|name| {
            SAID.map(|(_, said)| SOURCES.map(|(_, source)| MODES.map(|(_, mode)| decision(*name, said, source, mode))))
        });
        Self {
            decisions: decisions.collect(),
            would_deny: names.iter().map(|name| counter!("ratelimit_would_deny_total", "policy" => name.to_string())).collect(),
            consume_seconds: histogram!("ratelimit_store_seconds", "op" => "consume"),
            grant_seconds: histogram!("ratelimit_store_seconds", "op" => "grant"),
            late: counter!("ratelimit_store_faults_total", "kind" => "late"),
            failed: counter!("ratelimit_store_faults_total", "kind" => "failed"),
            no_room: counter!("ratelimit_store_faults_total", "kind" => "no_room"),
            opened: counter!("ratelimit_breaker_transitions_total", "to" => "open"),
            closed: counter!("ratelimit_breaker_transitions_total", "to" => "closed"),
            open_breakers: gauge!("ratelimit_breakers_open"),
            granted: counter!("ratelimit_lease_units_total", "event" => "granted"),
            used: counter!("ratelimit_lease_units_total", "event" => "used"),
            returned: counter!("ratelimit_lease_units_total", "event" => "returned"),
            lost: counter!("ratelimit_lease_units_total", "event" => "lost"),
            fallback_keys: gauge!("ratelimit_fallback_keys"),
            fallback_ms: counter!("ratelimit_fallback_milliseconds_total"),
        }
    }

    /// A policy said something of a request.
    #[inline]
    pub(crate) fn decided(&self, policy: usize, said: Said, source: Source, mode: Mode) {
        let place = |found: Option<usize>| found.unwrap_or_default();
        let said_at = place(SAID.iter().position(|(each, _)| *each == said));
        let source_at = place(SOURCES.iter().position(|(each, _)| *each == source));
        // What is off is not asked.
        let Some(mode_at) = MODES.iter().position(|(each, _)| *each == mode) else { return };
        self.decisions[policy][said_at][source_at][mode_at].increment(1);
        if said == Said::Denied && mode != Mode::Enforce {
            self.would_deny[policy].increment(1);
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn describe() {
    describe_counter!("ratelimit_decisions_total", "What policies said of requests.");
    describe_counter!("ratelimit_would_deny_total", "Requests that a policy in shadow or warn mode would have denied.");
    describe_histogram!("ratelimit_store_seconds", metrics::Unit::Seconds, "How long the store took.");
    describe_counter!("ratelimit_store_faults_total", "Calls of the store that came to nothing.");
    describe_counter!("ratelimit_breaker_transitions_total", "How often a part of the store was given up, or taken up again.");
    describe_gauge!("ratelimit_breakers_open", "Parts of the store that are not asked at present.");
    describe_counter!("ratelimit_lease_units_total", "Units taken in advance, and what became of them.");
    describe_gauge!("ratelimit_fallback_keys", "Limits that this node holds for the case that the store is gone.");
    describe_counter!("ratelimit_fallback_milliseconds_total", "Time that parts of the store were not asked, each counted.");
}
