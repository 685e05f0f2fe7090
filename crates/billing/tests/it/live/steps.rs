//! A customer's life in forty requests.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use hyper::Method;
use serde_json::Value;
use togglebox_billing::objects::{CheckoutStatus, Envelope, EventKind, Item, Subscription, SubscriptionStatus};
use togglebox_billing::stripe::StripeProvider;
use togglebox_billing::{
    BillingProvider as _, Change, CheckoutOptions, Ending, EventQuery, Money, NewCheckout, PortalFlow, UsageReport, When,
};
use togglebox_core::Timestamp;

use super::relay::Relay;
use super::table::{Table, id};

/// What reports of usage name.
pub(super) const METER: &str = "togglebox_live_suite";
/// What is asked without the relay.
pub(super) const DIRECT: usize = 1;

const HOUR: Duration = Duration::from_hours(1);
/// After so long the plan is changed.
const USED: Duration = Duration::from_hours(10 * 24);
/// What is told of usage in an hour.
const REQUESTS: u64 = 1_234;
/// How long a test clock is waited for. One that is not ready by then is an error: the next request would be refused.
const PATIENCE: [Duration; 3] = [Duration::from_secs(3), Duration::from_secs(12), Duration::from_secs(45)];

/// Whether our client gets an answer by its own means, with this key.
pub(super) async fn is_reached(direct: &StripeProvider) -> Result<()> {
    direct.webhook_endpoints().await.map(drop).map_err(Into::into)
}

/// What a run found out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) previewed: Money,
    pub(super) billed: Money,
    pub(super) usage: (u64, u64),
    pub(super) events: Vec<String>,
}

/// One run.
pub(super) struct Run {
    relay: Arc<Relay>,
    provider: StripeProvider,
    began: Timestamp,
    /// The test clock, once there is one.
    clock: Option<String>,
}

impl Run {
    pub(super) fn new(relay: Arc<Relay>, provider: StripeProvider, began: Timestamp) -> Self {
        Self { relay, provider, began, clock: None }
    }

    /// Everything, up to the end of the subscription.
    pub(super) async fn all(&mut self) -> Result<Found> {
        let table = Table::lay(&self.relay, &self.provider).await.context("the meter and the prices")?;
        self.page(&table).await.context("a page to pay on")?;
        let subscription = self.subscribe(&table).await.context("a subscription")?;
        self.tell(&subscription).await.context("usage")?;
        let now = self.pass().await.context("the test clock")?;
        let (previewed, billed) = self.more(&subscription, &table, now).await.context("a change that holds at once")?;
        self.less(&subscription, &table, now).await.context("a change with the next period")?;
        self.resume(&subscription).await.context("an end that is taken back")?;
        let portal = self.provider.create_portal(&subscription.customer, PortalFlow::Overview, "https://example.com/").await;
        portal.context("the portal: its settings have to be saved once in test mode (Settings, Billing, Customer portal)")?;
        let events = self.events(&subscription).await.context("events")?;
        let known = self.known(&subscription).await.context("what is known of usage")?;
        let ended = self.provider.end(&self.key("end"), &subscription.id, Ending::Now).await.context("the end")?.value;
        ensure!(ended.status == SubscriptionStatus::Canceled, "it is {} after its end", ended.status.as_str());
        Ok(Found { previewed, billed, usage: (REQUESTS, known), events })
    }

    /// With the test clock its customer goes, and what that had.
    pub(super) async fn clean_up(&self) -> Result<()> {
        let Some(clock) = &self.clock else { return Ok(()) };
        let gone = self.relay.ask(Method::DELETE, &format!("/v1/test_helpers/test_clocks/{clock}"), &[]).await?;
        ensure!(gone["deleted"] == true, "the test clock is still there");
        Ok(())
    }

    /// Unique to this run.
    fn key(&self, what: &str) -> String {
        format!("live:{}:{what}", self.began.as_ms())
    }

    /// Made once under its key, and closed.
    async fn page(&self, table: &Table) -> Result<()> {
        let new = NewCheckout {
            key: self.key("page"),
            reference: self.key("sign-up").into(),
            price: table.small.as_str().into(),
            usage_price: Some(table.by_use.as_str().into()),
            customer: None,
            email: "live-suite@example.com".into(),
            metadata: [("tenant_id".into(), "live".into())].into(),
            trial_days: None,
            expires_at: self.began.plus(HOUR),
            success_url: "https://example.com/done?session_id={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "https://example.com/plans".into(),
            options: CheckoutOptions::default(),
        };
        let made = self.provider.create_checkout(&new).await?;
        ensure!(made.status == CheckoutStatus::Open && made.url.is_some() && !made.is_paid(), "it is not open: {made:?}");
        ensure!(made.reference.as_deref() == Some(&*new.reference), "it is not ours: {made:?}");
        let again = self.provider.create_checkout(&new).await?;
        ensure!(again.id == made.id, "the same key gave another page");
        let closed = self.provider.expire_checkout(&made.id).await?;
        ensure!(closed.status == CheckoutStatus::Expired, "it is not closed: {closed:?}");
        Ok(())
    }

    /// A customer on a clock of their own, with a card that works, who pays at once.
    async fn subscribe(&mut self, table: &Table) -> Result<Subscription> {
        let frozen = (self.began.as_ms() / 1000).to_string();
        let form = [("frozen_time", frozen.as_str()), ("name", "ToggleBox live suite")];
        let clock = id(&self.relay.ask(Method::POST, "/v1/test_helpers/test_clocks", &form).await?)?;
        self.clock = Some(clock.clone());
        let form = [
            ("email", "live-suite@example.com"),
            ("test_clock", &clock),
            ("payment_method", "pm_card_visa"),
            ("invoice_settings[default_payment_method]", "pm_card_visa"),
        ];
        let customer = id(&self.relay.ask(Method::POST, "/v1/customers", &form).await?)?;
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", &table.small),
            ("items[1][price]", &table.by_use),
            ("metadata[tenant_id]", "live"),
        ];
        let made = self.relay.ask(Method::POST, "/v1/subscriptions", &form).await?;
        let read = Subscription::read(&made)?;
        ensure!(read.status == SubscriptionStatus::Active, "it is {}", read.status.as_str());
        ensure!(read.items.len() == 2 && read.metadata.get("tenant_id").is_some_and(|id| &**id == "live"), "{read:?}");
        let month = plan(&read)?;
        ensure!(month.period_start.is_some() && month.period_end > month.period_start, "it has no period: {read:?}");
        Ok(read)
    }

    async fn tell(&self, subscription: &Subscription) -> Result<()> {
        let report = UsageReport {
            customer: subscription.customer.clone(),
            identifier: self.key("usage"),
            at: self.began,
            value: REQUESTS,
        };
        Ok(self.provider.send_usage(&report).await?)
    }

    /// Some days go by on the test clock; what time it is there.
    async fn pass(&self) -> Result<Timestamp> {
        let clock = self.clock.as_deref().context("there is none")?;
        let now = self.began.plus(USED);
        let path = format!("/v1/test_helpers/test_clocks/{clock}");
        let form = [("frozen_time", (now.as_ms() / 1000).to_string())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut found = self.relay.ask(Method::POST, &format!("{path}/advance"), &form).await?;
        for pause in PATIENCE {
            if found["status"] == "ready" {
                break;
            }
            tokio::time::sleep(pause).await;
            found = self.relay.ask(Method::GET, &path, &[]).await?;
        }
        ensure!(found["status"] == "ready", "it is {} after a minute", found["status"]);
        Ok(Timestamp::from_ms(now.as_ms() / 1000 * 1000))
    }

    /// What is shown is what is billed.
    async fn more(&self, subscription: &Subscription, table: &Table, now: Timestamp) -> Result<(Money, Money)> {
        let change = change(subscription, &table.big, now)?;
        let preview = self.provider.preview_change(&change).await?;
        let changed = self.provider.change_plan(&self.key("more"), &change, When::Now).await?.value;
        ensure!(*plan(&changed)?.price == *table.big && !changed.pending_update, "it was not changed: {changed:?}");
        let bills = self.provider.invoices(&subscription.customer, 1, None).await?.items;
        let bill = bills.first().context("there is no bill")?;
        ensure!(
            bill.total == preview.total && bill.paid == preview.due,
            "{:?} were shown, and {:?} are billed, of which {:?} are paid",
            preview.due,
            bill.total,
            bill.paid
        );
        ensure!(bill.subscription.as_deref() == Some(&*subscription.id), "the bill names another subscription: {bill:?}");
        Ok((preview.due, bill.paid))
    }

    /// Planned, read back, and given up.
    async fn less(&self, subscription: &Subscription, table: &Table, now: Timestamp) -> Result<()> {
        let change = change(subscription, &table.small, now)?;
        let planned = self.provider.change_plan(&self.key("less"), &change, When::PeriodEnd).await?.value;
        let schedule = planned.schedule.as_deref().context("it has no schedule")?;
        ensure!(*plan(&planned)?.price == *table.big, "it was changed at once");
        let next = self.provider.scheduled(schedule).await?.context("nothing is planned")?;
        ensure!(
            *next.price == *table.small && Some(next.at) == plan(&planned)?.period_end,
            "another change is planned: {next:?}"
        );
        Ok(self.provider.release_schedule(&self.key("release"), schedule).await?)
    }

    async fn resume(&self, subscription: &Subscription) -> Result<()> {
        let ending = self.provider.end(&self.key("cancel"), &subscription.id, Ending::PeriodEnd).await?.value;
        ensure!(ending.ends() && ending.status == SubscriptionStatus::Active, "it does not end: {ending:?}");
        let going_on = self.provider.end(&self.key("resume"), &subscription.id, Ending::NotAtAll).await?.value;
        ensure!(!going_on.ends() && going_on.schedule.is_none(), "it still ends: {going_on:?}");
        Ok(())
    }

    /// Those of this customer, each read as one that comes by webhook; of those that we work on, their subscriptions and bills too.
    async fn events(&self, subscription: &Subscription) -> Result<Vec<String>> {
        let query = EventQuery { since: self.began.minus(HOUR), kinds: EventKind::ALL, before: None };
        let mut kinds = Vec::new();
        for event in self.provider.events(&query).await?.items {
            let read = Envelope::read(&event)?;
            ensure!(!read.livemode, "{} is of live mode", read.id);
            if read.subject.customer.as_deref() != Some(&*subscription.customer) {
                continue;
            }
            let object: &Value = &event["data"]["object"];
            match object["object"].as_str() {
                Some("subscription") => drop(Subscription::read(object)?),
                Some("invoice") => drop(togglebox_billing::objects::Invoice::read(object)?),
                _ => {}
            }
            kinds.push(read.kind.to_string());
        }
        kinds.sort_unstable();
        kinds.dedup();
        ensure!(kinds.iter().any(|kind| kind == "invoice.paid"), "nothing tells of a payment, only {kinds:?}");
        Ok(kinds)
    }

    /// What is known of usage may be less than what was told, and never more.
    async fn known(&self, subscription: &Subscription) -> Result<u64> {
        let hours = self.provider.usage(&subscription.customer, self.began, self.began.plus(HOUR)).await?;
        let known = hours.iter().map(|hour| hour.value).sum();
        ensure!(known <= REQUESTS, "{REQUESTS} were told, and {known} are known");
        Ok(known)
    }
}

fn plan(subscription: &Subscription) -> Result<&Item> {
    subscription.items.iter().find(|item| !item.metered).context("it has no plan")
}

fn change(subscription: &Subscription, price: &str, now: Timestamp) -> Result<Change> {
    Ok(Change {
        subscription: subscription.id.clone(),
        customer: subscription.customer.clone(),
        item: plan(subscription)?.id.clone(),
        price: price.into(),
        proration_date: now,
    })
}
