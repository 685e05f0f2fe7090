//! Batches that came before.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use togglebox_core::Timestamp;

/// How long a key is remembered: longer than any client goes on repeating itself.
const MEMORY: Duration = Duration::from_mins(15);
/// How many keys are remembered. Beyond that the oldest are forgotten early.
const MAX_KEYS: usize = 100_000;

/// The idempotency keys that this node took in lately.
#[derive(Debug, Default)]
pub(crate) struct RecentBatches {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    until: HashMap<[u8; 16], Timestamp>,
    order: VecDeque<([u8; 16], Timestamp)>,
}

impl RecentBatches {
    /// Whether `key` is new.
    pub(crate) fn admit(&self, key: &str, now: Timestamp) -> bool {
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while seen.order.front().is_some_and(|(_, until)| *until <= now || seen.order.len() >= MAX_KEYS) {
            if let Some((old, until)) = seen.order.pop_front()
                && seen.until.get(&old) == Some(&until)
            {
                seen.until.remove(&old);
            }
        }
        if seen.until.contains_key(&id) {
            return false;
        }
        let until = now.plus(MEMORY);
        seen.until.insert(id, until);
        seen.order.push_back((id, until));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_admitted_once_in_a_while() {
        let batches = RecentBatches::default();
        let now = Timestamp::EPOCH;
        assert!(batches.admit("a", now));
        assert!(!batches.admit("a", now.plus(MEMORY / 2)));
        assert!(batches.admit("b", now));
        assert!(batches.admit("a", now.plus(MEMORY)));
    }

    #[test]
    fn memory_is_bounded() {
        let batches = RecentBatches::default();
        for n in 0..MAX_KEYS + 10 {
            assert!(batches.admit(&n.to_string(), Timestamp::EPOCH));
        }
        assert!(batches.seen.lock().unwrap().until.len() <= MAX_KEYS);
        assert!(batches.admit("0", Timestamp::EPOCH), "the oldest was forgotten");
    }
}
