#![doc = include_str!("../README.md")]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cursor;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod transfer;

#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
