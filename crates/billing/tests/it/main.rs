//! Billing over the store in memory, and that store's own conformance.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod changes;
mod crashes;
mod life;
mod live;
mod live_suite;
mod localstripe;
mod periods;
mod schedules;
mod sign_up;
mod signature_oracle;
mod store;
mod stripe_sim;
mod stripe_wire;
mod usage;
mod world;
