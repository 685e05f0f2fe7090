#![doc = include_str!("../README.md")]

mod actor;
mod audit;
mod change;
mod clock;
mod email;
mod entropy;
mod id;
pub mod input;
mod limit;
mod page;
mod revision;
mod stopwatch;
mod store;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use actor::{Actor, ActorKind};
pub use audit::{AuditFilter, AuditLog, AuditRecord};
pub use change::{Change, ChangeBus, ChangeListener, LocalBus};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use email::{Email, InvalidEmail};
pub use entropy::{Entropy, EntropyExt, OsEntropy, SeededEntropy};
pub use id::TenantId;
pub use limit::Limit;
pub use page::{Cursor, Page, PageRequest};
pub use revision::{Revision, Written};
pub use stopwatch::{ManualStopwatch, Stopwatch, SystemStopwatch, WakingStopwatch};
pub use store::{StoreError, StoreErrorKind, StoreResult};
