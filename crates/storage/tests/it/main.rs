//! The SQLite adapter against the suites of the ports, and what only SQLite promises.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a broken promise is a panic here")]

mod accounts;
#[cfg(feature = "billing")]
mod billing;
mod bus;
mod corruption;
mod database;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod file;
mod model;
#[cfg(feature = "tenancy")]
mod remains;
#[cfg(feature = "sqs")]
mod sqs;
#[cfg(feature = "tenancy")]
mod tenancy;
mod testing;
mod toggles;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "redis", feature = "sqs"))]
mod told;
mod transfer;
#[cfg(feature = "metering")]
mod usage;
