//! PostgreSQL against the suites of the ports, and what only PostgreSQL promises. `TOGGLEBOX_TEST_POSTGRES` names the server.

mod bus;
mod connections;
mod isolation;
mod opening;
mod pages;
mod plans;
mod server;
mod suites;
#[cfg(feature = "tenancy")]
mod tenancy;
mod together;
