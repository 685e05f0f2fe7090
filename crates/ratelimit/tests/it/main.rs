//! The algorithm against its references, and the memory store against the promises of the port.

mod gcra;
mod memory;
mod redis;
