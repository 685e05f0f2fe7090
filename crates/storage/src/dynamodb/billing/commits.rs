//! Documents that are written together, with what leads to them.

use std::collections::{BTreeSet, HashMap};

use togglebox_billing::store::{Committed, Document, Write, check_writes};
use togglebox_core::{EntropyExt as _, OsEntropy, StoreError, StoreErrorKind, StoreResult};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::error::Trouble;
use super::super::item::Item;
use super::super::key::{self as keys, Key};
use super::super::patience::Patience;
use super::key;
use super::record::{self, VERSION};

const OPERATION: &str = "billing.commit";
/// The most actions of one transaction: a limit of the service.
const ACTIONS: usize = 100;

/// What came of a transaction.
pub(super) enum Settled {
    /// It was made.
    Made,
    /// It was not: somebody else is at the same items.
    Not,
    /// Nobody knows.
    Maybe,
}

impl DynamoDb {
    /// Tries to make a transaction, once.
    pub(super) async fn settle(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        actions: Vec<Action>,
    ) -> StoreResult<Settled> {
        let token = keys::token(&[OsEntropy.bytes::<16>().as_slice()]);
        match self.transact(operation, token, actions).await {
            Ok(()) => Ok(Settled::Made),
            Err(Ok((trouble, source))) => {
                if !patience.pause(trouble).await {
                    return Err(StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(source));
                }
                Ok(if trouble == Trouble::Contended { Settled::Not } else { Settled::Maybe })
            }
            Err(Err(error)) => Err(error),
        }
    }

    pub(super) async fn commit_documents(&self, writes: &[Write]) -> StoreResult<Committed> {
        check_writes(writes, OPERATION)?;
        let keys: BTreeSet<Key> = writes.iter().map(|write| key::document(write.expected().0)).collect();
        let Some(first) = keys.first() else { return Ok(Committed::Done) };
        let mut patience = self.patience();
        // Those of this process that meet at one document come one after the other.
        let _turn = self.queue(OPERATION, first, &patience).await?;
        let (by, mut is_certain) = (Uuid::from_bytes(OsEntropy.bytes()), true);
        loop {
            let items = self.get_all(OPERATION, &mut patience, keys.iter().cloned()).await?;
            let Some(actions) = plan(writes, &items, by)? else {
                if is_certain {
                    return Ok(Committed::Stale);
                }
                // Perhaps by this very call, in an attempt whose answer got lost.
                for write in writes {
                    if let (Write::Put(document), item) = (write, items.get(&key::document(write.expected().0)))
                        && let Some(item) = item
                        && record::read(item, OPERATION)?.version == document.version + 1
                        && record::written_by(item, OPERATION)? == by
                    {
                        return Ok(Committed::Done);
                    }
                }
                return Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION));
            };
            match self.settle(OPERATION, &mut patience, actions).await? {
                Settled::Made => return Ok(Committed::Done),
                Settled::Not => {}
                Settled::Maybe => is_certain = false,
            }
        }
    }

    /// Removes a document as it was read, with all that leads to it. Whether it is gone as such: false when it was changed meanwhile.
    pub(super) async fn remove_document(&self, operation: &'static str, read: Document) -> StoreResult<bool> {
        let (mut patience, mut is_certain) = (self.long_patience(), true);
        let key = key::document(&read.address);
        loop {
            let mut actions = vec![Action::Delete { key: key.clone(), when: Condition::is(VERSION, read.version) }];
            actions.extend(key::entries(&read).into_iter().map(|key| Action::Delete { key, when: Condition::none() }));
            match self.settle(operation, &mut patience, actions).await? {
                Settled::Made => return Ok(true),
                Settled::Not => {}
                Settled::Maybe => is_certain = false,
            }
            let stands = self.get(operation, &mut patience, &key).await?;
            let Some(stands) = stands.map(|item| record::read(&item, operation)).transpose()? else { return Ok(!is_certain) };
            if stands != read {
                return Ok(false);
            }
        }
    }
}

/// What a commit does, from what stands; `None` when something is not as it should be.
fn plan(writes: &[Write], items: &HashMap<Key, Item>, by: Uuid) -> StoreResult<Option<Vec<Action>>> {
    let (mut actions, mut put, mut removed) = (Vec::with_capacity(writes.len()), Vec::new(), Vec::new());
    for write in writes {
        let (address, expected) = write.expected();
        let key = key::document(address);
        let stands = items.get(&key).map(|item| record::read(item, OPERATION)).transpose()?;
        if stands.as_ref().map_or(0, |stands| stands.version) != expected {
            return Ok(None);
        }
        let when = if expected == 0 { Condition::absent() } else { Condition::is(VERSION, expected) };
        let before = stands.as_ref().map(key::entries).unwrap_or_default();
        actions.push(match write {
            Write::Put(document) => {
                let after = key::entries(document);
                put.extend(after.difference(&before).cloned());
                removed.extend(before.difference(&after).cloned());
                let item = record::item(&Document { version: expected + 1, ..document.clone() }, by, OPERATION)?;
                Action::Put { item, when }
            }
            Write::Remove(..) if expected > 0 => {
                removed.extend(before);
                Action::Delete { key, when }
            }
            Write::Remove(..) | Write::Expect(..) => Action::Check { key, when },
        });
    }
    for key in put {
        actions.push(Action::Put { item: record::entry(&key, by, OPERATION)?, when: Condition::none() });
    }
    // Each document has three entries at most, so all that is written fits. What of the rest does not, whoever comes by removes.
    let room = ACTIONS.saturating_sub(actions.len());
    actions.extend(removed.into_iter().take(room).map(|key| Action::Delete { key, when: Condition::none() }));
    Ok(Some(actions))
}

#[cfg(test)]
mod tests {
    use togglebox_billing::store::{Address, MOST_WRITES, Shelf};
    use togglebox_core::{TenantId, Timestamp};

    use super::*;

    fn document(n: u128) -> Document {
        Document {
            address: Address::new(Shelf::Event, n.to_string()),
            tenant: Some(TenantId::from_uuid(Uuid::from_u128(n))),
            version: 0,
            list: "waiting".into(),
            at: Timestamp::EPOCH,
            due: Some(Timestamp::EPOCH),
            body: "{}".into(),
        }
    }

    fn stored(document: &Document) -> (Key, Item) {
        let stands = Document { version: document.version + 1, ..document.clone() };
        (key::document(&document.address), record::item(&stands, Uuid::nil(), "test").unwrap())
    }

    fn planned(writes: &[Write], items: &HashMap<Key, Item>) -> Vec<Action> {
        plan(writes, items, Uuid::from_u128(1)).unwrap().unwrap()
    }

    #[test]
    fn whatever_a_commit_changes_fits_into_one_transaction() {
        let documents: Vec<Document> = (0..MOST_WRITES as u128).map(document).collect();
        let items: HashMap<Key, Item> = documents.iter().map(stored).collect();
        let moved: Vec<Write> = documents
            .iter()
            .map(|document| {
                let tenant = Some(TenantId::from_uuid(Uuid::max()));
                let (list, due) = ("done".into(), Some(Timestamp::from_ms(1)));
                Write::Put(Document { version: 1, tenant, list, due, ..document.clone() })
            })
            .collect();
        let actions = planned(&moved, &items);
        assert_eq!(actions.len(), ACTIONS);
        assert!(actions.iter().all(|action| matches!(action, Action::Put { .. })));
        // With fewer, what led to them before is removed, too.
        let actions = planned(&moved[..14], &items);
        assert_eq!(actions.iter().filter(|action| matches!(action, Action::Delete { .. })).count(), 14 * 3);
        let gone: Vec<Write> = documents.iter().map(|document| Write::Remove(document.address.clone(), 1)).collect();
        assert_eq!(planned(&gone, &items).len(), ACTIONS);
    }

    #[test]
    fn what_stays_where_it_is_writes_itself_only() {
        let (one, items) = (document(1), HashMap::from([stored(&document(1))]));
        let again = Document { version: 1, body: "[]".into(), ..one.clone() };
        assert_eq!(planned(&[Write::Put(again)], &items).len(), 1);
        let other = Document { version: 1, due: None, ..one.clone() };
        assert_eq!(planned(&[Write::Put(other), Write::Expect(document(2).address, 0)], &items).len(), 3);
        assert!(plan(&[Write::Put(one)], &items, Uuid::nil()).unwrap().is_none());
    }
}
