//! temp
#![allow(missing_docs)]
mod batch;
mod clock;
pub mod gcra;
mod key;
mod memory;
mod quota;
#[cfg(feature = "redis")]
mod redis;
mod span;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use batch::{Batch, BatchError, Grant, Limit, MOST_LIMITS, NoRoom, PerLimit, Receipt, Reply, Standing};
pub use clock::{ManualStopwatch, Stopwatch, SystemStopwatch};
pub use gcra::{Reading, Tat};
pub use key::{Digest, PolicyName, PolicyNameError, Tag};
pub use memory::MemoryStore;
pub use quota::{Quota, QuotaError, Rate};
#[cfg(feature = "redis")]
pub use redis::{RedisOptions, RedisOptionsError, RedisStore};
pub use store::{Health, LimitStore, MOST_UNITS, Warning};
