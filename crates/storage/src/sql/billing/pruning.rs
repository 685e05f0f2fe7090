//! What is removed because it is old.

use togglebox_billing::store::{Address, MOST_AT_ONCE, Shelf};
use togglebox_core::{StoreResult, Timestamp};

use super::super::Database;
use super::super::cells::Cells;
use super::super::engine::Engine;
use super::super::statement::Statement;
use super::commits::REMOVE;
use super::locks;

const OPERATION: &str = "billing.prune";

pub(super) const OLDEST: &str = "-- billing.oldest
SELECT id, version FROM billing_documents WHERE shelf = $1 AND list = $2 AND at < $3 ORDER BY at, id LIMIT $4";

/// How many documents are locked at once.
const PART: usize = 100;

impl<E: Engine> Database<E> {
    pub(super) async fn prune_documents(&self, shelf: Shelf, list: &str, before: Timestamp, limit: usize) -> StoreResult<usize> {
        let limit = limit.clamp(1, MOST_AT_ONCE);
        let mut removed = 0;
        // Again, until there is nothing more to find: some may have been changed after they were found.
        while removed < limit {
            let oldest = Statement::new(OLDEST).bind(shelf.as_str()).bind(list).bind(before);
            let part = PART.min(limit - removed);
            let rows = self.documents(OPERATION).await?.rows(oldest.bind(part as u64)).await?;
            if rows.is_empty() {
                break;
            }
            let found = |row| {
                let cells = Cells::new(row, OPERATION, "billing_documents", "id");
                Ok((Address::new(shelf, cells.get::<String>("id")?), cells.get("version")?))
            };
            removed += self.remove_documents(&rows.iter().map(found).collect::<StoreResult<Vec<_>>>()?).await?;
        }
        Ok(removed)
    }

    /// Removes those that still have these versions; says how many.
    async fn remove_documents(&self, found: &[(Address, u64)]) -> StoreResult<usize> {
        let locks = locks(found.iter().map(|(address, _)| address));
        self.attempt(|| async {
            let mut filing = self.filing(OPERATION, &locks).await?;
            let mut removed = 0;
            for (address, version) in found {
                let remove = Statement::new(REMOVE).bind(address.shelf.as_str()).bind(&*address.id).bind(*version);
                removed += filing.execute(remove).await?;
            }
            filing.commit().await?;
            Ok(usize::try_from(removed).unwrap_or(usize::MAX))
        })
        .await
    }
}
