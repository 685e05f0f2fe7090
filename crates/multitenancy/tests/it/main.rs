//! The host parser over any bytes, the cache of tenants over sources that fail, hang and race.

mod host;
mod resolve;
