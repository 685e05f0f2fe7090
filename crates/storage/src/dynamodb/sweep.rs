//! Sweeping away what was deleted.

use togglebox_core::{StoreError, StoreResult, TenantId, Timestamp};
use togglebox_toggles::PlatformName;
use uuid::Uuid;

use super::DynamoDb;
use super::action::{Action, Condition};
use super::gone::{Gone, SHARDS};
use super::item::{Attributes, Item};
use super::key::{self, Key, Kind};
use super::patience::Patience;
use super::store::{Range, Wanted};
use super::table::GONE;

const OPERATION: &str = "dynamodb.sweep";

/// How many items are read at once on the way to removing them.
const BATCH: usize = 100;

/// What a call of [`DynamoDb::sweep`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many items it removed.
    pub removed: usize,
    /// Whether it stopped at its limit, so that more may be left.
    pub more: bool,
}

/// A sweep under way.
struct Sweep<'a> {
    store: &'a DynamoDb,
    patience: Patience,
    before: Timestamp,
    limit: usize,
    removed: usize,
}

impl DynamoDb {
    /// Removes about `limit` items of what was deleted before `before`, of all tenants: versions and figures of records, records of
    /// environments, environments of platforms, API keys of users. All of that is unreachable already; this gives back the room. It may be stopped at any time, run on
    /// many nodes at once, and go on where it stopped.
    ///
    /// Brings those batches of statistics to their end whose sender stopped half-way: run it at least once a week.
    ///
    /// Keep `before` an hour or so in the past: what a slow node still counts for a record that it believes to be there is then swept
    /// away with the rest.
    ///
    /// # Errors
    /// `Unavailable`: some was removed. `Corrupt`: a note or an item cannot be read.
    pub async fn sweep(&self, before: Timestamp, limit: usize) -> StoreResult<Swept> {
        let mut sweep = Sweep { store: self, patience: self.patience(), before, limit, removed: 0 };
        for shard in 0..SHARDS {
            while sweep.left() > 0 {
                let range = Range {
                    wanted: Wanted::Below(before.into()),
                    limit: Some(BATCH),
                    index: Some(&GONE),
                    ..Range::all(shard.to_string())
                };
                let notes = self.query(OPERATION, &mut sweep.patience, range).await?;
                let already = sweep.removed;
                for note in &notes {
                    sweep.follow(note).await?;
                    if sweep.left() == 0 {
                        break;
                    }
                }
                // An index shows for a while what was removed a moment ago.
                if notes.len() < BATCH || sweep.removed == already {
                    break;
                }
            }
        }
        Ok(Swept { removed: sweep.removed, more: sweep.left() == 0 })
    }
}

impl Sweep<'_> {
    /// How many items it may still remove.
    const fn left(&self) -> usize {
        self.limit.saturating_sub(self.removed)
    }

    /// Removes what a note speaks of, and the note when nothing of that is left.
    async fn follow(&mut self, note: &Item) -> StoreResult<()> {
        let (tenant, gone) = Gone::of(note, OPERATION)?;
        // The index lags behind: the note may have been followed already.
        if self.store.get(OPERATION, &mut self.patience, &gone.key(tenant)).await?.is_none() {
            return Ok(());
        }
        let emptied = match &gone {
            Gone::Platform { name, incarnation } => self.platform(tenant, name, *incarnation).await?,
            Gone::Environment { incarnation } => self.environment(tenant, *incarnation).await?,
            Gone::Record { environment, kind, key, incarnation } => {
                self.record(tenant, *environment, *kind, key, *incarnation).await?
            }
            Gone::User { incarnation } => self.user(tenant, *incarnation).await?,
            // Removes the note itself, too.
            Gone::Batch { incarnation } => return self.batch(tenant, *incarnation).await,
        };
        if emptied { self.remove(vec![gone.key(tenant)]).await } else { Ok(()) }
    }

    /// The environments of a platform each become a note of their own, with which they stop being environments at all.
    async fn platform(&mut self, tenant: TenantId, name: &PlatformName, owner: Uuid) -> StoreResult<bool> {
        let range = Range { wanted: Wanted::Prefix(key::environments_of(name.as_str())), ..Range::all(key::directory(tenant)) };
        let items = self.store.query(OPERATION, &mut self.patience, range).await?;
        for item in &items {
            let attributes = Attributes::new(item, OPERATION);
            let key = Key::of(item).ok_or_else(|| attributes.unreadable(key::PK, "the item has no key"))?;
            if attributes.get::<Uuid>("owner")? != owner {
                continue;
            }
            if self.left() == 0 {
                return Ok(false);
            }
            let incarnation: Uuid = attributes.get("incarnation")?;
            let actions = vec![
                Action::Delete { key, when: Condition::is("incarnation", incarnation) },
                Gone::Environment { incarnation }.note(OPERATION, tenant, self.before)?,
            ];
            let token = key::token(&[b"sweep", tenant.as_uuid().as_bytes(), incarnation.as_bytes()]);
            match self.store.transact(OPERATION, token, actions).await {
                Ok(()) => self.removed += 1,
                // Another sweep was faster, or a platform made anew has taken the place: another round will tell.
                Err(Ok(_)) => return Ok(false),
                Err(Err(error)) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The records of an environment: of each the history first, then the record that leads to it.
    async fn environment(&mut self, tenant: TenantId, incarnation: Uuid) -> StoreResult<bool> {
        loop {
            let range = Range { limit: Some(BATCH), ..Range::all(key::contents(tenant, incarnation)) };
            let items = self.store.query(OPERATION, &mut self.patience, range).await?;
            if items.is_empty() {
                return Ok(true);
            }
            for item in &items {
                let attributes = Attributes::new(item, OPERATION);
                let key = Key::of(item).ok_or_else(|| attributes.unreadable(key::PK, "the item has no key"))?;
                let (kind, name) = Kind::of(&key.sk).ok_or_else(|| unknown(&key, &attributes))?;
                if !self.record(tenant, incarnation, kind, name, attributes.get("incarnation")?).await? || self.left() == 0 {
                    return Ok(false);
                }
                self.remove(vec![key.clone()]).await?;
            }
        }
    }

    /// The partitions that belong to one incarnation of a record.
    async fn record(
        &mut self,
        tenant: TenantId,
        environment: Uuid,
        kind: Kind,
        key: &str,
        incarnation: Uuid,
    ) -> StoreResult<bool> {
        for partition in key::partitions(tenant, environment, kind, key, incarnation) {
            loop {
                if self.left() == 0 {
                    return Ok(false);
                }
                let range = Range { limit: Some(BATCH.min(self.left())), ..Range::all(partition.clone()) };
                let items = self.store.query(OPERATION, &mut self.patience, range).await?;
                if items.is_empty() {
                    break;
                }
                self.remove(items.iter().filter_map(Key::of).collect()).await?;
            }
        }
        Ok(true)
    }

    /// The API keys of a user.
    async fn user(&mut self, tenant: TenantId, owner: Uuid) -> StoreResult<bool> {
        let limit = self.left().min(BATCH);
        let (removed, emptied) = self.store.sweep_keys(OPERATION, &mut self.patience, tenant, owner, limit).await?;
        self.removed += removed;
        Ok(emptied)
    }

    /// Counts what is left of a batch of statistics whose sender stopped half-way.
    async fn batch(&mut self, tenant: TenantId, id: Uuid) -> StoreResult<()> {
        self.store.finish_batch(&mut self.patience, tenant, id).await?;
        self.removed += 1;
        Ok(())
    }

    async fn remove(&mut self, keys: Vec<Key>) -> StoreResult<()> {
        let count = keys.len();
        // Each batch may take as long as any other call.
        self.patience = self.store.patience();
        self.store.remove(OPERATION, &mut self.patience, keys).await?;
        self.removed += count;
        Ok(())
    }
}

fn unknown(key: &Key, attributes: &Attributes<'_>) -> StoreError {
    attributes.unreadable(key::SK, format!("the key {:?} is of no known kind", key.sk))
}
