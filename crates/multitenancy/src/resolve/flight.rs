//! A load on its way: it ends, whoever waits for it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use togglebox_core::{StoreError, StoreErrorKind};
use tokio::sync::watch;

use super::ledger::Ticket;
use super::memory::{Landed, Loaded};
use super::{Inner, Versioned};

/// What a load came to, for all who wait.
#[derive(Debug)]
pub(super) enum Outcome<E> {
    Found(Arc<E>),
    Absent,
    Behind,
    Failed(Arc<StoreError>),
}

impl<E> Clone for Outcome<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Found(entry) => Self::Found(Arc::clone(entry)),
            Self::Absent => Self::Absent,
            Self::Behind => Self::Behind,
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
        }
    }
}

pub(super) type Waiters<E> = watch::Receiver<Option<Outcome<E>>>;
pub(super) type Landing<E> = watch::Sender<Option<Outcome<E>>>;

/// Waits for a load. `None` when whoever did it has gone away.
pub(super) async fn wait<E>(mut waiters: Waiters<E>) -> Option<Outcome<E>> {
    waiters.wait_for(Option::is_some).await.ok()?.clone()
}

/// A load that frees its name when it is dropped half-way, as with the run time that it was on. Those who wait see the channel closed
/// after that, and one of them takes over.
pub(super) struct Flight<E: Versioned> {
    inner: Arc<Inner<E>>,
    /// Until it has landed.
    ticket: Option<Ticket>,
    landing: Landing<E>,
}

impl<E: Versioned> Flight<E> {
    pub(super) const fn new(inner: Arc<Inner<E>>, ticket: Ticket, landing: Landing<E>) -> Self {
        Self { inner, ticket: Some(ticket), landing }
    }

    /// Loads until something can be said.
    pub(super) async fn fly(mut self) {
        let Some(ticket) = self.ticket.clone() else { return };
        let outcome = loop {
            let (loaded, outcome) = self.load(&ticket).await;
            match self.inner.memory.land(&ticket, &loaded, self.inner.stopwatch.now_us()) {
                Landed::Done => break outcome,
                Landed::Behind => {
                    self.inner.metrics.loads_overtaken.increment(1);
                    tracing::warn!("The store of tenants shows less than it has announced");
                    break Outcome::Behind;
                }
                Landed::Again => self.inner.metrics.loads_overtaken.increment(1),
            }
        };
        self.ticket = None;
        self.inner.metrics.held(self.inner.memory.sizes());
        // Nobody may wait any more.
        self.landing.send_replace(Some(outcome));
    }

    async fn load(&self, ticket: &Ticket) -> (Loaded<E>, Outcome<E>) {
        let inner = &*self.inner;
        let began_us = inner.stopwatch.now_us();
        let load = AssertUnwindSafe(inner.source.load(&ticket.key)).catch_unwind();
        let loaded = match tokio::time::timeout(inner.options.deadline, load).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(StoreError::new(StoreErrorKind::Corrupt, OPERATION).caused_by("the load panicked")),
            Err(late) => Err(StoreError::new(StoreErrorKind::Unavailable, OPERATION).caused_by(late)),
        };
        let took_us = inner.stopwatch.now_us().saturating_sub(began_us);
        inner.metrics.load_seconds.record(std::time::Duration::from_micros(took_us));
        match loaded {
            Ok(Some(entry)) => {
                inner.metrics.loads_found.increment(1);
                (Loaded::Found(Arc::clone(&entry)), Outcome::Found(entry))
            }
            Ok(None) => {
                inner.metrics.loads_absent.increment(1);
                (Loaded::Absent, Outcome::Absent)
            }
            Err(error) => {
                inner.metrics.loads_failed.increment(1);
                tracing::warn!(error = &error as &dyn std::error::Error, "A tenant could not be looked up");
                (Loaded::Failed, Outcome::Failed(Arc::new(error)))
            }
        }
    }
}

const OPERATION: &str = "tenants.load";

impl<E: Versioned> Drop for Flight<E> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.inner.memory.abandon(&ticket);
        }
    }
}
