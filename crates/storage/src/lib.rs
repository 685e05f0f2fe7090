#![doc = include_str!("../README.md")]

#[cfg(feature = "sqlite")]
mod cursor;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
