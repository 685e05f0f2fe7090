//! Billing over a store in memory and the simulator, with the rest of the service played.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use togglebox_billing::stripe::{StripeOptions, StripeProvider};
use togglebox_billing::testkit::{FaultyStore, MemoryStore};
use togglebox_billing::{
    AccessRules, Billing, BillingPorts, BillingSettings, BillingStore, CheckoutOptions, CheckoutSettings, Entitlement, Interval,
    NewSignUp, Notice, Notifier, Pending, PlanPrice, PortError, PortResult, PriceList, Profile, QuotaLevel, Reservation,
    Reserved, Tenants, Turn, UsageSource, Verifier, WebhookSecret,
};
use togglebox_core::{Clock, Cursor, OsEntropy, Page, SystemStopwatch, TenantId, Timestamp};
use togglebox_stripe_sim::{Delivery, Outcome, SeedPrice, Sim};
use tokio::sync::Notify;
use uuid::Uuid;

pub(crate) const SECRET: &str = "whsec_test";
pub(crate) const METER: &str = "api_requests";
pub(crate) const HOUR: u64 = 3600;
pub(crate) const DAY: u64 = 24 * HOUR;
/// 2027-01-15T08:00:00Z.
pub(crate) const START: i64 = 1_800_000_000;
/// What `pro` includes.
pub(crate) const INCLUDED: u64 = 1_000;

/// The simulator's clock is everybody's.
#[derive(Debug)]
struct SimClock(Sim);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.now() * 1000)
    }
}

/// A process that may end at a call to what is outside of the store.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    calls: AtomicU64,
    /// The call before which (even) or after which (odd) it ends, times two.
    end: AtomicU64,
}

impl Fuse {
    pub(crate) fn set(&self, call: u64, after: bool) {
        self.calls.store(0, Ordering::SeqCst);
        self.end.store(2 * call + u64::from(after), Ordering::SeqCst);
    }

    pub(crate) fn clear(&self) {
        self.calls.store(0, Ordering::SeqCst);
        self.end.store(0, Ordering::SeqCst);
    }

    pub(crate) fn has_blown(&self) -> bool {
        let end = self.end.load(Ordering::SeqCst);
        end != 0 && self.calls.load(Ordering::SeqCst) >= end / 2
    }

    async fn run<T: Send>(&self, call: impl Future<Output = PortResult<T>> + Send) -> PortResult<T> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let end = self.end.load(Ordering::SeqCst);
        let gone = || PortError::Unavailable("the process has ended".into());
        if end == 0 || number < end / 2 {
            return call.await;
        }
        if number == end / 2 && end % 2 == 1 {
            drop(call.await);
        }
        Err(gone())
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) reservation: Reservation,
    pub(crate) entitlement: Option<Entitlement>,
}

/// The rest of the service.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pub(crate) tenants: Mutex<BTreeMap<TenantId, Tenant>>,
    pub(crate) taken: Mutex<BTreeSet<Box<str>>>,
    pub(crate) discarded: Mutex<Vec<TenantId>>,
    pub(crate) mails: Mutex<Vec<(TenantId, String, Notice)>>,
    /// Usage by tenant and hour since 1970.
    pub(crate) usage: Mutex<BTreeMap<(TenantId, i64), u64>>,
    pub(crate) fuse: Fuse,
    /// The next that gives a tenant something says that it is about to, and waits.
    pub(crate) slow: Mutex<Option<Arc<Slow>>>,
}

/// Somebody who is slow.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    pub(crate) is_there: Notify,
    pub(crate) go: Notify,
}

#[async_trait]
impl Tenants for Rest {
    async fn reserve(&self, reservation: &Reservation) -> PortResult<Reserved> {
        self.fuse
            .run(async {
                let mut tenants = self.tenants.lock().unwrap();
                if tenants.contains_key(&reservation.tenant) {
                    return Ok(Reserved::Kept);
                }
                if !self.taken.lock().unwrap().insert(reservation.subdomain.clone()) {
                    return Ok(Reserved::Taken);
                }
                tenants.insert(reservation.tenant, Tenant { reservation: reservation.clone(), entitlement: None });
                Ok(Reserved::Kept)
            })
            .await
    }

    async fn entitle(&self, tenant: TenantId, entitlement: &Entitlement) -> PortResult<bool> {
        let slow = self.slow.lock().unwrap().take();
        if let Some(slow) = slow {
            slow.is_there.notify_one();
            slow.go.notified().await;
        }
        self.fuse
            .run(async {
                let mut tenants = self.tenants.lock().unwrap();
                let found = tenants.get_mut(&tenant).map(|found| found.entitlement = Some(entitlement.clone()));
                Ok(found.is_some())
            })
            .await
    }

    async fn discard(&self, tenant: TenantId) -> PortResult<()> {
        self.fuse
            .run(async {
                let mut tenants = self.tenants.lock().unwrap();
                if tenants.get(&tenant).is_some_and(|found| found.entitlement.is_none()) {
                    let gone = tenants.remove(&tenant).unwrap();
                    self.taken.lock().unwrap().remove(&gone.reservation.subdomain);
                    self.discarded.lock().unwrap().push(tenant);
                }
                Ok(())
            })
            .await
    }

    async fn profile(&self, tenant: TenantId) -> PortResult<Option<Profile>> {
        let tenants = self.tenants.lock().unwrap();
        Ok(tenants.get(&tenant).map(|found| Profile {
            name: found.reservation.name.clone(),
            subdomain: found.reservation.subdomain.clone(),
            plan: "free".into(),
        }))
    }
}

#[async_trait]
impl UsageSource for Rest {
    async fn hours(&self, tenant: TenantId, from: Timestamp, until: Timestamp) -> PortResult<Vec<u64>> {
        let [from, until] = [from, until].map(|at| at.as_ms() / 3_600_000);
        let usage = self.usage.lock().unwrap();
        Ok((from..until).map(|hour| usage.get(&(tenant, hour)).copied().unwrap_or(0)).collect())
    }

    async fn complete_until(&self, now: Timestamp) -> PortResult<Timestamp> {
        Ok(now.minus(Duration::from_mins(3)))
    }

    async fn levels(&self, now: Timestamp, after: Option<Cursor>) -> PortResult<Page<QuotaLevel>> {
        // One at a time, so that there is more than one page.
        let place = after.map_or(0, |cursor| cursor.as_str().parse::<usize>().unwrap());
        let tenants: Vec<TenantId> = self.tenants.lock().unwrap().keys().copied().collect();
        let usage = self.usage.lock().unwrap();
        let level = |tenant: TenantId| QuotaLevel {
            tenant,
            period: now.day()[..7].into(),
            used: usage.iter().filter(|((whose, _), _)| *whose == tenant).map(|(_, used)| used).sum(),
            included: INCLUDED,
        };
        let next = (place + 1 < tenants.len()).then(|| Cursor::new((place + 1).to_string()));
        Ok(Page { items: tenants.get(place).map(|tenant| level(*tenant)).into_iter().collect(), next })
    }

    fn included(&self, plans: &[Box<str>]) -> Option<u64> {
        let of = |plan: &str| match plan {
            "pro" => Some(INCLUDED),
            "enterprise" => Some(10 * INCLUDED),
            _ => None,
        };
        plans.iter().try_fold(0, |most, plan| Some(most.max(of(plan)?)))
    }
}

#[async_trait]
impl Notifier for Rest {
    async fn notify(&self, tenant: TenantId, key: &str, notice: &Notice) -> PortResult<()> {
        self.fuse
            .run(async {
                self.mails.lock().unwrap().push((tenant, key.to_owned(), notice.clone()));
                Ok(())
            })
            .await
    }
}

pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) rest: Arc<Rest>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) node: FaultyStore,
    pub(crate) billing: Arc<Billing>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(AccessRules::default(), true).await
    }

    pub(crate) async fn with(access: AccessRules, undo_second: bool) -> Self {
        let sim = Sim::builder().now(START).manual_endpoint(SECRET).start().await.unwrap();
        seed(&sim);
        Self::over(sim, access, undo_second)
    }

    /// A new service over a simulator that has lived already.
    pub(crate) fn over(sim: Sim, access: AccessRules, undo_second: bool) -> Self {
        let (rest, store) = (Arc::new(Rest::default()), Arc::new(MemoryStore::new()));
        let node = FaultyStore::new(Arc::<MemoryStore>::clone(&store) as Arc<dyn BillingStore>);
        let billing = billing(&sim, &rest, Arc::new(node.clone()), access, undo_second);
        Self { sim, rest, store, node, billing: Arc::new(billing) }
    }

    /// Signs up for `pro`, by month.
    pub(crate) async fn sign_up(&self, subdomain: &str) -> Pending {
        self.billing.sign_up(new_sign_up(subdomain)).await.unwrap()
    }

    /// The page of a sign-up, by its address.
    pub(crate) fn session_of(&self, id: Uuid) -> String {
        let sessions = self.truth_of_all("sessions");
        let found = sessions.iter().find(|session| session["client_reference_id"] == id.to_string().as_str());
        found.unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Signs up and pays, and everything comes as it should.
    pub(crate) async fn paid(&self, subdomain: &str) -> TenantId {
        let pending = self.sign_up(subdomain).await;
        self.sim.complete_checkout(&self.session_of(pending.id), Outcome::Paid).unwrap();
        self.deliver_all().await;
        self.drain().await;
        assert!(self.entitlement(pending.tenant).is_some(), "paid for, and there");
        pending.tenant
    }

    pub(crate) fn entitlement(&self, tenant: TenantId) -> Option<Entitlement> {
        self.rest.tenants.lock().unwrap().get(&tenant).and_then(|found| found.entitlement.clone())
    }

    pub(crate) async fn deliver(&self, delivery: &Delivery) {
        let signature = delivery.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("stripe-signature"));
        let signature = signature.map(|(_, value)| value.as_str());
        self.billing.receive(signature, &delivery.body).await.unwrap();
    }

    pub(crate) async fn deliver_all(&self) {
        for delivery in self.sim.take_deliveries() {
            self.deliver(&delivery).await;
        }
    }

    /// Works until there is nothing to do.
    pub(crate) async fn drain(&self) {
        for _ in 0..1000 {
            let Turn { events, effects, accounts, sign_ups } = self.billing.turn().await.unwrap();
            if events + effects + accounts + sign_ups == 0 {
                return;
            }
        }
        panic!("there is always something to do");
    }

    /// Lets time pass; what is told comes, and is worked on.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.sim.advance(i64::try_from(seconds).unwrap()).await;
        self.deliver_all().await;
        self.drain().await;
    }

    pub(crate) fn sim_time(&self) -> Timestamp {
        Timestamp::from_ms(self.sim.now() * 1000)
    }

    pub(crate) fn mails(&self, prefix: &str) -> Vec<(String, Notice)> {
        let mails = self.rest.mails.lock().unwrap();
        mails.iter().filter(|(_, key, _)| key.starts_with(prefix)).map(|(_, key, notice)| (key.clone(), notice.clone())).collect()
    }

    /// The only subscription of a customer, as the simulator has it.
    pub(crate) fn subscription_id(&self, tenant: TenantId) -> String {
        self.entitlement(tenant).and_then(|given| given.subscription).unwrap().to_string()
    }

    pub(crate) fn customer_id(&self, tenant: TenantId) -> String {
        self.entitlement(tenant).and_then(|given| given.customer).unwrap().to_string()
    }

    pub(crate) fn use_up(&self, tenant: TenantId, at: i64, quantity: u64) {
        *self.rest.usage.lock().unwrap().entry((tenant, at / 3600)).or_default() += quantity;
    }
}

/// What is sold.
pub(crate) fn seed(sim: &Sim) {
    for (price, amount) in [("price_pro_m", 2_000), ("price_ent_m", 10_000)] {
        sim.seed_price(SeedPrice::monthly(price, amount)).unwrap();
    }
    for (price, amount) in [("price_pro_y", 20_000), ("price_ent_y", 100_000)] {
        sim.seed_price(SeedPrice::yearly(price, amount)).unwrap();
    }
    sim.seed_meter("mtr_requests", METER);
    sim.seed_price(SeedPrice::metered("price_use", "mtr_requests", "0.02")).unwrap();
}

pub(crate) fn new_sign_up(subdomain: &str) -> NewSignUp {
    NewSignUp {
        name: "Acme".into(),
        subdomain: subdomain.into(),
        owner: Uuid::from_u128(7),
        email: "ada@example.com".into(),
        plan: "pro".into(),
        interval: Interval::Monthly,
    }
}

pub(crate) fn prices() -> PriceList {
    let price = |plan: &str, interval, price: &str| PlanPrice { plan: plan.into(), interval, price: price.into() };
    let plans = vec![
        price("pro", Interval::Monthly, "price_pro_m"),
        price("pro", Interval::Yearly, "price_pro_y"),
        price("enterprise", Interval::Monthly, "price_ent_m"),
        price("enterprise", Interval::Yearly, "price_ent_y"),
    ];
    PriceList::new(plans, Some("price_use".into())).unwrap()
}

pub(crate) fn provider(sim: &Sim) -> StripeProvider {
    let mut options = StripeOptions::new(SecretString::from("sk_test_simulated"), METER);
    options.api_base = sim.base_url();
    options.first_pause = Duration::from_millis(1);
    StripeProvider::new(&options, Arc::new(SystemStopwatch::default()), Arc::new(OsEntropy)).unwrap()
}

pub(crate) fn billing(
    sim: &Sim,
    rest: &Arc<Rest>,
    store: Arc<dyn BillingStore>,
    access: AccessRules,
    undo_second: bool,
) -> Billing {
    billing_at(prices(), sim, rest, store, access, undo_second)
}

/// The same, at other prices.
pub(crate) fn billing_at(
    prices: PriceList,
    sim: &Sim,
    rest: &Arc<Rest>,
    store: Arc<dyn BillingStore>,
    access: AccessRules,
    undo_second: bool,
) -> Billing {
    let ports = BillingPorts {
        store,
        provider: Arc::new(provider(sim)),
        tenants: Arc::<Rest>::clone(rest),
        usage: Arc::<Rest>::clone(rest),
        notifier: Arc::<Rest>::clone(rest),
        clock: Arc::new(SimClock(sim.clone())),
        entropy: Arc::new(OsEntropy),
    };
    let settings = BillingSettings {
        prices,
        access,
        verifier: Verifier::new(vec![WebhookSecret::new(SECRET).unwrap()], Verifier::TOLERANCE).unwrap(),
        checkout: CheckoutSettings {
            success_url: "https://app.example.com/done?session_id={CHECKOUT_SESSION_ID}".into(),
            cancel_url: "https://app.example.com/plans".into(),
            portal_return_url: "https://app.example.com/billing".into(),
            trial_days: None,
            lifetime: Duration::from_secs(DAY),
            options: CheckoutOptions::default(),
        },
        undo_second,
        lease: BillingSettings::LEASE,
        attempts: BillingSettings::ATTEMPTS,
    };
    Billing::new(ports, settings)
}

impl World {
    /// How many sign-ups are open still.
    pub(crate) async fn store_open_sign_ups(&self) -> usize {
        let page = togglebox_core::PageRequest::first(1000);
        let list = togglebox_billing::lists::OPEN;
        self.store.list(togglebox_billing::Shelf::SignUp, list, &page).await.unwrap().items.len()
    }

    /// An object as the simulator has it.
    pub(crate) fn truth_of(&self, kind: &str, id: &str) -> serde_json::Value {
        self.sim.truth()[kind][id].clone()
    }

    /// All of a kind that the simulator has.
    pub(crate) fn truth_of_all(&self, kind: &str) -> Vec<serde_json::Value> {
        self.sim.truth()[kind].as_object().unwrap().values().cloned().collect()
    }
}
