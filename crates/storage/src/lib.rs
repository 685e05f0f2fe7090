#![doc = include_str!("../README.md")]

#[cfg(any(feature = "dynamodb", feature = "sqs"))]
mod aws;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
mod cursor;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite", feature = "sqs"))]
mod hex;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqs"))]
mod home;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod notice;
#[cfg(all(any(feature = "billing", feature = "tenancy"), any(feature = "dynamodb", feature = "postgres", feature = "sqlite")))]
mod position;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqs")]
pub mod sqs;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transfer;

#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDb, DynamoDbLimits, DynamoDbLimitsOptions, DynamoDbOptions};
#[cfg(feature = "postgres")]
pub use postgres::{NotifyBus, Postgres, PostgresOptions};
#[cfg(feature = "redis")]
pub use redis::{RedisBus, RedisBusOptions, RedisUrlError};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use sql::Database;
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
