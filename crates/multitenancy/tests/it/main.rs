//! The services over the store in memory, and that store's own conformance.

mod conformance {
    use togglebox_multitenancy::testkit::MemoryStore;

    togglebox_multitenancy::tenancy_store_suite!(MemoryStore::fresh);
}
