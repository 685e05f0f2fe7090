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
            let first_missing = missing(&changes, from);
            if let Some(changes) = without_gap(from, limit, counted, changes) {
                let revision = changes.last().map_or(counted, |last| last.revision.max(counted));
                return Ok(TenantChanges { changes, revision });
            }
            let pruned = self.pruned(OPERATION, &mut patience).await?;
            if pruned > from {
                from = pruned;
            } else if !patience.pause(Trouble::Contended).await {
                let place = key::change(first_missing).item();
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
        let changes = entries.iter().map(|item| change_of(item, OPERATION)).collect::<StoreResult<Vec<_>>>()?;
        let pruned = self.pruned(OPERATION, &mut patience).await?;
        let old = from_the_front(pruned, before, &changes);
        // Told before they go: so whoever misses one knows why.
        if let Some(last) = old.last().filter(|last| **last > pruned) {
            self.note_pruned(OPERATION, &mut patience, *last).await?;
        }
        let count = old.len();
        self.remove(OPERATION, &mut patience, old.into_iter().map(key::change)).await?;
        Ok(count)
    }

    /// Says that everything up to `last` is going, so that nobody waits for it.
    async fn note_pruned(&self, operation: &'static str, patience: &mut Patience, last: Revision) -> StoreResult<()> {
        loop {
            let set = vec![("rev", last.into())];
            let when = Condition::below("rev", last);
            let note = Action::Update { key: key::pruned(), set, remove: Vec::new(), when };
            // Another one may have gone as far or further meanwhile.
            if self.commit(operation, patience, vec![note]).await? || self.pruned(operation, patience).await? >= last {
                return Ok(());
            }
        }
    }
}

/// The changes after `from` up to the first gap. `None` where that comes too early: where one is missing that was `counted` before they were
/// read, and that the part has room for.
fn without_gap(from: Revision, limit: usize, counted: Revision, found: Vec<TenantChange>) -> Option<Vec<TenantChange>> {
    let mut changes = found;
    let next = missing(&changes, from);
    changes.retain(|change| change.revision < next);
    (changes.len() >= limit || next > counted).then_some(changes)
}

/// Which of the oldest changes can go: those up to `pruned`, which an interrupted call has left, and those behind them that are from before
/// `before`. From the front only, so that what stays has no gap, also where a clock went back; and not behind a gap: the change that is not
/// seen yet is about to be.
fn from_the_front(pruned: Revision, before: Timestamp, found: &[TenantChange]) -> Vec<Revision> {
    let mut last = pruned;
    let mut old = Vec::new();
    for change in found {
        if change.revision > pruned {
            if change.at >= before || change.revision != last.next() {
                break;
            }
            last = change.revision;
        }
        old.push(change.revision);
    }
    old
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

    /// Each made at the millisecond of its number.
    fn changes(numbers: impl IntoIterator<Item = u64>) -> Vec<TenantChange> {
        let change = |n| TenantChange {
            revision: Revision::new(n),
            at: Timestamp::from_ms(i64::try_from(n).unwrap()),
            tenant: TenantId::DEFAULT,
            what: Changed::Members,
        };
        numbers.into_iter().map(change).collect()
    }

    fn numbers(changes: &[TenantChange]) -> Vec<u64> {
        changes.iter().map(|change| change.revision.get()).collect()
    }

    proptest! {
        #[test]
        fn what_is_told_has_no_gap_and_lacks_nothing_that_was_counted(
            from in 0..5_u64, counted in 0..20_u64, there in prop::collection::btree_set(1..20_u64, 0..20), limit in 1..10_usize,
        ) {
            let found = changes(there.iter().copied().filter(|n| *n > from).take(limit));
            let first_missing = (from + 1..=from + 20).find(|n| !numbers(&found).contains(n)).unwrap();
            prop_assert_eq!(missing(&found, Revision::new(from)).get(), first_missing);
            let told = without_gap(Revision::new(from), limit, Revision::new(counted), found).map(|told| numbers(&told));
            if let Some(told) = &told {
                prop_assert_eq!(told, &(from + 1..first_missing).collect::<Vec<_>>());
            }
            let mut due = (from + 1..=counted).take(limit);
            prop_assert_eq!(told.is_some(), due.all(|n| there.contains(&n)));
        }

        #[test]
        fn what_stays_has_no_gap(
            pruned in 0..8_u64, left in prop::collection::btree_set(1..8_u64, 0..8), times in prop::collection::vec(0..9_i64, 12), before in 0..9_i64,
        ) {
            // What a call has left of what it was to remove, and everything behind it.
            let mut found = changes(left.into_iter().filter(|n| *n <= pruned).chain(pruned + 1..=12));
            for (change, at) in found.iter_mut().zip(times) {
                change.at = Timestamp::from_ms(at);
            }
            let before = Timestamp::from_ms(before);
            let old = from_the_front(Revision::new(pruned), before, &found);
            prop_assert!(found.iter().zip(&old).all(|(change, gone)| change.revision == *gone), "from the front");
            let (gone, stay) = found.split_at(old.len());
            prop_assert!(gone.iter().all(|change| change.revision.get() <= pruned || change.at < before));
            prop_assert!(stay.first().is_none_or(|first| first.revision.get() > pruned && first.at >= before));
        }
    }

    #[test]
    fn changes_go_from_the_front_only() {
        let old = |pruned, before, found: &[u64]| {
            let old = from_the_front(Revision::new(pruned), Timestamp::from_ms(before), &changes(found.iter().copied()));
            old.into_iter().map(Revision::get).collect::<Vec<_>>()
        };
        assert_eq!(old(0, 3, &[1, 2, 3, 4]), [1, 2]);
        assert_eq!(old(2, 4, &[1, 3, 4]), [1, 3], "what was left goes, too");
        assert_eq!(old(3, 1, &[2, 3, 4]), [2, 3], "whatever its time");
        assert_eq!(old(0, 9, &[1, 3]), [1], "2 is about to be seen");
        assert!(old(0, 9, &[2]).is_empty());
        assert_eq!(old(1, 9, &[1, 3]), [1]);
    }
}
