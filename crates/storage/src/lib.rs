#![doc = include_str!("../README.md")]

#[cfg(any(feature = "dynamodb", feature = "sqlite"))]
mod cursor;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoDb, DynamoDbOptions};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, OpenError, Sqlite, SqliteOptions};
