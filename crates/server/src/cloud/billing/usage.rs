//! What workspaces have used, as it is billed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use togglebox_billing::{PortError, PortResult, QuotaLevel, UsageSource};
use togglebox_core::{Cursor, Page, PageRequest, StoreError, TenantId, Timestamp};
use togglebox_metering::store::{Bucket, UsageLedger, UsageLedgerExt as _, UsageQuery, UsageStore};
use togglebox_metering::{Grain, MeterId, Minute, Period, Sealing, Span};
use togglebox_multitenancy::store::{TenantDirectory, TenantFilter};
use togglebox_multitenancy::{Beyond, Limited, PlanCatalogue, TenantStatus};

/// What is billed: requests that were answered.
const REQUESTS: &str = "api.requests";

const HOUR: u32 = 60;

/// Hours of one query: two months.
const MOST: u32 = 1440 * HOUR;

/// Workspaces of one look at how much is used.
const STEP: usize = 200;

/// How many are read at a time whose periods are their own.
const AT_ONCE: usize = 8;

/// Of `YYYY-MM`.
const MONTH_LENGTH: usize = 7;

/// How long it is believed up to when all usage has arrived: it is asked for each workspace, and is the same for all of them.
const BELIEVED: Duration = Duration::from_secs(5);

/// The figures of metering, and what plans include.
#[derive(Debug)]
pub(super) struct Figures {
    store: Arc<dyn UsageStore>,
    ledger: Arc<dyn UsageLedger>,
    directory: Arc<dyn TenantDirectory>,
    plans: Arc<PlanCatalogue>,
    meter: MeterId,
    /// When it was asked last up to when all usage has arrived, and the answer.
    complete: Mutex<Option<(Timestamp, Timestamp)>>,
}

impl Figures {
    pub(super) fn new(
        (store, ledger): (Arc<dyn UsageStore>, Arc<dyn UsageLedger>),
        directory: Arc<dyn TenantDirectory>,
        plans: Arc<PlanCatalogue>,
    ) -> anyhow::Result<Self> {
        let meter = REQUESTS.parse().context("the meter of requests cannot be")?;
        Ok(Self { store, ledger, directory, plans, meter, complete: Mutex::default() })
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

    /// By the plans; limits of a workspace's own are about what is refused, and nothing is refused where what is beyond is billed. A plan that
    /// is not known any more leaves nothing to bill.
    fn included(&self, plans: &[Box<str>]) -> Option<u64> {
        let find = |name: &str| self.plans.iter().find(|known| known.name.as_str() == name);
        let plans = plans.iter().map(|plan| find(plan)).collect::<Option<Vec<_>>>()?;
        let is_billed = plans.iter().any(|plan| plan.beyond == Beyond::Served);
        let bounds = plans.iter().map(|plan| plan.limits.get(Limited::RequestsPerMonth).get());
        bounds.collect::<Option<Vec<u64>>>()?.into_iter().max().filter(|_| is_billed)
    }

    /// By plan and what was agreed on otherwise, whether what is beyond is refused or billed.
    async fn levels(&self, now: Timestamp, after: Option<Cursor>) -> PortResult<Page<QuotaLevel>> {
        let page = PageRequest::first(STEP).after(after);
        let found = self.directory.list(&TenantFilter::default(), &page).await.map_err(unavailable)?;
        let (mut of_month, mut of_own) = (Vec::new(), Vec::new());
        for tenant in found.items.iter().filter(|tenant| tenant.status() != TenantStatus::Deleted) {
            let Some(requests) = self.plans.allowance(tenant).map(|allowance| allowance.at(now)) else { continue };
            let Some(included) = requests.included else { continue };
            match requests.period {
                None => of_month.push((tenant.id, included)),
                Some(period) => of_own.push((tenant.id, included, period)),
            }
        }
        let mut items = self.levels_of_month(of_month, now).await?;
        let own = stream::iter(of_own).map(|(tenant, included, period)| self.level_of_period(tenant, included, period));
        items.extend(own.buffered(AT_ONCE).try_collect::<Vec<_>>().await?);
        Ok(Page { items, next: found.next })
    }
}

impl Figures {
    /// In the month of the calendar; all at once.
    async fn levels_of_month(&self, of: Vec<(TenantId, u64)>, now: Timestamp) -> PortResult<Vec<QuotaLevel>> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let month = Period::MONTH.span(Minute::of(now).map_err(refused)?);
        let (ids, included): (Vec<TenantId>, Vec<u64>) = of.into_iter().unzip();
        let (from, until) = (month.from().day(), month.until().day());
        let sums = self.ledger.added_up(&ids, self.meter, from, until).await.map_err(unavailable)?;
        let period: Box<str> = month.from().start().day()[..MONTH_LENGTH].into();
        let levels = ids.into_iter().zip(included).zip(sums);
        Ok(levels.map(|((tenant, included), used)| QuotaLevel { tenant, period: period.clone(), used, included }).collect())
    }

    /// In the period of a subscription, to the unit.
    async fn level_of_period(
        &self,
        tenant: TenantId,
        included: u64,
        (from, until): (Timestamp, Timestamp),
    ) -> PortResult<QuotaLevel> {
        let from = Minute::of(from).map_err(refused)?;
        let span = Span::new(from, Minute::of(until).map_err(refused)?).map_err(refused)?;
        let mut used = 0_u64;
        for query in UsageQuery::covering(self.meter, span).map_err(refused)? {
            let buckets = self.store.series(tenant, &query).await.map_err(unavailable)?;
            used = used.saturating_add(Bucket::sum(&buckets));
        }
        Ok(QuotaLevel { tenant, period: from.hour().to_string().into(), used, included })
    }
}

#[cfg(test)]
mod tests;
