//! One transaction of a batch: reads what its changes depend on, and begins anew where that moved.

use togglebox_core::StoreResult;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Draft, Item};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::table::EXPIRES_AT;
use super::OPERATION;
use super::actions::actions;
use super::change::Chunk;
use super::journal::{Progress, next_of};

/// What makes a transaction of a batch happen once: it changes the item of the batch, and only from the state that it expects.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    /// The whole batch is this transaction, and no send of it has come through.
    Whole { batch: Key, expires_at: i64 },
    /// The transaction `number` of a batch; all before it were made. After the last, the item may be deleted at `expires_at`.
    Step { batch: Key, number: u64, expires_at: Option<i64> },
}

impl Mark {
    const fn batch(&self) -> &Key {
        match self {
            Self::Whole { batch, .. } | Self::Step { batch, .. } => batch,
        }
    }

    /// Whether the transaction is still to be made.
    fn is_due(&self, item: Option<&Item>) -> StoreResult<bool> {
        match self {
            Self::Whole { .. } => Ok(item.is_none()),
            Self::Step { number, .. } => Ok(next_of(item)? == Some(*number)),
        }
    }

    fn action(&self) -> StoreResult<Action> {
        Ok(match self {
            Self::Whole { batch, expires_at } => {
                let item = Draft::new(batch).with("state", Progress::DONE).with(EXPIRES_AT, *expires_at).finish(OPERATION)?;
                Action::Put { item, when: Condition::absent() }
            }
            Self::Step { batch, number, expires_at } => {
                let mut set = vec![("next", (number + 1).into())];
                if let Some(expires_at) = expires_at {
                    set.extend([("state", Progress::DONE.into()), (EXPIRES_AT, (*expires_at).into())]);
                }
                let when = Condition::is("next", *number);
                Action::Update { key: batch.clone(), set, remove: Vec::new(), when }
            }
        })
    }
}

impl DynamoDb {
    /// Makes the changes of a chunk, unless that was done before: then the answer is false.
    pub(super) async fn make(&self, patience: &mut Patience, chunk: &Chunk, mark: &Mark) -> StoreResult<bool> {
        loop {
            let wanted = chunk.iter().filter(|(_, change)| change.reads()).map(|(key, _)| key.clone());
            let standing = self.get_all(OPERATION, patience, wanted.chain([mark.batch().clone()])).await?;
            if !mark.is_due(standing.get(mark.batch()))? {
                return Ok(false);
            }
            let mut all = actions(chunk, &standing)?;
            all.push(mark.action()?);
            if self.commit(OPERATION, patience, all).await? {
                return Ok(true);
            }
        }
    }
}
