//! Reads untyped JSON and reports every problem at once.
//!
//! A [`Reader`] points at one place of a document. Asking it for a value of some type either gives the value or notes a problem with
//! the place's path; all readers of one document share one list of problems. Unknown members are ignored. `null` is not the same as
//! absent: only [`Reader::nullable`] accepts it.
//!
//! A problem is either of form (the wrong type, an unknown word, something missing) or of content (too long, too small, no e-mail
//! address). Rules that compare several members make sense only while the form is right: see [`Reader::is_well_formed`].
//!
//! The sentences are those that clients of the original API already see (its validator's English defaults).

mod datetime;
mod email;
mod issue;
mod number;
mod patch;
mod reader;
mod text;

#[cfg(test)]
mod tests;

pub use datetime::{datetime, is_offset_datetime, is_utc_datetime};
pub use email::is_email;
pub use issue::{Issue, Issues};
pub use number::Number;
pub use patch::Patch;
pub use reader::{Reader, read_object};
pub use text::Text;
