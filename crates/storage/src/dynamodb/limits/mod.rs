//! Rate limits in the table: one conditional write for each decision.
//!
//! # Items
//!
//! | item | `PK` | `SK` | attributes |
//! | --- | --- | --- | --- |
//! | limits of a tenant | `T#t#LIMIT#<shard>` | `META` | of each limit `t_<slot>`, `d_<slot>`; `spill`, `expires_at` |
//! | of an address | `T#<nobody>#LIMIT#IP#<digest>#<shard>` | `META` | the same |
//! | of an account that nobody has signed in to | `T#<nobody>#LIMIT#A#<digest>#<shard>` | `META` | the same |
//! | one limit for which there was no room there | one of these `#<slot>` | `META` | the same, of the one |
//!
//! `t_<slot>` is when the bucket will be full ([`Tat`](togglebox_ratelimit::Tat)), in `d_<slot>`-ths of a microsecond since 1970 (absent: in
//! microseconds). *nobody* is the installation's own tenant. `slot` and `digest` are 32 hexadecimal digits.
//!
//! # A decision
//!
//! DynamoDB can add and compare, but has no clock to show, and takes no maximum. So what is to be done depends on whether a bucket is full.
//! That is guessed from what the item was like when it was last seen, and the guess is the condition of the write: all limits of the batch
//! are charged by one `UpdateItem`, or none is. A write that comes to nothing tells what stands there; that is a denial, or makes the next
//! guess a good one. Where the guess is a denial, the item is read, which costs a fifth.
//!
//! DynamoDB's numbers have 38 decimal digits. Fractions of a microsecond are counted in them, so that every quota is exact.
//!
//! # Time
//!
//! It is that of this machine. Where machines' clocks are δ apart, up to `δ / T + 1` units more than the quota pass in a window. A machine
//! of which the service's `Date` says that it is wrong by more than a second lets nothing through. A state further ahead than its quota can
//! reach is brought back only where it is further than clocks may be apart; so after a step of the clock, or with a smaller quota, nobody
//! waits for more than a full bucket and those [few seconds](DynamoDbLimitsOptions::with_most_apart).
//!
//! # More limits than an item holds
//!
//! An item holds some fifty limits; when another one comes, those that are full make room. Where none is full, new ones get items of their
//! own for a while. A batch over several items is charged one item after the other, and what was charged is given back where a later one
//! denies: it never lets too much through, and may deny others for a moment. The same is true of limits that
//! [are split](DynamoDbLimitsOptions::with_shards).

mod cell;
mod hints;
mod key;
mod options;
mod plan;
mod shards;
mod shelf;
mod step;
mod store;
mod update;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use togglebox_core::{StoreError, StoreErrorKind, StoreResult};
use togglebox_ratelimit::{SystemWallClock, WallClock};

use self::hints::Hints;
pub use self::options::DynamoDbLimitsOptions;
use self::step::Moment;
use self::watch::Watch;
use super::DynamoDb;

/// Limits in a DynamoDB table, the one of everything else or another one of the same shape: exact for all nodes whose clocks agree.
///
/// Every call makes one request for each item in the usual case and three at the most, and is over when its deadline is. A write is never
/// repeated unless it is certain that it was not made. What is throttled is `Unavailable` at once.
pub struct DynamoDbLimits {
    store: DynamoDb,
    options: DynamoDbLimitsOptions,
    clock: Arc<dyn WallClock>,
    hints: Hints,
    watch: Arc<Watch>,
    /// Which part of a split limit is asked next, all else being equal.
    next: AtomicU32,
}

impl fmt::Debug for DynamoDbLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbLimits").field("store", &self.store).field("options", &self.options).finish_non_exhaustive()
    }
}

impl DynamoDbLimits {
    /// Limits in the table of this handle.
    #[must_use]
    pub fn new(store: &DynamoDb, options: DynamoDbLimitsOptions) -> Self {
        Self::with_clock(store, options, Arc::new(SystemWallClock))
    }

    /// The same by another clock.
    #[must_use]
    pub fn with_clock(store: &DynamoDb, options: DynamoDbLimitsOptions, clock: Arc<dyn WallClock>) -> Self {
        let (hints, watch) = (Hints::new(), Watch::new(Arc::clone(&clock)));
        Self { store: store.clone(), options, clock, hints, watch, next: AtomicU32::new(0) }
    }

    /// How many requests were made so far.
    pub fn requests(&self) -> u64 {
        self.watch.requests()
    }

    /// The time, or the last moment at which it was a shard's turn.
    fn moment(&self, turn: Option<(u32, u32)>) -> Moment {
        let now = self.clock.unix_us();
        let us = turn.map_or(now, |(shard, shards)| shards::at_turn_of(shard, shards, now));
        Moment { us, apart_us: self.options.apart_us() }
    }

    /// What comes of a call in time.
    async fn within_deadline<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = StoreResult<T>> + Send,
    ) -> StoreResult<T> {
        let late = |elapsed| StoreError::new(StoreErrorKind::Unavailable, operation).caused_by(elapsed);
        tokio::time::timeout(self.options.deadline, call).await.map_err(late)?
    }

    /// By how many microseconds the clocks are too far apart.
    fn is_apart(&self) -> Option<i64> {
        if !self.options.watches_clock {
            return None;
        }
        let most = i64::try_from(self.options.most_apart.as_micros()).unwrap_or(i64::MAX);
        self.watch.ahead_us().filter(|ahead| ahead.checked_abs().is_none_or(|apart| apart > most))
    }
}

/// The source of `Unavailable` on a machine whose clock is wrong.
#[derive(Debug, thiserror::Error)]
#[error("the service's clock is {0} microseconds ahead of this machine's: too far for limits to be shared")]
struct Apart(i64);
