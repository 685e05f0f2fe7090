//! The algorithm against its references, the memory store against the promises of the port, the limiter over stores that fail.

mod gcra;
mod limiter;
mod memory;
mod redis;
