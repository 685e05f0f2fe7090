//! Another plan, and the end of a subscription by its tenant's own wish.

use std::time::Duration;

use togglebox_core::{EntropyExt as _, TenantId, Timestamp};

use super::account::period_end;
use super::observe::{Seen, Sight};
use super::{Billing, BillingError, Result, whole_second};
use crate::money::Money;
use crate::objects::{Invoice, Item, SubscriptionStatus};
use crate::price::{Interval, PlanPrice};
use crate::provider::{Change, Ending, PortalFlow, PortalUrl, When};
use crate::records::{AccountRecord, Held, SubscriptionRecord};

/// How long a preview is good.
const GOOD_FOR: Duration = Duration::from_hours(1);
/// How far ahead of ours a clock may be on which a preview was made.
const AHEAD: Duration = Duration::from_mins(1);

/// What a change would cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangePreview {
    /// To which plan.
    pub plan: Box<str>,
    /// Billed how.
    pub interval: Interval,
    /// To be sent along when it is carried out: then what is billed is what is shown here.
    pub proration_date: Timestamp,
    /// When it would hold.
    pub when: When,
    /// From which moment on.
    pub effective_at: Timestamp,
    /// What would be paid at once; nothing for a change at the end of the period.
    pub due: Option<Money>,
    /// Of what that consists.
    pub lines: Vec<crate::objects::Line>,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It holds.
    Now,
    /// It will hold from then on.
    At(Timestamp),
    /// It holds once its bill is paid; where that can be done is in the customer portal.
    Unpaid,
}

struct Current {
    account: Held<AccountRecord>,
    subscription: Held<SubscriptionRecord>,
}

impl Current {
    fn status(&self) -> SubscriptionStatus {
        self.subscription.value.state.status
    }
}

impl Billing {
    async fn current(&self, tenant: TenantId) -> Result<Current> {
        let account = self.account(tenant).await?.ok_or(BillingError::NoSubscription)?;
        let subscription = self.held::<SubscriptionRecord>(&account.value.subscription).await?;
        let subscription = subscription.ok_or(BillingError::NoSubscription)?;
        if subscription.value.state.status.is_final() {
            return Err(BillingError::NoSubscription);
        }
        Ok(Current { account, subscription })
    }

    /// What a change to another plan would cost.
    ///
    /// # Errors
    /// `NoSubscription`, `NotSold`, `NothingToChange`, `Status`, `IsEnding`, `ChangeWaits`, `Provider`, `Store`.
    pub async fn preview_change(&self, tenant: TenantId, plan: &str, interval: Interval) -> Result<ChangePreview> {
        let current = self.current(tenant).await?;
        let (item, to, when) = self.step(&current, plan, interval)?;
        let proration_date = whole_second(self.now());
        let end = item.period_end.unwrap_or(proration_date);
        let (due, lines) = match when {
            When::PeriodEnd => (None, Vec::new()),
            When::Now => {
                let change = change_of(&current, &item, &to, proration_date);
                let Invoice { due, lines, .. } = self.ports.provider.preview_change(&change).await?;
                (Some(due), lines)
            }
        };
        let effective_at = if when == When::Now { proration_date } else { end };
        Ok(ChangePreview { plan: to.plan, interval, proration_date, when, effective_at, due, lines })
    }

    /// Changes the plan: to a greater one at once, to a lesser one at the end of the period. With the `proration_date` of a preview, what is
    /// billed is what that showed. The same change asked for twice is made once.
    ///
    /// # Errors
    /// As [`preview_change`](Self::preview_change), and `PreviewTooOld`, `Declined`, `Busy`.
    pub async fn change(
        &self,
        tenant: TenantId,
        plan: &str,
        interval: Interval,
        proration_date: Option<Timestamp>,
    ) -> Result<Changed> {
        let mut current = self.current(tenant).await?;
        let mut step = self.step(&current, plan, interval);
        if matches!(step, Err(BillingError::NothingToChange)) && self.stays(&current).await? {
            // By a change whose answer was lost there may be another plan, or another schedule, than is known.
            current = self.fresh(tenant).await?;
            step = self.step(&current, plan, interval);
            if matches!(step, Err(BillingError::NothingToChange)) {
                self.unschedule(&current).await?;
                self.look(&current).await?;
                return Ok(Changed::Now);
            }
        }
        let (item, to, when) = step?;
        let now = self.now();
        let date = whole_second(proration_date.unwrap_or(now));
        let is_in_period = item.period_start.is_none_or(|start| date >= start) && item.period_end.is_none_or(|end| date < end);
        if date < now.minus(GOOD_FOR) || date > now.plus(AHEAD) || !is_in_period {
            return Err(BillingError::PreviewTooOld);
        }
        let subscription = &current.subscription.value.state;
        // A change for the end of the period takes the place of what is planned, and takes nothing away before.
        let planned = if when == When::Now { self.planned(&current.subscription.value) } else { None };
        let set_aside = self.set_aside(tenant, &subscription.id, planned).await?;
        if when == When::Now {
            self.unschedule(&current).await?;
        }
        let change = change_of(&current, &item, &to, date);
        // A change at the end of the period is the same whenever it is asked for.
        let part = match when {
            When::Now => date.as_ms() / 1000,
            When::PeriodEnd => item.period_end.unwrap_or(date).as_ms() / 1000,
        };
        let is_set_aside = set_aside.is_some();
        // After anything has changed, the same wish is another one.
        let version = current.subscription.document.version;
        let key = format!("plan:{}:{version}:{}:{part}", subscription.id, to.price);
        let changed = match self.ports.provider.change_plan(&key, &change, when).await {
            Ok(changed) => changed,
            Err(error) => {
                // What may have been done all the same is looked at later.
                if let Some(planned) = set_aside.filter(|_| !error.is_temporary()) {
                    self.put_back(&planned).await?;
                }
                return Err(error.into());
            }
        };
        if when == When::PeriodEnd && is_set_aside {
            self.give_up_planned(&subscription.id).await?;
        }
        self.look(&current).await?;
        Ok(match when {
            When::Now if changed.value.pending_update => Changed::Unpaid,
            When::Now => Changed::Now,
            When::PeriodEnd => Changed::At(item.period_end.unwrap_or(date)),
        })
    }

    /// Which step leads from what there is to a plan.
    fn step(&self, current: &Current, plan: &str, interval: Interval) -> Result<(Item, PlanPrice, When)> {
        let prices = &self.settings.prices;
        let to = prices.sold(plan, interval).ok_or(BillingError::NotSold)?.clone();
        let state = &current.subscription.value.state;
        let (item, from) = self.plan_item(state).ok_or(BillingError::NotSold)?;
        match current.status() {
            SubscriptionStatus::Active | SubscriptionStatus::Trialing => {}
            status => return Err(BillingError::Status(status.as_str())),
        }
        if state.ends() {
            return Err(BillingError::IsEnding);
        }
        if state.pending_update {
            return Err(BillingError::ChangeWaits);
        }
        if from.plan == to.plan && from.interval == to.interval {
            return Err(BillingError::NothingToChange);
        }
        let is_more = prices.rank(&to.plan, to.interval) > prices.rank(&from.plan, from.interval);
        Ok((item.clone(), to, if is_more { When::Now } else { When::PeriodEnd }))
    }

    /// Somebody wants what there is: what was planned is not done after all. Whether anything was, or waited to be planned again.
    async fn stays(&self, current: &Current) -> Result<bool> {
        let known = &current.subscription.value;
        Ok(self.give_up_planned(&known.state.id).await? || known.scheduled.is_some())
    }

    /// Takes away what a schedule was going to do.
    async fn unschedule(&self, current: &Current) -> Result<()> {
        if let Some(schedule) = &current.subscription.value.state.schedule {
            // New each time: to release it twice is the same, and a key that had bad luck over there has it for a day.
            let key = format!("release:{schedule}:{}", self.ports.entropy.uuid());
            self.ports.provider.release_schedule(&key, schedule).await?;
        }
        Ok(())
    }

    /// Reads back what has become of a subscription, so that whoever asked for it sees it at once.
    async fn look(&self, current: &Current) -> Result<()> {
        let subscription = current.subscription.value.state.id.clone();
        self.observe(&Sight::of(&subscription), None, &mut Seen::default()).await.map(drop)
    }

    /// As it is there at this moment: in the portal, somebody may have done the opposite a second ago.
    async fn fresh(&self, tenant: TenantId) -> Result<Current> {
        self.look(&self.current(tenant).await?).await?;
        self.current(tenant).await
    }

    /// A key for a wish to end, or not. New each time: done twice it is the same, and a key that had bad luck over there has it for a day.
    fn end_key(&self, wish: &str, current: &Current) -> String {
        format!("{wish}:{}:{}", current.subscription.value.state.id, self.ports.entropy.uuid())
    }

    /// Ends the subscription with its period. Asked for twice, it is the same.
    ///
    /// # Errors
    /// `NoSubscription`, `Provider`, `Busy`, `Store`.
    pub async fn cancel(&self, tenant: TenantId) -> Result<Option<Timestamp>> {
        let current = self.fresh(tenant).await?;
        let state = &current.subscription.value.state;
        self.give_up_planned(&state.id).await?;
        if !state.ends() {
            self.unschedule(&current).await?;
            self.ports.provider.end(&self.end_key("cancel", &current), &state.id, Ending::PeriodEnd).await?;
            self.look(&current).await?;
        }
        Ok(period_end(state, |price| self.settings.prices.plan_of(price).is_some()))
    }

    /// Lets a subscription go on that was to end.
    ///
    /// # Errors
    /// `NoSubscription`, `NothingToChange` when it does not end, `Provider`, `Store`.
    pub async fn resume(&self, tenant: TenantId) -> Result<()> {
        let current = self.fresh(tenant).await?;
        let state = &current.subscription.value.state;
        if !state.ends() {
            return Err(BillingError::NothingToChange);
        }
        self.ports.provider.end(&self.end_key("resume", &current), &state.id, Ending::NotAtAll).await?;
        self.look(&current).await
    }

    /// Opens the customer portal for a tenant's admin.
    ///
    /// # Errors
    /// `NoSubscription`, `Provider`, `Store`.
    pub async fn portal(&self, tenant: TenantId, flow: PortalFlow) -> Result<PortalUrl> {
        let account = self.account(tenant).await?.ok_or(BillingError::NoSubscription)?;
        let back = &self.settings.checkout.portal_return_url;
        Ok(self.ports.provider.create_portal(&account.value.customer, flow, back).await?)
    }

    /// A tenant's bills, the newest first.
    ///
    /// # Errors
    /// `NoSubscription`, `Provider`, `Store`.
    pub async fn invoices(
        &self,
        tenant: TenantId,
        limit: usize,
        before: Option<&str>,
    ) -> Result<crate::provider::Listed<Invoice>> {
        let account = self.account(tenant).await?.ok_or(BillingError::NoSubscription)?;
        Ok(self.ports.provider.invoices(&account.value.customer, limit.clamp(1, 100), before).await?)
    }
}

fn change_of(current: &Current, item: &Item, to: &PlanPrice, proration_date: Timestamp) -> Change {
    Change {
        subscription: current.subscription.value.state.id.clone(),
        customer: current.account.value.customer.clone(),
        item: item.id.clone(),
        price: to.price.clone(),
        proration_date,
    }
}
