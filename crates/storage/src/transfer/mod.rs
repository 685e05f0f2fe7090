//! Moving a tenant from one store to another, whatever engine is under each.
//!
//! A store tells what it holds as [`Record`]s, and takes them in, through the port [`Transfer`]. Between the two they may stand in a
//! file of lines: [`Writer`] and [`Reader`]. Neither side ever holds more than a page of them.
//!
//! What goes along is everything that an answer can depend on: how far everything has counted, platforms, environments, parameters and
//! flags with all their versions, experiments, accounts with their hashes, API keys with theirs, all figures, and the audit log with the
//! revisions that its writes gave. What stays behind ends with the move: sign-ins under way, password resets that were asked for, counts
//! of failed sign-ins, and the ids of the last day's batches of figures.

mod digest;
mod line;
mod port;
mod problem;
mod reader;
pub mod record;
mod writer;

pub use digest::Contents;
#[cfg(feature = "dynamodb")]
pub(crate) use line::lost;
pub use line::{FORMAT, Header};
pub use port::{Dump, Restored, Transfer};
pub use problem::{Fault, Problem};
pub use reader::{Line, Reader, Summary};
pub use record::{Kind, Record};
pub use writer::Writer;
