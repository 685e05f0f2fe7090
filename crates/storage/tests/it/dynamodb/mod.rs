//! The DynamoDB adapter against the suites of the ports, and what only DynamoDB promises.

mod server;
mod toggles;
