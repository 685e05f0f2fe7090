//! Workspaces whose grace period is over come to their end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use togglebox_billing::Billing;
use togglebox_core::{Cursor, PageRequest, TenantId};
use togglebox_http::cloud::CENTRAL;
use togglebox_multitenancy::manage::{Ending, Result, Tenancy};

/// Records of one removal. Small, so that no write waits long behind it.
const BATCH: usize = 500;

/// Removals of one round, of all workspaces together. What is left then waits for the next: also a node that is to stop waits for a round.
const BATCHES: usize = 100;

/// How often one round tries to end what a workspace pays for. The client of the payment service waits between tries of its own.
const TRIES: usize = 3;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Workspaces of which nothing is left.
    pub(crate) ended: usize,
    /// Parts that were done of others.
    pub(crate) parts: usize,
}

/// Brings workspaces to their end, a bounded part in each round. Nodes may do the same at the same time: whatever one of them has done, the
/// other finds done.
#[derive(Debug)]
pub(crate) struct Endings {
    tenancy: Arc<Tenancy>,
    /// `None` where nothing is charged.
    billing: Option<Arc<Billing>>,
    /// Where the removal goes on of those that are not through. Another node, and this one after a restart, begins anew.
    places: Mutex<BTreeMap<TenantId, Cursor>>,
}

impl Endings {
    pub(crate) const fn new(tenancy: Arc<Tenancy>, billing: Option<Arc<Billing>>) -> Self {
        Self { tenancy, billing, places: Mutex::new(BTreeMap::new()) }
    }

    /// One round. A workspace that something goes wrong with is told in the log, and the next one's turn comes.
    ///
    /// # Errors
    /// The workspaces cannot be listed.
    pub(crate) async fn round(&self) -> Result<Round> {
        let mut round = Round::default();
        let due = self.due().await?;
        // Somebody else has brought the others to their end.
        self.places().retain(|tenant, _| due.contains(tenant));
        for tenant in due {
            // Before anything goes: what is purged cannot be charged, and nobody could say any more what for.
            if !self.is_paid_off(tenant).await {
                continue;
            }
            match self.end(tenant, &mut round).await {
                Ok(()) => {}
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%tenant, error, "A workspace could not be purged; the next round goes on");
                }
            }
            if round.parts >= BATCHES {
                break;
            }
        }
        Ok(round)
    }

    async fn due(&self) -> Result<Vec<TenantId>> {
        let (mut due, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
        loop {
            let part = self.tenancy.ending(&page).await?;
            due.extend(part.items);
            match part.next {
                Some(next) => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
                None => return Ok(due),
            }
        }
    }

    /// Whether nothing of a workspace can be charged any more. What is half done, or was written by somebody else in that moment, is tried again
    /// at once: the next round is minutes away, and what is charged until then is paid back by hand.
    async fn is_paid_off(&self, tenant: TenantId) -> bool {
        let Some(billing) = &self.billing else { return true };
        let mut trouble = None;
        for _ in 0..TRIES {
            match billing.end_all(tenant).await {
                Ok(true) => return true,
                Ok(false) => trouble = None,
                Err(error) => trouble = Some(error),
            }
        }
        match trouble {
            None => tracing::info!(%tenant, "A workspace is purged once its subscription has ended"),
            Some(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%tenant, error, "A subscription could not be ended: the next round tries again, and then purges its workspace");
            }
        }
        false
    }

    async fn end(&self, tenant: TenantId, round: &mut Round) -> Result<()> {
        let mut after = self.places().remove(&tenant);
        while round.parts < BATCHES {
            round.parts += 1;
            match self.tenancy.end(tenant, CENTRAL, after.as_ref(), BATCH).await? {
                Ending::GoesOn(next) => {
                    self.places().insert(tenant, next.clone());
                    after = Some(next);
                }
                Ending::Left(left) => {
                    let (total, kinds) = (left.total(), format!("{:?}", left.counts));
                    tracing::warn!(%tenant, left = total, kinds, "A purged workspace still has {total} records; the next round begins anew");
                    self.places().remove(&tenant);
                    return Ok(());
                }
                Ending::Over => {
                    self.places().remove(&tenant);
                    round.ended += 1;
                    tracing::info!(%tenant, "Purged a workspace: nothing of it is left");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<TenantId, Cursor>> {
        // A map is whole at any time.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
