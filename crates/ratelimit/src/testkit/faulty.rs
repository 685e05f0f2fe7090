//! A store of limits before which things go wrong.

use async_trait::async_trait;
use togglebox_core::StoreResult;
use togglebox_core::testkit::{Faulty, Operation};

use crate::{Batch, Grant, Health, Limit, LimitStore, Receipt, Reply, ReplyToOne, Tag};

/// The operations of [`LimitStore`].
pub const LIMITS: &[Operation] = &[
    Operation { name: "limits.consume", writes: true },
    Operation { name: "limits.peek", writes: false },
    Operation { name: "limits.charge", writes: true },
    Operation { name: "limits.grant", writes: true },
    Operation { name: "limits.refund", writes: true },
    Operation { name: "limits.health", writes: false },
];

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<S: LimitStore + ?Sized> LimitStore for Faulty<S> {
    async fn consume(&self, batch: &Batch) -> StoreResult<Reply> {
        self.call("limits.consume", |store| store.consume(batch)).await
    }

    async fn peek(&self, batch: &Batch) -> StoreResult<Reply> {
        self.call("limits.peek", |store| store.peek(batch)).await
    }

    async fn charge(&self, batch: &Batch) -> StoreResult<Reply> {
        self.call("limits.charge", |store| store.charge(batch)).await
    }

    async fn grant(&self, batch: &Batch, asked: u32) -> StoreResult<Grant> {
        self.call("limits.grant", |store| store.grant(batch, asked)).await
    }

    async fn refund(&self, receipt: &Receipt) -> StoreResult<()> {
        self.call("limits.refund", |store| store.refund(receipt)).await
    }

    async fn health(&self) -> StoreResult<Health> {
        self.call("limits.health", LimitStore::health).await
    }

    /// Always by way of [`consume`](Self::consume), where faults are.
    fn consume_now(&self, _batch: &Batch) -> Option<StoreResult<Reply>> {
        None
    }

    /// The same.
    fn consume_one_now(&self, _tag: Tag, _limit: &Limit) -> Option<StoreResult<ReplyToOne>> {
        None
    }

    fn refund_now(&self, _receipt: &Receipt) -> Option<StoreResult<()>> {
        None
    }

    /// As if it were elsewhere.
    fn is_within_process(&self) -> bool {
        false
    }

    fn shard(&self, tag: Tag) -> usize {
        self.inner().shard(tag)
    }
}
