//! Usage beyond what is included, told to the payment service hour by hour.
//!
//! An hour belongs to the period in which it begins. What is told of an hour is all of it, and what is told last counts: so it can be told
//! again, after a crash or when more of it has arrived. Each figure is written down before it is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use togglebox_core::{TenantId, Timestamp};

use super::walk::Walk;
use super::{AT_ONCE, Billing, Result, TRIES};
use crate::BillingError;
use crate::metrics;
use crate::objects::{Item, Subscription};
use crate::price::overage_by_hour;
use crate::provider::UsageReport;
use crate::records::{AccountRecord, Held, SubscriptionRecord, TaskRecord, Told, UsageRecord, lists};

pub(super) const HOUR: Duration = Duration::from_hours(1);
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A bill is finished an hour after its period: until then usage can be told.
pub(super) const CLOSING: Duration = Duration::from_hours(1);
/// How long before its end a period is looked at more often.
const BEFORE: Duration = Duration::from_mins(6);

/// A period in which usage is billed, in whole hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BilledSpan {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl BilledSpan {
    /// The hours that begin in `[start, end)`.
    pub(super) fn of(start: Timestamp, end: Timestamp) -> Self {
        Self { from: hour_after(start), until: hour_after(end) }
    }
}

pub(super) fn hour_after(at: Timestamp) -> Timestamp {
    Timestamp::from_ms((at.as_ms() + HOUR_MS - 1).div_euclid(HOUR_MS) * HOUR_MS)
}

pub(super) fn hour_of(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.as_ms().div_euclid(HOUR_MS) * HOUR_MS)
}

/// What one tenant's usage is billed by.
pub(super) struct Billed {
    pub(super) tenant: TenantId,
    pub(super) customer: Box<str>,
    pub(super) plans: Vec<Box<str>>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

impl Billing {
    /// Tells what was used by all who pay; of `closing` periods only, also what is not complete yet.
    pub(super) async fn export(&self, task: &mut Held<TaskRecord>, closing: bool) -> Result<String> {
        if self.settings.prices.usage().is_none() {
            return Ok("usage is not billed".to_owned());
        }
        let (mut told, mut failed, mut tenants) = (0_usize, 0_usize, 0_usize);
        let mut walk = Walk::over(lists::OPEN);
        while let Some(accounts) = walk.next(self, Some(task)).await? {
            let works = accounts.into_iter().map(|account| self.export_one(account, closing));
            let outcomes: Vec<Result<usize>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
            for outcome in outcomes {
                tenants += 1;
                match outcome {
                    Ok(count) => told += count,
                    Err(error) => {
                        // One that cannot be told does not stand in the way of the others.
                        failed += 1;
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(
                            error,
                            "What a tenant used could not be told to the payment service; it will be tried again"
                        );
                    }
                }
            }
        }
        if failed > 0 {
            metrics::drift("usage-not-told");
        }
        Ok(format!("{tenants} tenants, {told} figures told, {failed} tenants failed"))
    }

    pub(super) async fn export_one(&self, account: Held<AccountRecord>, closing: bool) -> Result<usize> {
        let Some(tenant) = account.document.tenant else { return Ok(0) };
        let Some(subscription) = self.held::<SubscriptionRecord>(&account.value.subscription).await? else { return Ok(0) };
        let now = self.now();
        let complete = self.ports.usage.complete_until(now).await?;
        let mut count = 0;
        for (billed, is_last) in self.billed(tenant, &account.value, &subscription.value, now) {
            let is_closing = is_last || billed.end < now.plus(BEFORE);
            if closing && !is_closing {
                continue;
            }
            let span = BilledSpan::of(billed.start, billed.end);
            let until = if is_closing { span.until.min(hour_of(now).plus(HOUR)) } else { span.until.min(hour_of(complete)) };
            count += self.tell_usage(&billed, BilledSpan { until, ..span }).await?;
        }
        Ok(count)
    }

    /// The periods of which usage can be told at `now`: the current one, and the one before while its bill is not finished; whether it is that
    /// one.
    fn billed(
        &self,
        tenant: TenantId,
        account: &AccountRecord,
        subscription: &SubscriptionRecord,
        now: Timestamp,
    ) -> Vec<(Billed, bool)> {
        let state = &subscription.state;
        let Some(item) = self.usage_item(state) else { return Vec::new() };
        let (Some(start), Some(end)) = (item.period_start, item.period_end) else { return Vec::new() };
        let of = |start, end, plans: &[Box<str>]| Billed {
            tenant,
            customer: account.customer.clone(),
            plans: plans.to_vec(),
            start,
            end,
        };
        let plans = &subscription.plans;
        if state.status.is_final() {
            // The last bill has what was told until it was made.
            let ended = state.ended_at.unwrap_or(end);
            return if now < ended.plus(CLOSING) { vec![(of(start, ended.min(end), plans), true)] } else { Vec::new() };
        }
        let mut periods = vec![(of(start, end, plans), false)];
        if now < start.plus(CLOSING)
            && let Some(former) = &subscription.former
            && former.end == start
        {
            periods.push((of(former.start, former.end, &former.plans), true));
        }
        periods
    }

    /// The item by which usage is billed.
    pub(super) fn usage_item<'a>(&self, state: &'a Subscription) -> Option<&'a Item> {
        let usage = self.settings.prices.usage()?;
        state.items.iter().find(|item| *item.price == *usage)
    }

    /// Tells what is beyond in these hours, where that is not what was told already; says how many figures were sent.
    async fn tell_usage(&self, billed: &Billed, span: BilledSpan) -> Result<usize> {
        if span.until <= span.from {
            return Ok(0);
        }
        if billed.plans.is_empty() {
            return Ok(0);
        }
        // Without a bound there is nothing beyond it; what was told before is taken back.
        let included = self.ports.usage.included(&billed.plans).unwrap_or(u64::MAX);
        let hours = self.ports.usage.hours(billed.tenant, span.from, span.until).await?;
        let beyond = overage_by_hour(&hours, included);
        let mut days: BTreeMap<i64, BTreeMap<u8, u64>> = BTreeMap::new();
        for (place, value) in beyond.into_iter().enumerate() {
            let at = span.from.as_ms() + i64::try_from(place).unwrap_or(0) * HOUR_MS;
            let hour = u8::try_from(at.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0);
            days.entry(at.div_euclid(DAY_MS)).or_default().insert(hour, value);
        }
        let mut count = 0;
        for (day, figures) in days {
            count += self.tell_day(billed, day, &figures).await?;
        }
        Ok(count)
    }

    async fn tell_day(&self, billed: &Billed, day: i64, figures: &BTreeMap<u8, u64>) -> Result<usize> {
        let start = Timestamp::from_ms(day * DAY_MS);
        let id = usage_id(billed.tenant, start, &billed.customer);
        for _ in 0..TRIES {
            let held = self.held::<UsageRecord>(&id).await?;
            let is_new = held.is_none();
            let mut held = held.unwrap_or_else(|| {
                let value = UsageRecord { customer: billed.customer.clone(), ..UsageRecord::default() };
                Held::new(&id, lists::OPEN, start, value).of(Some(billed.tenant))
            });
            for (hour, value) in figures {
                let known = held.value.telling.get(hour).or_else(|| held.value.told.get(hour)).copied();
                // Nothing is as good as what was never told.
                if known.unwrap_or_default().value != *value {
                    let revision = known.map_or(1, |known| known.revision + 1);
                    held.value.telling.insert(*hour, Told { value: *value, revision, at: None });
                }
            }
            if held.value.telling.is_empty() {
                return Ok(0);
            }
            if !self.commit(&[held.put()?]).await? {
                continue;
            }
            held.document.version += 1;
            debug_assert!(!is_new || held.document.version == 1);
            let telling = std::mem::take(&mut held.value.telling);
            // One at a time: the payment service wants it so of each customer.
            for (hour, told) in &telling {
                let at = start.plus(HOUR * u32::from(*hour));
                let report = UsageReport {
                    customer: held.value.customer.clone(),
                    identifier: format!("{}:{}:{}:{}", billed.tenant, at.as_ms() / HOUR_MS, told.revision, told.value),
                    at,
                    value: told.value,
                };
                self.ports.provider.send_usage(&report).await?;
                held.value.told.insert(*hour, Told { at: Some(self.now()), ..*told });
            }
            if self.commit(&[held.put()?]).await? {
                return Ok(telling.len());
            }
            // Somebody else told of the same day at the same time. Whichever came last over there counts: what is noted is told once more.
            if let Some(mut theirs) = self.held::<UsageRecord>(&id).await? {
                for (hour, ours) in &telling {
                    let noted =
                        theirs.value.telling.get(hour).or_else(|| theirs.value.told.get(hour)).copied().unwrap_or_default();
                    let revision = noted.revision.max(ours.revision) + 1;
                    theirs.value.telling.insert(*hour, Told { revision, at: None, ..noted });
                }
                self.commit(&[theirs.put()?]).await?;
            }
        }
        Err(BillingError::Busy)
    }
}

/// Where what was told of a day of a tenant's, as this customer, stands.
pub(super) fn usage_id(tenant: TenantId, day: Timestamp, customer: &str) -> String {
    format!("{tenant}:{}:{customer}", day.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_hour_belongs_to_the_period_in_which_it_begins() {
        let (a, b, c) = (at("2026-01-31T10:37:00Z"), at("2026-02-28T10:37:00Z"), at("2026-03-31T10:37:00Z"));
        let (first, second) = (BilledSpan::of(a, b), BilledSpan::of(b, c));
        assert_eq!((first.from, first.until), (at("2026-01-31T11:00:00Z"), at("2026-02-28T11:00:00Z")));
        assert_eq!(first.until, second.from, "none is lost, and none counts twice");
        let exact = BilledSpan::of(at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z"));
        assert_eq!((exact.from, exact.until), (at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")));
    }
}
