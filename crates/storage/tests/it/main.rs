//! The SQLite adapter against the suites of the ports, and what only SQLite promises.
#![cfg(feature = "sqlite")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a broken promise is a panic here, and a test that is skipped says so"
)]

mod accounts;
mod bus;
mod corruption;
mod database;
#[cfg(feature = "dynamodb")]
mod dynamodb;
mod file;
mod model;
mod testing;
mod toggles;
