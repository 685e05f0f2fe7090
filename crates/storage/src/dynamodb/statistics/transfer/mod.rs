//! Figures, out and in.
//!
//! What is taken in stands in the first shard alone, as if one batch had added all of it. What is told is added up over all shards, as
//! whoever reads it does.

mod figure;
mod kinds;
mod tell;

use togglebox_core::{StoreResult, TenantId};

use super::super::DynamoDb;
use super::super::gone::Gone;
use super::super::item::Draft;
use super::super::key;
use super::super::store::Range;
use super::super::transfer::{Leaf, RESTORE, Restoring};
use super::key::{Figures, SHARDS};

use self::figure::{Figure, Shelf};
pub(in super::super) use self::tell::tell;

impl Restoring<'_> {
    /// Writes those figures that are not there, whichever batch may have counted them.
    pub(in super::super) async fn figures<F: Figure>(&mut self, records: &[&F]) -> StoreResult<usize> {
        let wanted: Vec<_> = records.iter().map(|record| record.of()).collect();
        let things = self.things(F::KIND, &wanted).await?;
        let mut leaves = Vec::with_capacity(records.len());
        for record in records {
            let (environment, key) = record.of();
            let incarnation = things[&(environment, key.to_owned())].incarnation;
            let place = |shard| record.key(Figures { tenant: self.tenant, incarnation, shard });
            // Other shards only have what nodes have counted.
            let shards = if self.is_alone || F::SHELF == Shelf::Subjects { 0..1 } else { 0..SHARDS };
            let places: Vec<_> = shards.map(place).collect();
            let item = record.draft(Draft::new(&place(0)))?.finish(RESTORE)?;
            leaves.push(Leaf { places, item });
        }
        self.leaves(leaves).await
    }
}

impl DynamoDb {
    /// Counts what is left of batches whose senders stopped half-way: what is only written down stands in no figure.
    pub(in super::super) async fn finish_batches(&self, operation: &'static str, tenant: TenantId) -> StoreResult<()> {
        let mut range = Range { limit: Some(100), ..Range::all(key::gone(tenant)) };
        loop {
            let (notes, end) = self.page(operation, &mut self.long_patience(), &range).await?;
            for note in &notes {
                if let (_, Gone::Batch { incarnation }) = Gone::of(note, operation)? {
                    self.finish_batch(&mut self.long_patience(), tenant, incarnation).await?;
                }
            }
            if end.is_none() {
                return Ok(());
            }
            range.after = end;
        }
    }
}
