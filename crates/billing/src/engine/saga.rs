//! From a name that is kept to a tenant that is paid for, or to a name that is free again.
//!
//! `Begun → Reserved → SessionCreated → Active`, with `Paying` before it where money takes days; and to the side `Refused`, `Expired`,
//! `Failed` and `Conflict`. A name is never given up because time has passed: the payment service is asked, and a page that is open is closed
//! there first, so that nobody pays for what is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use togglebox_core::StoreResult;
use uuid::Uuid;

use super::checkout::id_of;
use super::failure::Work;
use super::observe::{customer_address, customer_claim};
use super::{AT_ONCE, Billing, BillingError, Result, TRIES, trouble, whole_second};
use crate::metrics;
use crate::notice::Notice;
use crate::objects::{Checkout, CheckoutStatus, Subscription, SubscriptionStatus};
use crate::order::AsOf;
use crate::ports::{Reservation, Reserved};
use crate::provider::{Ending, NewCheckout, ProviderError};
use crate::records::{
    AccountRecord, ClaimRecord, ConflictRecord, Held, SignUpRecord, SignUpState as State, SubscriptionRecord, lists,
};
use crate::store::{Shelf, Write};

/// How long after its page has ended a sign-up is looked at.
pub(super) const AFTER_EXPIRY: Duration = Duration::from_mins(1);
/// How often money is asked for that is on its way.
const WHILE_PAYING: Duration = Duration::from_hours(1);
const BATCH: usize = 100;

impl Billing {
    /// Goes on with sign-ups that are due; says how many there were.
    pub(super) async fn work_sign_ups(&self) -> StoreResult<usize> {
        let works = self.due::<SignUpRecord>(BATCH).await?.into_iter().map(|held| async move {
            let Some(held) = self.claim(held).await? else { return Ok(0) };
            let id = held.id().to_owned();
            match self.look_at_sign_up(held).await {
                Ok(()) => metrics::worked("sign-up", "done"),
                Err(error) => self.sign_up_later(&id, &error).await?,
            }
            Ok(1)
        });
        let outcomes: Vec<StoreResult<usize>> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
        outcomes.into_iter().sum()
    }

    async fn sign_up_later(&self, id: &str, error: &BillingError) -> StoreResult<()> {
        let Some(mut held) = self.held::<SignUpRecord>(id).await? else { return Ok(()) };
        if &*held.document.list != lists::OPEN {
            return Ok(());
        }
        held.value.attempts += 1;
        let cause = error as &(dyn std::error::Error + Send + Sync + 'static);
        let verdict = self.failed(Work::SignUp, error, held.value.attempts);
        if verdict.is_enough {
            tracing::error!(sign_up = id, error = cause, "A sign-up does not get on: {}", trouble(error));
        } else {
            tracing::warn!(sign_up = id, error = cause, "A sign-up will be tried again");
        }
        // What went wrong inside of the payment service is answered the same for a day: then another page helps. Nobody has the first one's
        // address.
        if held.value.state == State::Reserved && held.value.attempts % 3 == 0 {
            held.value.round += 1;
        }
        // Never given up: somebody may have paid.
        self.commit(&[held.due(Some(verdict.again)).put()?]).await.map(drop)
    }

    /// The page of a sign-up, by an event or by who comes back from it; which sign-up it is, if it is one of ours.
    pub(super) async fn look_at(&self, session: &str) -> Result<Option<Uuid>> {
        let checkout = match self.ports.provider.checkout(session).await {
            Ok(checkout) => checkout,
            Err(ProviderError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(id) = checkout.reference.as_deref().and_then(|reference| reference.parse::<Uuid>().ok()) else {
            return Ok(None);
        };
        let Some(held) = self.held::<SignUpRecord>(&id.to_string()).await? else { return Ok(None) };
        self.follow(held, checkout).await?;
        Ok(Some(id))
    }

    /// The same for an event, to which a page of somebody else's is of no matter.
    pub(super) async fn look_at_session(&self, session: &str) -> Result<()> {
        self.look_at(session).await.map(drop)
    }

    /// Goes on with a sign-up, wherever it stands.
    pub(super) async fn look_at_sign_up(&self, held: Held<SignUpRecord>) -> Result<()> {
        let held = self.advance(held).await?;
        match &held.value.state {
            State::SessionCreated { session, .. } | State::Paying { session } => {
                let checkout = self.ports.provider.checkout(session).await?;
                self.follow(held, checkout).await
            }
            _ => Ok(()),
        }
    }

    /// Does what the page says.
    async fn follow(&self, held: Held<SignUpRecord>, checkout: Checkout) -> Result<()> {
        if checkout.is_paid() {
            return self.fulfil(held, &checkout).await;
        }
        match checkout.status {
            CheckoutStatus::Complete => self.wait_for_money(held, &checkout).await,
            CheckoutStatus::Expired => self.give_up(held, State::Expired, &checkout.id).await,
            CheckoutStatus::Open => {
                let is_over = checkout.expires_at.is_some_and(|end| end <= self.now());
                if is_over {
                    return self.close_page(held).await;
                }
                if held.value.state == State::Begun || held.value.state == State::Reserved {
                    return self.advance(held).await.map(drop);
                }
                let due = checkout.expires_at.map(|end| end.plus(AFTER_EXPIRY));
                if &*held.document.list == lists::OPEN && held.document.due != due {
                    self.commit(&[held.due(due).put()?]).await?;
                }
                Ok(())
            }
        }
    }

    /// Keeps the name.
    pub(super) async fn reserve(&self, record: &SignUpRecord) -> Result<State> {
        let reservation = Reservation {
            tenant: record.tenant,
            name: record.name.clone(),
            subdomain: record.subdomain.clone(),
            plan: record.plan.clone(),
            owner: record.owner,
            email: record.email.clone(),
        };
        Ok(match self.ports.tenants.reserve(&reservation).await? {
            Reserved::Kept => State::Reserved,
            Reserved::Taken => State::Refused { taken: true, why: "the subdomain is taken".to_owned() },
            Reserved::Refused(why) => State::Refused { taken: false, why },
        })
    }

    /// Makes the page. The same sign-up has the same page, however often this is done.
    pub(super) async fn open_page(&self, held: &Held<SignUpRecord>) -> Result<State> {
        let (record, settings) = (&held.value, &self.settings.checkout);
        let id = held.id();
        let metadata: BTreeMap<Box<str>, Box<str>> = [
            ("signup_id", id.to_owned()),
            ("tenant_id", record.tenant.to_string()),
            ("subdomain", record.subdomain.to_string()),
            ("plan", record.plan.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
        let new = NewCheckout {
            key: format!("signup:{id}:{}", record.round),
            reference: id.into(),
            price: record.price.clone(),
            usage_price: self.settings.prices.usage().map(Into::into),
            customer: record.customer.clone(),
            email: record.email.clone(),
            metadata,
            trial_days: settings.trial_days.filter(|_| record.is_new),
            // By what is written down, so that a repetition asks for the same.
            expires_at: whole_second(record.created.plus(settings.lifetime)),
            success_url: settings.success_url.clone(),
            cancel_url: settings.cancel_url.clone(),
            options: settings.options,
        };
        let made = match self.ports.provider.create_checkout(&new).await {
            Ok(made) => made,
            Err(ProviderError::Refused { code, param }) => {
                // It will not be otherwise later: nobody is to wait for it, and nobody else for the name.
                tracing::error!(
                    sign_up = id,
                    code = &*code,
                    param = param.as_deref(),
                    "The payment service makes no page for a sign-up"
                );
                if record.is_new {
                    self.ports.tenants.discard(record.tenant).await?;
                }
                return Ok(State::Unsold { code });
            }
            Err(error) => return Err(error.into()),
        };
        match (made.url, made.expires_at) {
            (Some(url), expires_at) => {
                let expires_at = expires_at.unwrap_or(new.expires_at);
                Ok(State::SessionCreated { session: made.id, url, expires_at })
            }
            // The answer is from the time when it was made: a page that is not open any more has no address.
            (None, _) => Ok(State::Paying { session: made.id }),
        }
    }

    /// Closes a page that can be paid still, and gives the name up; unless somebody has paid in this moment.
    pub(super) async fn close_page(&self, held: Held<SignUpRecord>) -> Result<()> {
        let State::SessionCreated { session, .. } = &held.value.state else { return Ok(()) };
        let session = session.clone();
        match self.ports.provider.expire_checkout(&session).await {
            Ok(_) => self.give_up(held, State::Expired, &session).await,
            Err(ProviderError::Refused { .. }) => {
                let checkout = self.ports.provider.checkout(&session).await?;
                match checkout.status {
                    CheckoutStatus::Expired => self.give_up(held, State::Expired, &session).await,
                    CheckoutStatus::Complete if checkout.is_paid() => self.fulfil(held, &checkout).await,
                    CheckoutStatus::Complete => self.wait_for_money(held, &checkout).await,
                    CheckoutStatus::Open => Err(BillingError::Busy),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The visitor is through, the money is not there. It may come in days; when it does not, the subscription ends.
    async fn wait_for_money(&self, held: Held<SignUpRecord>, checkout: &Checkout) -> Result<()> {
        if &*held.document.list != lists::OPEN {
            return Ok(());
        }
        if let Some(subscription) = &checkout.subscription {
            use SubscriptionStatus as S;
            let found = self.ports.provider.subscription(subscription).await?;
            if matches!(found.value.status, S::PastDue | S::Unpaid | S::Canceled | S::IncompleteExpired) {
                // A first payment that failed is not tried again by anybody: what it was for is not there.
                self.abandon(&format!("failed:{}", held.id()), &found.value).await?;
                return self.give_up(held, State::Failed, &checkout.id).await;
            }
        }
        let mut held = held.due(Some(self.now().plus(WHILE_PAYING)));
        held.value.state = State::Paying { session: checkout.id.clone() };
        // Stale: somebody else goes on with it.
        self.commit(&[held.put()?]).await?;
        Ok(())
    }

    /// Sees to it that nothing is paid any more for what nobody will have.
    pub(super) async fn abandon(&self, key: &str, subscription: &Subscription) -> Result<()> {
        if !subscription.status.is_final() {
            self.ports.provider.end(&format!("{key}:end"), &subscription.id, Ending::Undone).await?;
        }
        if let Some(invoice) = &subscription.latest_invoice {
            match self.ports.provider.void(&format!("{key}:void"), invoice).await {
                // Refused: it is not open.
                Ok(()) | Err(ProviderError::Refused { .. } | ProviderError::Missing(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Nothing will be paid: the name is free again. To be called when the payment service has said so.
    pub(super) async fn give_up(&self, held: Held<SignUpRecord>, state: State, session: &str) -> Result<()> {
        if &*held.document.list != lists::OPEN {
            return Ok(());
        }
        // A page that is not the one that this sign-up waits for ends nothing.
        if let State::SessionCreated { session: own, .. } | State::Paying { session: own } = &held.value.state
            && **own != *session
        {
            return Ok(());
        }
        if held.value.is_new {
            self.ports.tenants.discard(held.value.tenant).await?;
        }
        let (now, id, tenant) = (self.now(), held.id().to_owned(), held.value.tenant);
        let mut held = held.list(lists::CLOSED).due(None);
        held.document.at = now;
        held.value.state = state.clone();
        let mut writes = vec![held.put()?];
        if state == State::Failed {
            writes.extend(self.notices(tenant, &[(format!("signup_failed:{id}"), Notice::SignUpFailed)]).await?);
        }
        self.commit(&writes).await?;
        Ok(())
    }

    /// Gives what was paid for. Called by the webhook, by who comes back from the page, and by whoever looks after sign-ups, in any order and
    /// at the same time: it happens once.
    async fn fulfil(&self, held: Held<SignUpRecord>, checkout: &Checkout) -> Result<()> {
        let (Some(subscription), Some(customer)) = (&checkout.subscription, &checkout.customer) else {
            return Err(BillingError::Provider(ProviderError::NotUnderstood("a paid page without a subscription".into())));
        };
        let id = id_of(&held)?;
        let mut held = held;
        for _ in 0..TRIES {
            if let State::Active { subscription: theirs } | State::Conflict { subscription: theirs } = &held.value.state
                && theirs == subscription
            {
                return Ok(());
            }
            // A crash may have come before the name was kept.
            if held.value.state == State::Begun {
                held = self.advance(held).await?;
                continue;
            }
            let known = self.held::<SubscriptionRecord>(subscription).await?;
            let fetched = self.ports.provider.subscription(subscription).await?;
            let account = self.account(held.value.tenant).await?;
            let writes = self.fulfilment(&held, (subscription, customer), known, fetched.value, fetched.as_of, account).await?;
            if self.commit(&writes).await? {
                metrics::worked("sign-up", "done");
                self.settle_now(held.value.tenant).await;
                return Ok(());
            }
            held = self.held::<SignUpRecord>(&id.to_string()).await?.ok_or(BillingError::NoSignUp)?;
        }
        Err(BillingError::Busy)
    }

    async fn fulfilment(
        &self,
        held: &Held<SignUpRecord>,
        (subscription, customer): (&str, &str),
        known: Option<Held<SubscriptionRecord>>,
        state: Subscription,
        as_of: AsOf,
        account: Option<Held<AccountRecord>>,
    ) -> Result<Vec<Write>> {
        let (now, tenant) = (self.now(), held.value.tenant);
        let mut writes = Vec::new();
        let is_open = &*held.document.list == lists::OPEN;
        let current = match &account {
            Some(account) if *account.value.subscription != *subscription => {
                self.held::<SubscriptionRecord>(&account.value.subscription).await?
            }
            _ => None,
        };
        let has_other = current.as_ref().is_some_and(|current| !current.value.state.status.is_final());
        let claim = self.held::<ClaimRecord>(&customer_claim(customer)).await?;
        let is_others = claim.as_ref().is_some_and(|claim| claim.value.tenant != tenant);
        let gone = !is_open || is_others;
        let mut signed = held.clone().list(lists::CLOSED).due(None);
        signed.document.at = now;
        if has_other || gone {
            signed.value.state = State::Conflict { subscription: subscription.into() };
            writes.push(signed.put()?);
            if has_other {
                writes.extend(self.second(tenant, &state).await?);
            } else {
                let record = ConflictRecord {
                    kind: if is_others { "customer-taken" } else { "late-payment" }.into(),
                    tenant: Some(tenant),
                    subscription: Some(subscription.into()),
                    customer: Some(customer.into()),
                    detail: "It was paid for a sign-up that was over.".to_owned(),
                    resolution: None,
                };
                writes.extend(self.conflict(&format!("late:{subscription}"), record).await?);
            }
            return Ok(writes);
        }
        let is_over = state.status.is_final();
        signed.value.state = State::Active { subscription: subscription.into() };
        writes.push(signed.put()?);
        writes.push(if let Some(claim) = claim {
            Write::Expect(customer_address(customer), claim.document.version)
        } else {
            let claim = Held::new(&customer_claim(customer), lists::OPEN, now, ClaimRecord { tenant });
            claim.of(Some(tenant)).put()?
        });
        // What is known may be as new as what was read before it.
        let is_news =
            known.as_ref().is_none_or(|known| known.value.as_of.hi() <= as_of.hi() && !known.value.state.status.is_final());
        let list = if is_over { lists::CLOSED } else { lists::OPEN };
        let mut record = SubscriptionRecord {
            state,
            as_of,
            past_due_since: known.as_ref().and_then(|known| known.value.past_due_since),
            scheduled: known.as_ref().and_then(|known| known.value.scheduled.clone()),
            plans: Vec::new(),
            former: None,
        };
        self.follow_periods(known.as_ref().map(|known| &known.value), &mut record);
        match known {
            Some(known) if is_news => {
                let tenant_known = known.document.tenant.or(Some(tenant));
                writes.push(Held { value: record, ..known }.of(tenant_known).list(list).put()?);
            }
            Some(known) => writes.push(Write::Expect(known.document.address.clone(), known.document.version)),
            None => writes.push(Held::new(subscription, list, now, record).of(Some(tenant)).put()?),
        }
        let value = AccountRecord {
            customer: customer.into(),
            subscription: subscription.into(),
            given: account.as_ref().and_then(|account| account.value.given.clone()),
            attempts: 0,
            leaving: account.as_ref().is_some_and(|account| account.value.leaving),
            ends_for_leaving: false,
            ended: None,
        };
        let account = match account {
            Some(account) => Held { value, ..account },
            None => Held::new(&tenant.to_string(), lists::OPEN, now, value).of(Some(tenant)),
        };
        writes.push(account.list(lists::OPEN).due(Some(now)).put()?);
        if held.value.is_new {
            let notice = Notice::Welcome { plan: held.value.plan.clone() };
            writes.extend(self.notices(tenant, &[(format!("welcome:{}", held.id()), notice)]).await?);
        }
        debug_assert!(writes.iter().all(|write| write.expected().0.shelf != Shelf::Event));
        Ok(writes)
    }
}
