//! The sequence of changes: read without a gap, and pruned from its front.

use togglebox_core::{Revision, StoreResult, Timestamp};
use togglebox_multitenancy::store::{TenantChange, TenantChanges};

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::Trouble;
use super::super::item::Attributes;
use super::super::patience::Patience;
use super::super::store::Range;
use super::key;
use super::register::{change_of, revision_of};

/// The most entries of one answer or of one round of pruning.
const MOST: usize = 1000;

impl DynamoDb {
    /// How far the register has counted.
    pub(super) async fn counted(&self, operation: &'static str, patience: &mut Patience) -> StoreResult<Revision> {
        revision_of(self.get(operation, patience, &key::counter()).await?.as_ref(), operation)
    }

    /// The changes after `since`. An answer has no gap: where one is seen, either its entries were pruned, and the answer begins behind it, or
    /// they belong to writes of which only a part could be seen yet, and are there a moment later.
    pub(super) async fn tenant_changes(&self, since: Revision, limit: usize) -> StoreResult<TenantChanges> {
        const OPERATION: &str = "tenant_directory.changes_since";
        let limit = limit.clamp(1, MOST);
        let (mut patience, mut from) = (self.patience(), since);
        loop {
            // Before the entries: so it counts nothing that they could not show.
            let counted = self.counted(OPERATION, &mut patience).await?;
            if counted <= from {
                return Ok(TenantChanges { changes: Vec::new(), revision: counted });
            }
            let after = Some(key::change(from).sk);
            let range = Range { after, limit: Some(limit), ..Range::all(key::changes()) };
            let entries = self.query(OPERATION, &mut patience, range).await?;
            let changes = entries.iter().map(|item| change_of(item, OPERATION)).collect::<StoreResult<Vec<_>>>()?;
            if is_whole(&changes, from, counted, limit) {
                let revision = changes.last().map_or(counted, |last| last.revision.max(counted));
                return Ok(TenantChanges { changes, revision });
            }
            let pruned = self.pruned(OPERATION, &mut patience).await?;
            if pruned > from {
                from = pruned;
            } else if !patience.pause(Trouble::Contended).await {
                let missing = missing(&changes, from);
                let place = key::change(missing).item();
                return Err(Attributes::new(&place, OPERATION).unreadable("rev", "the change is missing"));
            }
        }
    }

    /// Up to which change the sequence was pruned.
    async fn pruned(&self, operation: &'static str, patience: &mut Patience) -> StoreResult<Revision> {
        revision_of(self.get(operation, patience, &key::pruned()).await?.as_ref(), operation)
    }

    /// Removes entries from the front of the sequence, as long as they are from before `before`.
    pub(super) async fn prune_tenant_changes(&self, before: Timestamp, limit: usize) -> StoreResult<usize> {
        const OPERATION: &str = "tenant_directory.prune_changes";
        let mut patience = self.patience();
        let range = Range { limit: Some(limit.clamp(1, MOST)), ..Range::all(key::changes()) };
        let entries = self.query(OPERATION, &mut patience, range).await?;
        let (mut old, mut last) = (Vec::new(), Revision::ZERO);
        for item in &entries {
            let change = change_of(item, OPERATION)?;
            // Of two that are under way only the later one may be seen: behind a gap nothing is removed.
            if change.at >= before || (!old.is_empty() && change.revision != last.next()) {
                break;
            }
            last = change.revision;
            old.push(key::change(last));
        }
        if old.is_empty() {
            return Ok(0);
        }
        self.note_pruned(OPERATION, &mut patience, last).await?;
        let count = old.len();
        self.remove(OPERATION, &mut patience, old).await?;
        Ok(count)
    }

    /// Says that everything up to `last` is going, so that nobody waits for it.
    async fn note_pruned(&self, operation: &'static str, patience: &mut Patience, last: Revision) -> StoreResult<()> {
        while self.pruned(operation, patience).await? < last {
            let set = vec![("rev", last.into())];
            let when = Condition::below("rev", last);
            let note = Action::Update { key: key::pruned(), set, remove: Vec::new(), when };
            if self.commit(operation, patience, vec![note]).await? {
                break;
            }
        }
        Ok(())
    }
}

/// Whether these are all the changes after `from`, up to `limit`, of those that were `counted`.
fn is_whole(changes: &[TenantChange], from: Revision, counted: Revision, limit: usize) -> bool {
    let numbers = (1..).map(|n| from.get().saturating_add(n));
    let expected = usize::try_from(counted.get().saturating_sub(from.get())).unwrap_or(usize::MAX).min(limit);
    changes.len() >= expected && changes.iter().zip(numbers).all(|(change, number)| change.revision.get() == number)
}

/// The first number after `from` that is not there.
fn missing(changes: &[TenantChange], from: Revision) -> Revision {
    changes.iter().fold(from.next(), |next, change| if change.revision == next { next.next() } else { next })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::TenantId;
    use togglebox_multitenancy::store::Changed;

    use super::*;

    fn seen(numbers: impl IntoIterator<Item = u64>) -> Vec<TenantChange> {
        let change = |n| TenantChange {
            revision: Revision::new(n),
            at: Timestamp::EPOCH,
            tenant: TenantId::DEFAULT,
            what: Changed::Members,
        };
        numbers.into_iter().map(change).collect()
    }

    proptest! {
        #[test]
        fn a_part_is_whole_where_no_number_is_missing(
            from in 0..50_u64, more in 0..20_u64, later in 0..3_u64, limit in 1..25_usize, hidden in prop::collection::btree_set(1..24_u64, 0..4),
        ) {
            let (from_at, counted) = (Revision::new(from), Revision::new(from + more));
            // Writes that were counted, and those that came while the entries were read; some of them cannot be seen.
            let there = (1..=more + later).filter(|n| !hidden.contains(n)).take(limit).map(|n| from + n);
            let changes = seen(there);
            let wanted = more.min(limit as u64);
            let first_gap = hidden.iter().copied().find(|n| *n <= more + later);
            // A gap after everything that was counted does no harm as long as nothing behind it is shown.
            let gap_shows = first_gap.is_some_and(|gap| gap <= wanted || changes.iter().any(|change| change.revision.get() > from + gap));
            prop_assert_eq!(is_whole(&changes, from_at, counted, limit), !gap_shows);
            if let Some(gap) = first_gap.filter(|_| gap_shows) {
                prop_assert_eq!(missing(&changes, from_at).get(), from + gap);
            }
        }
    }
}
