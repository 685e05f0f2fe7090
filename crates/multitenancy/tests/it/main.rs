//! The services over the store in memory, and that store's own conformance; the host parser over any bytes, the cache of tenants over
//! sources that fail, hang and race.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod app;
mod domains;
mod ending;
mod export;
mod host;
mod life;
mod paid;
mod resolve;
mod team;
mod workspaces;

mod conformance {
    use togglebox_multitenancy::testkit::MemoryStore;

    togglebox_multitenancy::tenancy_store_suite!(MemoryStore::fresh);
}
