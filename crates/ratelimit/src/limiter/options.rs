//! How a limiter deals with its store.

use std::time::Duration;

use crate::address::Ipv6Prefix;

/// How a limiter deals with its store.
#[derive(Clone, Debug)]
#[must_use]
pub struct LimiterOptions {
    pub(crate) deadline: Duration,
    pub(crate) nodes: u32,
    pub(crate) ipv6_prefix: Ipv6Prefix,
    pub(crate) probe_every: Duration,
    pub(crate) fallback_capacity: usize,
}

impl Default for LimiterOptions {
    /// 20 ms for a call, one node, IPv6 by /64, a probe every 250 ms, 100,000 limits in reserve.
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(20),
            nodes: 1,
            ipv6_prefix: Ipv6Prefix::default(),
            probe_every: Duration::from_millis(250),
            fallback_capacity: 100_000,
        }
    }
}

impl LimiterOptions {
    /// How long a call of the store may take. What has not answered by then is never sent again: it may have been carried out.
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many nodes share the store: each limits to this part of a quota while the store is gone. Zero counts as one.
    pub const fn with_nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// Which part of an IPv6 address is one subscriber's.
    pub const fn with_ipv6_prefix(mut self, prefix: Ipv6Prefix) -> Self {
        self.ipv6_prefix = prefix;
        self
    }

    /// How often a store that is gone is tried again, and four times as often once it has answered; up to a quarter is added at random,
    /// so that nodes do not come all at once.
    pub const fn with_probe_every(mut self, pause: Duration) -> Self {
        self.probe_every = pause;
        self
    }

    /// How many limits are held in this process for the case that the store is gone.
    pub const fn with_fallback_capacity(mut self, limits: usize) -> Self {
        self.fallback_capacity = limits;
        self
    }
}
