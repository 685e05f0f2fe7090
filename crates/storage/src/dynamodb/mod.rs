//! DynamoDB: one table for everything.

mod action;
mod audit;
mod capacity;
mod digest;
mod directory;
mod environments;
mod error;
mod experiments;
mod flags;
mod gone;
mod item;
mod key;
mod options;
mod parameters;
mod patience;
mod place;
mod record;
mod store;
mod sweep;
mod table;
mod write;

#[cfg(test)]
mod tests;

pub use capacity::Capacity;
pub use options::DynamoDbOptions;
pub use store::{DynamoDb, OpenError};
pub use sweep::Swept;
pub use table::{Billing, TableOptions, TableReport, create_table};
