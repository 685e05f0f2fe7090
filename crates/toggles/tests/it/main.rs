//! The recorded answers of the original, case by case; and whole services over ports in memory.

#![expect(clippy::unwrap_used, reason = "these are tests: a broken promise is a panic")]

mod configs;
mod experiments;
mod flags;
mod hash;
mod input;
mod manage;
mod memory;
mod records;
mod snapshot;
mod stats;
mod validation;
mod vectors;
