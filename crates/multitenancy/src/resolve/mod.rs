//! From a name to a tenant, out of memory.
//!
//! A read takes no lock and asks nobody: it finds the entry, and compares its version with the floor that notices have raised. Only what
//! is not there, or too old, is loaded:
//!
//! - *once*, however many ask at a time, and to the end, whoever goes away meanwhile;
//! - *never backwards*: what is below a floor is neither kept nor handed out, also when the floor was raised during the load;
//! - *within limits*: names that lead to nobody are remembered for some seconds, and only so many are looked up in a second.
//!
//! | age of an entry | what a request gets |
//! | --- | --- |
//! | up to `fresh` (30 s; 4 min while all changes are heard) | the entry |
//! | up to `stale` (5 min) | the entry, while the store is asked behind its back |
//! | up to `outage` (1 h) | what the store says; the entry where that takes too long or fails, and the entry allows it |
//! | more, or something newer was heard of | what the store says |

mod flight;
mod ledger;
mod memory;
mod metrics;
mod notice;
mod options;
mod preload;
#[cfg(test)]
mod races;
mod sync;
mod window;

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{Change, ChangeListener, Stopwatch, StoreError, StoreResult, TenantId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::flight::{Flight, Outcome, Waiters};
use self::memory::{Begin, Look, Memory};
use self::metrics::Metrics;
use self::options::us;
use crate::{HostKey, HostRef};

pub use self::notice::{Changes, Notice, TenantChanges};
pub use self::options::ResolveOptions;
pub use self::preload::{Preloaded, Preloading, TenantNames};

/// How often a request tries again when whoever loaded for it has gone away.
const TAKE_OVERS: usize = 8;

/// What is kept of a tenant.
pub trait Versioned: Debug + Send + Sync + 'static {
    /// Whose it is.
    fn tenant(&self) -> TenantId;

    /// The revision that the last change of the tenant gave to the register of all tenants: of two entries under one name, the one with
    /// the higher version is the later one, whosever they are.
    fn version(&self) -> u64;

    /// Whether this may be used for a while after it is out of date, when the store does not answer. Not, for one, if the tenant was
    /// suspended: it may have been for a reason that goes on.
    fn outlasts_outage(&self) -> bool;
}

/// Where tenants are looked up.
#[async_trait]
pub trait TenantSource: Debug + Send + Sync + 'static {
    /// What is kept of a tenant.
    type Entry: Versioned;

    /// The tenant that a name leads to. It shows all that was committed before it was called: a replica that lags behind must not
    /// answer that nobody is there.
    ///
    /// # Errors
    /// As any port.
    async fn load(&self, key: &HostKey) -> StoreResult<Option<Arc<Self::Entry>>>;
}

/// A tenant, and how sure that is.
#[derive(Debug, PartialEq, Eq)]
pub struct Resolved<E> {
    /// What is kept of it.
    pub entry: Arc<E>,
    /// Where it came from.
    pub source: Source,
}

impl<E> Clone for Resolved<E> {
    fn clone(&self) -> Self {
        Self { entry: Arc::clone(&self.entry), source: self.source }
    }
}

/// Where a tenant came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Memory.
    Fresh,
    /// Memory; the store is being asked.
    Stale,
    /// Memory, and a token that vouches for it.
    Token,
    /// Memory; the store does not answer.
    Outage,
    /// The store.
    Load,
}

/// Why there is no tenant.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The name leads to nobody.
    #[error("there is no such tenant")]
    NotFound,
    /// The name leads to another tenant than the token is for.
    #[error("the token is another tenant's")]
    OtherTenant,
    /// Too many unknown names are asked for. Not to be confused with an answer: the tenant may exist.
    #[error("too many unknown tenants are asked for")]
    Overloaded {
        /// When to try again, at the earliest.
        retry_after: Duration,
    },
    /// The store shows less than it has announced. Trying again is safe.
    #[error("the store of tenants is behind what it has announced")]
    Behind,
    /// The look-up failed. Trying again is safe.
    #[error("the tenant could not be looked up")]
    Store(#[source] Arc<StoreError>),
    /// The look-up was given up again and again, as at the end of a program.
    #[error("the look-up was given up")]
    Abandoned,
}

/// What a token says of its tenant. Only for tokens whose signature and end were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `tid`: whose it is.
    pub tenant: TenantId,
    /// `tver`: the tenant's version when it was made.
    pub version: u64,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Names that lead to tenants, those included that are out of date.
    pub tenants: usize,
    /// Names that lead to nobody.
    pub absent: usize,
    /// Tenants of which it is known how old what is used of them may be.
    pub floors: usize,
    /// Look-ups that are under way.
    pub loads: usize,
}

/// Finds tenants by name. A clone is the same one.
///
/// It asks the store on tokio's run time of whoever asks it first, and needs its timer.
#[derive(Debug)]
pub struct Resolver<E: Versioned> {
    inner: Arc<Inner<E>>,
}

impl<E: Versioned> Clone for Resolver<E> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<E: Versioned> {
    source: Arc<dyn TenantSource<Entry = E>>,
    memory: Memory<E, Waiters<E>>,
    stopwatch: Arc<dyn Stopwatch>,
    options: ResolveOptions,
    metrics: Metrics,
    /// Where in the list of changes this node stands. Held while it is read on, so that nobody goes back.
    place: tokio::sync::Mutex<Option<u64>>,
    /// When the list was last read to its end, plus one; zero for never.
    polled_us: AtomicU64,
}

/// What can be said of a name at once.
enum AtHand<E> {
    Answer(Result<Resolved<E>, ResolveError>),
    /// The store is to be asked; whether there is something to use where it does not answer.
    Ask {
        spare: bool,
    },
}

impl<E: Versioned> Resolver<E> {
    /// One that remembers nothing yet.
    pub fn new(source: Arc<dyn TenantSource<Entry = E>>, stopwatch: Arc<dyn Stopwatch>, options: ResolveOptions) -> Self {
        let inner = Inner {
            source,
            memory: Memory::new(options),
            stopwatch,
            options,
            metrics: Metrics::register(),
            place: tokio::sync::Mutex::new(None),
            polled_us: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The tenant that a name leads to, if that can be said without asking the store: nearly always.
    #[must_use]
    pub fn resolve_now(&self, key: HostRef<'_>) -> Option<Result<Resolved<E>, ResolveError>> {
        match self.at_hand(key) {
            AtHand::Answer(answer) => Some(answer),
            AtHand::Ask { .. } => None,
        }
    }

    /// The tenant that a name leads to.
    ///
    /// Dropping this may leave a look-up behind that goes on, for whoever asks next.
    ///
    /// # Errors
    /// [`ResolveError`]. Nobody there and too many unknown names are different things.
    pub async fn resolve(&self, key: HostRef<'_>) -> Result<Resolved<E>, ResolveError> {
        for _ in 0..TAKE_OVERS {
            let spare = match self.at_hand(key) {
                AtHand::Answer(answer) => return answer,
                AtHand::Ask { spare } => spare,
            };
            let waiters = match self.begin(key) {
                Begin::Join(waiters) => waiters,
                Begin::Look => continue,
                Begin::Overloaded(wait_us) => {
                    self.inner.metrics.overloaded.increment(1);
                    return Err(ResolveError::Overloaded { retry_after: Duration::from_micros(wait_us) });
                }
                Begin::Lead((flight, waiters)) => {
                    tokio::spawn(flight.fly());
                    waiters
                }
            };
            let wait = flight::wait(waiters);
            let outcome =
                if spare { tokio::time::timeout(self.inner.options.patience, wait).await.ok().flatten() } else { wait.await };
            match outcome {
                Some(outcome @ (Outcome::Found(_) | Outcome::Absent)) => return self.answer(outcome),
                // Looked for again: meanwhile something newer may have been heard of.
                outcome => match (self.spare(key), outcome) {
                    (Some(entry), _) => return Ok(self.outage(entry)),
                    (None, Some(outcome)) => return self.answer(outcome),
                    // Whoever loaded has gone away, or has no more time than this: somebody takes over, or waits on.
                    (None, None) => {}
                },
            }
        }
        self.inner.metrics.failed.increment(1);
        Err(ResolveError::Abandoned)
    }

    /// The tenant that a name leads to, where the request has a token of that tenant.
    ///
    /// The token vouches for the version that it names: an entry of that version or a later one is used without a look at the store
    /// although it is no longer fresh, unless something newer was heard of. An earlier one is never the answer. For that, changes must have been asked for of late
    /// ([`poll`](Self::poll)): a node that hears nothing takes no token's word. What the tenant may do is never in the token.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and [`ResolveError::OtherTenant`].
    pub async fn resolve_claimed(&self, key: HostRef<'_>, claims: Claims) -> Result<Resolved<E>, ResolveError> {
        let inner = &*self.inner;
        let now_us = inner.stopwatch.now_us();
        let notice = Notice { tenant: claims.tenant, version: claims.version, names: Vec::new() };
        if let Some((entry, version, age_us)) = inner.memory.held(key, now_us)
            && entry.tenant() == claims.tenant
        {
            if version < claims.version {
                // The token was made after a change that this node has not heard of.
                inner.memory.hear(&notice, now_us);
            } else if age_us >= us(inner.options.fresh) && age_us < us(inner.options.vouched) && self.hears(now_us) {
                inner.metrics.vouched.increment(1);
                return Ok(Resolved { entry, source: Source::Token });
            }
        }
        let mut resolved = self.resolve(key).await?;
        if resolved.entry.tenant() == claims.tenant && resolved.entry.version() < claims.version {
            // A load that had begun before the token was made.
            inner.memory.hear(&notice, inner.stopwatch.now_us());
            resolved = self.resolve(key).await?;
        }
        if resolved.entry.tenant() == claims.tenant { Ok(resolved) } else { Err(ResolveError::OtherTenant) }
    }

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
        let inner = &*self.inner;
        let (mut place, mut heard) = (inner.place.lock().await, 0);
        loop {
            let asked_us = inner.stopwatch.now_us();
            let part = changes.changes_since(*place).await?;
            if place.is_none() || part.gap {
                inner.memory.doubt();
            }
            for notice in &part.notices {
                self.hear(notice);
            }
            heard += part.notices.len();
            *place = Some(part.last);
            if !part.more {
                inner.polled_us.store(asked_us.saturating_add(1), Ordering::Release);
                inner.memory.heard(asked_us);
                return Ok(heard);
            }
        }
    }

    /// How much is remembered.
    pub fn held(&self) -> Held {
        self.inner.memory.sizes()
    }

    /// Whether changes have been asked for of late.
    fn hears(&self, now_us: u64) -> bool {
        let polled_us = self.inner.polled_us.load(Ordering::Acquire);
        polled_us > 0 && now_us < polled_us.saturating_add(us(self.inner.options.floors_known))
    }

    fn at_hand(&self, key: HostRef<'_>) -> AtHand<E> {
        let (inner, found) = (&*self.inner, |entry, source| AtHand::Answer(Ok(Resolved { entry, source })));
        match inner.memory.look(key, inner.stopwatch.now_us()) {
            Look::Fresh(entry) => {
                inner.metrics.hit.increment(1);
                found(entry, Source::Fresh)
            }
            Look::Stale { entry, ask } => {
                inner.metrics.stale.increment(1);
                if ask {
                    self.ask_behind(key);
                }
                found(entry, Source::Stale)
            }
            Look::Old { entry, rests: true } => AtHand::Answer(Ok(self.outage(entry))),
            Look::Old { rests: false, .. } => AtHand::Ask { spare: true },
            Look::Known | Look::Unknown => AtHand::Ask { spare: false },
            Look::Absent => {
                inner.metrics.negative.increment(1);
                AtHand::Answer(Err(ResolveError::NotFound))
            }
        }
    }

    /// Asks the store for nobody in particular. Outside of a run time, whoever comes when the entry is old has to wait.
    fn ask_behind(&self, key: HostRef<'_>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if let Begin::Lead((flight, _)) = self.begin(key) {
            runtime.spawn(flight.fly());
        }
    }

    fn begin(&self, key: HostRef<'_>) -> Begin<Waiters<E>, (Flight<E>, Waiters<E>)> {
        self.take_off(|memory, now_us, waiters| memory.begin(key, now_us, waiters))
    }

    /// The same for a name that the store has on a list.
    fn begin_listed(&self, key: HostRef<'_>) -> Begin<Waiters<E>, (Flight<E>, Waiters<E>)> {
        self.take_off(|memory, now_us, waiters| memory.begin_listed(key, now_us, waiters))
    }

    fn take_off(
        &self,
        begin: impl FnOnce(&Memory<E, Waiters<E>>, u64, &mut dyn FnMut() -> Waiters<E>) -> Begin<Waiters<E>>,
    ) -> Begin<Waiters<E>, (Flight<E>, Waiters<E>)> {
        let (mut landing, now_us) = (None, self.inner.stopwatch.now_us());
        let begun = begin(&self.inner.memory, now_us, &mut || {
            let (sender, waiters) = watch::channel(None);
            landing = Some((sender, waiters.clone()));
            waiters
        });
        match begun {
            Begin::Join(waiters) => Begin::Join(waiters),
            Begin::Look => Begin::Look,
            Begin::Overloaded(wait_us) => Begin::Overloaded(wait_us),
            Begin::Lead(ticket) => {
                let (sender, waiters) = landing.unwrap_or_else(|| watch::channel(None));
                Begin::Lead((Flight::new(Arc::clone(&self.inner), ticket, sender), waiters))
            }
        }
    }

    /// What may be used although it is old.
    fn spare(&self, key: HostRef<'_>) -> Option<Arc<E>> {
        match self.inner.memory.look(key, self.inner.stopwatch.now_us()) {
            Look::Fresh(entry) | Look::Stale { entry, .. } | Look::Old { entry, .. } => Some(entry),
            Look::Known | Look::Absent | Look::Unknown => None,
        }
    }

    fn outage(&self, entry: Arc<E>) -> Resolved<E> {
        self.inner.metrics.outage.increment(1);
        Resolved { entry, source: Source::Outage }
    }

    fn answer(&self, outcome: Outcome<E>) -> Result<Resolved<E>, ResolveError> {
        let metrics = &self.inner.metrics;
        match outcome {
            Outcome::Found(entry) => {
                metrics.miss.increment(1);
                Ok(Resolved { entry, source: Source::Load })
            }
            Outcome::Absent => {
                metrics.miss.increment(1);
                Err(ResolveError::NotFound)
            }
            Outcome::Behind => {
                metrics.failed.increment(1);
                Err(ResolveError::Behind)
            }
            Outcome::Failed(error) => {
                metrics.failed.increment(1);
                Err(ResolveError::Store(error))
            }
        }
    }
}

impl<E: Versioned> ChangeListener for Resolver<E> {
    fn changed(&self, change: &Change) {
        if let Some(notice) = Notice::of(change) {
            self.hear(&notice);
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Token => "token",
            Self::Outage => "outage",
            Self::Load => "load",
        })
    }
}
