//! What workspaces have used, as it is billed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use togglebox_billing::{PortError, PortResult, UsageSource};
use togglebox_core::{StoreError, TenantId, Timestamp};
use togglebox_metering::store::{UsageLedger, UsageLedgerExt as _, UsageQuery, UsageStore};
use togglebox_metering::{Grain, MeterId, Minute, Sealing, Span};
use togglebox_multitenancy::{Beyond, Limited, PlanCatalogue};

/// What is billed: requests that were answered.
const REQUESTS: &str = "api.requests";

const HOUR: u32 = 60;

/// Hours of one query: two months.
const MOST: u32 = 1440 * HOUR;

/// How long it is believed up to when all usage has arrived: it is asked for each workspace, and is the same for all of them.
const BELIEVED: Duration = Duration::from_secs(5);

/// The figures of metering, and what plans include.
#[derive(Debug)]
pub(super) struct Figures {
    store: Arc<dyn UsageStore>,
    ledger: Arc<dyn UsageLedger>,
    plans: Arc<PlanCatalogue>,
    meter: MeterId,
    /// When it was asked last up to when all usage has arrived, and the answer.
    complete: Mutex<Option<(Timestamp, Timestamp)>>,
}

impl Figures {
    pub(super) fn new(
        (store, ledger): (Arc<dyn UsageStore>, Arc<dyn UsageLedger>),
        plans: Arc<PlanCatalogue>,
    ) -> anyhow::Result<Self> {
        let meter = REQUESTS.parse().context("the meter of requests cannot be")?;
        Ok(Self { store, ledger, plans, meter, complete: Mutex::default() })
    }
}

fn unavailable(error: StoreError) -> PortError {
    PortError::Unavailable(error.into())
}

fn refused(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::Refused(error.into())
}

#[async_trait]
impl UsageSource for Figures {
    async fn hours(&self, tenant: TenantId, from: Timestamp, until: Timestamp) -> PortResult<Vec<u64>> {
        let (from, until) = (Minute::of(from).map_err(refused)?, Minute::of(until).map_err(refused)?);
        let count = until.number().saturating_sub(from.number()) / HOUR;
        let mut hours = vec![0_u64; count as usize];
        let mut begin = from;
        while begin < until {
            let end = begin.plus(MOST).min(until);
            let span = Span::new(begin, end).map_err(refused)?;
            let query = UsageQuery::new(self.meter, span, Grain::Hour).map_err(refused)?;
            for bucket in self.store.series(tenant, &query).await.map_err(unavailable)? {
                let place = (bucket.start.number() - from.number()) / HOUR;
                if let Some(hour) = hours.get_mut(place as usize) {
                    *hour = hour.saturating_add(bucket.total);
                }
            }
            begin = end;
        }
        Ok(hours)
    }

    async fn complete_until(&self, now: Timestamp) -> PortResult<Timestamp> {
        let known = *self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, complete)) = known
            && asked <= now
            && now.since(asked) < BELIEVED
        {
            return Ok(complete);
        }
        let sealing = self.ledger.sealed_upto(now, Sealing::LOST_AFTER).await.map_err(unavailable)?;
        let complete = sealing.upto.start();
        *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, complete));
        Ok(complete)
    }

    /// By the plan; limits of a workspace's own are about what is refused, and nothing is refused where what is beyond is billed.
    fn included(&self, plan: &str) -> Option<u64> {
        let plan = self.plans.iter().find(|known| known.name.as_str() == plan)?;
        (plan.beyond == Beyond::Served).then(|| plan.limits.get(Limited::RequestsPerMonth).get()).flatten()
    }
}

#[cfg(test)]
mod tests;
