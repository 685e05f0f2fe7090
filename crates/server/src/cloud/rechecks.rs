//! Domains that were verified are looked at again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use togglebox_core::{Actor, Entropy, EntropyExt as _, PageRequest, Stopwatch, TenantId};
use togglebox_multitenancy::DomainClaim;
use togglebox_multitenancy::manage::{Recheck, Result, Tenancy, TenancyError};
use togglebox_multitenancy::store::TenantFilter;

/// Look-ups at a time.
const AT_ONCE: usize = 8;

/// Look-ups of one round. What is left then waits for the next.
const MOST: usize = 500;

/// So many in a row without an answer, and the name servers are away: the round ends.
const UNANSWERED: usize = 2 * AT_ONCE;

/// When a round that looks that long ends, too: a node that is to stop waits for it.
const LONGEST: Duration = Duration::from_secs(10);

/// Domains that are due, as many as are held in memory.
const DUE: usize = 20 * MOST;

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Domains whose record is there.
    pub(crate) shown: usize,
    /// Those whose record is not.
    pub(crate) missing: usize,
    /// Those of which that was enough.
    pub(crate) lapsed: usize,
    /// Those of which the name servers said nothing.
    pub(crate) unanswered: usize,
}

impl Round {
    /// Whether so many records are missing that it is rather the name server's fault: people do not lose them all at once.
    const fn is_odd(self) -> bool {
        let missing = self.missing + self.lapsed;
        missing >= 4 && missing > self.shown
    }
}

/// What came of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Done(Recheck),
    /// The name servers do not say.
    Unanswered,
    /// The store.
    Failed,
}

/// Looks for the records of verified domains again, a bounded number in each round. Nodes may do the same at the same time.
#[derive(Debug)]
pub(crate) struct Rechecks {
    tenancy: Arc<Tenancy>,
    entropy: Arc<dyn Entropy>,
    stopwatch: Arc<dyn Stopwatch>,
}

impl Rechecks {
    pub(crate) const fn new(tenancy: Arc<Tenancy>, entropy: Arc<dyn Entropy>, stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { tenancy, entropy, stopwatch }
    }

    /// One round. A domain that something goes wrong with is told in the log, and the next one's turn comes.
    ///
    /// # Errors
    /// The domains cannot be listed.
    pub(crate) async fn round(&self) -> Result<Round> {
        let mut due = self.due().await?;
        // In any order, another one each time and on each node: those that nobody answers for are in nobody's way.
        due.sort_by_cached_key(|_| self.entropy.bytes::<8>());
        due.truncate(MOST);
        let unanswered = AtomicUsize::new(0);
        let began_us = self.stopwatch.now_us();
        let is_late = || Duration::from_micros(self.stopwatch.now_us().saturating_sub(began_us)) >= LONGEST;
        // What has begun is brought to its end.
        let look = |(tenant, claim)| {
            let (unanswered, is_late) = (&unanswered, &is_late);
            async move {
                if unanswered.load(Ordering::Relaxed) >= UNANSWERED || is_late() {
                    return None;
                }
                let look = self.look(tenant, claim).await;
                match look {
                    Look::Unanswered => unanswered.fetch_add(1, Ordering::Relaxed),
                    _ => unanswered.swap(0, Ordering::Relaxed),
                };
                Some(look)
            }
        };
        let mut looks = stream::iter(due).map(look).buffer_unordered(AT_ONCE);
        let mut round = Round::default();
        while let Some(look) = looks.next().await {
            match look {
                Some(Look::Done(Recheck::Shown)) => round.shown += 1,
                Some(Look::Done(Recheck::Missing { .. })) => round.missing += 1,
                Some(Look::Done(Recheck::Lapsed)) => round.lapsed += 1,
                Some(Look::Unanswered) => round.unanswered += 1,
                Some(Look::Done(_) | Look::Failed) | None => {}
            }
        }
        if unanswered.load(Ordering::Relaxed) >= UNANSWERED {
            tracing::warn!("Name servers do not answer: the other domains wait for the next round");
        }
        if round.is_odd() {
            let Round { shown, missing, lapsed, .. } = round;
            tracing::warn!(
                shown,
                missing,
                lapsed,
                "Most domains have lost their TXT records: is the name server right that is asked (DNS_SERVER)?"
            );
        }
        Ok(round)
    }

    /// What is to be looked at.
    async fn due(&self) -> Result<Vec<(TenantId, DomainClaim)>> {
        let (mut due, mut page) = (Vec::new(), PageRequest::first(PageRequest::MAX_LIMIT));
        loop {
            let part = self.tenancy.list(&TenantFilter::default(), &page).await?;
            for tenant in &part.items {
                let claims = self.tenancy.domains_to_recheck(tenant).await?;
                due.extend(claims.into_iter().map(|claim| (tenant.id, claim)));
            }
            match part.next {
                Some(next) if due.len() < DUE => page = PageRequest::first(PageRequest::MAX_LIMIT).after(Some(next)),
                _ => return Ok(due),
            }
        }
    }

    async fn look(&self, tenant: TenantId, claim: DomainClaim) -> Look {
        let domain = claim.domain.as_str();
        match self.tenancy.recheck_domain(tenant, &Actor::system(), &claim).await {
            Ok(recheck) => {
                if recheck == Recheck::Lapsed {
                    tracing::info!(%tenant, domain, "A domain is not verified any more: its TXT record has been missing for days");
                }
                Look::Done(recheck)
            }
            Err(TenancyError::LookUp(error)) => {
                tracing::debug!(%tenant, domain, error = &error as &dyn std::error::Error, "A domain could not be looked at again");
                Look::Unanswered
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%tenant, domain, error, "What was seen of a domain could not be noted; the next round looks again");
                Look::Failed
            }
        }
    }
}

#[cfg(test)]
mod tests;
