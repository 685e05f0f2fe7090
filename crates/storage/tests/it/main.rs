//! The SQLite adapter against the suites of the ports, and what only SQLite promises.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "a broken promise is a panic here")]
#![cfg_attr(feature = "redis", expect(clippy::print_stderr, reason = "a test that is skipped says so"))]
#![cfg_attr(feature = "postgres", expect(clippy::print_stdout, reason = "a test that is skipped says so"))]

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
mod transfer;
