//! The SQLite adapter against the suites of the ports, and what only SQLite promises.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a broken promise is a panic here")]

mod accounts;
mod corruption;
mod database;
mod file;
mod model;
mod toggles;
mod transfer;
