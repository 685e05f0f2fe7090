//! What is turned away when a node has too much to do: the least important first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How important a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Figures: they are sent again, or are not missed.
    Statistics,
    /// What applications read. Their clients go on with what they have.
    Read,
    /// What people change.
    Write,
    /// Health, and what must get through for things to get better.
    Critical,
}

impl Priority {
    /// The part of the capacity, in hundredths, beyond which it is turned away.
    const fn share(self) -> u32 {
        match self {
            Self::Statistics => 50,
            Self::Read => 80,
            Self::Write => 95,
            Self::Critical => 100,
        }
    }
}

/// Turns requests away when too many are under way. Clones are the same shedder.
///
/// The capacity shrinks while tasks wait for their turn longer than they should ([`observe`](Self::observe)), in proportion, down to a
/// tenth: a node that gets less done must also take less on.
#[derive(Clone, Debug)]
pub struct Shedder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    capacity: u32,
    target_us: u64,
    under_way: AtomicU32,
    /// A moving mean of how long tasks waited.
    lag_us: AtomicU64,
}

/// A request that was taken on. Dropping it ends that.
#[derive(Debug)]
#[must_use]
pub struct Load(Arc<Shared>);

impl Shedder {
    /// Takes on `capacity` requests at once (at least one), as long as tasks wait no longer than `target` for their turn.
    #[must_use]
    pub fn new(capacity: u32, target: Duration) -> Self {
        Self(Arc::new(Shared {
            capacity: capacity.max(1),
            target_us: u64::try_from(target.as_micros()).unwrap_or(u64::MAX).max(1),
            under_way: AtomicU32::new(0),
            lag_us: AtomicU64::new(0),
        }))
    }

    /// Takes a request on. `None` when there is no capacity left for its priority.
    pub fn admit(&self, priority: Priority) -> Option<Load> {
        let most = (u64::from(self.capacity()) * u64::from(priority.share())).div_ceil(100);
        let taken = self.0.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |under_way| {
            (u64::from(under_way) < most).then_some(under_way + 1)
        });
        taken.is_ok().then(|| Load(Arc::clone(&self.0)))
    }

    /// Tells how long a task that was ready had to wait for its turn: a timer that was late, say. To be called at a steady pace; each
    /// counts for an eighth.
    pub fn observe(&self, lag: Duration) {
        let lag = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX / 8);
        let mean = |before: u64| Some(before - before / 8 + lag / 8);
        let _ = self.0.lag_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, mean);
    }

    /// How many requests may be under way at present.
    pub fn capacity(&self) -> u32 {
        let (lag, target) = (self.0.lag_us.load(Ordering::Relaxed), self.0.target_us);
        if lag <= target {
            return self.0.capacity;
        }
        let shrunk = u128::from(self.0.capacity) * u128::from(target) / u128::from(lag);
        u32::try_from(shrunk).unwrap_or(self.0.capacity).max(self.0.capacity.div_ceil(10))
    }

    /// How many requests are under way.
    pub fn under_way(&self) -> u32 {
        self.0.under_way.load(Ordering::Relaxed)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(shedder: &Shedder, priority: Priority) -> Vec<Load> {
        std::iter::from_fn(|| shedder.admit(priority)).collect()
    }

    #[test]
    fn the_least_important_goes_first() {
        let shedder = Shedder::new(100, Duration::from_millis(5));
        let statistics = fill(&shedder, Priority::Statistics);
        assert_eq!(statistics.len(), 50);
        let reads = fill(&shedder, Priority::Read);
        assert_eq!(reads.len(), 30);
        let writes = fill(&shedder, Priority::Write);
        assert_eq!(writes.len(), 15);
        assert_eq!(fill(&shedder, Priority::Critical).len(), 5, "and these end at once");
        assert_eq!(shedder.under_way(), 95);
        drop((statistics, reads, writes));
        assert_eq!(shedder.under_way(), 0);
    }

    #[test]
    fn whoever_gets_less_done_takes_less_on() {
        let shedder = Shedder::new(100, Duration::from_millis(5));
        for _ in 0..100 {
            shedder.observe(Duration::from_millis(2));
        }
        assert_eq!(shedder.capacity(), 100);
        for _ in 0..100 {
            shedder.observe(Duration::from_millis(10));
        }
        assert!((50..=52).contains(&shedder.capacity()), "{}", shedder.capacity());
        for _ in 0..100 {
            shedder.observe(Duration::from_mins(1));
        }
        assert_eq!(shedder.capacity(), 10);
        for _ in 0..200 {
            shedder.observe(Duration::ZERO);
        }
        assert_eq!(shedder.capacity(), 100);
    }
}
