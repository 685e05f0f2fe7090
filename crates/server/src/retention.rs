//! Old audit records go.

use std::time::Duration;

use togglebox_core::{AuditLog, Clock, StoreResult, TenantId};

/// Records of one removal. Small, so that no write waits long behind it.
const BATCH: usize = 500;

/// Removals of one run. What is left then waits for the next run: a first one over years of records must not be all that a store does.
const BATCHES: usize = 50;

/// A write that is repeated must find its record for so long, whatever is set.
const LEAST: Duration = Duration::from_hours(24);

/// Removes records that are older than `kept`, in batches; says how many.
///
/// # Errors
/// `Unavailable`: the next run goes on.
pub(crate) async fn prune(audit: &dyn AuditLog, tenant: TenantId, clock: &dyn Clock, kept: Duration) -> StoreResult<usize> {
    let before = clock.now().minus(kept.max(LEAST));
    let mut removed = 0;
    for _ in 0..BATCHES {
        let batch = audit.prune(tenant, before, BATCH).await?;
        removed += batch;
        if batch < BATCH {
            break;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use togglebox_core::{AuditFilter, AuditRecord, ManualClock, Page, PageRequest, StoreError, StoreErrorKind, Timestamp};

    use super::*;

    /// Holds so many old records; remembers what it was asked.
    #[derive(Debug)]
    struct Log {
        old: Mutex<usize>,
        asked: Mutex<Vec<Timestamp>>,
        fails_at: usize,
    }

    impl Log {
        fn with(old: usize) -> Self {
            Self { old: Mutex::new(old), asked: Mutex::default(), fails_at: usize::MAX }
        }

        async fn prune(&self, kept: Duration) -> StoreResult<usize> {
            super::prune(self, TenantId::DEFAULT, &ManualClock::new(now()), kept).await
        }
    }

    #[async_trait]
    impl AuditLog for Log {
        async fn list(&self, _: TenantId, _: &AuditFilter, _: &PageRequest) -> StoreResult<Page<AuditRecord>> {
            Err(StoreError::new(StoreErrorKind::Unavailable, "audit.list"))
        }

        async fn prune(&self, _: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize> {
            let (mut asked, mut old) = (self.asked.lock().unwrap(), self.old.lock().unwrap());
            if asked.len() == self.fails_at {
                return Err(StoreError::new(StoreErrorKind::Unavailable, "audit.prune"));
            }
            asked.push(before);
            let removed = limit.min(*old);
            *old -= removed;
            Ok(removed)
        }
    }

    fn now() -> Timestamp {
        "2026-05-01T00:00:00Z".parse().unwrap()
    }

    #[tokio::test]
    async fn it_goes_on_until_nothing_old_is_left() {
        for (old, calls) in [(0, 1), (BATCH - 1, 1), (BATCH, 2), (3 * BATCH + 7, 4)] {
            let log = Log::with(old);
            assert_eq!(log.prune(Duration::from_hours(30 * 24)).await.unwrap(), old);
            assert_eq!(*log.asked.lock().unwrap(), vec!["2026-04-01T00:00:00Z".parse().unwrap(); calls]);
        }
    }

    #[tokio::test]
    async fn one_run_is_bounded() {
        let log = Log::with(usize::MAX);
        assert_eq!(log.prune(LEAST).await.unwrap(), BATCH * BATCHES);
    }

    #[tokio::test]
    async fn the_last_day_is_kept_whatever_is_asked_for() {
        let log = Log::with(0);
        log.prune(Duration::ZERO).await.unwrap();
        assert_eq!(*log.asked.lock().unwrap(), ["2026-04-30T00:00:00Z".parse().unwrap()]);
    }

    #[tokio::test]
    async fn it_stops_where_the_store_does() {
        let log = Log { fails_at: 2, ..Log::with(10 * BATCH) };
        assert_eq!(*log.prune(LEAST).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        assert_eq!(*log.old.lock().unwrap(), 8 * BATCH);
    }
}
