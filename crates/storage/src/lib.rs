#![doc = include_str!("../README.md")]

#[cfg(feature = "sqlite")]
mod cursor;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "redis")]
pub use redis::{RedisBus, RedisBusOptions, RedisUrlError};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
