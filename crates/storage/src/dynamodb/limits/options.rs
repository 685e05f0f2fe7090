//! How limits are kept.

use std::time::Duration;

/// The most parts that a tag's limits can be spread over.
const MOST_SHARDS: u32 = 64;

/// The longest that a call may take: far less than what is kept back where time matters.
const LONGEST: Duration = Duration::from_secs(30);

/// How limits are kept in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct DynamoDbLimitsOptions {
    pub(super) deadline: Duration,
    pub(super) shards: u32,
    pub(super) most_apart: Duration,
    pub(super) watches_clock: bool,
}

impl Default for DynamoDbLimitsOptions {
    /// A second for a call, one item for each tag, clocks no more than a second apart.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(1), shards: 1, most_apart: Duration::from_secs(1), watches_clock: true }
    }
}

impl DynamoDbLimitsOptions {
    /// How long a call may take, its repetitions included, up to 30 seconds. Beyond that it is `Unavailable`, and may have been carried out.
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = if deadline.as_millis() < LONGEST.as_millis() { deadline } else { LONGEST };
        self
    }

    /// Over how many items the limits of a tag are spread, 1 to 64. An item takes some 1,000 writes a second; a tag with more than that
    /// needs more items, or [leases](togglebox_ratelimit::Lease).
    ///
    /// All nodes must have the same number. Where it changes, every limit begins anew with a full bucket.
    ///
    /// A limit whose burst is at least twenty times this number is split into so many buckets, each with its part of burst and rate; a
    /// smaller one stays whole, in one of the items. Never does more pass than with one bucket. What is lost: a request finds room only
    /// where one bucket has it, and no more than three are tried, so that one may be denied while others still have room.
    pub const fn with_shards(mut self, shards: u32) -> Self {
        self.shards = if shards == 0 {
            1
        } else if shards > MOST_SHARDS {
            MOST_SHARDS
        } else {
            shards
        };
        self
    }

    /// How far a machine's clock may be from the service's, as the `Date` of its replies tells (in whole seconds). While it is further away,
    /// limits are `Unavailable`: such a machine would let others' buckets fill up early.
    ///
    /// So two machines may be this far apart twice, and a second more for each, which `Date` does not tell.
    pub const fn with_most_apart(mut self, most: Duration) -> Self {
        self.most_apart = most;
        self
    }

    /// Whether the clock is compared with the service's. It is, unless this says otherwise: for servers whose clock is no measure.
    pub const fn with_clock_watch(mut self, watches: bool) -> Self {
        self.watches_clock = watches;
        self
    }

    /// How far the clocks of two machines may be apart, in microseconds.
    pub(super) fn apart_us(&self) -> u64 {
        let each = self.most_apart.saturating_add(Duration::from_secs(1));
        u64::try_from(each.as_micros()).unwrap_or(u64::MAX).saturating_mul(2)
    }
}
