//! The program of many workspaces, from the outside.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests: a broken promise is a panic, and says why")]

mod billing;
// The open-source program's tests start it, call it and choose its store in the same way.
#[expect(dead_code, reason = "some of it is for the tests of the other program")]
#[path = "../../../togglebox/tests/it/client.rs"]
mod client;
mod command_line;
mod domains;
mod endings;
#[path = "../../../togglebox/tests/it/engine.rs"]
mod engine;
mod export;
mod flood;
mod isolation;
#[path = "../../../togglebox/tests/it/javascript.rs"]
mod javascript;
// That of the tests of the resolver.
#[path = "../../../../crates/server/src/cloud/dns/knot.rs"]
mod knot;
mod money_limits;
mod nodes;
mod outage;
mod people;
mod plans;
mod sdk;
#[expect(dead_code, reason = "some of it is for the tests of the other program")]
#[path = "../../../togglebox/tests/it/server.rs"]
mod server;
#[expect(dead_code, reason = "some of it is for the tests of the other program")]
#[path = "../../../togglebox/tests/it/service/mod.rs"]
mod service;
mod usage;
mod workspaces;

/// The program that these tests are about.
const BINARY: &str = env!("CARGO_BIN_EXE_togglebox-cloud");

/// What it cannot do without; and tests ask more often than a plan allows.
const SETTINGS: &[(&str, &str)] = &[("BASE_DOMAIN", "localtest"), ("PLAN_RATES", "off")];
