//! What a batch does to single items, worked out before anything is read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use togglebox_core::Timestamp;
use togglebox_toggles::VariationKey;

use super::super::key::Key;
use super::exact::Exact;

/// What is counted, and the name of its attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Counter {
    Fetches,
    ServedA,
    ServedB,
    Exposures,
    NewUsers,
    Conversions,
    Values,
}

impl Counter {
    pub(super) const fn attribute(self) -> &'static str {
        match self {
            Self::Fetches => "fetches",
            Self::ServedA => "served_a",
            Self::ServedB => "served_b",
            Self::Exposures => "exposures",
            Self::NewUsers => "new_users",
            Self::Conversions => "conversions",
            Self::Values => "values",
        }
    }
}

/// What an item is about, as attributes: its key may only have a hash of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) day: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) country: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) variation: Option<VariationKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metric: Option<String>,
}

/// Additions to the counters of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) about: About,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) added: BTreeMap<Counter, u64>,
    #[serde(default)]
    pub(super) sum: Exact,
    /// The item remembers the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_at: Option<Timestamp>,
}

impl Counts {
    pub(super) fn about(about: About) -> Self {
        Self { about, ..Self::default() }
    }

    /// Adds to a counter.
    pub(super) fn add(&mut self, counter: Counter, count: u64) {
        if count > 0 {
            let sum = self.added.entry(counter).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    pub(super) fn at(&mut self, at: Timestamp) {
        self.last_at = self.last_at.max(Some(at));
    }
}

/// What a batch does to one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Change {
    /// It is added to. It need not be there.
    Count(Counts),
    /// A distinct-count sketch is merged into it. DynamoDB may delete it from `expires_at` on, in seconds since 1970.
    Merge {
        #[serde(with = "super::journal::bytes")]
        sketch: Vec<u8>,
        expires_at: i64,
    },
    /// A subject saw a variation. If it is not there it is made, and counted as a new user at the item `tally`.
    Expose { variation: VariationKey, day: String, tally: Key },
}

impl Change {
    /// Whether what it does depends on what stands there.
    pub(super) const fn reads(&self) -> bool {
        match self {
            Self::Count(counts) => counts.last_at.is_some(),
            Self::Merge { .. } | Self::Expose { .. } => true,
        }
    }

    /// Bytes of what it writes, about.
    fn size(&self) -> usize {
        match self {
            Self::Count(counts) => {
                let about = [&counts.about.day, &counts.about.country, &counts.about.metric];
                let about: usize = about.into_iter().flatten().map(String::len).sum();
                about + counts.about.variation.as_ref().map_or(0, |key| key.as_str().len()) + 200
            }
            Self::Merge { sketch, .. } => 2 * sketch.len() + 4_200,
            Self::Expose { variation, .. } => variation.as_str().len() + 200,
        }
    }
}

/// Changes that are made in one transaction, in the order of their keys.
pub(super) type Chunk = Vec<(Key, Change)>;

/// The most actions of a transaction, less one that marks it as done.
pub(super) const MAX_ACTIONS: usize = 99;
/// The most bytes that the changes of a transaction write, about: a quarter of what the service takes.
const MAX_BYTES: usize = 1024 * 1024;

/// Puts changes into as few transactions as may be, in the order of their keys.
pub(super) fn chunks(changes: BTreeMap<Key, Change>) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut chunk = Room::default();
    for (key, change) in changes {
        if !chunk.takes(&key, &change) {
            chunks.push(std::mem::take(&mut chunk).changes);
        }
        chunk.put(key, change);
    }
    if !chunk.changes.is_empty() {
        chunks.push(chunk.changes);
    }
    chunks
}

/// A chunk that is being filled.
#[derive(Default)]
struct Room {
    changes: Chunk,
    /// Every item that an action may be about: those of the changes, and where new users are counted.
    items: std::collections::BTreeSet<Key>,
    bytes: usize,
}

impl Room {
    fn takes(&self, key: &Key, change: &Change) -> bool {
        let tally = match change {
            Change::Expose { tally, .. } => usize::from(!self.items.contains(tally)),
            Change::Count(_) | Change::Merge { .. } => 0,
        };
        let new = usize::from(!self.items.contains(key)) + tally;
        self.changes.is_empty() || (self.items.len() + new <= MAX_ACTIONS && self.bytes + change.size() <= MAX_BYTES)
    }

    fn put(&mut self, key: Key, change: Change) {
        self.bytes += change.size();
        if let Change::Expose { tally, .. } = &change {
            self.items.insert(tally.clone());
        }
        self.items.insert(key.clone());
        self.changes.push((key, change));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key(n: u16) -> Key {
        Key::new(format!("p{}", n % 7), format!("{n:05}"))
    }

    fn change(kind: u8, tally: u16) -> Change {
        match kind % 3 {
            0 => Change::Count(Counts::default()),
            1 => Change::Merge { sketch: vec![0; usize::from(tally)], expires_at: 0 },
            _ => Change::Expose { variation: "v".parse().unwrap(), day: String::new(), tally: key(tally) },
        }
    }

    proptest! {
        #[test]
        fn chunks_hold_everything_once_and_fit_into_transactions(
            given in proptest::collection::btree_map(any::<u16>(), (any::<u8>(), 0..2000_u16), 0..600)
        ) {
            let changes: BTreeMap<_, _> = given.iter().map(|(n, (kind, tally))| (key(*n), change(*kind, *tally))).collect();
            let chunks = chunks(changes.clone());
            prop_assert_eq!(chunks.concat(), changes.into_iter().collect::<Vec<_>>());
            for chunk in &chunks {
                let mut items: BTreeSet<&Key> = chunk.iter().map(|(key, _)| key).collect();
                items.extend(chunk.iter().filter_map(|(_, change)| match change {
                    Change::Expose { tally, .. } => Some(tally),
                    _ => None,
                }));
                prop_assert!(!chunk.is_empty() && items.len() <= MAX_ACTIONS);
                prop_assert!(chunk.iter().map(|(_, change)| change.size()).sum::<usize>() <= MAX_BYTES);
            }
        }
    }

    #[test]
    fn ninety_nine_items_are_one_transaction() {
        let of = |count| (0..count).map(|n| (key(n), change(0, 0))).collect::<BTreeMap<_, _>>();
        assert_eq!(chunks(of(99)).len(), 1);
        assert_eq!(chunks(of(100)).len(), 2);
        assert_eq!(chunks(of(0)).len(), 0);
    }
}
