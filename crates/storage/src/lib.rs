#![doc = include_str!("../README.md")]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod cursor;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod transfer;

#[cfg(feature = "postgres")]
pub use postgres::{NotifyBus, Postgres, PostgresOptions};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::Database;
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
