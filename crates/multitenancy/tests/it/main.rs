//! The host parser over any bytes, the cache of tenants over sources that fail, hang and race.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod host;
mod resolve;
