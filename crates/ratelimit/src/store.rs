//! What limits need of the place where they are kept.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::StoreResult;

use crate::batch::{Batch, Grant, Limit, Receipt, Reply, ReplyToOne};
use crate::key::Tag;

/// The most units that can be granted at once: 2^20. Fractions times units stay within what a double holds.
pub const MOST_UNITS: u32 = 1 << 20;

/// Where limits are kept. Each call is one atomic act: no other call sees, or gets between, a part of it.
///
/// Every store keeps these promises; the suite in `testkit` checks them:
/// - decisions are those of [`gcra`](crate::gcra), by one clock for all callers, or never laxer where the store says so;
/// - a state that lies [beyond](crate::gcra::is_beyond) what its quota can reach is brought back by whatever call sees it, so that the
///   step of a clock or a smaller quota shuts nobody out for longer than a bucket takes to fill up;
/// - a limit without state, or whose state has expired, is a full bucket;
/// - a call that fails with `Unavailable` may have been carried out. Repeating it may charge twice, which is never laxer.
///
/// Batches name the tag first, which names the tenant: nobody's limits can be reached through another one's.
#[async_trait]
pub trait LimitStore: Send + Sync + Debug + 'static {
    /// Charges all limits if all have room, and nothing at all otherwise.
    ///
    /// # Errors
    /// `Unavailable`: it may have been charged. `LimitReached`: there is no room for a limit that may not
    /// [forget another one](crate::NoRoom::Refuse); nothing was charged.
    async fn consume(&self, batch: &Batch) -> StoreResult<Reply>;

    /// Tells how the limits stand, and whether they would let the batch pass; charges nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn peek(&self, batch: &Batch) -> StoreResult<Reply>;

    /// Charges all limits, whether or not they have room: for a cost that is known only when the work is done. Each goes as deep into
    /// debt as its [quota](crate::Quota::with_debt) allows at the most. The reply says whether all had room.
    ///
    /// # Errors
    /// `Unavailable`: it may have been charged.
    async fn charge(&self, batch: &Batch) -> StoreResult<Reply>;

    /// Takes up to `asked` (1 to [`MOST_UNITS`], more counts as that) units of the batch's costs, as many as all limits have room for.
    ///
    /// # Errors
    /// `Unavailable`: they may have been charged. `LimitReached` as for [`consume`](Self::consume).
    async fn grant(&self, batch: &Batch, asked: u32) -> StoreResult<Grant>;

    /// Gives back what a receipt tells, so that nobody stands better than had it never been taken:
    /// [`gcra::refund`](crate::gcra::refund).
    ///
    /// # Errors
    /// `Unavailable`: it may have been given back. Do not repeat it; a lost refund errs to the strict side.
    async fn refund(&self, receipt: &Receipt) -> StoreResult<()>;

    /// Looks whether the store is fit for limits.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn health(&self) -> StoreResult<Health>;

    /// [`consume`](Self::consume) without waiting, where the store can: within the process. `None` where it cannot.
    fn consume_now(&self, _batch: &Batch) -> Option<StoreResult<Reply>> {
        None
    }

    /// [`consume_now`](Self::consume_now) of a single limit, for stores that can do that more cheaply.
    fn consume_one_now(&self, _tag: Tag, _limit: &Limit) -> Option<StoreResult<ReplyToOne>> {
        None
    }

    /// [`refund`](Self::refund) without waiting, where [`consume_now`](Self::consume_now) does.
    fn refund_now(&self, _receipt: &Receipt) -> Option<StoreResult<()>> {
        None
    }

    /// Whether nothing of a batch ever leaves the process. Then tags and slots may tell whose they are.
    fn is_within_process(&self) -> bool {
        false
    }

    /// Which part of the store a tag is in, from 0. Parts fail each for itself.
    fn shard(&self, _tag: Tag) -> usize {
        0
    }
}

/// What is known of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// What an operator should change.
    pub warnings: Vec<Warning>,
    /// By how many microseconds the store's clock is ahead of the caller's, as far as that can be told.
    pub clock_ahead_us: Option<i64>,
}

/// Why a store is not quite fit for limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Memory that runs out takes limits with it.
    #[error("maxmemory-policy is {0}: a limit that is evicted is a full bucket again; set it to noeviction or volatile-ttl")]
    Evicts(String),
    /// It did happen.
    #[error("{0} keys were evicted since the server started: each may have been a limit, and is a full bucket again")]
    Evicted(u64),
    /// A restart empties all buckets' states.
    #[error("nothing is persisted: after a restart of the server every limit begins anew with a full bucket")]
    NotPersisted,
    /// Too old to rely on.
    #[error("the server's version is {found}; limits need {needed} or newer")]
    TooOld {
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// The clocks of store and node disagree.
    #[error("the store's clock and this node's are {0} ms apart")]
    ClockApart(u64),
    /// A cluster that does not serve everything.
    #[error("the cluster is not whole: cluster_state is {0}")]
    ClusterBroken(String),
}
