//! The store in memory, and its conformance.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod conformance {
    use togglebox_metering::testkit::MemoryStore;

    togglebox_metering::usage_store_suite!(MemoryStore::fresh);
}
