//! One thing in memory, and how it is kept up to date.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use arc_swap::ArcSwapOption;
use togglebox_core::{Revision, StoreError, StoreErrorKind, StoreResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::{FIRST_WAIT, Fresh, RETRY};

/// What can be held.
pub(super) trait Revised: Debug + Send + Sync + 'static {
    /// The revision that this is.
    fn revision(&self) -> Revision;
}

/// A value, the highest revision that this node was told of, and at most one load at a time.
#[derive(Debug)]
pub(super) struct Held<T> {
    current: ArcSwapOption<T>,
    told: AtomicU64,
    /// How often the value was said to be out of date.
    expiries: AtomicU64,
    /// How many of those came before the load of a value that is or was held.
    answered: AtomicU64,
    loading: Arc<Mutex<()>>,
    failed_at: SyncMutex<Option<Instant>>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            told: AtomicU64::new(0),
            expiries: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            loading: Arc::default(),
            failed_at: SyncMutex::default(),
        }
    }
}

impl<T: Revised> Held<T> {
    /// The value, whatever its revision.
    pub(super) fn peek(&self) -> Option<Arc<T>> {
        self.current.load_full()
    }

    /// The value, unless a newer revision is known of.
    pub(super) fn fresh(&self) -> Option<Arc<T>> {
        self.with_fresh(Arc::clone)
    }

    /// Like [`fresh`](Self::fresh), for a look that needs no share of its own.
    pub(super) fn with_fresh<R>(&self, look: impl FnOnce(&Arc<T>) -> R) -> Option<R> {
        // Read before the value: who sees an expiry answered must see the value that answered it.
        let (told, expired) = (self.told.load(Ordering::Acquire), self.is_expired());
        let current = self.current.load();
        current.as_ref().filter(|current| !expired && current.revision().get() >= told).map(look)
    }

    fn is_expired(&self) -> bool {
        self.answered.load(Ordering::Acquire) < self.expiries.load(Ordering::Acquire)
    }

    /// Whether there is a value and a newer revision is known of.
    pub(super) fn is_behind(&self) -> bool {
        self.current.load().is_some() && self.fresh().is_none()
    }

    /// There is a revision like this. Reads from now on do not answer from less if they can help it.
    pub(super) fn tell(&self, revision: Revision) {
        if self.told.fetch_max(revision.get(), Ordering::AcqRel) < revision.get() {
            // News from the store: it works again.
            self.set_failed(None);
        }
    }

    /// The value is out of date, by an unknown number of revisions.
    pub(super) fn expire(&self) {
        self.expiries.fetch_add(1, Ordering::AcqRel);
    }

    /// The value at the newest known revision; loads it if need be, waits for it until `deadline`, and falls back to what there is.
    /// Where there is nothing yet, it waits for [`FIRST_WAIT`].
    pub(super) async fn get<F>(self: &Arc<Self>, deadline: Instant, load: F) -> StoreResult<Fresh<Arc<T>>>
    where
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        if let Some(value) = self.fresh() {
            return Ok(Fresh { value, stale: false });
        }
        let deadline = match self.peek() {
            Some(value) if self.failed_recently() => return Ok(Fresh { value, stale: true }),
            Some(_) => deadline,
            None => Instant::now() + FIRST_WAIT,
        };
        let outcome = timeout_at(deadline, self.load_once(load)).await.unwrap_or_else(|late| {
            // A store that hangs is left alone like one that fails: the readers of the next moments need not wait, too.
            self.set_failed(Some(Instant::now()));
            Err(StoreError::new(StoreErrorKind::Unavailable, "memory.load").caused_by(late))
        });
        match (self.fresh(), self.peek(), outcome) {
            (Some(value), _, _) => Ok(Fresh { value, stale: false }),
            (None, Some(value), outcome) => {
                // A success that is still not fresh was overtaken by yet another write: its own reader will see to it.
                if let Err(error) = outcome {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Serving an older revision: the newest is not to be had"
                    );
                }
                Ok(Fresh { value, stale: true })
            }
            (None, None, Err(error)) => Err(error),
            (None, None, Ok(())) => Err(StoreError::new(StoreErrorKind::Unavailable, "memory.load")),
        }
    }

    /// Loads, or waits for the load that is under way and takes its outcome. However many readers wait, the store is asked once, and a
    /// reader that goes away leaves nothing behind.
    async fn load_once<F>(self: &Arc<Self>, load: F) -> StoreResult<()>
    where
        F: Future<Output = StoreResult<T>> + Send + 'static,
    {
        let failed_before = self.failed_at();
        let turn = Arc::clone(&self.loading).lock_owned().await;
        if self.fresh().is_some() {
            return Ok(());
        }
        if self.failed_at().is_some_and(|at| Some(at) != failed_before) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "memory.load"));
        }
        // On a task of its own: a reader that stops waiting must not stop the load.
        let held = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _turn = turn;
            held.refresh(load).await
        });
        task.await.unwrap_or_else(|panic| {
            self.set_failed(Some(Instant::now()));
            Err(StoreError::new(StoreErrorKind::Unavailable, "memory.load").caused_by(panic))
        })
    }

    async fn refresh(&self, load: impl Future<Output = StoreResult<T>>) -> StoreResult<()> {
        // Looked at before the load: it may have missed what an expiry or a notice during it is about.
        let (expiries, told) = (self.expiries.load(Ordering::Acquire), self.told.load(Ordering::Acquire));
        match load.await {
            Ok(value) => {
                self.set_failed(None);
                let held = self.current.load().as_ref().map_or(Revision::ZERO, |current| current.revision());
                let revision = held.max(value.revision());
                if held <= value.revision() {
                    self.current.store(Some(Arc::new(value)));
                }
                // A read that starts after a write sees it. So there is no such revision (any more): the notice was of a namesake that
                // is gone, or of nothing. Whoever waited for it would wait for ever. A notice that came meanwhile stays.
                if revision.get() < told {
                    let _ = self.told.compare_exchange(told, revision.get(), Ordering::AcqRel, Ordering::Relaxed);
                }
                self.answered.fetch_max(expiries, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => {
                self.set_failed(Some(Instant::now()));
                Err(error)
            }
        }
    }

    fn failed_at(&self) -> Option<Instant> {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed_recently(&self) -> bool {
        self.failed_at().is_some_and(|at| at.elapsed() < RETRY)
    }

    fn set_failed(&self, at: Option<Instant>) {
        *self.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

#[cfg(test)]
mod tests {
    use super::super::WAIT;
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Debug)]
    struct At(u64);

    impl Revised for At {
        fn revision(&self) -> Revision {
            Revision::new(self.0)
        }
    }

    fn in_time() -> Instant {
        Instant::now() + WAIT
    }

    fn down() -> StoreError {
        StoreError::new(StoreErrorKind::Unavailable, "test")
    }

    #[tokio::test(start_paused = true)]
    async fn many_readers_cause_one_load() {
        let (held, loads) = (Arc::new(Held::<At>::default()), Arc::new(AtomicUsize::new(0)));
        let readers = (0..100).map(|_| {
            let (held, loads) = (Arc::clone(&held), Arc::clone(&loads));
            tokio::spawn(async move {
                held.get(in_time(), async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(WAIT / 10).await;
                    Ok(At(1))
                })
                .await
                .unwrap()
                .value
                .0
            })
        });
        for reader in readers.collect::<Vec<_>>() {
            assert_eq!(reader.await.unwrap(), 1);
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_told_revision_is_waited_for_and_then_what_there_is_is_served() {
        let held = Arc::new(Held::default());
        held.get(in_time(), async { Ok(At(1)) }).await.unwrap();
        held.tell(Revision::new(2));
        assert!(held.is_behind());
        let soon = held.get(in_time(), async { Ok(At(2)) }).await.unwrap();
        assert_eq!((soon.value.0, soon.stale), (2, false));

        held.tell(Revision::new(3));
        let began = Instant::now();
        let late = held
            .get(in_time(), async {
                tokio::time::sleep(WAIT * 4).await;
                Ok(At(3))
            })
            .await
            .unwrap();
        assert_eq!((late.value.0, late.stale), (2, true));
        assert_eq!(began.elapsed(), WAIT);
        tokio::time::sleep(WAIT * 4).await;
        assert_eq!(held.fresh().unwrap().0, 3, "the load went on without its reader");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_down_is_left_alone_for_a_while() {
        let held = Arc::new(Held::default());
        assert!(held.get(in_time(), async { Err::<At, _>(down()) }).await.is_err(), "nothing to fall back to");
        held.get(in_time(), async { Ok(At(1)) }).await.unwrap();
        held.tell(Revision::new(2));
        assert!(held.get(in_time(), async { Err(down()) }).await.unwrap().stale);
        let untouched = held.get(in_time(), async { panic!("asked again too soon") }).await.unwrap();
        assert_eq!((untouched.value.0, untouched.stale), (1, true));
        tokio::time::sleep(RETRY).await;
        assert_eq!(held.get(in_time(), async { Ok(At(2)) }).await.unwrap().value.0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_load_never_replaces_a_newer_value() {
        let held = Arc::new(Held::default());
        held.get(in_time(), async { Ok(At(5)) }).await.unwrap();
        held.expire();
        let got = held.get(in_time(), async { Ok(At(4)) }).await.unwrap();
        assert_eq!(got.value.0, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn readers_that_waited_for_a_failed_load_do_not_repeat_it() {
        let (held, loads) = (Arc::new(Held::<At>::default()), Arc::new(AtomicUsize::new(0)));
        let readers = (0..50).map(|_| {
            let (held, loads) = (Arc::clone(&held), Arc::clone(&loads));
            tokio::spawn(async move {
                held.get(in_time(), async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(WAIT).await;
                    Err(down())
                })
                .await
                .is_err()
            })
        });
        for reader in readers.collect::<Vec<_>>() {
            assert!(reader.await.unwrap());
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_holds_up_the_first_readers_only_and_gathers_no_tasks() {
        let held = Arc::new(Held::default());
        held.get(in_time(), async { Ok(At(1)) }).await.unwrap();
        held.tell(Revision::new(2));
        let hang = || std::future::pending::<StoreResult<At>>();
        assert!(held.get(in_time(), hang()).await.unwrap().stale);
        let began = Instant::now();
        assert!(held.get(in_time(), hang()).await.unwrap().stale);
        assert_eq!(began.elapsed(), std::time::Duration::ZERO);
        tokio::time::sleep(RETRY).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        assert!(held.get(in_time(), hang()).await.unwrap().stale);
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), tasks, "readers wait for the load under way");
    }

    #[tokio::test(start_paused = true)]
    async fn what_expires_stays_expired_until_a_load_that_began_later() {
        let held = Arc::new(Held::default());
        held.get(in_time(), async { Ok(At(1)) }).await.unwrap();
        held.expire();
        let during = Arc::clone(&held);
        let got = held.get(in_time(), async move {
            assert!(during.fresh().is_none(), "the load has not answered yet");
            during.expire();
            Ok(At(1))
        });
        assert!(got.await.unwrap().stale, "the load may have missed the second expiry");
        held.get(in_time(), async { panic!("a load may fail in any way") }).await.unwrap();
        assert!(held.fresh().is_none());
        tokio::time::sleep(RETRY).await;
        assert!(!held.get(in_time(), async { Ok(At(1)) }).await.unwrap().stale);
    }

    #[tokio::test(start_paused = true)]
    async fn news_from_the_store_ends_the_pause_after_a_failure() {
        let held = Arc::new(Held::default());
        held.get(in_time(), async { Ok(At(1)) }).await.unwrap();
        held.tell(Revision::new(2));
        assert!(held.get(in_time(), async { Err(down()) }).await.unwrap().stale);
        held.tell(Revision::new(3));
        assert_eq!(held.get(in_time(), async { Ok(At(3)) }).await.unwrap().value.0, 3, "a write is visible to the next read");
    }

    #[tokio::test(start_paused = true)]
    async fn a_notice_of_what_is_not_there_is_believed_for_one_load() {
        let held = Arc::new(Held::default());
        held.get(in_time(), async { Ok(At(1)) }).await.unwrap();
        held.tell(Revision::new(9));
        let during = Arc::clone(&held);
        let got = held.get(in_time(), async move {
            during.tell(Revision::new(10));
            Ok(At(1))
        });
        assert!(got.await.unwrap().stale, "the load may have missed what the second notice is about");
        assert!(!held.get(in_time(), async { Ok(At(1)) }).await.unwrap().stale);
        assert!(!held.get(in_time(), async { panic!("there is nothing to load") }).await.unwrap().stale);
        held.tell(Revision::new(2));
        assert_eq!(held.get(in_time(), async { Ok(At(2)) }).await.unwrap().value.0, 2, "and the next notice is believed again");
    }
}
