//! Billing over the store in memory, and that store's own conformance.

mod store;
