//! One write: a transaction, the container's revision, the audit record.

use std::collections::HashMap;
use std::time::Duration;

use togglebox_core::{AuditRecord, EntropyExt, OsEntropy, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Written};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use uuid::Uuid;

use super::action::Action;
use super::error::{Crowded, Trouble};
use super::item::Item;
use super::key::{self, Key};
use super::patience::Patience;
use super::{DynamoDb, audit};

/// How long a write waits for a reader that asks for it. By this process's own clock, so that no two have to agree.
const COURTESY: Duration = Duration::from_millis(500);

/// A write under way.
///
/// It reads what it depends on, works out what to do, and does that in one transaction which checks that what was read still stands.
/// Where it does not, the write begins anew, with its own audit record among what is read: so a transaction that was made although
/// its answer got lost is found out. Nothing is written until [`commit`](Self::commit).
#[derive(Debug)]
pub(super) struct Write<'a> {
    store: &'a DynamoDb,
    operation: &'static str,
    tenant: TenantId,
    container: Key,
    audit: &'a AuditRecord,
    patience: Patience,
    /// Who asked to wait, and since when it has been waited.
    held: Option<(Uuid, Instant)>,
    /// Makes another token, once one has turned out to be taken.
    salt: [u8; 16],
    _turn: OwnedMutexGuard<()>,
}

/// What a write has read.
#[derive(Debug)]
pub(super) struct Stage {
    /// The revision that this write gave when it was made before.
    pub(super) earlier: Option<Revision>,
    pub(super) items: HashMap<Key, Item>,
}

impl DynamoDb {
    /// Begins a write to what `container` counts the revisions of.
    pub(super) async fn write<'a>(
        &'a self,
        operation: &'static str,
        tenant: TenantId,
        container: Key,
        audit: &'a AuditRecord,
    ) -> StoreResult<Write<'a>> {
        let patience = self.patience();
        let turn = self.queue(operation, &container, &patience).await?;
        Ok(Write { store: self, operation, tenant, container, audit, patience, held: None, salt: [0; 16], _turn: turn })
    }
}

impl<'a> Write<'a> {
    /// Where it writes.
    pub(super) const fn store(&self) -> &'a DynamoDb {
        self.store
    }
}

impl Write<'_> {
    /// The port call that this write is for.
    pub(super) const fn operation(&self) -> &'static str {
        self.operation
    }

    /// What is left of its time.
    pub(super) const fn patience(&mut self) -> &mut Patience {
        &mut self.patience
    }

    /// An error of this write.
    pub(super) const fn error(&self, kind: StoreErrorKind) -> StoreError {
        StoreError::new(kind, self.operation)
    }

    /// Reads items, and whether this write has been made before.
    pub(super) async fn read(&mut self, keys: impl IntoIterator<Item = Key>) -> StoreResult<Stage> {
        let record = key::audit_record(self.tenant, self.audit.id);
        let keys = keys.into_iter().chain([record.clone()]);
        let mut items = self.store.get_all(self.operation, &mut self.patience, keys).await?;
        let earlier = items.remove(&record).map(|item| audit::revision_of(&item, self.operation)).transpose()?;
        Ok(Stage { earlier, items })
    }

    /// Reads one item.
    pub(super) async fn get(&mut self, key: &Key) -> StoreResult<Option<Item>> {
        self.store.get(self.operation, &mut self.patience, key).await
    }

    /// The answer to a write that was made before: what still stands of it.
    pub(super) fn repeated<T>(&self, value: Option<T>, revision: Revision) -> StoreResult<Written<T>> {
        value.map(|value| Written { value, revision }).ok_or_else(|| self.error(StoreErrorKind::NotFound))
    }

    /// Checks the precondition of a replacement.
    pub(super) fn expect(&self, current: Revision, expected: Revision) -> StoreResult<()> {
        if current == expected { Ok(()) } else { Err(self.error(StoreErrorKind::Conflict { current })) }
    }

    /// Does everything and appends the audit record, in one transaction that gives `revision`. False when what was read may no longer
    /// stand, or when it is not known whether the transaction was made: then the write has to begin anew.
    pub(super) async fn commit(&mut self, mut actions: Vec<Action>, revision: Revision) -> StoreResult<bool> {
        actions.extend(audit::actions(self.operation, self.tenant, self.audit, revision)?);
        match self.store.transact(self.operation, self.token(revision), actions).await {
            Ok(()) => Ok(true),
            Err(Ok((trouble, source))) => {
                if trouble == Trouble::TokenTaken {
                    self.salt = OsEntropy.bytes();
                }
                if self.patience.pause(trouble).await {
                    return Ok(false);
                }
                Err(self.error(StoreErrorKind::Unavailable).caused_by(source))
            }
            Err(Err(error)) => Err(error),
        }
    }

    /// Waits a moment when a reader asks for it. False when it has waited long enough for this one, or nobody asks.
    pub(super) async fn yields(&mut self, hold: Option<Uuid>) -> StoreResult<bool> {
        let Some(hold) = hold else { return Ok(false) };
        let since = match self.held {
            Some((known, since)) if known == hold => since,
            _ => self.held.insert((hold, Instant::now())).1,
        };
        if since.elapsed() >= COURTESY {
            return Ok(false);
        }
        self.again(Trouble::Contended).await.map(|()| true)
    }

    /// Waits before the write begins anew, or gives up.
    pub(super) async fn again(&mut self, trouble: Trouble) -> StoreResult<()> {
        if self.patience.pause(trouble).await { Ok(()) } else { Err(trouble.error(self.operation, Crowded)) }
    }

    /// The same for the same write at the same revision, so that the service, too, does it once however often it arrives.
    fn token(&self, revision: Revision) -> String {
        key::token(&[
            self.tenant.as_uuid().as_bytes(),
            self.audit.id.as_bytes(),
            self.container.pk.as_bytes(),
            self.container.sk.as_bytes(),
            &revision.get().to_be_bytes(),
            &self.salt,
        ])
    }
}
