//! What a tenant's admins see of their subscription.

use togglebox_core::{TenantId, Timestamp};

use super::account::period_end;
use super::export::BilledSpan;
use super::{Billing, Result};
use crate::money::Money;
use crate::objects::{Invoice, ScheduledChange, SubscriptionStatus};
use crate::price::{Interval, UnitPrice};
use crate::records::SubscriptionRecord;

/// What there is of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// The plan that is paid for; `None` when its price is not known.
    pub plan: Option<Box<str>>,
    /// How it is billed.
    pub interval: Option<Interval>,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// The period.
    pub period_start: Option<Timestamp>,
    /// Its end.
    pub period_end: Option<Timestamp>,
    /// Whether it ends with the period, or at another time.
    pub cancel_at: Option<Timestamp>,
    /// Until when it costs nothing.
    pub trial_end: Option<Timestamp>,
    /// Since when something is owed.
    pub past_due_since: Option<Timestamp>,
    /// The plan that it will change to, how that is billed, and when.
    pub scheduled: Option<(Box<str>, Interval, Timestamp)>,
    /// Whether a change waits for its payment.
    pub change_waits: bool,
    /// What is used, and what it costs; `None` when usage is not billed.
    pub usage: Option<UsageCost>,
    /// The next bill, as far as it can be told; `None` also when the payment service does not answer.
    pub next_invoice: Option<Invoice>,
}

/// What is used in the period, as it will be billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageCost {
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// How much so far.
    pub used: u64,
    /// How much is included; `None` when there is no bound.
    pub included: Option<u64>,
    /// How much beyond that.
    pub overage: u64,
    /// Of one.
    pub unit: UnitPrice,
    /// Of all of it.
    pub cost: Money,
}

impl Billing {
    /// What there is of a tenant's subscription; `None` when it never had one.
    ///
    /// # Errors
    /// `Store`, `Port`.
    pub async fn overview(&self, tenant: TenantId) -> Result<Option<Overview>> {
        let Some(account) = self.account(tenant).await? else { return Ok(None) };
        let Some(held) = self.held::<SubscriptionRecord>(&account.value.subscription).await? else { return Ok(None) };
        let record = &held.value;
        let state = &record.state;
        let is_over = state.status.is_final();
        let plan = self.plan_item(state);
        let is_plan = |price: &str| self.settings.prices.plan_of(price).is_some();
        let end = period_end(state, is_plan);
        let scheduled = record.scheduled.as_ref().and_then(|ScheduledChange { price, at }| {
            let plan = self.settings.prices.plan_of(price)?;
            Some((plan.plan.clone(), plan.interval, *at))
        });
        let next_invoice = if is_over {
            None
        } else {
            // A page that shows the rest is worth more than none.
            self.ports.provider.upcoming(&account.value.customer, &state.id).await.unwrap_or_else(|error| {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "The next bill of a tenant cannot be shown");
                None
            })
        };
        let cancel_at = state.cancel_at.or_else(|| end.filter(|_| state.cancel_at_period_end));
        Ok(Some(Overview {
            plan: plan.map(|(_, plan)| plan.plan.clone()),
            interval: plan.map(|(_, plan)| plan.interval),
            status: state.status,
            period_start: plan.and_then(|(item, _)| item.period_start),
            period_end: end,
            cancel_at: if is_over { state.ended_at } else { cancel_at },
            trial_end: state.trial_end,
            past_due_since: record.past_due_since,
            scheduled,
            change_waits: state.pending_update,
            usage: self.usage_cost(tenant, record).await?,
            next_invoice,
        }))
    }

    /// What is used in the current period, and what it costs. Counted by whole hours, as it is billed.
    async fn usage_cost(&self, tenant: TenantId, record: &SubscriptionRecord) -> Result<Option<UsageCost>> {
        let state = &record.state;
        if state.status.is_final() {
            return Ok(None);
        }
        let (Some(item), Some((_, plan))) = (self.usage_item(state), self.plan_item(state)) else { return Ok(None) };
        let (Some(start), Some(end)) = (item.period_start, item.period_end) else { return Ok(None) };
        let Some(price) = self.usage_price().await.ok().flatten() else { return Ok(None) };
        let span = BilledSpan::of(start, end);
        let until = BilledSpan::of(start, self.now().min(end)).until.min(span.until);
        let used = if until > span.from {
            self.ports.usage.hours(tenant, span.from, until).await?.iter().fold(0_u64, |sum, hour| sum.saturating_add(*hour))
        } else {
            0
        };
        let now = std::slice::from_ref(&plan.plan);
        let included = self.ports.usage.included(if record.plans.is_empty() { now } else { &record.plans });
        let overage = included.map_or(0, |included| used.saturating_sub(included));
        Ok(Some(UsageCost { start, end, used, included, overage, unit: price.unit, cost: price.of(overage) }))
    }
}
