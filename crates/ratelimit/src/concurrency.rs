//! How many requests of one kind may be under way at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use crate::key::Digest;

/// Parts, each under a lock of its own.
const PARTS: usize = 16;

/// Limits how many requests of each key (a tenant, say) are under way at once on this node. Clones are the same limit.
///
/// A fleet's limit is shared out: each of `n` nodes lets its n-th through, rounded up. What a key has no request of is not remembered.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: u32,
    nodes: AtomicU32,
    parts: [Mutex<IndexMap<Digest, u32, RandomState>>; PARTS],
}

/// A request that is under way. Dropping it ends that.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    shared: Arc<Shared>,
    key: Digest,
}

impl ConcurrencyLimit {
    /// So many at once over all nodes; at least one on each.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self(Arc::new(Shared { limit, nodes: AtomicU32::new(1), parts: std::array::from_fn(|_| Mutex::default()) }))
    }

    /// How many nodes share the limit from now on. Zero counts as one.
    pub fn set_nodes(&self, nodes: u32) {
        self.0.nodes.store(nodes, Ordering::Relaxed);
    }

    /// One more request of this key. `None` when as many as may be are under way.
    pub fn enter(&self, key: Digest) -> Option<Permit> {
        let most = self.0.limit.div_ceil(self.0.nodes.load(Ordering::Relaxed).max(1)).max(1);
        let mut part = self.0.part(&key);
        let under_way = part.entry(key).or_insert(0);
        if *under_way >= most {
            return None;
        }
        *under_way += 1;
        Some(Permit { shared: Arc::clone(&self.0), key })
    }

    /// How many requests of this key are under way.
    pub fn under_way(&self, key: &Digest) -> u32 {
        self.0.part(key).get(key).copied().unwrap_or_default()
    }
}

impl Shared {
    fn part(&self, key: &Digest) -> MutexGuard<'_, IndexMap<Digest, u32, RandomState>> {
        self.parts[usize::from(key.as_bytes()[0]) % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut part = self.shared.part(&self.key);
        if let Some(under_way) = part.get_mut(&self.key) {
            *under_way -= 1;
            if *under_way == 0 {
                part.swap_remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Digest {
        Digest::of([name.as_bytes()])
    }

    #[test]
    fn so_many_are_under_way_at_once_and_no_more() {
        let limit = ConcurrencyLimit::new(2);
        let (one, two) = (limit.enter(key("a")).unwrap(), limit.enter(key("a")).unwrap());
        assert!(limit.enter(key("a")).is_none());
        assert!(limit.enter(key("b")).is_some(), "others are not in the way");
        drop(one);
        let three = limit.enter(key("a")).unwrap();
        assert_eq!(limit.under_way(&key("a")), 2);
        drop((two, three));
        assert_eq!(limit.under_way(&key("a")), 0);
        assert!(limit.0.parts.iter().all(|part| part.lock().unwrap().is_empty()), "nothing is left behind");
    }

    #[test]
    fn nodes_share_a_limit() {
        let limit = ConcurrencyLimit::new(5);
        limit.set_nodes(4);
        let held: Vec<Permit> = std::iter::from_fn(|| limit.enter(key("a"))).collect();
        assert_eq!(held.len(), 2);
    }

    #[test]
    fn many_threads_never_exceed_it() {
        let limit = ConcurrencyLimit::new(3);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        if let Some(permit) = limit.enter(key("a")) {
                            assert!(limit.under_way(&key("a")) <= 3);
                            drop(permit);
                        }
                    }
                });
            }
        });
        assert_eq!(limit.under_way(&key("a")), 0);
    }
}
