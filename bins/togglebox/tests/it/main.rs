//! The binary, from the outside: what clients, operators and attackers see of it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "these are tests: a broken promise is a panic, and says why"
)]

mod accounts;
mod admin_ui;
mod authorization;
mod client;
mod command_line;
mod crash;
mod cursors;
mod engine;
mod evaluation;
mod hostile;
mod javascript;
mod limits;
mod nodes;
mod original;
mod outage;
mod races;
mod replay;
mod sdk;
mod secrets;
mod server;
mod service;
mod serving;
mod shutdown;
mod sqlite_file;
mod storm;
mod transfer;

/// The program that these tests are about.
const BINARY: &str = env!("CARGO_BIN_EXE_togglebox");

/// What it cannot do without.
const SETTINGS: &[(&str, &str)] = &[];
