//! What is under way, and what was heard: the decisions of the cache, without locks, time or I/O.
//!
//! - A *flight* is a load of one name; nobody begins a second one.
//! - A *floor* is the lowest version of a tenant that may be used: the highest one that was heard of, or seen.
//!
//! A load may read the store, be overtaken by a change and its notice, and end afterwards. What it brings is dropped when it is below
//! the tenant's floor; or when its name was spoken of meanwhile, with a version that it does not have; or when it cannot be known
//! whether it is below a floor.
//!
//! # Floors are bounded
//!
//! The floor of a tenant that no entry is kept of only matters to loads that were under way when it was raised: a load that begins
//! later reads what the notice spoke of. When there are too many floors, all of those are forgotten, and the ledger remembers *when*:
//! a load that began before that and brings a tenant without a floor is repeated, which costs one look-up. The floors of tenants that
//! entries are kept of stay, and there are no more of them than entries.

use std::collections::HashMap;
use std::sync::Arc;

use togglebox_core::TenantId;

use super::claims::Claims;
use super::options::FLOOR_LIFE_US;
use super::sync::{AtomicU64, Ordering};
use super::window::Window;
use crate::{HostKey, HostRef};

/// How often a load is begun that is overtaken by notices.
const ATTEMPTS: u8 = 3;

/// The floor of one tenant, shared with its entries so that their readers look nothing up.
#[derive(Debug)]
pub(super) struct Floor(AtomicU64);

impl Floor {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Whether this is news.
    fn raise(&self, version: u64) -> bool {
        self.0.fetch_max(version, Ordering::AcqRel) < version
    }
}

#[derive(Debug)]
struct Raised {
    floor: Arc<Floor>,
    at_us: u64,
}

/// A load that is under way.
#[derive(Debug)]
struct Flight<W> {
    id: u64,
    attempts: u8,
    began_us: u64,
    era: u64,
    /// How many notices there had been.
    heard: u64,
    /// The highest version that notices since then have spoken of the name with.
    told: u64,
    /// When it was counted as a look-up for a stranger.
    charged_us: Option<u64>,
    waiters: W,
}

/// A load that somebody has to bring to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) key: HostKey,
    id: u64,
}

/// Whether to load.
#[derive(Debug)]
pub(super) enum Begun<W> {
    /// Do.
    Lead(Ticket),
    /// Somebody does.
    Join(W),
    /// There were too many look-ups for strangers; in how many microseconds to try again.
    Overloaded(u64),
}

/// What became of a load that found something.
#[derive(Debug)]
pub(super) enum Verdict {
    /// Keep it, beside the floor of its tenant. It is as old as the load.
    Keep { floor: Arc<Floor>, began_us: u64 },
    /// Load once more: something has happened meanwhile.
    Again,
    /// The store goes on showing what is older than what was heard of.
    Behind,
}

/// What became of a load that found nobody.
#[derive(Debug)]
pub(super) enum Absence {
    /// Remember it for a while.
    Keep,
    /// Load once more: the name was spoken of meanwhile.
    Again,
    /// It is so, and may be otherwise at once.
    Forget,
}

#[derive(Debug)]
pub(super) struct Ledger<W> {
    flights: HashMap<HostKey, Flight<W>>,
    floors: HashMap<TenantId, Raised>,
    strangers: Window,
    /// Flights for names that nobody knows, and the most of them.
    strange: usize,
    most_strange: usize,
    next: u64,
    /// How many notices there have been.
    heard: u64,
    /// How many there had been when floors were last forgotten.
    forgotten: u64,
    /// The place in the list of changes after which all notices were heard and none was forgotten; [`NOWHERE`] where there is none.
    since: u64,
    /// The place up to which they were.
    up_to: u64,
}

/// Later than any place in the list of changes.
const NOWHERE: u64 = u64::MAX;

impl<W: Clone> Ledger<W> {
    pub(super) fn new(per_second: usize, at_once: usize) -> Self {
        Self {
            flights: HashMap::new(),
            floors: HashMap::new(),
            strangers: Window::new(per_second),
            strange: 0,
            most_strange: at_once,
            next: 0,
            heard: 0,
            forgotten: 0,
            since: NOWHERE,
            up_to: 0,
        }
    }

    pub(super) fn flights(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn floors(&self) -> usize {
        self.floors.len()
    }

    /// Somebody wants `key` loaded; `known` when it led to a tenant before.
    pub(super) fn begin(
        &mut self,
        key: HostRef<'_>,
        known: bool,
        era: u64,
        now_us: u64,
        waiters: impl FnOnce() -> W,
    ) -> Begun<W> {
        // One allocation, of those who did not find it in memory.
        let key = key.to_key();
        if let Some(flight) = self.flights.get(&key) {
            return Begun::Join(flight.waiters.clone());
        }
        let charged_us = if known {
            None
        } else {
            if self.strange >= self.most_strange {
                // As long as a look-up takes: nobody knows, and it is not long.
                return Begun::Overloaded(100_000);
            }
            if let Err(wait_us) = self.strangers.take(now_us) {
                return Begun::Overloaded(wait_us);
            }
            self.strange += 1;
            Some(now_us)
        };
        self.next += 1;
        let (id, heard) = (self.next, self.heard);
        let flight = Flight { id, attempts: 1, began_us: now_us, era, heard, told: 0, charged_us, waiters: waiters() };
        self.flights.insert(key.clone(), flight);
        Begun::Lead(Ticket { key, id })
    }

    /// The load found `tenant` at `version`.
    pub(super) fn found(&mut self, ticket: &Ticket, tenant: TenantId, version: u64, era: u64, now_us: u64) -> Verdict {
        let Some(flight) = self.flights.get(&ticket.key).filter(|flight| flight.id == ticket.id) else { return Verdict::Behind };
        let overtaken = flight.era != era
            || version < flight.told
            || match self.floors.get(&tenant) {
                Some(raised) => version < raised.floor.get() && raised.at_us.saturating_add(FLOOR_LIFE_US) > flight.began_us,
                None => flight.heard < self.forgotten,
            };
        if overtaken {
            return if self.again(ticket, era, now_us) { Verdict::Again } else { Verdict::Behind };
        }
        let began_us = flight.began_us;
        self.land(ticket, true);
        Verdict::Keep { floor: self.floor_for(tenant, version, now_us), began_us }
    }

    /// The load found nobody.
    pub(super) fn absent(&mut self, ticket: &Ticket, era: u64, now_us: u64) -> Absence {
        let Some(flight) = self.flights.get(&ticket.key).filter(|flight| flight.id == ticket.id) else { return Absence::Forget };
        if flight.era != era || flight.told > 0 {
            return if self.again(ticket, era, now_us) { Absence::Again } else { Absence::Forget };
        }
        self.land(ticket, false);
        Absence::Keep
    }

    /// The load came to nothing: the next one who asks may begin another.
    pub(super) fn give_up(&mut self, ticket: &Ticket) {
        self.land(ticket, false);
    }

    /// Something was heard, or seen: `tenant` is at `version`. Whether that is news.
    pub(super) fn raise(&mut self, tenant: TenantId, version: u64, now_us: u64) -> bool {
        let raised =
            self.floors.entry(tenant).or_insert_with(|| Raised { floor: Arc::new(Floor(AtomicU64::new(0))), at_us: now_us });
        let news = raised.floor.raise(version);
        if news {
            raised.at_us = now_us;
            self.heard += 1;
        }
        news
    }

    /// A notice has spoken of `key` with `version`.
    pub(super) fn tell(&mut self, key: &HostKey, version: u64) {
        if let Some(flight) = self.flights.get_mut(key) {
            flight.told = flight.told.max(version.max(1));
        }
    }

    /// The list of changes is about to be heard from the place `begins` on.
    pub(super) fn listen(&mut self, begins: u64) {
        if self.since == NOWHERE {
            self.since = begins;
        }
    }

    /// It was heard up to here.
    pub(super) fn reach(&mut self, place: u64) {
        self.up_to = place;
    }

    /// Changes may have been missed.
    pub(super) fn doubt(&mut self) {
        self.since = NOWHERE;
    }

    /// Whether nothing newer was heard of a tenant than what a token says.
    pub(super) fn stands(&self, claims: &Claims<'_>) -> bool {
        self.floors.get(&claims.tenant).is_none_or(|raised| raised.floor.get() <= claims.version)
    }

    /// Whether that is so since the token was made, and nothing can have been missed up to where the list was heard. One that was made after
    /// that has to wait: it may be of a state that the store was set back from.
    pub(super) fn confirms(&self, claims: &Claims<'_>) -> bool {
        let heard = claims.as_of.is_some_and(|place| self.since <= place && place <= self.up_to);
        heard && self.stands(claims)
    }

    /// Forgets the floors of tenants that no entry is kept of, when there are more than `most`.
    pub(super) fn forget_floors(&mut self, most: usize) {
        if self.floors.len() > most {
            // Entries are only given their floor in here, so that what nobody holds now nobody can come to hold.
            self.floors.retain(|_, raised| Arc::strong_count(&raised.floor) > 1);
            self.forgotten = self.heard;
            self.since = NOWHERE;
        }
    }

    /// The floor of a tenant that was just seen at `version`: nothing older is used from now on, under whatever name.
    fn floor_for(&mut self, tenant: TenantId, version: u64, now_us: u64) -> Arc<Floor> {
        if let Some(raised) = self.floors.get(&tenant).filter(|raised| version < raised.floor.get()) {
            // Nobody has seen for long what was heard of: the store was set back to an earlier state. What is still kept under the
            // old floor ends with it.
            raised.floor.raise(u64::MAX);
            self.floors.remove(&tenant);
        }
        let raised =
            self.floors.entry(tenant).or_insert_with(|| Raised { floor: Arc::new(Floor(AtomicU64::new(0))), at_us: now_us });
        if raised.floor.raise(version) {
            raised.at_us = now_us;
        }
        Arc::clone(&raised.floor)
    }

    /// Begins the flight anew, unless that was done often enough.
    fn again(&mut self, ticket: &Ticket, era: u64, now_us: u64) -> bool {
        let heard = self.heard;
        if let Some(flight) = self.flights.get_mut(&ticket.key).filter(|flight| flight.attempts < ATTEMPTS) {
            *flight = Flight {
                id: flight.id,
                attempts: flight.attempts + 1,
                began_us: now_us,
                era,
                heard,
                told: 0,
                charged_us: flight.charged_us,
                waiters: flight.waiters.clone(),
            };
            return true;
        }
        self.land(ticket, false);
        false
    }

    fn land(&mut self, ticket: &Ticket, found: bool) {
        if self.flights.get(&ticket.key).is_none_or(|flight| flight.id != ticket.id) {
            return;
        }
        if let Some(charged_us) = self.flights.remove(&ticket.key).and_then(|flight| flight.charged_us) {
            self.strange -= 1;
            if found {
                self.strangers.give_back(charged_us);
            }
        }
    }
}
