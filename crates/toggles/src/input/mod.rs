//! Reads and checks the documents that clients send.
//!
//! Each type here is one body of the contract, read by its `read` function: every problem is reported at once, with its dotted path,
//! in the original's words and order. Unknown members are ignored. Rules that compare members are applied once the form of the whole
//! document is right; rules that need what is stored are applied by the drafts' `apply` functions.
//!
//! Who acts is never read from a body: authors come from the caller's credentials.

mod context;
mod conversion;
mod details;
mod directory;
mod event;
mod experiment;
mod flag;
mod lifecycle;
mod metric;
mod outline;
mod parameter;
mod rollout;
mod schedule;
mod targeting;
mod traffic;
mod variation;

pub use context::EvaluationContext;
pub use conversion::Conversion;
pub use directory::{EnvironmentPatch, NewEnvironment, NewPlatform, PlatformPatch};
pub use event::{AcceptedEvent, EventBatch, RejectedEvent};
pub use experiment::{ExperimentPatch, NewExperiment};
pub use flag::{FlagPatch, FlagRollback, FlagRollout, FlagToggle, NewFlag};
pub use lifecycle::{CompleteExperiment, StartExperiment};
pub use parameter::{NewParameter, ParameterPatch, RollbackTarget};
pub use rollout::Shares;
pub use traffic::{Share, TrafficUpdate};

use std::str::FromStr;
use std::sync::LazyLock;

use serde_json::{Map, Value};
use togglebox_core::input::{Reader, Text};

use crate::names::MAX_KEY;

/// The most users in a list of users that a flag or an experiment treats apart. Each list is part of what every node holds.
pub const MAX_LISTED_USERS: usize = 100_000;

/// The most countries, languages of a country, variations, shares and secondary metrics.
pub const MAX_PARTS: usize = 1000;

/// Percentages that are meant to make 100 may miss it by this much. The hair above a hundredth lets decimal fractions that sum to
/// 99.99 or 100.01 pass whichever way their binary sum is rounded.
const TOLERANCE: f64 = 0.01 + 1e-9;

/// Whether a sum of percentages makes the whole.
fn is_whole(sum: f64) -> bool {
    (sum - 100.0).abs() <= TOLERANCE
}

/// For routes on which a missing body has each required member reported: anything but an object counts as an empty one.
fn members(document: Option<&Value>) -> Reader<'_> {
    static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));
    Reader::new(document.filter(|document| document.is_object()).or(Some(&EMPTY)))
}

/// Text of at least one character.
fn filled(place: &Reader<'_>) -> Option<String> {
    place.text().min(1, "String must contain at least 1 character(s)").owned()
}

/// A key of the kind `K`; `what` begins the sentences, as "Flag".
fn key<K: FromStr>(place: &Reader<'_>, what: &str) -> Option<K> {
    let rule = "must be lowercase, start with a letter, and contain only letters, numbers, underscores, and hyphens";
    let is_key = |text: &str| text.len() > MAX_KEY || text.parse::<K>().is_ok();
    let text = place.text().min(1, format!("{what} key is required"));
    at_most_a_key(text).check(is_key, format!("{what} key {rule}")).get()?.parse().ok()
}

/// Text that an event can name.
fn at_most_a_key<'r, 'v>(text: Text<'r, 'v>) -> Text<'r, 'v> {
    text.max(MAX_KEY, format!("String must contain at most {MAX_KEY} character(s)"))
}

/// Any text.
fn any_text(place: &Reader<'_>) -> Option<String> {
    place.text().owned()
}
