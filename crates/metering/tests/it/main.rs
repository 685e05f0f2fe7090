//! Counting from the hot path to the store, over the store in memory; and that store's own conformance.

#![expect(clippy::unwrap_used, reason = "these are tests")]

#[path = "../support/mod.rs"]
mod support;

mod direct;
mod flusher;
mod leases;
mod period_usage;
mod queue;
mod recorder;
mod schedules;
mod threads;
mod tower;

mod conformance {
    use togglebox_metering::testkit::MemoryStore;

    togglebox_metering::usage_store_suite!(MemoryStore::fresh);
}
