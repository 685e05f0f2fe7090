//! What a node remembers of tenants: read without a lock, changed under one.
//!
//! Everything that changes goes through the lock of the [`Ledger`], so that a load which ends and a notice which arrives come one after
//! the other: either the load sees the floor, or the notice finds the entry. A reader compares the entry with its floors itself, which
//! are atomic numbers beside it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::claims::Claims;
use super::ledger::{Absence, Begun, Ledger, Ticket, Verdict};
use super::notice::Notice;
use super::options::{ResolveOptions, us};
use super::sync::{AtomicU64, Map, Mutex, MutexGuard, Ordering};
use super::{Held, Versioned};
use crate::{HostKey, HostRef};

/// One remembered tenant.
#[derive(Debug)]
pub(super) struct Cached<E> {
    value: Arc<E>,
    version: u64,
    /// When the load began that brought it.
    fetched_us: u64,
    era: u64,
    /// Of the tenant.
    floor: Arc<super::ledger::Floor>,
    /// Of the name: it may lead to another tenant by now.
    told: AtomicU64,
    /// Until when a load that has begun will have ended.
    asked_us: AtomicU64,
    /// Until when the store is left in peace, since a load has failed.
    rests_us: AtomicU64,
}

/// What is remembered under a name.
#[derive(Debug)]
pub(super) enum Look<E> {
    /// Use it.
    Fresh(Arc<E>),
    /// Use it, and ask the store unless somebody does, or just has in vain.
    Stale { entry: Arc<E>, ask: bool },
    /// Ask the store; where it does not answer, use this. While it `rests`, use this at once.
    Old { entry: Arc<E>, rests: bool },
    /// Ask the store: there was somebody.
    Known,
    /// There is nobody.
    Absent,
    /// Ask the store: there was nobody, and a token says that there is somebody.
    Doubted,
    /// Ask the store, if that many strangers may.
    Unknown,
}

/// What there is to do about a name that has to be asked for.
#[derive(Debug)]
pub(super) enum Begin<W, L = Ticket> {
    /// Load.
    Lead(L),
    /// Wait for the load that somebody does.
    Join(W),
    /// Look again: it is there now.
    Look,
    /// Refuse; in how many microseconds to try again.
    Overloaded(u64),
}

/// What a load brought.
#[derive(Debug)]
pub(super) enum Loaded<E> {
    Found(Arc<E>),
    Absent,
    Failed,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// It stands, and can be handed out.
    Done,
    /// Load once more.
    Again,
    /// It is older than what was heard of, and so was what came before: hand out nothing.
    Behind,
}

#[derive(Debug)]
pub(super) struct Memory<E, W> {
    options: ResolveOptions,
    entries: Map<HostKey, Cached<E>>,
    /// Names that lead to nobody, and until when that is believed.
    absent: Map<HostKey, u64>,
    /// What was loaded in an earlier one is not used: changes may have been missed.
    era: AtomicU64,
    /// When the list of changes was last read to its end, plus one; zero for never.
    heard_us: AtomicU64,
    ledger: Mutex<Ledger<W>>,
}

impl<E: Versioned, W: Clone> Memory<E, W> {
    pub(super) fn new(options: ResolveOptions) -> Self {
        Self {
            options,
            entries: Map::new(),
            absent: Map::new(),
            era: AtomicU64::new(0),
            heard_us: AtomicU64::new(0),
            ledger: Mutex::new(Ledger::new(options.strangers_per_second, options.strangers_at_once)),
        }
    }

    /// What is remembered under a name, for a request that may have a token.
    pub(super) fn look(&self, key: HostRef<'_>, now_us: u64, claims: Option<Claims<'_>>) -> Look<E> {
        self.look_with(key, now_us, claims, |claims| self.ledger().stands(claims))
    }

    /// The same, where `stands` says whether nothing newer was heard of a tenant than what a token says.
    fn look_with(
        &self,
        key: HostRef<'_>,
        now_us: u64,
        claims: Option<Claims<'_>>,
        stands: impl FnOnce(&Claims<'_>) -> bool,
    ) -> Look<E> {
        let found = self.entries.with(&key, |cached| {
            if !self.counts(cached) || is_outdated(key, cached, claims) {
                return Look::Known;
            }
            let (age_us, entry) = (now_us.saturating_sub(cached.fetched_us), || Arc::clone(&cached.value));
            if age_us < us(self.options.fresh)
                || (age_us < us(self.options.heard) && self.heard_within(self.options.floors_known, now_us))
            {
                return Look::Fresh(entry());
            }
            let rests = now_us < cached.rests_us.load(Ordering::Relaxed);
            if age_us < us(self.options.stale) {
                let ask = !rests && cached.asked_us.load(Ordering::Relaxed) <= now_us;
                return Look::Stale { entry: entry(), ask };
            }
            if age_us < us(self.options.outage) && cached.value.outlasts_outage() {
                return Look::Old { entry: entry(), rests };
            }
            Look::Known
        });
        found.unwrap_or_else(|| {
            let is_absent = self.absent.with(&key, |until_us| now_us < *until_us) == Some(true);
            // Whoever has such a token is no stranger. A name that the tenant has lost since is as unknown as any.
            match (is_absent, claims.is_some_and(|claims| claims.names(key) && stands(&claims))) {
                (true, true) => Look::Doubted,
                (true, false) => Look::Absent,
                (false, true) => Look::Known,
                (false, false) => Look::Unknown,
            }
        })
    }

    /// The entry under a name with its version and age in microseconds, unless something newer was heard of.
    pub(super) fn held(&self, key: HostRef<'_>, now_us: u64) -> Option<(Arc<E>, u64, u64)> {
        let held = |cached: &Cached<E>| {
            self.counts(cached).then(|| {
                let age_us = now_us.saturating_sub(cached.fetched_us);
                (Arc::clone(&cached.value), cached.version, age_us)
            })
        };
        self.entries.with(&key, held).flatten()
    }

    /// Whether nothing newer was heard of, and nothing can have been missed.
    fn counts(&self, cached: &Cached<E>) -> bool {
        cached.version >= cached.floor.get()
            && cached.version >= cached.told.load(Ordering::Acquire)
            && cached.era == self.era.load(Ordering::Acquire)
    }

    /// Somebody wants `key` loaded.
    pub(super) fn begin(
        &self,
        key: HostRef<'_>,
        now_us: u64,
        claims: Option<Claims<'_>>,
        waiters: impl FnOnce() -> W,
    ) -> Begin<W> {
        let mut ledger = self.ledger();
        let known = match self.look_with(key, now_us, claims, |claims| ledger.stands(claims)) {
            // A load has ended between the first look and this one.
            Look::Fresh(_) | Look::Absent => return Begin::Look,
            Look::Unknown => false,
            Look::Stale { .. } | Look::Old { .. } | Look::Known | Look::Doubted => true,
        };
        self.lead(&mut ledger, key, known, now_us, waiters)
    }

    /// The store has `key` on a list of the names that lead to tenants: who has it is no stranger, also where a request found nobody a
    /// moment ago.
    pub(super) fn begin_listed(&self, key: HostRef<'_>, now_us: u64, waiters: impl FnOnce() -> W) -> Begin<W> {
        let mut ledger = self.ledger();
        if matches!(self.look(key, now_us, None), Look::Fresh(_)) {
            return Begin::Look;
        }
        self.lead(&mut ledger, key, true, now_us, waiters)
    }

    fn lead(&self, ledger: &mut Ledger<W>, key: HostRef<'_>, known: bool, now_us: u64, waiters: impl FnOnce() -> W) -> Begin<W> {
        match ledger.begin(key, known, self.era.load(Ordering::Acquire), now_us, waiters) {
            Begun::Lead(ticket) => {
                let until_us = now_us.saturating_add(us(self.options.deadline));
                self.entries.with(&key, |cached| cached.asked_us.store(until_us, Ordering::Relaxed));
                Begin::Lead(ticket)
            }
            Begun::Join(waiters) => Begin::Join(waiters),
            Begun::Overloaded(wait_us) => Begin::Overloaded(wait_us),
        }
    }

    /// A load has ended.
    pub(super) fn land(&self, ticket: &Ticket, loaded: &Loaded<E>, now_us: u64) -> Landed {
        let mut ledger = self.ledger();
        let era = self.era.load(Ordering::Acquire);
        match loaded {
            Loaded::Found(value) => {
                let (tenant, version) = (value.tenant(), value.version());
                match ledger.found(ticket, tenant, version, era, now_us) {
                    Verdict::Keep { floor, began_us } => {
                        self.keep(&ticket.key, value, floor, began_us, era, now_us);
                        ledger.forget_floors(self.most_floors());
                        Landed::Done
                    }
                    Verdict::Again => Landed::Again,
                    Verdict::Behind => {
                        self.rest(&ticket.key, now_us);
                        Landed::Behind
                    }
                }
            }
            Loaded::Absent => match ledger.absent(ticket, era, now_us) {
                Absence::Again => Landed::Again,
                Absence::Keep => {
                    self.entries.remove(&ticket.key);
                    self.absent.make_room(self.options.absent_capacity, |until_us| *until_us <= now_us, |until_us| *until_us);
                    self.absent.insert(ticket.key.clone(), now_us.saturating_add(us(self.options.absent)));
                    Landed::Done
                }
                Absence::Forget => {
                    self.entries.remove(&ticket.key);
                    Landed::Done
                }
            },
            Loaded::Failed => {
                ledger.give_up(ticket);
                self.rest(&ticket.key, now_us);
                Landed::Done
            }
        }
    }

    /// Whoever loaded has gone away.
    pub(super) fn abandon(&self, ticket: &Ticket) {
        self.ledger().give_up(ticket);
        self.entries.with(&ticket.key, |cached| cached.asked_us.store(0, Ordering::Relaxed));
    }

    /// A notice has arrived. From now on, nothing older than it is handed out.
    pub(super) fn hear(&self, notice: &Notice, now_us: u64) {
        let mut ledger = self.ledger();
        ledger.raise(notice.tenant, notice.version, now_us);
        for key in &notice.names {
            ledger.tell(key, notice.version);
            self.entries.with(key, |cached| cached.told.fetch_max(notice.version, Ordering::AcqRel));
            self.absent.remove(key);
        }
        ledger.forget_floors(self.most_floors());
    }

    /// All changes were heard that there were at `asked_us`.
    pub(super) fn heard(&self, asked_us: u64) {
        self.heard_us.store(asked_us.saturating_add(1), Ordering::Release);
    }

    /// Whether all changes were heard that there were so long ago.
    pub(super) fn heard_within(&self, time: Duration, now_us: u64) -> bool {
        let heard_us = self.heard_us.load(Ordering::Acquire).checked_sub(1);
        heard_us.is_some_and(|heard_us| now_us < heard_us.saturating_add(us(time)))
    }

    /// Changes may have been missed: nothing that was loaded before this is used any more.
    pub(super) fn doubt(&self) {
        let mut ledger = self.ledger();
        ledger.doubt();
        self.era.fetch_add(1, Ordering::AcqRel);
        self.absent.clear();
    }

    /// The list of changes is about to be heard from the place `begins` on.
    pub(super) fn listen(&self, begins: u64) {
        self.ledger().listen(begins);
    }

    /// It was heard up to here.
    pub(super) fn reach(&self, place: u64) {
        self.ledger().reach(place);
    }

    /// Whether what a token says of its tenant was still so when the list of changes was last heard.
    pub(super) fn confirms(&self, claims: &Claims<'_>) -> bool {
        self.ledger().confirms(claims)
    }

    pub(super) fn sizes(&self) -> Held {
        let ledger = self.ledger();
        Held { tenants: self.entries.len(), absent: self.absent.len(), floors: ledger.floors(), loads: ledger.flights() }
    }

    fn keep(&self, key: &HostKey, value: &Arc<E>, floor: Arc<super::ledger::Floor>, began_us: u64, era: u64, now_us: u64) {
        let oldest_us = now_us.saturating_sub(us(self.options.stale));
        let worthless = |cached: &Cached<E>| !self.counts(cached) || cached.fetched_us < oldest_us;
        self.entries.make_room(self.options.capacity, worthless, |cached| cached.fetched_us);
        let cached = Cached {
            value: Arc::clone(value),
            version: value.version(),
            fetched_us: began_us,
            era,
            floor,
            told: AtomicU64::new(0),
            asked_us: AtomicU64::new(0),
            rests_us: AtomicU64::new(0),
        };
        self.entries.insert(key.clone(), cached);
        self.absent.remove(key);
    }

    fn rest(&self, key: &HostKey, now_us: u64) {
        let until_us = now_us.saturating_add(us(self.options.rest));
        self.entries.with(key, |cached| {
            cached.rests_us.store(until_us, Ordering::Relaxed);
            cached.asked_us.store(0, Ordering::Relaxed);
        });
    }

    fn most_floors(&self) -> usize {
        self.options.floors.saturating_add(self.entries.len())
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger<W>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a token tells of something later.
fn is_outdated<E: Versioned>(key: HostRef<'_>, cached: &Cached<E>, claims: Option<Claims<'_>>) -> bool {
    claims.is_some_and(|claims| claims.outdate(key, cached.value.tenant(), cached.version))
}
