//! A figure and the items that it stands in.

use togglebox_core::StoreResult;
use uuid::Uuid;

use super::super::super::item::{Draft, Item};
use super::super::super::key::{Key, Kind};
use super::super::key::Figures;
use crate::transfer::Record;

/// Where figures of a kind stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super::super) enum Shelf {
    /// In the one item of a shard that has all that was counted.
    Total,
    /// In items of a shard that begin like this, which has a total, too.
    Counts(&'static str),
    /// The same, but the shard need not have a total.
    Alone(&'static str),
    /// In partitions of their own, by subject.
    Subjects,
}

/// A record of what was counted.
pub(in super::super::super) trait Figure: Into<Record> + Send + Sync + 'static {
    /// Of what.
    const KIND: Kind;
    /// Where.
    const SHELF: Shelf;

    /// Of what in particular: environment and key.
    fn of(&self) -> (Uuid, &str);

    /// Where in a shard.
    fn key(&self, figures: Figures) -> Key;

    /// The item, of which the draft has the key.
    fn draft(&self, draft: Draft) -> StoreResult<Draft>;

    /// What the items of all shards at one key say together; `None` when they are of another kind.
    fn read(environment: Uuid, key: &str, items: &[Item]) -> StoreResult<Option<Self>>;
}
