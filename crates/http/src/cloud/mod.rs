//! Many workspaces behind one address: which of them a request is for, and what only a service of many needs.
//!
//! The *central host* has the accounts: people register, sign in, make workspaces and enter them there, and the operator's people
//! administer. Each *workspace's host* has the API of the open-source server for that workspace alone, and its people, names and
//! standing. Which workspace it is is found out before anything else, out of memory; whatever is not there is a 404.
//!
//! Accounts are kept once, under [`CENTRAL`]. In a workspace stands a guest for each of its people (`togglebox_auth`); sessions and keys
//! hang on guests, so that none is good in another workspace. Who belongs where is written in the register of members, and guests
//! follow it.

pub(crate) mod allowance;
mod billing;
mod export;
mod failure;
mod input;
pub(crate) mod metering;
mod people;
mod quotas;
mod rates;
mod routes;
mod schema;
mod serve;
mod services;
#[cfg(test)]
mod tests;
mod view;
mod waking;
mod workspace;

use togglebox_core::TenantId;
use uuid::Uuid;

pub use self::billing::BillingDesk;
pub use self::export::{Export, ExportSource, Exports};
pub use self::metering::Metering;
pub use self::rates::PlanRates;
pub use self::serve::{Cloud, CloudPorts};
pub use self::services::{CloudServices, CloudSettings};
pub use self::workspace::{ServedWorkspace, WorkspaceSource};

/// Whose the accounts of all people are. No workspace has this id: theirs are random.
pub const CENTRAL: TenantId = TenantId::from_uuid(Uuid::from_u128(0x8_0000_0000_0000_0001));
