//! Reading figures: every shard, all pages, added up.

use futures_util::future::try_join_all;
use togglebox_core::{StoreResult, TenantId, Timestamp};
use togglebox_toggles::statistics::Sketch;
use togglebox_toggles::{Scope, Side};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::item::{Attributes, Item};
use super::super::key::{Key, Kind};
use super::super::store::{Range, Wanted};
use super::actions::{LAST_AT, SKETCH, SUM};
use super::change::Counter;
use super::exact::Exact;
use super::hours::{first_read, hour, is_read};
use super::key::{Figures, SHARDS, partition, sketches};
use super::plan::kept;

/// Where other stores stop counting, too.
const MOST: u64 = i64::MAX.unsigned_abs();

/// A record whose figures are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) operation: &'static str,
    pub(super) tenant: TenantId,
    pub(super) incarnation: Uuid,
}

impl DynamoDb {
    /// The record that a call asks for, if it is there.
    pub(super) async fn counted_record(
        &self,
        operation: &'static str,
        tenant: TenantId,
        scope: &Scope,
        kind: Kind,
        key: &str,
    ) -> StoreResult<Option<Counted>> {
        let found = self.find_record(operation, &mut self.patience(), tenant, scope, kind, key).await?;
        let incarnation = found.map(|found| found.incarnation(operation)).transpose()?;
        Ok(incarnation.map(|incarnation| Counted { operation, tenant, incarnation }))
    }

    /// Items of all shards whose sort keys begin with `prefix`, without those up to `after`.
    pub(super) async fn shards(&self, of: Counted, prefix: &str, after: Option<&str>) -> StoreResult<Vec<Item>> {
        let shards = (0..SHARDS).map(|shard| async move {
            let range = Range {
                wanted: Wanted::Prefix(prefix.to_owned()),
                after: after.map(str::to_owned),
                ..Range::all(partition(of.tenant, of.incarnation, shard))
            };
            self.query(of.operation, &mut self.patience(), range).await
        });
        Ok(try_join_all(shards).await?.concat())
    }

    /// What was counted of a record in all; empty when nothing ever was.
    pub(super) async fn totals(&self, of: Counted) -> StoreResult<Vec<Item>> {
        let Counted { operation, tenant, incarnation } = of;
        let keys = (0..SHARDS).map(|shard| Figures { tenant, incarnation, shard }.total());
        Ok(self.get_all(operation, &mut self.patience(), keys).await?.into_values().collect())
    }

    /// Distinct clients, or users of a side, of the last 24 hours.
    pub(super) async fn distinct(&self, of: Counted, side: Option<Side>, now: Timestamp) -> StoreResult<u64> {
        let prefix = sketches(side);
        let after = format!("{prefix}{:010}", first_read(hour(now)) - 1);
        let mut all = Sketch::new();
        for item in self.shards(of, &prefix, Some(&after)).await? {
            let attributes = Attributes::new(&item, of.operation);
            let number = Key::of(&item).and_then(|key| key.sk.strip_prefix(&prefix)?.parse().ok());
            let number = number.ok_or_else(|| attributes.unreadable("SK", "it does not end with an hour"))?;
            if is_read(number, hour(now)) {
                let sketch = Sketch::from_bytes(&attributes.get::<Vec<u8>>(SKETCH)?);
                all.merge(&sketch.ok_or_else(|| attributes.unreadable(SKETCH, "not a distinct-count sketch"))?);
            }
        }
        Ok(all.estimate())
    }
}

/// The value of a counter; 0 where nothing was ever added.
pub(super) fn count(item: &Item, operation: &'static str, counter: Counter) -> StoreResult<u64> {
    let name = counter.attribute();
    let Some(value) = item.get(name) else { return Ok(0) };
    let number = value.as_n().ok().and_then(|number| number.parse::<u128>().ok());
    let number = number.ok_or_else(|| Attributes::new(item, operation).unreadable(name, "it is not a count"))?;
    Ok(u64::try_from(number).unwrap_or(MOST).min(MOST))
}

/// The value of a counter that is spread over items.
pub(super) fn total(items: &[Item], operation: &'static str, counter: Counter) -> StoreResult<u64> {
    items.iter().try_fold(0, |sum, item| Ok(add(sum, count(item, operation, counter)?)))
}

/// Adds counts, up to where all stores stop counting.
pub(super) fn add(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MOST)
}

/// The digits of an item's sum.
pub(super) fn digits(item: &Item, operation: &'static str) -> StoreResult<Exact> {
    let mut sum = Exact::default();
    for (name, value) in item {
        let Some(place) = name.strip_prefix(SUM) else { continue };
        let digit = value.as_n().ok().and_then(|number| number.parse().ok());
        let (Ok(place), Some(digit)) = (place.parse(), digit) else {
            return Err(Attributes::new(item, operation).unreadable(SUM, format!("its digit {name} is not one")));
        };
        sum.add_digit(place, digit);
    }
    Ok(sum)
}

/// A sum within the bounds of all that is kept.
pub(super) fn sum(sum: &Exact) -> f64 {
    kept(sum.value())
}

/// The latest of the times that items remember.
pub(super) fn last_at(items: &[Item], operation: &'static str) -> StoreResult<Option<Timestamp>> {
    let times = items.iter().map(|item| Attributes::new(item, operation).get::<Timestamp>(LAST_AT));
    Ok(times.collect::<StoreResult<Vec<_>>>()?.into_iter().max())
}
