//! What records look like on the wire.
//!
//! These types are the contract; domain types convert into them at the edge. Absent members are left out, never `null`, except where
//! the contract says so.

mod account;
pub(crate) mod analysis;
mod entry;
mod experiment;
pub(crate) mod figures;
mod flag;
pub(crate) mod number;
mod parameter;
mod place;

pub(crate) use account::{ApiKeyView, CreatedApiKeyView, LoginView, UserView};
pub(crate) use entry::AuditView;
pub(crate) use experiment::ExperimentView;
pub(crate) use flag::{FlagView, value as flag_value};
pub(crate) use parameter::ParameterView;
pub(crate) use place::{EnvironmentView, PlatformView};
