//! What the operator sees and does: events that nobody could work on, decisions, and what comes in.

use std::collections::BTreeMap;
use std::time::Duration;

use togglebox_core::{Page, PageRequest, TenantId, Timestamp};

use super::event::readable;
use super::observe::gives;
use super::walk::Walk;
use super::{Billing, BillingError, Chore, Result};
use crate::metrics;
use crate::money::{Currency, Money};
use crate::objects::Price;
use crate::price::Interval;
use crate::records::{
    AccountRecord, ConflictRecord, Effect, EffectRecord, EventRecord, Held, SubscriptionRecord, TaskRecord, UsageRecord, lists,
};
use crate::store::Shelf;

/// An event, without what it is about: that holds personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventView {
    /// `evt_…`.
    pub id: Box<str>,
    /// Its kind.
    pub kind: Box<str>,
    /// Where it stands: `waiting`, `done`, `ignored`, `quarantined`, `dead`.
    pub state: Box<str>,
    /// What it is about.
    pub subject: Option<Box<str>>,
    /// When it was made.
    pub created: Timestamp,
    /// When it came.
    pub received: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// What the last trouble was.
    pub trouble: Option<Box<str>>,
    /// When it is tried next.
    pub due: Option<Timestamp>,
}

/// Something that happens outside of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectView {
    /// What it is about.
    pub key: Box<str>,
    /// What is done: `notify`, `undo`, `end`, `replan`.
    pub kind: &'static str,
    /// Where it stands: `waiting`, `done`, `dead`.
    pub state: Box<str>,
    /// Whose.
    pub tenant: Option<TenantId>,
    /// When it was written down.
    pub at: Timestamp,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// What the last trouble was.
    pub trouble: Option<Box<str>>,
    /// When it is tried next.
    pub due: Option<Timestamp>,
}

/// Something to be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictView {
    /// Which.
    pub id: Box<str>,
    /// `second-subscription`, `late-payment`, `customer-taken`, `unknown-price`, `drift`.
    pub kind: Box<str>,
    /// Whether it waits for somebody.
    pub is_open: bool,
    /// Whose.
    pub tenant: Option<TenantId>,
    /// `sub_…`.
    pub subscription: Option<Box<str>>,
    /// `cus_…`.
    pub customer: Option<Box<str>>,
    /// In words.
    pub detail: String,
    /// What was done.
    pub resolution: Option<String>,
    /// Since when.
    pub at: Timestamp,
}

/// Regular work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    /// Which.
    pub chore: Chore,
    /// When it is due.
    pub due: Option<Timestamp>,
    /// When it was done last.
    pub done: Option<Timestamp>,
    /// How often it has failed since.
    pub failures: u32,
    /// What it found, or what the trouble was.
    pub outcome: Option<String>,
}

/// What comes in by one plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRevenue {
    /// The plan's name.
    pub plan: Box<str>,
    /// How many pay for it.
    pub subscriptions: u64,
    /// How many of them try it and pay nothing yet.
    pub trialing: u64,
    /// What that is in a month, a yearly price by the twelfth; in each currency.
    pub monthly: Vec<Money>,
    /// What was told of usage beyond what is included, in the current periods.
    pub overage: u64,
    /// What that costs.
    pub overage_cost: Option<Money>,
}

/// What comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revenue {
    /// By plan, in the order of the prices.
    pub plans: Vec<PlanRevenue>,
    /// Monthly recurring revenue, in each currency.
    pub monthly: Vec<Money>,
    /// How many owe something.
    pub past_due: u64,
    /// How many will end.
    pub ending: u64,
    /// How many have ended in the last thirty days.
    pub ended: u64,
    /// The part of those who were there thirty days ago that has ended since, in parts of 10,000; `None` when nobody was.
    pub churn_basis_points: Option<u64>,
}

const MONTH: Duration = Duration::from_hours(30 * 24);

impl Billing {
    /// Events in one state, the newest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn events(&self, state: &str, page: &PageRequest) -> Result<Page<EventView>> {
        let found = self.ports.store.list(Shelf::Event, state, page).await?;
        let items = found.items.into_iter().filter_map(readable::<EventRecord>).map(|held| EventView {
            id: held.document.address.id,
            kind: held.value.kind,
            state: held.document.list,
            subject: held.value.subject,
            created: held.value.created,
            received: held.value.received,
            attempts: held.value.attempts,
            trouble: held.value.trouble,
            due: held.document.due,
        });
        Ok(Page { items: items.collect(), next: found.next })
    }

    /// Things outside of the store in one state, the newest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn effects(&self, state: &str, page: &PageRequest) -> Result<Page<EffectView>> {
        let found = self.ports.store.list(Shelf::Effect, state, page).await?;
        let items = found.items.into_iter().filter_map(readable::<EffectRecord>).map(|held| EffectView {
            key: held.document.address.id,
            kind: match held.value.effect {
                Effect::Notify { .. } => "notify",
                Effect::Undo { .. } => "undo",
                Effect::End { .. } => "end",
                Effect::Replan(_) => "replan",
            },
            state: held.document.list,
            tenant: held.document.tenant,
            at: held.document.at,
            attempts: held.value.attempts,
            trouble: held.value.trouble,
            due: held.document.due,
        });
        Ok(Page { items: items.collect(), next: found.next })
    }

    /// Has a dead event worked on again.
    ///
    /// # Errors
    /// `NotFound`, `NothingToChange` when it is not dead, `Busy`, `Store`.
    pub async fn requeue_event(&self, id: &str) -> Result<()> {
        let held = self.held::<EventRecord>(id).await?.ok_or(BillingError::NotFound)?;
        let mut held = revived(held, self.now())?;
        held.value.attempts = 0;
        if self.commit(&[held.put()?]).await? { Ok(()) } else { Err(BillingError::Busy) }
    }

    /// Has something dead that was to happen tried again.
    ///
    /// # Errors
    /// `NotFound`, `NothingToChange` when it is not dead, `Busy`, `Store`.
    pub async fn requeue_effect(&self, key: &str) -> Result<()> {
        let held = self.held::<EffectRecord>(key).await?.ok_or(BillingError::NotFound)?;
        let mut held = revived(held, self.now())?;
        held.value.attempts = 0;
        if self.commit(&[held.put()?]).await? { Ok(()) } else { Err(BillingError::Busy) }
    }

    /// What waits for a decision, or was decided; the newest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn conflicts(&self, open: bool, page: &PageRequest) -> Result<Page<ConflictView>> {
        let list = if open { lists::OPEN } else { lists::CLOSED };
        let found = self.ports.store.list(Shelf::Conflict, list, page).await?;
        let items = found.items.into_iter().filter_map(readable::<ConflictRecord>).map(conflict_view);
        Ok(Page { items: items.collect(), next: found.next })
    }

    /// Notes what was decided. With `undo`, the subscription that nobody should have is ended and paid back.
    ///
    /// # Errors
    /// `NotFound`, `NothingToChange` when it is decided, `Status` when there is nothing to undo, `Busy`, `Store`.
    pub async fn resolve(&self, id: &str, resolution: &str, undo: bool) -> Result<ConflictView> {
        let mut held = self.held::<ConflictRecord>(id).await?.ok_or(BillingError::NotFound)?;
        if &*held.document.list != lists::OPEN {
            return Err(BillingError::NothingToChange);
        }
        let mut writes = Vec::new();
        if undo {
            let is_to_undo = matches!(&*held.value.kind, "second-subscription" | "late-payment" | "customer-taken");
            let subscription = held.value.subscription.clone().filter(|_| is_to_undo);
            let subscription = subscription.ok_or(BillingError::Status("not one to undo"))?;
            let key = format!("undo:{subscription}");
            match self.held::<EffectRecord>(&key).await? {
                None => writes.extend(self.effect(&key, held.value.tenant, Effect::Undo { subscription }).await?),
                // It was tried in vain: once more.
                Some(dead) if &*dead.document.list == lists::DEAD => {
                    let mut again = revived(dead, self.now())?;
                    again.value.attempts = 0;
                    writes.push(again.put()?);
                }
                Some(_) => {}
            }
        }
        held.value.resolution = Some(resolution.to_owned());
        let held = held.list(lists::CLOSED);
        writes.push(held.put()?);
        if self.commit(&writes).await? { Ok(conflict_view(held)) } else { Err(BillingError::Busy) }
    }

    /// How regular work stands.
    ///
    /// # Errors
    /// `Store`.
    pub async fn tasks(&self) -> Result<Vec<TaskView>> {
        let mut views = Vec::new();
        for chore in Chore::ALL {
            if let Some(held) = self.held::<TaskRecord>(chore.as_str()).await? {
                views.push(TaskView {
                    chore,
                    due: held.document.due,
                    done: held.value.done,
                    failures: held.value.failures,
                    outcome: held.value.outcome,
                });
            }
        }
        Ok(views)
    }

    /// What comes in, added up over all who pay.
    ///
    /// # Errors
    /// `Provider` when the prices cannot be asked for, `Store`.
    pub async fn revenue(&self) -> Result<Revenue> {
        let mut sums = Sums::default();
        let usage = self.usage_price().await?;
        for list in [lists::OPEN, lists::CLOSED] {
            let mut walk = Walk::over(list);
            while let Some(accounts) = walk.next(self, None).await? {
                for account in accounts {
                    self.add_account(&mut sums, &account).await?;
                }
            }
        }
        let mut plans: Vec<PlanRevenue> = Vec::new();
        for price in self.settings.prices.plans() {
            if plans.iter().any(|plan| plan.plan == price.plan) {
                continue;
            }
            let sum = sums.plans.remove(&price.plan).unwrap_or_default();
            plans.push(PlanRevenue {
                plan: price.plan.clone(),
                subscriptions: sum.subscriptions,
                trialing: sum.trialing,
                monthly: monthly(&sum.yearly),
                overage: sum.overage,
                overage_cost: usage.map(|usage| usage.of(sum.overage)),
            });
        }
        let before = sums.there_before + sums.lost;
        Ok(Revenue {
            plans,
            monthly: monthly(&sums.yearly),
            past_due: sums.past_due,
            ending: sums.ending,
            ended: sums.ended,
            churn_basis_points: (before > 0).then(|| sums.lost * 10_000 / before),
        })
    }

    async fn add_account(&self, sums: &mut Sums, account: &Held<AccountRecord>) -> Result<()> {
        let Some(held) = self.held::<SubscriptionRecord>(&account.value.subscription).await? else { return Ok(()) };
        let (state, now) = (&held.value.state, self.now());
        if state.status.is_final() {
            let was_there = state.created.is_some_and(|created| created <= now.minus(MONTH));
            sums.ended += u64::from(account.value.ended.is_some_and(|ended| ended > now.minus(MONTH)));
            sums.lost += u64::from(was_there && account.value.ended.is_some_and(|ended| ended > now.minus(MONTH)));
            return Ok(());
        }
        if !gives(state.status) {
            return Ok(());
        }
        sums.there_before += u64::from(state.created.is_some_and(|created| created <= now.minus(MONTH)));
        sums.past_due += u64::from(held.value.past_due_since.is_some());
        sums.ending += u64::from(state.ends());
        let Some((item, price)) = self.plan_item(state) else { return Ok(()) };
        let is_trial = state.status == crate::objects::SubscriptionStatus::Trialing;
        let (plan, interval, quantity) = (price.plan.clone(), price.interval, item.quantity.unwrap_or(1));
        let price = self.price(sums, &item.price).await?;
        let each = price.unit.map_or(0, |unit| i128::from(unit.times(quantity)));
        let yearly = if is_trial { 0 } else { each * if interval == Interval::Monthly { 12 } else { 1 } };
        let since = self.usage_item(state).and_then(|item| item.period_start);
        let overage = self.told_overage(account, since).await?;
        let sum = sums.plans.entry(plan).or_default();
        sum.subscriptions += 1;
        sum.trialing += u64::from(is_trial);
        sum.overage = sum.overage.saturating_add(overage);
        *sum.yearly.entry(price.currency).or_default() += yearly;
        *sums.yearly.entry(price.currency).or_default() += yearly;
        Ok(())
    }

    async fn price(&self, sums: &mut Sums, id: &str) -> Result<Price> {
        if let Some(price) = sums.prices.get(id) {
            return Ok(price.clone());
        }
        let price = self.ports.provider.price(id).await?;
        sums.prices.insert(id.into(), price.clone());
        Ok(price)
    }

    async fn told_overage(&self, account: &Held<AccountRecord>, since: Option<Timestamp>) -> Result<u64> {
        let (Some(tenant), Some(since)) = (account.document.tenant, since) else { return Ok(0) };
        let days = self.of_tenant::<UsageRecord>(tenant).await?;
        let hours = days.iter().flat_map(|day| {
            let start = day.document.at;
            day.value.told.iter().map(move |(hour, told)| (start.plus(super::export::HOUR * u32::from(*hour)), told.value))
        });
        Ok(hours.filter(|(hour, _)| *hour >= since).fold(0_u64, |sum, (_, value)| sum.saturating_add(value)))
    }

    /// How many events and things to happen nobody could do: what an alert is about. Counts up to a thousand.
    ///
    /// # Errors
    /// `Store`.
    pub async fn dead(&self) -> Result<usize> {
        let page = PageRequest::first(PageRequest::MAX_LIMIT);
        let events = self.ports.store.list(Shelf::Event, lists::DEAD, &page).await?.items.len();
        let effects = self.ports.store.list(Shelf::Effect, lists::DEAD, &page).await?.items.len();
        metrics::dead(events + effects);
        Ok(events + effects)
    }
}

#[derive(Default)]
struct Sums {
    plans: BTreeMap<Box<str>, PlanSum>,
    yearly: BTreeMap<Currency, i128>,
    prices: BTreeMap<Box<str>, Price>,
    past_due: u64,
    ending: u64,
    ended: u64,
    lost: u64,
    there_before: u64,
}

#[derive(Default)]
struct PlanSum {
    subscriptions: u64,
    trialing: u64,
    yearly: BTreeMap<Currency, i128>,
    overage: u64,
}

/// A twelfth of each, rounded once: to the nearest, a half up.
fn monthly(yearly: &BTreeMap<Currency, i128>) -> Vec<Money> {
    let twelfth = |sum: i128| i64::try_from((sum + 6).div_euclid(12)).unwrap_or(i64::MAX);
    yearly.iter().map(|(currency, sum)| Money { minor: twelfth(*sum), currency: *currency }).collect()
}

fn revived<T: crate::records::Record>(held: Held<T>, now: Timestamp) -> Result<Held<T>> {
    if &*held.document.list == lists::DEAD {
        Ok(held.list(lists::WAITING).due(Some(now)))
    } else {
        Err(BillingError::NothingToChange)
    }
}

fn conflict_view(held: Held<ConflictRecord>) -> ConflictView {
    ConflictView {
        id: held.document.address.id,
        is_open: &*held.document.list == lists::OPEN,
        kind: held.value.kind,
        tenant: held.value.tenant,
        subscription: held.value.subscription,
        customer: held.value.customer,
        detail: held.value.detail,
        resolution: held.value.resolution,
        at: held.document.at,
    }
}
