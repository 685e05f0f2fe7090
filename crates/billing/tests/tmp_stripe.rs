//! Temporary.
#[path = "it/signature_oracle.rs"]
mod signature_oracle;
#[path = "it/stripe_wire.rs"]
mod stripe_wire;
