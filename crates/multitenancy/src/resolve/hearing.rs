//! How a node hears of changes: by the bus, and by reading the list.

use std::sync::atomic::Ordering;
use std::time::Duration;

use togglebox_core::{Change, ChangeListener, StoreResult};

use super::{Notice, Resolver, TenantChanges, Versioned};

impl<E: Versioned> Resolver<E> {
    /// A tenant has changed: from now on, nothing older is handed out here.
    pub fn hear(&self, notice: &Notice) {
        self.inner.metrics.notices.increment(1);
        self.inner.memory.hear(notice, self.inner.stopwatch.now_us());
    }

    /// Asks what changed since the last time; how much did. The owner calls this each second or two, and where nothing runs between
    /// requests, with each request that comes so long after the last one.
    ///
    /// The first time, and where changes are no longer on the list, everything that was loaded before counts as out of date.
    ///
    /// # Errors
    /// As the port. What was heard until then counts.
    pub async fn poll(&self, changes: &dyn TenantChanges) -> StoreResult<usize> {
        let mut place = self.inner.place.lock().await;
        self.hear_from(&mut place, changes).await
    }

    /// The same, unless it was done within that time: `None` then. Several at once wait for one, however long that takes: who waited has
    /// what was asked after it came, and `None` also where that failed.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub async fn catch_up(&self, changes: &dyn TenantChanges, within: Duration) -> StoreResult<Option<usize>> {
        let came_us = self.inner.stopwatch.now_us();
        if self.heard_within(within) {
            return Ok(None);
        }
        let mut place = self.inner.place.lock().await;
        if self.heard_within(within) || self.inner.tried_us.load(Ordering::Acquire) > came_us {
            return Ok(None);
        }
        self.hear_from(&mut place, changes).await.map(Some)
    }

    async fn hear_from(&self, place: &mut Option<u64>, changes: &dyn TenantChanges) -> StoreResult<usize> {
        let (inner, mut heard) = (&*self.inner, 0);
        loop {
            let asked_us = inner.stopwatch.now_us();
            inner.tried_us.store(asked_us.saturating_add(1), Ordering::Release);
            let part = changes.changes_since(*place).await?;
            let goes_on = (*place).filter(|_| !part.gap);
            if goes_on.is_none() {
                inner.memory.doubt();
            }
            inner.memory.listen(goes_on.or(part.begins).unwrap_or(part.last));
            for notice in &part.notices {
                self.hear(notice);
            }
            inner.memory.reach(part.last);
            heard += part.notices.len();
            *place = Some(part.last);
            if !part.more {
                inner.memory.heard(asked_us);
                return Ok(heard);
            }
        }
    }

    /// Whether the list of changes was read to its end within that time.
    pub(super) fn heard_within(&self, time: Duration) -> bool {
        self.inner.memory.heard_within(time, self.inner.stopwatch.now_us())
    }
}

impl<E: Versioned> ChangeListener for Resolver<E> {
    fn changed(&self, change: &Change) {
        if let Some(notice) = Notice::of(change) {
            self.hear(&notice);
        }
    }
}
