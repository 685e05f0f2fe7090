//! temp
#![allow(missing_docs)]
pub mod address;
mod batch;
mod clock;
mod decision;
pub mod gcra;
mod key;
mod limiter;
mod memory;
#[cfg(test)]
mod model;
mod policy;
mod quota;
mod span;
mod store;
mod subject;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use batch::{Batch, BatchError, Grant, Limit, MOST_LIMITS, NoRoom, PerLimit, Receipt, Reply, Standing};
pub use clock::{ManualStopwatch, Stopwatch, SystemStopwatch, SystemWallClock, WallClock};
pub use decision::{Decision, LimitReport, Outcome, Source};
pub use gcra::{Reading, Tat};
pub use key::{Digest, PolicyName, PolicyNameError, Tag};
pub use limiter::{Limiter, LimiterBuilder, LimiterOptions};
pub use memory::MemoryStore;
pub use policy::{Lease, Mode, OnOutage, Override, Overrides, Policy, PolicyError};
pub use quota::{Quota, QuotaError, Rate};
pub use store::{Health, LimitStore, MOST_UNITS, Warning};
pub use subject::{Fact, Scope, Subject};
