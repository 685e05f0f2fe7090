//! What may go wrong on the way to an endpoint.

use serde::{Deserialize, Serialize};

/// Faults of the network between the service and an endpoint. All shares are percent of events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    /// The same seed does the same.
    pub seed: u64,
    /// Comes twice.
    pub duplicate: u8,
    /// Never comes, and is not retried: only the list of events has it.
    pub drop: u8,
    /// Comes up to `delay_seconds` late.
    pub delay: u8,
    /// The longest delay.
    pub delay_seconds: i64,
    /// What is due at once comes in any order.
    pub shuffle: bool,
    /// The first attempt is signed with the former secret alone.
    pub old_secret: u8,
    /// Another event comes along, of a type that nobody knows.
    pub unknown_type: u8,
    /// Comes in the shape of an older version.
    pub old_shape: u8,
    /// Comes with the opposite `livemode`.
    pub flip_livemode: u8,
}
