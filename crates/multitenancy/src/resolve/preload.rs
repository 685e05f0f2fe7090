//! The names of tenants, brought into memory before anybody asks for them.
//!
//! A node that has just started knows nobody: the first look-up of each name counts as one for a stranger, and in a flood of unknown
//! hosts there is no room for it. Whom a list of the store names is no stranger.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _};
use togglebox_core::{Page, PageRequest, StoreErrorKind, StoreResult};
use tokio::time::{sleep, timeout};

use super::memory::Begin;
use super::{Outcome, ResolveError, Resolver, TAKE_OVERS, Versioned, flight};
use crate::{HostKey, HostRef};

/// Tenants whose names are listed at once.
const PART: usize = 200;

/// The list of the names that lead to tenants, that a store keeps.
#[async_trait]
pub trait TenantNames: Debug + Send + Sync + 'static {
    /// The names of a page of tenants: none of a tenant that nothing leads to, several of one that has several.
    ///
    /// # Errors
    /// As any port. Asking again is safe.
    async fn names(&self, page: &PageRequest) -> StoreResult<Page<HostKey>>;
}

/// How much of a list is brought into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preloading {
    /// The most names.
    pub most: usize,
    /// How many are looked up at once. Requests need the store too.
    pub at_once: usize,
    /// How long all of it may take.
    pub time: Duration,
    /// How long a store that is not available is left in peace.
    pub pause: Duration,
}

impl Default for Preloading {
    /// 50,000 names, four at once, within two minutes; five seconds' peace.
    fn default() -> Self {
        Self { most: 50_000, at_once: 4, time: Duration::from_mins(2), pause: Duration::from_secs(5) }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preloaded {
    /// Names that led to a tenant.
    pub found: usize,
    /// Names that could not be looked up, for another reason than that the store was not available.
    pub failed: usize,
    /// Whether the list came to its end.
    pub whole: bool,
}

impl<E: Versioned> Resolver<E> {
    /// Brings the names of a list into memory, each by a load like any other, that none of [`ResolveOptions`](super::ResolveOptions)'
    /// limits for strangers concerns. What is there already is left alone. While the store is not available, this waits for it.
    ///
    /// To be called once, at the start, after [`poll`](Self::poll): the first poll puts what was loaded before it out of date. Dropping
    /// this leaves the look-ups behind that have begun.
    pub async fn preload(&self, names: &dyn TenantNames, how: Preloading) -> Preloaded {
        let mut done = Preloaded::default();
        // What was loaded until the time is over counts.
        let whole = timeout(how.time, self.preload_all(names, how, &mut done)).await;
        Preloaded { whole: whole.unwrap_or(false), ..done }
    }

    /// Whether the list came to its end.
    async fn preload_all(&self, names: &dyn TenantNames, how: Preloading, done: &mut Preloaded) -> bool {
        let mut page = PageRequest::first(PART);
        loop {
            let part = match names.names(&page).await {
                Ok(part) => part,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "The names of tenants could not be listed");
                    if *error.kind() != StoreErrorKind::Unavailable {
                        return false;
                    }
                    sleep(how.pause).await;
                    continue;
                }
            };
            let room = how.most.saturating_sub(done.found + done.failed);
            let fits = part.items.len() <= room;
            let names = part.items.into_iter().take(room).collect();
            let Some(of_part) = self.preload_part(names, how.at_once).await else {
                sleep(how.pause).await;
                continue;
            };
            done.found += of_part.found;
            done.failed += of_part.failed;
            match part.next {
                Some(next) if fits => page = PageRequest::first(PART).after(Some(next)),
                next => return fits && next.is_none(),
            }
        }
    }

    /// `None` where the store is not available: what was loaded is in memory, and costs nothing the next time.
    async fn preload_part(&self, names: Vec<HostKey>, at_once: usize) -> Option<Preloaded> {
        let mut done = Preloaded::default();
        let loads = stream::iter(names).map(|name| async move { self.expect(name.as_ref()).await });
        let mut loads = loads.buffer_unordered(at_once.max(1));
        while let Some(loaded) = loads.next().await {
            match loaded {
                Ok(()) => done.found += 1,
                Err(ResolveError::Store(error)) if *error.kind() == StoreErrorKind::Unavailable => return None,
                // Nobody's since it was listed.
                Err(ResolveError::NotFound) => {}
                Err(_) => done.failed += 1,
            }
        }
        Some(done)
    }

    /// Loads a name that is listed, unless it is in memory.
    async fn expect(&self, key: HostRef<'_>) -> Result<(), ResolveError> {
        for _ in 0..TAKE_OVERS {
            let waiters = match self.begin_listed(key) {
                Begin::Look => return Ok(()),
                Begin::Join(waiters) => waiters,
                Begin::Lead((flight, waiters)) => {
                    tokio::spawn(flight.fly());
                    waiters
                }
                Begin::Overloaded(wait_us) => {
                    return Err(ResolveError::Overloaded { retry_after: Duration::from_micros(wait_us) });
                }
            };
            match flight::wait(waiters).await {
                Some(Outcome::Found(_)) => return Ok(()),
                Some(Outcome::Absent) => return Err(ResolveError::NotFound),
                Some(Outcome::Behind) => return Err(ResolveError::Behind),
                Some(Outcome::Failed(error)) => return Err(ResolveError::Store(error)),
                None => {}
            }
        }
        Err(ResolveError::Abandoned)
    }
}
