#![doc = include_str!("../README.md")]

pub mod address;
mod batch;
mod clock;
mod concurrency;
mod decision;
pub mod gcra;
pub mod headers;
mod key;
mod limiter;
mod memory;
#[cfg(test)]
mod model;
mod policy;
mod quota;
#[cfg(feature = "redis")]
mod redis;
mod shedder;
mod span;
mod store;
mod subject;
#[cfg(feature = "testkit")]
pub mod testkit;
#[cfg(feature = "tower")]
pub mod tower;

pub use batch::{Batch, BatchError, Grant, Limit, MOST_LIMITS, NoRoom, PerLimit, Receipt, Reply, ReplyToOne, Standing};
pub use clock::{ManualStopwatch, Stopwatch, SystemStopwatch, SystemWallClock, WallClock};
pub use concurrency::{ConcurrencyLimit, Permit};
pub use decision::{Decision, LimitReport, Outcome, Pass, Source};
pub use gcra::{Reading, Tat};
pub use key::{Digest, PolicyName, PolicyNameError, Tag};
pub use limiter::{Limiter, LimiterBuilder, LimiterOptions, RouteLimiter};
pub use memory::MemoryStore;
pub use policy::{Lease, Mode, OnOutage, Override, Overrides, Policy, PolicyError};
pub use quota::{Quota, QuotaError, Rate};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisOptionsError, RedisStore};
pub use shedder::{Load, Priority, Shedder};
pub use store::{Health, LimitStore, MOST_UNITS, Warning};
pub use subject::{Fact, Scope, Subject};
