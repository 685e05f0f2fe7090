//! Takes records in.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use togglebox_core::{EntropyExt as _, OsEntropy, StoreError, StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::item::{Attributes, Item};
use super::super::key::{self, Key, Kind};
use super::super::store::{BATCH_GET, BATCH_WRITE};
use super::groups::transactions;
use super::places::{self, Directory, Inside};
use super::{AT_ONCE, Group, RESTORE};
use crate::transfer::{Record, Restored};

/// A call under way.
pub(in super::super) struct Restoring<'a> {
    pub(in super::super) store: &'a DynamoDb,
    pub(in super::super) tenant: TenantId,
    /// The environments by id, once they were asked for.
    places: Option<HashMap<Uuid, Inside>>,
    /// Whether nothing but this import has ever written to the tenant, as far as is known.
    pub(in super::super) is_alone: bool,
}

/// Something of an environment that is there.
#[derive(Debug)]
pub(in super::super) struct Thing {
    /// The environment's incarnation.
    pub(in super::super) within: Uuid,
    /// Its own.
    pub(in super::super) incarnation: Uuid,
    pub(in super::super) key: Key,
    pub(in super::super) item: Item,
}

/// A record that is one item, which nothing else depends on.
#[derive(Debug)]
pub(in super::super) struct Leaf {
    /// Where such a record may stand. The item's own key is among them.
    pub(in super::super) places: Vec<Key>,
    pub(in super::super) item: Item,
}

/// Tells what is written now from what had or will have its key.
pub(in super::super) fn incarnation() -> Uuid {
    OsEntropy.uuid()
}

/// Why a record is not taken in.
pub(in super::super) const fn refusal(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, RESTORE)
}

impl<'a> Restoring<'a> {
    pub(super) const fn new(store: &'a DynamoDb, tenant: TenantId) -> Self {
        Self { store, tenant, places: None, is_alone: false }
    }

    /// Takes all records in, neighbours of one kind together.
    pub(super) async fn all(mut self, records: &[Record]) -> StoreResult<Restored> {
        let mut restored = Restored::default();
        for neighbours in records.chunk_by(|a, b| a.kind() == b.kind()) {
            let new = self.kind(neighbours).await?;
            restored.new += new;
            restored.old += neighbours.len().saturating_sub(new);
        }
        Ok(restored)
    }

    /// Takes records of one kind in; says how many were new.
    async fn kind(&mut self, records: &[Record]) -> StoreResult<usize> {
        macro_rules! by_kind {
            ($($name:ident => $method:ident),* $(,)?) => {
                match records.first() {
                    None => Ok(0),
                    $(Some(Record::$name(_)) => {
                        let records = records.iter().filter_map(|record| match record {
                            Record::$name(record) => Some(record),
                            _ => None,
                        });
                        self.$method(&records.collect::<Vec<_>>()).await
                    })*
                }
            };
        }
        by_kind!(
            Tenant => tenants,
            Platform => platforms,
            Environment => environments,
            Parameter => parameters,
            ParameterVersion => parameter_versions,
            Flag => flags,
            FlagVersion => flag_versions,
            Experiment => experiments,
            User => users,
            ApiKey => api_keys,
            ParameterStatistics => figures,
            ParameterClients => figures,
            FlagStatistics => figures,
            FlagDay => figures,
            FlagCountry => figures,
            FlagUsers => figures,
            ExperimentStatistics => figures,
            ExperimentDay => figures,
            ExperimentMetricDay => figures,
            ExperimentSubject => figures,
            ExperimentConversion => figures,
            Audit => audits,
        )
    }

    /// The items with these keys that are there. No key may be given twice.
    pub(in super::super) async fn standing(&self, keys: impl IntoIterator<Item = Key>) -> StoreResult<HashMap<Key, Item>> {
        let keys: Vec<Key> = keys.into_iter().collect();
        let batches: Vec<Vec<Key>> = keys.chunks(BATCH_GET).map(<[Key]>::to_vec).collect();
        let found = stream::iter(batches).map(|batch| {
            let store = self.store.clone();
            async move { store.get_all(RESTORE, &mut store.long_patience(), batch).await }
        });
        let found: Vec<_> = found.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Writes items whatever stood there, in any order.
    pub(in super::super) async fn put(&self, items: Vec<Item>) -> StoreResult<()> {
        let batches: Vec<Vec<Item>> = items.chunks(BATCH_WRITE).map(<[Item]>::to_vec).collect();
        let written = stream::iter(batches).map(|batch| {
            let store = self.store.clone();
            async move { store.put(RESTORE, &mut store.long_patience(), batch).await }
        });
        written.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Makes what `plan` finds to be missing, given which of the items stand. When a transaction fails, or its outcome is unknown, what
    /// stands is read again. Says how many groups there were at first.
    pub(in super::super) async fn settle(
        &self,
        keys: &[Key],
        mut plan: impl FnMut(&HashMap<Key, Item>) -> StoreResult<Vec<Group>>,
    ) -> StoreResult<usize> {
        let mut patience = self.store.long_patience();
        let mut first = None;
        loop {
            let groups = plan(&self.standing(keys.iter().cloned()).await?)?;
            let count = *first.get_or_insert(groups.len());
            if self.commit(&mut patience, groups).await? {
                return Ok(count);
            }
        }
    }

    /// As [`settle`](Self::settle), given what stands in the directory.
    pub(super) async fn settle_places(&self, plan: impl Fn(&Directory) -> StoreResult<Vec<Group>>) -> StoreResult<usize> {
        let mut patience = self.store.long_patience();
        let mut first = None;
        loop {
            let groups = plan(&places::read(self.store, RESTORE, self.tenant).await?)?;
            let count = *first.get_or_insert(groups.len());
            if self.commit(&mut patience, groups).await? {
                return Ok(count);
            }
        }
    }

    /// Makes all groups. False when one of them may not have been made.
    async fn commit(&self, patience: &mut super::super::patience::Patience, groups: Vec<Group>) -> StoreResult<bool> {
        let mut all = true;
        for actions in transactions(groups) {
            all &= self.store.commit(RESTORE, patience, actions).await?;
        }
        Ok(all)
    }

    /// Writes those that are not there; says how many those were.
    pub(in super::super) async fn leaves(&self, leaves: Vec<Leaf>) -> StoreResult<usize> {
        let keys: HashSet<Key> = leaves.iter().flat_map(|leaf| leaf.places.iter().cloned()).collect();
        let standing = self.standing(keys).await?;
        let mut given = HashSet::new();
        let new = leaves.into_iter().filter(|leaf| {
            // Of two with one identity the first counts.
            leaf.places.first().is_some_and(|key| given.insert(key.clone()))
                && !leaf.places.iter().any(|key| standing.contains_key(key))
        });
        let items: Vec<Item> = new.map(|leaf| leaf.item).collect();
        let count = items.len();
        self.put(items).await?;
        Ok(count)
    }

    /// Others may be there now.
    pub(super) fn forget_places(&mut self) {
        self.places = None;
    }

    /// In which environment each of these is.
    pub(super) async fn insides(&mut self, wanted: impl IntoIterator<Item = Uuid>) -> StoreResult<HashMap<Uuid, Inside>> {
        let places = if let Some(places) = self.places.take() {
            places
        } else {
            let directory = places::read(self.store, RESTORE, self.tenant).await?;
            self.is_alone = directory.importing;
            directory.insides().into_iter().map(|inside| (inside.environment, inside)).collect()
        };
        let places = self.places.insert(places);
        let found = wanted.into_iter().map(|id| places.get(&id).map(|inside| (id, *inside)));
        found.collect::<Option<_>>().ok_or_else(|| refusal(StoreErrorKind::NotFound))
    }

    /// The things that records belong to, by environment and key.
    pub(in super::super) async fn things(
        &mut self,
        kind: Kind,
        wanted: &[(Uuid, &str)],
    ) -> StoreResult<HashMap<(Uuid, String), Thing>> {
        let wanted: HashSet<&(Uuid, &str)> = wanted.iter().collect();
        let insides = self.insides(wanted.iter().map(|(environment, _)| *environment)).await?;
        let place = |(environment, name): &(Uuid, &str)| {
            let within = insides[environment].incarnation;
            (key::record(self.tenant, within, kind, name), within)
        };
        let mut standing = self.standing(wanted.iter().map(|wanted| place(wanted).0)).await?;
        let mut things = HashMap::new();
        for wanted in wanted {
            let (key, within) = place(wanted);
            let item = standing.remove(&key).ok_or_else(|| refusal(StoreErrorKind::NotFound))?;
            let incarnation = Attributes::new(&item, RESTORE).get("incarnation")?;
            things.insert((wanted.0, wanted.1.to_owned()), Thing { within, incarnation, key, item });
        }
        Ok(things)
    }
}
