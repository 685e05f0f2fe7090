//! The services over the store in memory, and that store's own conformance.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod app;
mod domains;
mod life;
mod team;
mod workspaces;

mod conformance {
    use togglebox_multitenancy::testkit::MemoryStore;

    togglebox_multitenancy::tenancy_store_suite!(MemoryStore::fresh);
}
