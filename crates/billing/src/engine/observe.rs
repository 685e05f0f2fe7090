//! What is known of subscriptions, brought up to date.
//!
//! There is one way by which that changes, whoever heard of it: an event, a look at all of them at night, or the answer to a change that we
//! asked for. So the state has one writer, and [`AsOf`] says of everything that is told whether it is news.

use togglebox_core::TenantId;
use uuid::Uuid;

use super::event::Versions;
use super::{Billing, BillingError, Result, TRIES};
use crate::metrics;
use crate::notice::Notice;
use crate::objects::{Subscription, SubscriptionStatus};
use crate::order::{AsOf, Told};
use crate::provider::{Fetched, ProviderError};
use crate::records::{
    AccountRecord, ClaimRecord, ConflictRecord, Effect, EffectRecord, Held, SignUpRecord, SubscriptionRecord, lists,
};
use crate::store::{Address, Shelf, Write};

/// What was heard of a subscription.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// `sub_…`.
    pub(super) subscription: Box<str>,
    /// How it looked, and when; without it, it has to be asked for.
    pub(super) snapshot: Option<(Subscription, togglebox_core::Timestamp)>,
    /// How it looked when it was asked for, a moment ago.
    pub(super) read: Option<Box<Fetched<Subscription>>>,
    /// What its people are to be told, by what it is about.
    pub(super) notices: Vec<(String, Notice)>,
}

impl Sight {
    /// That it should be looked at.
    pub(super) fn of(subscription: &str) -> Self {
        Self { subscription: subscription.into(), snapshot: None, read: None, notices: Vec::new() }
    }

    /// That it was looked at, and how it looked: it is not asked for again, unless something newer is known by now.
    pub(super) fn read(fetched: Fetched<Subscription>) -> Self {
        Self { subscription: fetched.value.id.clone(), snapshot: None, read: Some(Box::new(fetched)), notices: Vec::new() }
    }
}

/// What one who works on several events has learned meanwhile.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The versions that were written from answers to questions which were asked after all these events had arrived: those events hold
    /// nothing that is not in them.
    versions: Versions,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observed {
    /// Something else is known now than before.
    Changed,
    /// It was known.
    Known,
    /// It is nobody's here.
    Foreign,
}

/// What to go by.
enum Next {
    Keep,
    Take(Box<Subscription>, AsOf),
}

impl Billing {
    /// Brings what is known of a subscription up to date, writes down what people are to be told, and marks `done` as done, all in one act.
    pub(super) async fn observe(&self, sight: &Sight, done: Option<Write>, seen: &mut Seen) -> Result<Observed> {
        let mut read = sight.read.clone();
        for _ in 0..TRIES {
            let known = self.held::<SubscriptionRecord>(&sight.subscription).await?;
            let next = self.next(sight, (known.as_ref(), seen), read.take()).await?;
            let (state, as_of, is_fetched) = match (&next, &known) {
                ((Next::Take(state, as_of), is_fetched), _) => ((**state).clone(), *as_of, *is_fetched),
                ((Next::Keep, _), Some(known)) => (known.value.state.clone(), known.value.as_of, false),
                ((Next::Keep, _), None) => {
                    self.finish_if(done).await?;
                    return Ok(Observed::Foreign);
                }
            };
            let tenant = match known.as_ref().and_then(|known| known.document.tenant) {
                Some(tenant) => Some(tenant),
                None => self.tenant_of(&state).await?,
            };
            let Some(tenant) = tenant else {
                self.finish_if(done).await?;
                return Ok(Observed::Foreign);
            };
            // Whoever has paid gets what was ordered before anything else is made of it: what people are told depends on whose it is.
            if self.account(tenant).await?.is_none() {
                self.fulfil_of(&state).await?;
            }
            let is_over = state.status.is_final();
            let writes = self.changes(tenant, known, (state, as_of), sight).await?;
            let Some((changed, mut writes)) = writes else { continue };
            writes.extend(done.clone());
            let version = writes.iter().find_map(|write| match write {
                Write::Put(document) if document.address.shelf == Shelf::Subscription => Some(document.version + 1),
                _ => None,
            });
            if writes.is_empty() || self.commit(&writes).await? {
                if let (true, Some(version)) = (is_fetched, version) {
                    seen.versions.insert(sight.subscription.clone(), version);
                }
                if changed {
                    self.settle_now(tenant).await;
                    if is_over {
                        self.take_other(tenant).await?;
                    }
                }
                return Ok(if changed { Observed::Changed } else { Observed::Known });
            }
            if self.is_done_already(done.as_ref()).await? {
                return Ok(Observed::Known);
            }
        }
        Err(BillingError::Busy)
    }

    async fn finish_if(&self, done: Option<Write>) -> Result<()> {
        match done {
            Some(done) => self.finish(done).await,
            None => Ok(()),
        }
    }

    /// Whether somebody else has worked on the event meanwhile: then there is nothing left to do.
    async fn is_done_already(&self, done: Option<&Write>) -> Result<bool> {
        let Some((address, version)) = done.map(Write::expected) else { return Ok(false) };
        let found = self.ports.store.get(std::slice::from_ref(address)).await?;
        Ok(found.into_iter().flatten().next().is_none_or(|document| document.version != version))
    }

    /// What to go by, and whether it was asked for.
    async fn next(
        &self,
        sight: &Sight,
        (known, seen): (Option<&Held<SubscriptionRecord>>, &Seen),
        read: Option<Box<Fetched<Subscription>>>,
    ) -> Result<(Next, bool)> {
        if let Some(known) = known {
            if known.value.state.status.is_final() {
                return Ok((Next::Keep, false));
            }
            if sight.snapshot.is_some() && seen.versions.get(&sight.subscription) == Some(&known.document.version) {
                return Ok((Next::Keep, false));
            }
        }
        // Whoever read it did so before it was looked up what is known: that may be newer, or be written by somebody who read it later.
        if let Some(read) = read
            && known.is_none_or(|known| known.value.as_of.hi() <= read.as_of.lo())
        {
            return Ok((Next::Take(Box::new(read.value), read.as_of), true));
        }
        let told = |created| known.map_or(Told::News, |known| known.value.as_of.told(created));
        match &sight.snapshot {
            // What is over stays so: no need to ask whether that is the newest.
            Some((snapshot, created)) if snapshot.status.is_final() => {
                Ok((Next::Take(Box::new(snapshot.clone()), AsOf::event(*created)), false))
            }
            Some((snapshot, created)) if told(*created) == Told::News => {
                Ok((Next::Take(Box::new(snapshot.clone()), AsOf::event(*created)), false))
            }
            Some((_, created)) if told(*created) == Told::Old => Ok((Next::Keep, false)),
            _ => match self.ports.provider.subscription(&sight.subscription).await {
                Ok(Fetched { value, as_of }) => Ok((Next::Take(Box::new(value), as_of), true)),
                Err(ProviderError::Missing(_)) => {
                    tracing::warn!(
                        subscription = &*sight.subscription,
                        "The payment service does not know a subscription of which it told"
                    );
                    Ok((Next::Keep, false))
                }
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Whose a subscription is, by what was written on it, or by who pays for it.
    async fn tenant_of(&self, state: &Subscription) -> Result<Option<TenantId>> {
        if let Some(tenant) = state.metadata.get("tenant_id").and_then(|id| id.parse().ok()) {
            return Ok(Some(tenant));
        }
        let claim = self.held::<ClaimRecord>(&customer_claim(&state.customer)).await?;
        Ok(claim.map(|claim| claim.value.tenant))
    }

    /// Gives what was ordered, if this subscription is an order's that is open still.
    async fn fulfil_of(&self, state: &Subscription) -> Result<()> {
        let Some(id) = state.metadata.get("signup_id").and_then(|id| id.parse::<Uuid>().ok()) else { return Ok(()) };
        let Some(sign_up) = self.held::<SignUpRecord>(&id.to_string()).await? else { return Ok(()) };
        self.look_at_sign_up(sign_up).await
    }

    /// What is to be written: `None` when it has to be decided anew.
    async fn changes(
        &self,
        tenant: TenantId,
        known: Option<Held<SubscriptionRecord>>,
        (state, as_of): (Subscription, AsOf),
        sight: &Sight,
    ) -> Result<Option<(bool, Vec<Write>)>> {
        let now = self.now();
        let account = self.account(tenant).await?;
        if known.is_none() && account.is_none() && state.status.is_final() {
            return self.note_over(tenant, state, (as_of, &sight.subscription)).await.map(|writes| Some((false, writes)));
        }
        let mut writes = Vec::new();
        let before = known.as_ref().map(|known| known.value.clone());
        let mut record = SubscriptionRecord {
            past_due_since: past_due_since(before.as_ref(), &state, as_of),
            former: None,
            plans: Vec::new(),
            scheduled: before.as_ref().and_then(|before| before.scheduled.clone()),
            state,
            as_of,
        };
        self.follow_periods(before.as_ref(), &mut record);
        self.follow_schedule(before.as_ref(), &mut record, sight.snapshot.is_none()).await?;
        let is_changed =
            before.as_ref().is_none_or(|before| before.state != record.state || before.scheduled != record.scheduled);
        let is_over = record.state.status.is_final();
        if before.as_ref() != Some(&record) {
            let list = if is_over { lists::CLOSED } else { lists::OPEN };
            let held = match known {
                Some(known) => Held { value: record.clone(), ..known }.list(list),
                None => Held::new(&sight.subscription, list, now, record.clone()).of(Some(tenant)),
            };
            writes.push(held.put()?);
        }
        let mut is_theirs = true;
        match account {
            Some(mut account) if *account.value.subscription == *sight.subscription => {
                if is_changed {
                    account.value.ended = is_over.then(|| record.state.ended_at.unwrap_or(now));
                    account.value.attempts = 0;
                    writes.push(account.list(lists::OPEN).due(Some(now)).put()?);
                }
            }
            Some(mut account) => {
                is_theirs = false;
                let current = self.held::<SubscriptionRecord>(&account.value.subscription).await?;
                let is_free = current.as_ref().is_none_or(|current| current.value.state.status.is_final());
                if gives(record.state.status) {
                    if is_free {
                        is_theirs = true;
                        account.value.subscription.clone_from(&sight.subscription);
                        account.value.customer.clone_from(&record.state.customer);
                        account.value.ended = None;
                        account.value.attempts = 0;
                        writes.push(account.list(lists::OPEN).due(Some(now)).put()?);
                        writes.extend(self.claim_customer(tenant, &record.state.customer).await?);
                    } else {
                        writes.extend(self.second(tenant, &record.state).await?);
                    }
                }
            }
            None if gives(record.state.status) && !record.state.metadata.contains_key("signup_id") => {
                // Made by hand, for a tenant that is there.
                let value = AccountRecord {
                    customer: record.state.customer.clone(),
                    subscription: sight.subscription.clone(),
                    given: None,
                    attempts: 0,
                    leaving: false,
                    ends_for_leaving: false,
                    ended: None,
                };
                writes.push(Held::new(&tenant.to_string(), lists::OPEN, now, value).of(Some(tenant)).due(Some(now)).put()?);
                writes.extend(self.claim_customer(tenant, &record.state.customer).await?);
            }
            None if gives(record.state.status) => {
                is_theirs = false;
                writes.extend(self.unfulfilled(tenant, &record.state).await?);
            }
            // Not paid yet, or never.
            None => is_theirs = false,
        }
        if is_theirs {
            writes.extend(self.notices(tenant, &sight.notices).await?);
        }
        Ok(Some((is_changed, writes)))
    }

    /// It is over before anybody had it: that is kept, so that what is told later of its beginning gives nothing. Of a tenant that is gone
    /// nothing is kept.
    async fn note_over(&self, tenant: TenantId, state: Subscription, (as_of, id): (AsOf, &str)) -> Result<Vec<Write>> {
        if self.ports.tenants.profile(tenant).await?.is_none() {
            return Ok(Vec::new());
        }
        let record = SubscriptionRecord { past_due_since: None, former: None, plans: Vec::new(), scheduled: None, state, as_of };
        Ok(vec![Held::new(id, lists::CLOSED, self.now(), record).of(Some(tenant)).put()?])
    }

    /// Which plans there were in this period of usage, and which period is over, when this is the first that is heard of the next one.
    pub(super) fn follow_periods(&self, before: Option<&SubscriptionRecord>, record: &mut SubscriptionRecord) {
        let plan = |state| self.plan_item(state).map(|(_, price)| price.plan.clone());
        if let Some(before) = before {
            let [was_billed, is_billed] = [before, &*record].map(|record| self.usage_item(&record.state).is_some());
            let is_over = || self.period_at(before, before.as_of.hi()).is_some_and(|(_, end)| record.as_of.hi() >= end);
            if let Some(former) = self.period_before(before, &record.state) {
                record.former = Some(former);
            } else if was_billed || !is_over() {
                record.former.clone_from(&before.former);
                record.plans.clone_from(&before.plans);
            } else if !is_billed {
                // A month has ended by itself, and the next one began with the plan that there was.
                record.plans.extend(plan(&before.state));
            }
        }
        if let Some(plan) = plan(&record.state).filter(|plan| !record.plans.contains(plan)) {
            record.plans.push(plan);
        }
    }

    /// What a schedule is going to change: asked for when there is another schedule or other items than before, and when somebody has asked
    /// for the subscription itself. It is only shown: where it cannot be read, what is known stays.
    async fn follow_schedule(
        &self,
        before: Option<&SubscriptionRecord>,
        record: &mut SubscriptionRecord,
        is_asked: bool,
    ) -> Result<()> {
        let Some(schedule) = record.state.schedule.clone().filter(|_| !record.state.status.is_final()) else {
            record.scheduled = None;
            return Ok(());
        };
        let is_same = before.is_some_and(|before| {
            before.state.schedule.as_deref() == Some(&*schedule) && before.state.items == record.state.items
        });
        if is_same && !is_asked {
            return Ok(());
        }
        match self.ports.provider.scheduled(&schedule).await {
            Ok(scheduled) => record.scheduled = scheduled,
            Err(error) if error.is_temporary() => return Err(error.into()),
            Err(error) => {
                let error = &error as &(dyn std::error::Error + Send + Sync + 'static);
                tracing::warn!(error, schedule = &*schedule, "What a schedule will change cannot be read");
            }
        }
        Ok(())
    }

    /// A customer is a tenant's from now on, if it is nobody's.
    async fn claim_customer(&self, tenant: TenantId, customer: &str) -> Result<Option<Write>> {
        let id = customer_claim(customer);
        if self.held::<ClaimRecord>(&id).await?.is_some() {
            return Ok(None);
        }
        Ok(Some(Held::new(&id, lists::OPEN, self.now(), ClaimRecord { tenant }).of(Some(tenant)).put()?))
    }

    /// Somebody pays for an order that nobody can carry out any more, or that is not known.
    async fn unfulfilled(&self, tenant: TenantId, state: &Subscription) -> Result<Option<Write>> {
        let id = state.metadata.get("signup_id").map(AsRef::as_ref).unwrap_or_default();
        let found = if id.is_empty() { None } else { self.held::<SignUpRecord>(id).await? };
        if found.is_some_and(|found| &*found.document.list == lists::OPEN) {
            return Ok(None);
        }
        let record = ConflictRecord {
            kind: "late-payment".into(),
            tenant: Some(tenant),
            subscription: Some(state.id.clone()),
            customer: Some(state.customer.clone()),
            detail: "It is paid for a sign-up that is over, or not known.".to_owned(),
            resolution: None,
        };
        self.conflict(&format!("late:{}", state.id), record).await
    }

    /// A tenant pays twice: somebody has to decide, or we undo the later one.
    pub(super) async fn second(&self, tenant: TenantId, state: &Subscription) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        let record = ConflictRecord {
            kind: "second-subscription".into(),
            tenant: Some(tenant),
            subscription: Some(state.id.clone()),
            customer: Some(state.customer.clone()),
            detail: "The workspace has another subscription that is paid for.".to_owned(),
            resolution: None,
        };
        writes.extend(self.conflict(&format!("second:{}", state.id), record).await?);
        if self.settings.undo_second {
            let effect = Effect::Undo { subscription: state.id.clone() };
            writes.extend(self.effect(&format!("undo:{}", state.id), Some(tenant), effect).await?);
        }
        Ok(writes)
    }

    /// Notes something for a person to decide, unless it is noted already.
    pub(super) async fn conflict(&self, id: &str, record: ConflictRecord) -> Result<Option<Write>> {
        if self.held::<ConflictRecord>(id).await?.is_some() {
            return Ok(None);
        }
        metrics::conflict(kind_label(&record.kind));
        let tenant = record.tenant;
        tracing::error!(conflict = id, kind = &*record.kind, "Billing needs a decision: {}", record.detail);
        Ok(Some(Held::new(id, lists::OPEN, self.now(), record).of(tenant).put()?))
    }

    /// Writes something down that is to happen, unless it is, or has happened already.
    pub(super) async fn effect(&self, key: &str, tenant: Option<TenantId>, effect: Effect) -> Result<Option<Write>> {
        if self.held::<EffectRecord>(key).await?.is_some() {
            return Ok(None);
        }
        let (now, value) = (self.now(), EffectRecord { effect, attempts: 0, trouble: None });
        Ok(Some(Held::new(key, lists::WAITING, now, value).of(tenant).due(Some(now)).put()?))
    }

    pub(super) async fn notices(&self, tenant: TenantId, notices: &[(String, Notice)]) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        for (key, notice) in notices {
            let effect = Effect::Notify { tenant, notice: notice.clone() };
            writes.extend(self.effect(key, Some(tenant), effect).await?);
        }
        Ok(writes)
    }

    /// Tells the people of a subscription's tenant something, and marks `done` as done, in one act.
    pub(super) async fn tell(&self, subscription: &str, notices: Vec<(String, Notice)>, done: Write) -> Result<()> {
        if self.held::<SubscriptionRecord>(subscription).await?.is_none() {
            // Nothing was told of it yet: whose it is has to be asked.
            self.observe(&Sight::of(subscription), None, &mut Seen::default()).await?;
        }
        for _ in 0..TRIES {
            let Some(known) = self.held::<SubscriptionRecord>(subscription).await? else { return self.finish(done).await };
            let Some(tenant) = known.document.tenant else { return self.finish(done).await };
            if self.account(tenant).await?.is_none() {
                self.fulfil_of(&known.value.state).await?;
            }
            let account = self.account(tenant).await?;
            let is_theirs = account.is_some_and(|account| *account.value.subscription == *subscription);
            let mut writes = if is_theirs { self.notices(tenant, &notices).await? } else { Vec::new() };
            writes.push(done.clone());
            if self.commit(&writes).await? || self.is_done_already(Some(&done)).await? {
                return Ok(());
            }
        }
        Err(BillingError::Busy)
    }

    /// A customer was removed over there: what it paid for is over.
    pub(super) async fn look_at_customer(&self, customer: Option<&str>, done: Write) -> Result<()> {
        if let Some(customer) = customer
            && let Some(claim) = self.held::<ClaimRecord>(&customer_claim(customer)).await?
            && let Some(account) = self.account(claim.value.tenant).await?
        {
            let seen = &mut Seen::default();
            self.observe(&Sight::of(&account.value.subscription), None, seen).await?;
        }
        self.finish(done).await
    }
}

/// The claim by which a customer belongs to one tenant.
pub(super) fn customer_claim(customer: &str) -> String {
    format!("customer:{customer}")
}

/// The address of that claim.
pub(super) fn customer_address(customer: &str) -> Address {
    Address::new(Shelf::Claim, customer_claim(customer))
}

/// Whether a subscription in this status is one that somebody has.
pub(super) const fn gives(status: SubscriptionStatus) -> bool {
    !status.is_final() && !matches!(status, SubscriptionStatus::Incomplete)
}

/// Since when something is owed: the earliest moment at which it was seen so, without having been paid in between.
fn past_due_since(before: Option<&SubscriptionRecord>, state: &Subscription, as_of: AsOf) -> Option<togglebox_core::Timestamp> {
    let owes = matches!(state.status, SubscriptionStatus::PastDue | SubscriptionStatus::Unpaid);
    owes.then(|| before.and_then(|before| before.past_due_since).unwrap_or(as_of.hi()))
}

/// A label of a closed set.
fn kind_label(kind: &str) -> &'static str {
    match kind {
        "second-subscription" => "second-subscription",
        "late-payment" => "late-payment",
        "unknown-price" => "unknown-price",
        "drift" => "drift",
        "customer-taken" => "customer-taken",
        "finalization-failed" => "finalization-failed",
        _ => "other",
    }
}
