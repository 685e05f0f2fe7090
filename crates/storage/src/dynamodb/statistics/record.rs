//! Adding a batch.

use std::collections::{BTreeSet, HashMap};

use togglebox_core::{StoreResult, TenantId};
use togglebox_toggles::Scope;
use togglebox_toggles::store::StatisticsBatch;
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::item::Attributes;
use super::super::key;
use super::super::patience::Patience;
use super::super::place::{self, Place};
use super::apply::Mark;
use super::change::chunks;
use super::plan::{Named, changes, named};
use super::{OPERATION, remembered_until};

impl DynamoDb {
    pub(super) async fn record_batch(&self, tenant: TenantId, batch: &StatisticsBatch) -> StoreResult<()> {
        let mut patience = self.patience();
        let head = super::key::batch(tenant, batch.id);
        if self.get(OPERATION, &mut patience, &head).await?.is_some() {
            return self.finish_batch(&mut patience, tenant, batch.id).await;
        }
        let incarnations = self.incarnations(&mut patience, tenant, batch).await?;
        let mut chunks = chunks(changes(tenant, batch, &incarnations)?);
        if chunks.len() <= 1 {
            let mark = Mark::Whole { batch: head, expires_at: remembered_until(batch.at) };
            if self.make(&mut patience, &chunks.pop().unwrap_or_default(), &mark).await? {
                return Ok(());
            }
        } else {
            self.write_down(&mut patience, tenant, batch.id, batch.at, &chunks).await?;
        }
        // Written down by us, or by another sender who worked it out differently.
        self.finish_batch(&mut patience, tenant, batch.id).await
    }

    /// Which of the records that a batch is about exist.
    async fn incarnations(
        &self,
        patience: &mut Patience,
        tenant: TenantId,
        batch: &StatisticsBatch,
    ) -> StoreResult<HashMap<Named, Uuid>> {
        let names = batch.deltas.iter().map(|scoped| named(&scoped.scope, &scoped.delta));
        let names: BTreeSet<Named> = names.collect::<StoreResult<_>>()?;
        let scopes: BTreeSet<&Scope> = names.iter().map(|(scope, ..)| scope).collect();
        let keys: BTreeSet<_> = scopes.iter().flat_map(|scope| place::keys(tenant, scope)).collect();
        let items = self.get_all(OPERATION, patience, keys).await?;
        let mut records = HashMap::new();
        for (scope, kind, name) in &names {
            if let Some(place) = Place::of(&items, tenant, scope, OPERATION)? {
                let named = (scope.clone(), *kind, name.clone());
                records.insert(key::record(tenant, place.incarnation, *kind, name), named);
            }
        }
        let items = self.get_all(OPERATION, patience, records.keys().cloned()).await?;
        let mut incarnations = HashMap::new();
        for (key, named) in records {
            if let Some(item) = items.get(&key) {
                incarnations.insert(named, Attributes::new(item, OPERATION).get("incarnation")?);
            }
        }
        Ok(incarnations)
    }
}
