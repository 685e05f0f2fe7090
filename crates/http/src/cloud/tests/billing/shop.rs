//! A service of many workspaces that sells plans.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use secrecy::SecretString;
use serde_json::{Value, json};
use togglebox_billing::stripe::{StripeOptions, StripeProvider};
use togglebox_billing::testkit::{FaultyStore, MemoryStore};
use togglebox_billing::{
    AccessRules, Billing, BillingPorts, BillingSettings, BillingStore, CheckoutOptions, CheckoutSettings, Entitlement, Interval,
    Mode, Notice, Notifier, PlanPrice, PortError, PortResult, PriceList, Profile, QuotaLevel, Reservation, Reserved, Tenants,
    UsageSource, Verifier, WebhookSecret,
};
use togglebox_core::testkit::Faults;
use togglebox_core::{Actor, Clock, Cursor, Email, OsEntropy, Page, SystemStopwatch, TenantId, Timestamp};
use togglebox_multitenancy::manage::{Entitled, NewTenant, Tenancy, TenancyError};
use togglebox_multitenancy::{Person, Subdomain, TenantName, Unpaid, UsagePeriod};
use togglebox_stripe_sim::{Delivery, Outcome, SeedPrice, Sim};

use super::super::rig::{API, BEGIN, PASSWORD, Plan, Rig, Session};
use crate::ApiLimits;
use crate::cloud::BillingDesk;
use crate::tests::rig::Answer;

pub(super) const WEBHOOK: &str = "/api/v1/webhooks/stripe";
pub(super) const SUBSCRIPTION: &str = "/api/v1/billing/subscription";
pub(super) const SECRET: &str = "whsec_test";
pub(super) const KEY: &str = "sk_test_simulated";

const METER: &str = "api_requests";

/// The register of workspaces, as billing knows it.
#[derive(Debug)]
struct Register(Arc<Tenancy>);

fn refused(error: TenancyError) -> PortError {
    PortError::Refused(Box::new(error))
}

#[async_trait]
impl Tenants for Register {
    async fn reserve(&self, reservation: &Reservation) -> PortResult<Reserved> {
        let new = NewTenant {
            name: TenantName::new(&reservation.name).unwrap(),
            subdomain: Subdomain::new(&reservation.subdomain).unwrap(),
            plan: Some(reservation.plan.parse().unwrap()),
            owner: Person { user: reservation.owner, email: Email::new(&reservation.email).unwrap() },
            id: Some(reservation.tenant),
            unpaid: true,
        };
        match self.0.create(&Actor::system(), new).await {
            Ok(_) => Ok(Reserved::Kept),
            Err(TenancyError::SubdomainTaken(_) | TenancyError::SubdomainQuarantined(_)) => Ok(Reserved::Taken),
            Err(error) => Err(refused(error)),
        }
    }

    async fn entitle(&self, tenant: TenantId, entitlement: &Entitlement) -> PortResult<bool> {
        let since = entitlement.restricted_since.unwrap_or(BEGIN);
        let entitled = Entitled {
            plan: entitlement.plan.as_deref().map(|plan| plan.parse().unwrap()),
            past_due_since: entitlement.past_due_since,
            restricted: match entitlement.mode {
                Mode::Full | Mode::Overdue => None,
                Mode::ReadOnly => Some(Unpaid::ReadOnly(since)),
                Mode::NotYet => Some(Unpaid::Reserved(since)),
                Mode::Closed => Some(Unpaid::Closed(since)),
            },
            customer: entitlement.customer.as_deref().map(str::to_owned),
            subscription: entitlement.subscription.as_deref().map(str::to_owned),
            period_end: entitlement.period_end,
            usage: entitlement.usage.as_ref().map(|usage| UsagePeriod {
                from: usage.from,
                until: usage.until,
                plans: usage.plans.iter().map(|plan| plan.parse().unwrap()).collect(),
            }),
        };
        match self.0.entitle(tenant, &Actor::system(), &entitled).await {
            Ok(_) => Ok(true),
            Err(TenancyError::TenantNotFound) => Ok(false),
            Err(error) => Err(refused(error)),
        }
    }

    async fn discard(&self, tenant: TenantId) -> PortResult<()> {
        self.0.discard(tenant, &Actor::system()).await.map_err(refused)
    }

    async fn profile(&self, tenant: TenantId) -> PortResult<Option<Profile>> {
        let tenant = self.0.tenant(tenant).await.map_err(refused)?;
        Ok(Some(Profile {
            name: tenant.name.as_str().into(),
            subdomain: tenant.subdomain.as_str().into(),
            plan: tenant.plan.as_str().into(),
        }))
    }
}

/// Everybody uses as much in each hour.
#[derive(Debug)]
struct Steady(u64);

#[async_trait]
impl UsageSource for Steady {
    async fn hours(&self, _: TenantId, from: Timestamp, until: Timestamp) -> PortResult<Vec<u64>> {
        let hours = (until.as_ms() - from.as_ms()) / 3_600_000;
        Ok(vec![self.0; usize::try_from(hours).unwrap()])
    }

    async fn complete_until(&self, now: Timestamp) -> PortResult<Timestamp> {
        Ok(now)
    }

    async fn levels(&self, _: Timestamp, _: Option<Cursor>) -> PortResult<Page<QuotaLevel>> {
        Ok(Page::empty())
    }

    fn included(&self, _: &[Box<str>]) -> Option<u64> {
        Some(1_000)
    }
}

/// Mails that were sent, by what they are about; or none, while the post is away.
#[derive(Debug, Default)]
pub(super) struct Post {
    pub(super) sent: Mutex<Vec<String>>,
    pub(super) refuses: Mutex<bool>,
}

#[async_trait]
impl Notifier for Post {
    async fn notify(&self, _: TenantId, key: &str, _: &Notice) -> PortResult<()> {
        if *self.refuses.lock().unwrap() {
            return Err(PortError::Refused("no such mailbox".into()));
        }
        self.sent.lock().unwrap().push(key.to_owned());
        Ok(())
    }
}

/// A node, Stripe, and what is between the two.
pub(super) struct Shop {
    pub(super) rig: Rig,
    pub(super) sim: Sim,
    pub(super) desk: BillingDesk,
    /// What goes wrong in billing's store.
    pub(super) faults: Arc<Faults>,
    pub(super) post: Arc<Post>,
}

impl Shop {
    pub(super) async fn open() -> Self {
        Self::with(None).await
    }

    pub(super) async fn with(limits: Option<ApiLimits>) -> Self {
        let sim = Sim::builder().now(BEGIN.as_ms() / 1000).manual_endpoint(SECRET).start().await.unwrap();
        for (price, amount) in [("price_pro_m", 2_000), ("price_ent_m", 10_000)] {
            sim.seed_price(SeedPrice::monthly(price, amount)).unwrap();
        }
        sim.seed_price(SeedPrice::yearly("price_pro_y", 20_000)).unwrap();
        sim.seed_meter("mtr_requests", METER);
        sim.seed_price(SeedPrice::metered("price_use", "mtr_requests", "0.02")).unwrap();
        let (faults, post) = (Arc::new(Faults::none()), Arc::<Post>::default());
        let store: Arc<dyn BillingStore> = Arc::new(MemoryStore::new());
        let store = FaultyStore::with_faults(store, Arc::clone(&faults));
        let (provider, notifier) = (Arc::new(provider(&sim)), Arc::clone(&post));
        let made = move |tenancy: &Arc<Tenancy>, clock: &Arc<dyn Clock>| {
            let ports = BillingPorts {
                store: Arc::new(store),
                provider,
                tenants: Arc::new(Register(Arc::clone(tenancy))),
                usage: Arc::new(Steady(600)),
                notifier,
                clock: Arc::clone(clock),
                entropy: Arc::new(OsEntropy),
            };
            BillingDesk::new(Arc::new(Billing::new(ports, settings())))
        };
        let rig = Rig::planned(Plan { billing: Some(Box::new(made)), limits, ..Plan::default() }).await;
        let desk = rig.services.billing.clone().unwrap();
        Self { rig, sim, desk, faults, post }
    }

    /// Lets time pass for everybody.
    pub(super) async fn pass(&self, time: Duration) {
        self.rig.clock.advance(time);
        self.sim.advance(i64::try_from(time.as_secs()).unwrap()).await;
    }

    /// What a loop of the server's does each time that it wakes.
    pub(super) async fn work(&self) {
        for _ in 0..100 {
            if self.desk.billing.turn().await.unwrap().count() == 0 {
                return;
            }
        }
        panic!("there is always something to do");
    }

    /// Whether whoever works on billing was woken since this was asked last.
    pub(super) fn was_woken(&self) -> bool {
        self.desk.wake.notified().now_or_never().is_some()
    }

    /// The page to pay on of a sign-up.
    pub(super) fn session_of(&self, sign_up: &Value) -> String {
        let sessions = self.sim.truth()["sessions"].clone();
        let found = sessions.as_object().unwrap().values().find(|session| session["client_reference_id"] == *sign_up).cloned();
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// The same, paid.
    pub(super) fn pay(&self, sign_up: &Value) -> String {
        let session = self.session_of(sign_up);
        self.sim.complete_checkout(&session, Outcome::Paid).unwrap();
        session
    }

    /// Brings a webhook in.
    pub(super) async fn tell(&self, body: impl Into<Vec<u8>>, signature: &str) -> Answer {
        let request = TestRequest::with_uri(WEBHOOK).method(Method::POST).insert_header(("host", API));
        let request = request.insert_header(("content-type", "application/json; charset=utf-8"));
        let request = if signature.is_empty() { request } else { request.insert_header(("stripe-signature", signature)) };
        self.rig.answer(request.set_payload(body.into())).await
    }

    pub(super) async fn deliver(&self, delivery: &Delivery) -> Answer {
        self.tell(delivery.body.clone(), delivery.signature()).await
    }

    /// Brings all in that Stripe has to tell, and works on it.
    pub(super) async fn deliver_all(&self) {
        for delivery in self.sim.take_deliveries() {
            self.deliver(&delivery).await.expect(200);
        }
        self.work().await;
    }

    pub(super) async fn post(&self, who: &Session, path: &str, body: Value) -> Answer {
        self.rig.post(&who.host, path, Some(&who.token), body).await
    }

    pub(super) async fn get(&self, who: &Session, path: &str) -> Answer {
        self.rig.get(&who.host, path, &who.token).await
    }

    pub(super) async fn subscription(&self, who: &Session) -> Value {
        self.get(who, SUBSCRIPTION).await.expect(200).json()["data"].clone()
    }

    /// Somebody with a workspace that pays for `pro`, by month.
    pub(super) async fn subscriber(&self, name: &str, subdomain: &str) -> Session {
        let session = self.rig.sign_up(name, subdomain).await;
        let page = self.post(&session, "/api/v1/billing/checkout", json!({ "plan": "pro" })).await.expect(200).json();
        self.pay(&page["data"]["signUpId"]);
        self.deliver_all().await;
        session
    }

    /// Somebody's card, by which charges succeed or not.
    pub(super) fn customer(&self) -> String {
        let customers = self.sim.truth()["customers"].clone();
        customers.as_object().unwrap().keys().next().unwrap().clone()
    }
}

/// A sign-up for a plan.
pub(super) fn form(name: &str, subdomain: &str, plan: &Value) -> Value {
    let mut workspace = json!({ "name": subdomain, "subdomain": subdomain });
    workspace.as_object_mut().unwrap().extend(plan.as_object().unwrap().clone());
    json!({ "name": name, "email": format!("{name}@example.com"), "password": PASSWORD, "workspace": workspace })
}

fn provider(sim: &Sim) -> StripeProvider {
    let mut options = StripeOptions::new(SecretString::from(KEY), METER);
    sim.base_url().clone_into(&mut options.api_base);
    options.first_pause = Duration::from_millis(1);
    StripeProvider::new(&options, Arc::new(SystemStopwatch::default()), Arc::new(OsEntropy)).unwrap()
}

fn settings() -> BillingSettings {
    let price = |plan: &str, interval, price: &str| PlanPrice { plan: plan.into(), interval, price: price.into() };
    let plans = vec![
        price("pro", Interval::Monthly, "price_pro_m"),
        price("pro", Interval::Yearly, "price_pro_y"),
        price("enterprise", Interval::Monthly, "price_ent_m"),
    ];
    BillingSettings {
        prices: PriceList::new(plans, Some("price_use".into())).unwrap(),
        access: AccessRules::default(),
        verifier: Verifier::new(vec![WebhookSecret::new(SECRET).unwrap()], Verifier::TOLERANCE).unwrap(),
        checkout: CheckoutSettings {
            success_url: "https://app.localtest/done?session_id={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "https://app.localtest/plans".into(),
            portal_return_url: "https://app.localtest/billing".into(),
            trial_days: None,
            lifetime: Duration::from_hours(1),
            options: CheckoutOptions::default(),
        },
        undo_second: true,
        lease: BillingSettings::LEASE,
        attempts: BillingSettings::ATTEMPTS,
    }
}
