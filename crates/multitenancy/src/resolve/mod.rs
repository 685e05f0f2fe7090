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
//!
//! A request whose token tells what its maker knew of the tenant ([`Claims`]) may be answered without the store where others have to wait,
//! and is not answered out of memory with what is older than that.

mod claims;
mod flight;
mod hearing;
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
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{Stopwatch, StoreError, StoreResult, TenantId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::flight::{Flight, Outcome, Waiters};
use self::memory::{Begin, Look, Memory};
use self::metrics::Metrics;
use self::options::us;
use crate::{HostKey, HostRef};

pub use self::claims::Claims;
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

    /// What is used of a tenant of which nothing is kept, where a token tells its version and name and nothing newer can have been missed:
    /// what is true of every tenant whose tokens name a place in the list of changes ([`Claims::as_of`]). It is not kept; the tenant is
    /// looked up behind its back. Without an implementation, nothing is used before it was looked up.
    fn vouched(_tenant: TenantId, _version: u64, _name: HostRef<'_>) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }
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
    /// A token that vouches for it; memory, if it is there.
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
    /// When it was asked for last, whatever was answered, and one more: 0 for never.
    tried_us: AtomicU64,
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
            tried_us: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The tenant that a name leads to, if that can be said without asking the store: nearly always.
    #[must_use]
    pub fn resolve_now(&self, key: HostRef<'_>) -> Option<Result<Resolved<E>, ResolveError>> {
        self.find_now(key, None)
    }

    /// The same, as [`resolve_claimed`](Self::resolve_claimed).
    #[must_use]
    pub fn resolve_claimed_now(&self, key: HostRef<'_>, claims: Claims<'_>) -> Option<Result<Resolved<E>, ResolveError>> {
        self.find_now(key, Some(claims)).map(|found| of_claimed(found, claims))
    }

    /// The tenant that a name leads to.
    ///
    /// Dropping this may leave a look-up behind that goes on, for whoever asks next.
    ///
    /// # Errors
    /// [`ResolveError`]. Nobody there and too many unknown names are different things.
    pub async fn resolve(&self, key: HostRef<'_>) -> Result<Resolved<E>, ResolveError> {
        self.find(key, None).await
    }

    /// The tenant that a name leads to, where the request has a token of that tenant.
    ///
    /// What is remembered is no answer if the token tells of something later. What the token vouches for ([`Claims`]) is used without a look
    /// at the store, be it no longer fresh or not remembered at all, as long as nothing newer was heard of. For that, changes must have
    /// been asked for of late ([`poll`](Self::poll)): a node that hears nothing takes no token's word. What the tenant may do is never in
    /// the token.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve), and [`ResolveError::OtherTenant`].
    pub async fn resolve_claimed(&self, key: HostRef<'_>, claims: Claims<'_>) -> Result<Resolved<E>, ResolveError> {
        of_claimed(self.find(key, Some(claims)).await, claims)
    }

    fn find_now(&self, key: HostRef<'_>, claims: Option<Claims<'_>>) -> Option<Result<Resolved<E>, ResolveError>> {
        match self.at_hand(key, claims) {
            AtHand::Answer(answer) => Some(answer),
            AtHand::Ask { .. } => None,
        }
    }

    async fn find(&self, key: HostRef<'_>, claims: Option<Claims<'_>>) -> Result<Resolved<E>, ResolveError> {
        for _ in 0..TAKE_OVERS {
            let spare = match self.at_hand(key, claims) {
                AtHand::Answer(answer) => return answer,
                AtHand::Ask { spare } => spare,
            };
            let mut began_before = false;
            let waiters = match self.begin(key, claims) {
                Begin::Join(waiters) => {
                    began_before = true;
                    waiters
                }
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
                // It may have begun before the token was made; one that begins now has not.
                Some(Outcome::Found(entry))
                    if began_before && claims.is_some_and(|claims| claims.outdate(key, entry.tenant(), entry.version())) => {}
                Some(Outcome::Absent) if began_before && claims.is_some_and(|claims| claims.names(key)) => {}
                Some(outcome @ (Outcome::Found(_) | Outcome::Absent)) => return self.answer(outcome),
                // Looked for again: meanwhile something newer may have been heard of.
                outcome => match (self.spare(key, claims), outcome) {
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

    /// How much is remembered.
    pub fn held(&self) -> Held {
        self.inner.memory.sizes()
    }

    fn at_hand(&self, key: HostRef<'_>, claims: Option<Claims<'_>>) -> AtHand<E> {
        let (inner, found) = (&*self.inner, |entry, source| AtHand::Answer(Ok(Resolved { entry, source })));
        let look = inner.memory.look(key, inner.stopwatch.now_us(), claims);
        // What the store has said of late is not outdone by any token.
        let is_settled = matches!(look, Look::Fresh(_) | Look::Absent | Look::Doubted);
        if let Some(entry) = claims.filter(|_| !is_settled).and_then(|claims| self.vouched(key, claims)) {
            inner.metrics.vouched.increment(1);
            return found(entry, Source::Token);
        }
        match look {
            Look::Fresh(entry) => {
                inner.metrics.hit.increment(1);
                found(entry, Source::Fresh)
            }
            Look::Stale { entry, ask } => {
                inner.metrics.stale.increment(1);
                if ask {
                    self.ask_behind(key, claims);
                }
                found(entry, Source::Stale)
            }
            Look::Old { entry, rests: true } => AtHand::Answer(Ok(self.outage(entry))),
            Look::Old { rests: false, .. } => AtHand::Ask { spare: true },
            Look::Known | Look::Doubted | Look::Unknown => AtHand::Ask { spare: false },
            Look::Absent => {
                inner.metrics.negative.increment(1);
                AtHand::Answer(Err(ResolveError::NotFound))
            }
        }
    }

    /// What a token vouches for: nothing newer can have been missed.
    fn vouched(&self, key: HostRef<'_>, claims: Claims<'_>) -> Option<Arc<E>> {
        let (inner, options) = (&*self.inner, &self.inner.options);
        if !self.heard_within(options.floors_known) {
            return None;
        }
        let held = inner.memory.held(key, inner.stopwatch.now_us());
        let held = held.filter(|(entry, version, _)| !claims.outdate(key, entry.tenant(), *version));
        if let Some((entry, _, age_us)) = held {
            let is_vouched = age_us < us(options.vouched) || inner.memory.confirms(&claims);
            return (entry.tenant() == claims.tenant && is_vouched).then_some(entry);
        }
        if !(claims.names(key) && inner.memory.confirms(&claims)) {
            return None;
        }
        let entry = E::vouched(claims.tenant, claims.version, key)?;
        self.ask_behind(key, Some(claims));
        Some(Arc::new(entry))
    }

    /// Asks the store for nobody in particular. Outside of a run time, whoever comes when the entry is old has to wait.
    fn ask_behind(&self, key: HostRef<'_>, claims: Option<Claims<'_>>) {
        let Ok(runtime) = Handle::try_current() else { return };
        if let Begin::Lead((flight, _)) = self.begin(key, claims) {
            runtime.spawn(flight.fly());
        }
    }

    fn begin(&self, key: HostRef<'_>, claims: Option<Claims<'_>>) -> Begin<Waiters<E>, (Flight<E>, Waiters<E>)> {
        self.take_off(|memory, now_us, waiters| memory.begin(key, now_us, claims, waiters))
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
    fn spare(&self, key: HostRef<'_>, claims: Option<Claims<'_>>) -> Option<Arc<E>> {
        match self.inner.memory.look(key, self.inner.stopwatch.now_us(), claims) {
            Look::Fresh(entry) | Look::Stale { entry, .. } | Look::Old { entry, .. } => Some(entry),
            Look::Known | Look::Absent | Look::Doubted | Look::Unknown => None,
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

/// A host's tenant is its token's.
fn of_claimed<E: Versioned>(found: Result<Resolved<E>, ResolveError>, claims: Claims<'_>) -> Result<Resolved<E>, ResolveError> {
    found.and_then(|found| if found.entry.tenant() == claims.tenant { Ok(found) } else { Err(ResolveError::OtherTenant) })
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
