//! Managing what is stored.
//!
//! One service per kind of thing, each over the port it uses. Every change
//! - is worked out from what stands and written on condition that it still stands. A caller may name the revision that it means: then
//!   a record that has moved on is a [`Conflict`](Error::Conflict). Without one, the change is worked out again and has the last word;
//! - carries an audit record with who, when, what, before and after, stored in the same atomic act;
//! - is announced on the change bus once it stands. A notice that gets lost is logged and costs nodes their polling interval.
//!
//! A write whose outcome is unknown is repeated once with the same audit record, which the ports promise to apply once. If there is no
//! answer to the second try either, or none within five seconds in all, the caller gets [`Store`](Error::Store), and the change may or
//! may not have been made. A change that has to be worked out again, because another writer was first, is another write.
//!
//! Where the journal has a [`QuotaSource`], nothing is made that would be one more than the tenant may have: that is
//! [`QuotaReached`](Error::QuotaReached), however many try at once.
//!
//! Changes are to be made on a tokio run time with timers.
//!
//! Dropping a future before it ends may leave the change made but not announced.

mod action;
mod directory;
mod document;
mod error;
mod experiment;
mod flag;
mod history;
mod journal;
mod parameter;
mod quota;
mod race;
mod step;

pub use action::Action;
pub use directory::Directories;
pub use error::{Error, Resource, Result};
pub use experiment::Experiments;
pub use flag::Flags;
pub use journal::Journal;
pub use parameter::Parameters;
pub use quota::{Countable, QuotaSource, Quotas};
pub use step::Step;
