//! Reads the original's tables, a page at a time.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use togglebox_core::StoreResult;

use super::super::item::Item;
use super::super::key::{PK, SK};
use super::super::patience::Patience;
use super::super::store::repeat;
use super::PATIENCE;
use super::row::Row;
use crate::home::Home;

const OPERATION: &str = "original.read";

/// What of a table is read.
#[derive(Clone, Debug)]
enum Part {
    /// All of it, in no particular order.
    Whole,
    /// A partition in the order of its sort keys, those that begin like this.
    Partition { key: String, prefix: &'static str },
}

/// A part of a table on its way in. A page is at most a megabyte.
#[derive(Debug)]
pub(super) struct Pages {
    client: Client,
    table: String,
    part: Part,
    start: Option<Item>,
    over: bool,
}

impl Pages {
    pub(super) const fn whole(client: Client, table: String) -> Self {
        Self { client, table, part: Part::Whole, start: None, over: false }
    }

    pub(super) const fn partition(client: Client, table: String, key: String, prefix: &'static str) -> Self {
        Self { client, table, part: Part::Partition { key, prefix }, start: None, over: false }
    }

    /// Nothing of it.
    pub(super) fn none(self) -> Self {
        Self { over: true, ..self }
    }

    /// The next rows, perhaps none of them; `None` after the last.
    pub(super) async fn next(&mut self) -> StoreResult<Option<Vec<Row>>> {
        if self.over {
            return Ok(None);
        }
        let mut patience = Patience::new(PATIENCE);
        let (client, table, start) = (&self.client, &self.table, &self.start);
        let (items, start) = match &self.part {
            Part::Whole => {
                let request = || {
                    let scan = client.scan().table_name(table).consistent_read(true);
                    scan.set_exclusive_start_key(start.clone()).send()
                };
                let output = repeat(&Home::here(), OPERATION, &mut patience, request).await?;
                (output.items, output.last_evaluated_key)
            }
            Part::Partition { key, prefix } => {
                let request = || {
                    let mut query = client.query().table_name(table).consistent_read(true).expression_attribute_names("#p", PK);
                    query = query.expression_attribute_values(":p", AttributeValue::S(key.clone()));
                    query = match *prefix {
                        "" => query.key_condition_expression("#p = :p"),
                        prefix => query
                            .key_condition_expression("#p = :p AND begins_with(#s, :s)")
                            .expression_attribute_names("#s", SK)
                            .expression_attribute_values(":s", AttributeValue::S(prefix.to_owned())),
                    };
                    query.set_exclusive_start_key(start.clone()).send()
                };
                let output = repeat(&Home::here(), OPERATION, &mut patience, request).await?;
                (output.items, output.last_evaluated_key)
            }
        };
        self.over = start.is_none();
        self.start = start;
        Ok(Some(items.unwrap_or_default().into_iter().map(Row::of).collect()))
    }
}

/// The partitions of a table.
pub(super) async fn partitions(client: &Client, table: &str) -> StoreResult<BTreeSet<String>> {
    let (mut found, mut start) = (BTreeSet::new(), None);
    loop {
        let mut patience = Patience::new(PATIENCE);
        let request = || {
            let scan = client.scan().table_name(table).consistent_read(true).expression_attribute_names("#p", PK);
            scan.projection_expression("#p").set_exclusive_start_key(start.clone()).send()
        };
        let output = repeat(&Home::here(), OPERATION, &mut patience, request).await?;
        found.extend(output.items.into_iter().flatten().map(|item| Row::of(item).pk));
        start = output.last_evaluated_key;
        if start.is_none() {
            return Ok(found);
        }
    }
}
