//! Tells figures, thing by thing.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use togglebox_core::{StoreResult, TenantId};
use uuid::Uuid;

use super::super::super::item::{Attributes, Item};
use super::super::super::key::Key;
use super::super::super::store::{Range, Wanted};
use super::super::super::transfer::{AT_ONCE, DUMP, Inside, Teller, heads, pages, together};
use super::super::key::{BUCKETS, Figures, SHARDS, bucket, partition};
use super::figure::{Figure, Shelf};
use crate::transfer::Record;

/// Something that may have figures.
#[derive(Clone, Debug)]
struct Of {
    environment: Uuid,
    key: String,
    incarnation: Uuid,
}

impl Of {
    fn total(&self, tenant: TenantId, shard: u8) -> Key {
        Figures { tenant, incarnation: self.incarnation, shard }.total()
    }
}

/// Tells all figures of a kind.
pub(in super::super::super) async fn tell<F: Figure>(teller: &Teller, within: &[Inside]) -> StoreResult<()> {
    let mut heads = heads(&teller.store, teller.tenant, within, F::KIND);
    while let Some((Inside { environment, .. }, items)) = heads.try_next().await? {
        let of = |item: &Item| {
            let attributes = Attributes::new(item, DUMP);
            Ok(Of { environment, key: attributes.get("key")?, incarnation: attributes.get("incarnation")? })
        };
        let things = items.iter().map(of).collect::<StoreResult<Vec<_>>>()?;
        match F::SHELF {
            Shelf::Total => totals::<F>(teller, &things).await?,
            Shelf::Counts(prefix) => shards::<F>(teller, things, prefix, true).await?,
            Shelf::Alone(prefix) => shards::<F>(teller, things, prefix, false).await?,
            Shelf::Subjects => subjects::<F>(teller, &things).await?,
        }
    }
    Ok(())
}

/// The totals of each shard, of all these things.
async fn standing(teller: &Teller, things: &[Of]) -> StoreResult<HashMap<Key, Item>> {
    let keys = things.iter().flat_map(|of| (0..SHARDS).map(|shard| of.total(teller.tenant, shard)));
    teller.store.get_all(DUMP, &mut teller.store.long_patience(), keys).await
}

async fn totals<F: Figure>(teller: &Teller, things: &[Of]) -> StoreResult<()> {
    let mut standing = standing(teller, things).await?;
    let mut records = Vec::new();
    for of in things {
        let items: Vec<Item> = (0..SHARDS).filter_map(|shard| standing.remove(&of.total(teller.tenant, shard))).collect();
        if !items.is_empty() {
            records.extend(F::read(of.environment, &of.key, &items)?.map(F::into));
        }
    }
    teller.tell(records).await
}

/// A batch that counts something always adds to the total of its shard; so a shard without a total need not be asked for more. What an
/// import has written may stand without one, but only in the first shard. Users of a flag may come alone.
async fn shards<F: Figure>(teller: &Teller, things: Vec<Of>, prefix: &'static str, totalled: bool) -> StoreResult<()> {
    let standing = if totalled { standing(teller, &things).await? } else { HashMap::new() };
    let ranges = things.into_iter().map(|of| {
        let asked =
            (0..SHARDS).filter(|shard| !totalled || *shard == 0 || standing.contains_key(&of.total(teller.tenant, *shard)));
        let range = |shard| {
            let wanted = Wanted::Prefix(prefix.to_owned());
            Range { wanted, ..Range::all(partition(teller.tenant, of.incarnation, shard)) }
        };
        let ranges: Vec<Range> = asked.map(range).collect();
        (of, ranges)
    });
    let ranges: Vec<(Of, Vec<Range>)> = ranges.collect();
    let begun = stream::iter(ranges).map(|(of, ranges)| {
        let store = teller.store.clone();
        async move { together(store, ranges).await.map(|together| (of, together)) }
    });
    let mut begun = begun.buffered(AT_ONCE).boxed();
    while let Some((of, mut together)) = begun.try_next().await? {
        loop {
            let groups = together.next().await?;
            if groups.is_empty() {
                break;
            }
            let mut records = Vec::with_capacity(groups.len());
            for items in groups {
                records.extend(F::read(of.environment, &of.key, &items)?.map(F::into));
            }
            teller.tell(records).await?;
        }
    }
    Ok(())
}

async fn subjects<F: Figure>(teller: &Teller, things: &[Of]) -> StoreResult<()> {
    let ranges = things.iter().flat_map(|of| {
        let range = |number| (of.clone(), Range::all(bucket(teller.tenant, of.incarnation, number)));
        (0..BUCKETS).map(range)
    });
    let mut pages = pages(&teller.store, ranges.collect());
    while let Some((of, items)) = pages.try_next().await? {
        let record = |item: &Item| F::read(of.environment, &of.key, std::slice::from_ref(item)).transpose();
        let records = items.iter().filter_map(record).map(|record| record.map(F::into));
        let records = records.collect::<StoreResult<Vec<Record>>>()?;
        teller.tell(records).await?;
    }
    Ok(())
}
