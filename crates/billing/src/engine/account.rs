//! What tenants are given, by what they pay for.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use togglebox_core::{StoreResult, TenantId, Timestamp};

use super::export::CLOSING;
use super::failure::Work;
use super::observe::{Seen, Sight, gives};
use super::{AT_ONCE, Billing, BillingError, Result, TRIES};
use crate::access::{Access, Granted, Mode, access};
use crate::metrics;
use crate::objects::{Item, Subscription};
use crate::ports::Entitlement;
use crate::price::PlanPrice;
use crate::records::{AccountRecord, ConflictRecord, SubscriptionRecord, lists};

const BATCH: usize = 100;

impl Billing {
    /// Gives tenants what they are to have, where that has changed; says how many there were.
    pub(super) async fn work_accounts(&self) -> StoreResult<usize> {
        let due = self.due::<AccountRecord>(BATCH).await?;
        let works = due.into_iter().filter_map(|held| held.document.tenant).map(|tenant| async move {
            match self.settle(tenant).await {
                Ok(()) => metrics::worked("account", "done"),
                Err(error) => self.settle_later(tenant, &error).await?,
            }
            Ok(())
        });
        let outcomes: Vec<StoreResult<()>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
        let count = outcomes.len();
        outcomes.into_iter().collect::<StoreResult<()>>()?;
        Ok(count)
    }

    /// A tenant whose subscription is over may have another one that is paid for: then it has that.
    ///
    /// Boxed, since who observes a subscription may come here, and this observes others.
    pub(super) fn take_other(&self, tenant: TenantId) -> BoxFuture<'_, Result<()>> {
        let work = async move {
            let Some(account) = self.account(tenant).await? else { return Ok(()) };
            let known = self.held::<SubscriptionRecord>(&account.value.subscription).await?;
            if known.is_none_or(|known| !known.value.state.status.is_final()) {
                return Ok(());
            }
            for other in self.of_tenant::<SubscriptionRecord>(tenant).await? {
                if gives(other.value.state.status) {
                    self.observe(&Sight::of(other.id()), None, &mut Seen::default()).await?;
                }
            }
            Ok(())
        };
        work.boxed()
    }

    /// The same at once for one; if that fails, it is due and will be done.
    pub(super) async fn settle_now(&self, tenant: TenantId) {
        if let Err(error) = self.settle(tenant).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(tenant.id = %tenant, error, "What a tenant is to have will be given to it later");
        }
    }

    /// Gives a tenant what it is to have. Whoever gives something and then finds that it has changed meanwhile gives again: so what is given
    /// last is what was decided last.
    pub(super) async fn settle(&self, tenant: TenantId) -> Result<()> {
        let mut has_given = false;
        for _ in 0..TRIES {
            let Some(account) = self.account(tenant).await? else { return Ok(()) };
            // What is not due is given, or in somebody's hands. Not so when we have given what was decided before.
            if !has_given && account.document.due.is_none_or(|due| due > self.now()) {
                return Ok(());
            }
            let Some(account) = self.claim(account).await? else { continue };
            let Some(subscription) = self.held::<SubscriptionRecord>(&account.value.subscription).await? else {
                return Err(BillingError::NoSubscription);
            };
            let now = self.now();
            let (mut entitlement, next) = self.entitlement(&account.value, &subscription.value, now);
            entitlement.restricted_since = restricted_since(account.value.given.as_ref(), entitlement.mode, now);
            let is_there = self.ports.tenants.entitle(tenant, &entitlement).await?;
            has_given = true;
            let mut account = account;
            account.value.given = Some(entitlement);
            account.value.attempts = 0;
            let is_over = subscription.value.state.status.is_final();
            // For a while the last usage can be told.
            let closes = account.value.ended.filter(|_| is_over).map(|ended| ended.plus(CLOSING)).filter(|closes| *closes > now);
            let list = if (is_over && closes.is_none()) || !is_there { lists::CLOSED } else { lists::OPEN };
            let mut writes = vec![account.list(list).due(next.or(closes)).put()?];
            if !is_there && !is_over {
                let record = ConflictRecord {
                    kind: "late-payment".into(),
                    tenant: Some(tenant),
                    subscription: Some(subscription.value.state.id.clone()),
                    customer: Some(subscription.value.state.customer.clone()),
                    detail: "It is paid for a workspace that is not there any more.".to_owned(),
                    resolution: None,
                };
                writes.extend(self.conflict(&format!("late:{}", subscription.value.state.id), record).await?);
            }
            writes.extend(self.unknown_price(tenant, &subscription.value.state).await?);
            if self.commit(&writes).await? {
                return Ok(());
            }
        }
        Err(BillingError::Busy)
    }

    async fn settle_later(&self, tenant: TenantId, error: &BillingError) -> StoreResult<()> {
        let Some(mut account) = self.account(tenant).await? else { return Ok(()) };
        account.value.attempts += 1;
        let cause = error as &(dyn std::error::Error + Send + Sync + 'static);
        let verdict = self.failed(Work::Account, error, account.value.attempts);
        if verdict.is_enough {
            // Not given up: what somebody pays for is given once it can be. But somebody should know.
            tracing::error!(tenant.id = %tenant, error = cause, "A tenant cannot be given what it pays for");
        } else {
            tracing::warn!(tenant.id = %tenant, error = cause, "What a tenant is to have will be given to it later");
        }
        self.commit(&[account.due(Some(verdict.again)).put()?]).await.map(drop)
    }

    /// What a tenant is to have at `now`, and when that changes by itself.
    fn entitlement(
        &self,
        account: &AccountRecord,
        subscription: &SubscriptionRecord,
        now: Timestamp,
    ) -> (Entitlement, Option<Timestamp>) {
        let state = &subscription.state;
        let (Access { plan, mode }, next) = access(state.status, subscription.past_due_since, &self.settings.access, now);
        let plan = match plan {
            // A price that nobody knows takes nothing away.
            Granted::Bought => match self.plan_item(state) {
                Some((_, price)) => Some(price.plan.clone()),
                None => account.given.as_ref().and_then(|given| given.plan.clone()),
            },
            Granted::Free => None,
        };
        let is_over = state.status.is_final();
        let usage = self.usage_period(subscription, now);
        // The next one begins by itself.
        let next = next.into_iter().chain(usage.as_ref().map(|usage| usage.until).filter(|_| !is_over)).min();
        let entitlement = Entitlement {
            plan,
            mode,
            past_due_since: subscription.past_due_since.filter(|_| !is_over),
            restricted_since: None,
            customer: Some(account.customer.clone()),
            subscription: (!is_over).then(|| state.id.clone()),
            period_end: period_end(state, |price| self.settings.prices.plan_of(price).is_some()).filter(|_| !is_over),
            usage,
        };
        (entitlement, next)
    }

    /// The item of a subscription that is a plan, and which.
    pub(super) fn plan_item<'a>(&self, state: &'a Subscription) -> Option<(&'a Item, &PlanPrice)> {
        state.items.iter().find_map(|item| Some((item, self.settings.prices.plan_of(&item.price)?)))
    }

    async fn unknown_price(&self, tenant: TenantId, state: &Subscription) -> Result<Option<crate::store::Write>> {
        if state.status.is_final() || self.plan_item(state).is_some() {
            return Ok(None);
        }
        let prices: Vec<&str> = state.items.iter().map(|item| &*item.price).collect();
        let record = ConflictRecord {
            kind: "unknown-price".into(),
            tenant: Some(tenant),
            subscription: Some(state.id.clone()),
            customer: Some(state.customer.clone()),
            detail: format!("None of the subscription's prices is a plan's: {}.", prices.join(", ")),
            resolution: None,
        };
        self.conflict(&format!("unknown-price:{}:{}", state.id, prices.join("+")).chars().take(200).collect::<String>(), record)
            .await
    }
}

/// Where the period of a subscription ends: of its plans' items the earliest, or of all when none is known.
pub(super) fn period_end(state: &Subscription, is_plan: impl Fn(&str) -> bool) -> Option<Timestamp> {
    let of_plans = state.items.iter().filter(|item| is_plan(&item.price)).filter_map(|item| item.period_end).min();
    of_plans.or_else(|| state.items.iter().filter_map(|item| item.period_end).min())
}

/// Since when a tenant has been restricted. Who was read-only and is closed now was so all the time: what ends some time after that, such as that
/// clients are served, does not begin anew.
fn restricted_since(given: Option<&Entitlement>, mode: Mode, now: Timestamp) -> Option<Timestamp> {
    let is_for_money = |mode| matches!(mode, Mode::ReadOnly | Mode::Closed);
    let goes_on = |before| before == mode || (is_for_money(before) && is_for_money(mode));
    let before = given.filter(|given| goes_on(given.mode)).and_then(|given| given.restricted_since);
    (is_for_money(mode) || mode == Mode::NotYet).then(|| before.unwrap_or(now))
}
