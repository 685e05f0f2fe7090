//! What was told of usage, and what the payment service has of it.

use std::collections::BTreeMap;
use std::time::Duration;

use togglebox_core::Timestamp;

use super::export::{BilledSpan, HOUR, hour_of, usage_id};
use super::walk::Walk;
use super::{Billing, BillingError, Result};
use crate::metrics;
use crate::records::{AccountRecord, ConflictRecord, Held, SubscriptionRecord, TaskRecord, Told, UsageRecord, lists};
use crate::store::{Address, Shelf};

/// What was told in the last hours may be on its way over there: its summaries come later.
const SETTLED: Duration = Duration::from_hours(2);
const DAY_MS: i64 = 24 * 3_600_000;

impl Billing {
    /// Compares, for all who pay and their current period; what differs is told anew, and somebody is told that it did.
    pub(super) async fn reconcile(&self, task: &mut Held<TaskRecord>) -> Result<String> {
        if self.settings.prices.usage().is_none() {
            return Ok("usage is not billed".to_owned());
        }
        let (mut tenants, mut drifted, mut failed) = (0_usize, 0_usize, 0_usize);
        let mut walk = Walk::over(lists::OPEN);
        while let Some(accounts) = walk.next(self, Some(task)).await? {
            for account in accounts {
                tenants += 1;
                match self.reconcile_one(&account).await {
                    Ok(hours) => drifted += hours,
                    Err(BillingError::Store(error)) => return Err(error.into()),
                    // One that cannot be compared does not stand in the way of the others.
                    Err(error) => {
                        failed += 1;
                        let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
                        tracing::warn!(error, "The usage of a tenant could not be compared");
                    }
                }
            }
        }
        Ok(format!("{tenants} tenants, {drifted} hours other than told, {failed} tenants failed"))
    }

    async fn reconcile_one(&self, account: &Held<AccountRecord>) -> Result<usize> {
        let Some(tenant) = account.document.tenant else { return Ok(0) };
        let Some(subscription) = self.held::<SubscriptionRecord>(&account.value.subscription).await? else { return Ok(0) };
        let Some(item) = self.usage_item(&subscription.value.state) else { return Ok(0) };
        let (Some(start), Some(end)) = (item.period_start, item.period_end) else { return Ok(0) };
        let settled = hour_of(self.now().minus(SETTLED));
        let span = BilledSpan::of(start, end.min(settled));
        let until = span.until.min(settled);
        if until <= span.from {
            return Ok(0);
        }
        let theirs: BTreeMap<Timestamp, u64> = self
            .ports
            .provider
            .usage(&account.value.customer, span.from, until)
            .await?
            .into_iter()
            .map(|summary| (summary.start, summary.value))
            .collect();
        let days: Vec<Timestamp> = (span.from.as_ms().div_euclid(DAY_MS)..=(until.as_ms() - 1).div_euclid(DAY_MS))
            .map(|day| Timestamp::from_ms(day * DAY_MS))
            .collect();
        let mut drifted = 0;
        for days in days.chunks(crate::store::MOST_READ) {
            let addresses: Vec<Address> =
                days.iter().map(|day| Address::new(Shelf::Usage, usage_id(tenant, *day, &account.value.customer))).collect();
            for (day, found) in days.iter().zip(self.ports.store.get(&addresses).await?) {
                let Some(held) = found.and_then(super::event::readable::<UsageRecord>) else { continue };
                drifted += self.compare_day(*day, held, &theirs, (span.from, until)).await?;
            }
        }
        if drifted > 0 {
            metrics::drift("usage");
            let today = self.now().day();
            let record = ConflictRecord {
                kind: "drift".into(),
                tenant: Some(tenant),
                subscription: Some(subscription.value.state.id.clone()),
                customer: Some(account.value.customer.clone()),
                detail: format!("The payment service had something else of {drifted} hours than was told; it was told again."),
                resolution: None,
            };
            if let Some(write) = self.conflict(&format!("drift:{tenant}:{today}"), record).await? {
                self.commit(&[write]).await?;
            }
            self.export_one(account.clone(), false).await?;
        }
        Ok(drifted)
    }

    /// Marks hours of a day as to be told again; says how many differed.
    async fn compare_day(
        &self,
        day: Timestamp,
        mut held: Held<UsageRecord>,
        theirs: &BTreeMap<Timestamp, u64>,
        (from, until): (Timestamp, Timestamp),
    ) -> Result<usize> {
        let mut drifted = 0;
        let told = held.value.told.clone();
        for (hour, told) in told {
            let at = day.plus(HOUR * u32::from(hour));
            let is_fresh = told.at.is_some_and(|told| told > self.now().minus(SETTLED));
            if at < from || at >= until || is_fresh || held.value.telling.contains_key(&hour) {
                continue;
            }
            if theirs.get(&at).copied().unwrap_or(0) != told.value {
                drifted += 1;
                held.value.telling.insert(hour, Told { value: told.value, revision: told.revision + 1, at: None });
            }
        }
        if drifted > 0 {
            // Stale: somebody tells at this moment; what differs then is found the next time.
            self.commit(&[held.put()?]).await?;
        }
        Ok(drifted)
    }
}
