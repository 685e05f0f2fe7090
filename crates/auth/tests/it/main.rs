//! The services over an in-process store, and the store's own conformance.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod app;
mod authentication;
mod guests;
mod keys;
mod memory;
mod operator;
mod resets;
mod sign_in;
mod users;

mod conformance {
    use super::memory::MemoryStore;

    togglebox_auth::auth_store_suite!(MemoryStore::fresh);
}
