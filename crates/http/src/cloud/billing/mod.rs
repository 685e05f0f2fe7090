//! What workspaces pay: what clients see of it, what they send, and what they are told when something is wrong.

mod desk;
pub(super) mod failure;
pub(super) mod input;
mod leaving;
pub(super) mod schema;
pub(super) mod view;

pub use self::desk::BillingDesk;
