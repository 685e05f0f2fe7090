//! What threads share.
//!
//! In a unit test of this crate these are shuttle's, which let a test go through the orders in which threads may meet: the code under
//! test in `races` is then the code that runs. Everything else about the cache is tested from outside, where they are the real ones.

use std::hash::Hash;

use papaya::Equivalent;

#[cfg(test)]
pub(super) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
#[cfg(not(test))]
pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

/// A map whose readers take no lock. Names come from strangers, so that it hashes with a key that they cannot know.
pub(super) struct Map<K, V> {
    entries: papaya::HashMap<K, V>,
    /// Where shuttle may change threads: papaya's own steps are out of its sight, and each call is one step.
    #[cfg(test)]
    step: AtomicU64,
}

impl<K, V> std::fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map").finish_non_exhaustive()
    }
}

impl<K: Hash + Eq, V> Map<K, V> {
    pub(super) fn new() -> Self {
        Self {
            entries: papaya::HashMap::new(),
            #[cfg(test)]
            step: AtomicU64::new(0),
        }
    }

    /// What `read` makes of the value.
    pub(super) fn with<Q: Hash + Equivalent<K>, T>(&self, key: &Q, read: impl FnOnce(&V) -> T) -> Option<T> {
        self.step();
        self.entries.pin().get(key).map(read)
    }

    pub(super) fn insert(&self, key: K, value: V) {
        self.step();
        self.entries.pin().insert(key, value);
    }

    pub(super) fn remove<Q: Hash + Equivalent<K>>(&self, key: &Q) {
        self.step();
        self.entries.pin().remove(key);
    }

    pub(super) fn clear(&self) {
        self.step();
        self.entries.pin().clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes room: first `worthless` values go, then, unless an eighth is free now, the eighth with the lowest `age_us`. So one walk
    /// over everything pays for an eighth of the capacity's worth of insertions.
    pub(super) fn make_room(&self, capacity: usize, worthless: impl Fn(&V) -> bool, age_us: impl Fn(&V) -> u64) {
        if self.len() < capacity {
            return;
        }
        let entries = self.entries.pin();
        entries.retain(|_, value| !worthless(value));
        let part = (capacity / 8).max(1);
        let excess = (entries.len() + part).saturating_sub(capacity);
        if excess == 0 {
            return;
        }
        let mut ages: Vec<u64> = entries.values().map(&age_us).collect();
        let Some(last) = excess.checked_sub(1).filter(|last| *last < ages.len()) else { return };
        let (_, oldest, _) = ages.select_nth_unstable(last);
        let (oldest, mut left) = (*oldest, excess);
        entries.retain(|_, value| {
            let goes = left > 0 && age_us(value) <= oldest;
            left -= usize::from(goes);
            !goes
        });
    }

    #[cfg(test)]
    fn step(&self) {
        self.step.fetch_add(1, Ordering::SeqCst);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the same call in both builds")]
    const fn step(&self) {}
}
