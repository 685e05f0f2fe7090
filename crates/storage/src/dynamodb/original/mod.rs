//! The tables that the original ToggleBox keeps in DynamoDB, as records that any store takes in.
//!
//! The original has a table for each kind of thing. Keys are `PK` and `SK`, both texts; what a user chose stands in them between `#`.
//!
//! | table | `PK` | `SK` |
//! | --- | --- | --- |
//! | users | `USER#<id>` | |
//! | api-keys | `APIKEY#<id>` | |
//! | platforms | `PLATFORM#<name>` | |
//! | environments | `PLATFORM#<platform>` | `ENV#<name>` |
//! | remote-configs | `CONFIG#<platform>#<environment>` | `PARAM#<key>#V#<n>` |
//! | flags | `PLATFORM#<platform>#ENV#<environment>` | `FLAG#<key>#V#1.0.<n>` |
//! | experiments | `PLATFORM#<platform>#ENV#<environment>` | `EXP#<key>#V#1.0.0` |
//! | stats | `STATS#<platform>#<environment>#SHARD#<0 to 9>` | `STATS#CONFIG#…`, `STATS#FLAG#…`, `STATS#EXP#…` |
//!
//! A version of a parameter or flag is the one that clients get if it has the keys of the index `GSI1`.
//!
//! Everything is read twice. [`Original::survey`] looks whether all of it can be taken, and tells of what cannot; [`Original::records`]
//! tells the records. What turns rows into records is pure and in files of its own: this one, `pages`, `groups`, `survey` and `records`
//! are all that reads. Nothing is ever written.

mod account;
mod contents;
mod experiment;
mod experiment_figures;
mod fields;
mod figure_key;
mod figures;
mod finding;
mod flag;
mod groups;
mod pages;
mod parameter;
mod place;
mod records;
mod row;
mod survey;
mod tables;
#[cfg(test)]
mod tests;
mod versions;

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use togglebox_core::StoreResult;

use self::groups::Groups;
use self::pages::{Pages, partitions};
use super::store::client;
use super::{DynamoDbOptions, OpenError, table};

pub use finding::{Finding, What};
pub use records::{ReadError, Sink};
pub use survey::Survey;
pub use tables::{NoSuchTable, OriginalTable, OriginalTables};

/// How long one page is asked for, repetitions and waits included: a table that pays by the hour lets a reader of everything wait.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long a single request may take.
const ATTEMPT: Duration = Duration::from_secs(20);

/// The original's tables.
#[derive(Clone, Debug)]
pub struct Original {
    client: Client,
    tables: OriginalTables,
    missing: BTreeSet<OriginalTable>,
}

impl Original {
    /// Finds the tables. `options` say how the service is reached; the table that they name is not looked at.
    ///
    /// # Errors
    /// [`OpenError`]; `NoTable` when there is none with platforms. Others may be missing: the survey tells.
    pub async fn open(options: &DynamoDbOptions, tables: OriginalTables) -> Result<Self, OpenError> {
        let client = client(&options.clone().with_attempt_timeout(ATTEMPT)).await?;
        let mut missing = BTreeSet::new();
        for table in OriginalTable::ALL {
            match table::description(&client, &tables.name(table)).await {
                Ok(_) => {}
                Err(OpenError::NoTable { .. }) if table != OriginalTable::Platforms => {
                    missing.insert(table);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self { client, tables, missing })
    }

    fn name(&self, table: OriginalTable) -> String {
        self.tables.name(table)
    }

    const fn missing(&self) -> &BTreeSet<OriginalTable> {
        &self.missing
    }

    /// All rows of a table; none of one that is missing.
    fn whole(&self, table: OriginalTable) -> Pages {
        let pages = Pages::whole(self.client.clone(), self.name(table));
        if self.missing.contains(&table) { pages.none() } else { pages }
    }

    /// The rows of these partitions whose sort keys begin with `prefix`.
    fn groups(&self, table: OriginalTable, keys: impl IntoIterator<Item = String>, prefix: &'static str) -> Groups {
        Groups::of(keys.into_iter().map(|key| Pages::partition(self.client.clone(), self.name(table), key, prefix)))
    }

    /// The partitions of a table; none of one that is missing.
    async fn partitions(&self, table: OriginalTable) -> StoreResult<BTreeSet<String>> {
        if self.missing.contains(&table) { Ok(BTreeSet::new()) } else { partitions(&self.client, &self.name(table)).await }
    }
}
