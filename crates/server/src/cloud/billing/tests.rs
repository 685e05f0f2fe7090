use togglebox_billing::{Interval, NewSignUp};
use togglebox_core::{ManualClock, OsEntropy, TenantId};
use togglebox_multitenancy::{Tenant, TenantStatus};
use togglebox_storage::Sqlite;
use togglebox_stripe_sim::{Ask, Effect as Failure, Fault, Matcher, Moment, Outcome, SeedPrice, Sim};
use tokio::sync::oneshot;

use super::super::endings::Endings;
use super::super::testing::{GRACE as RESTORABLE, OWNER, Place};
use super::*;
use crate::settings::Problems;

/// A simulated Stripe whose time is that of the tests, with what is to be sold.
async fn stripe(place: &Place) -> Sim {
    let sim = Sim::builder().now(place.clock.now().as_ms() / 1000).manual_endpoint("whsec_1").start().await.unwrap();
    sim.seed_meter("mtr_1", BillingSettings::METER);
    for price in [
        SeedPrice::monthly("price_pm", 2_000),
        SeedPrice::yearly("price_py", 20_000),
        SeedPrice::metered("price_u", "mtr_1", "0.02"),
    ] {
        sim.seed_price(price).unwrap();
    }
    sim
}

fn settings(base: &str, more: &[(&str, &str)]) -> Result<CloudSettings, Problems> {
    let pairs = [
        ("BASE_DOMAIN", "example.com"),
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
        ("STRIPE_PRICE_PRO_MONTHLY", "price_pm"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_py"),
        ("STRIPE_PRICE_API_REQUESTS", "price_u"),
        ("STRIPE_API_BASE", base),
    ];
    CloudSettings::read(&pairs.iter().chain(more).copied().collect()).map(|(_, cloud)| cloud)
}

fn till(place: &Place, base: &str, more: &[(&str, &str)]) -> Arc<Till> {
    let cloud = settings(base, more).unwrap();
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) = (Arc::<ManualClock>::clone(&place.clock), Arc::new(OsEntropy));
    let of = Ingredients {
        cloud: &cloud,
        store: &(Arc::<Sqlite>::clone(&place.store) as Arc<dyn BillingStore>),
        register: &RegisterStores::over(&place.store),
        usage: &UsageStores::over(&place.store),
        tenancy: &place.tenancy,
        post: None,
        clock: &clock,
        entropy: &entropy,
    };
    Arc::new(Till::new(cloud.billing.as_ref().unwrap(), of).unwrap())
}

async fn hear(sim: &Sim, till: &Till) {
    for delivery in sim.take_deliveries() {
        till.billing().receive(Some(delivery.signature()), &delivery.body).await.unwrap();
    }
    till.desk.wake.notify_one();
}

/// Signs somebody up, who pays.
async fn paid(sim: &Sim, till: &Till, subdomain: &str) -> TenantId {
    let new = NewSignUp {
        name: "Acme".into(),
        subdomain: subdomain.into(),
        owner: OWNER,
        email: "ann@example.com".into(),
        plan: "pro".into(),
        interval: Interval::Monthly,
    };
    let pending = till.billing().sign_up(new).await.unwrap();
    let sessions = sim.call(Ask::get("/v1/checkout/sessions")).await;
    sim.complete_checkout(sessions["data"][0]["id"].as_str().unwrap(), Outcome::Paid).unwrap();
    hear(sim, till).await;
    pending.tenant
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_works_on_what_it_hears_of_until_it_stops() {
    let place = Place::new().await;
    let sim = stripe(&place).await;
    let till = till(&place, &sim.base_url(), &[]);
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn({
        let till = Arc::clone(&till);
        async move { till.run(async move { drop(stopped.await) }).await }
    });
    let tenant = paid(&sim, &till, "acme").await;
    let is_there = async {
        loop {
            let tenant = place.tenancy.tenant(tenant).await.unwrap();
            if tenant.status() == TenantStatus::Active {
                return tenant;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let made = timeout(Duration::from_secs(20), is_there).await.unwrap();
    assert_eq!((made.plan.as_str(), made.billing.customer.is_some()), ("pro", true));
    stop.send(()).unwrap();
    timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
    // Regular work has its times, and the gauge can be told.
    assert_eq!(till.billing().tasks().await.unwrap().len(), togglebox_billing::Chore::ALL.len());
    till.count_dead().await;
}

/// A workspace that has paid, and all that was to be done about it is done.
async fn acme_pays() -> (Place, Sim, Arc<Till>, Tenant) {
    let place = Place::new().await;
    let sim = stripe(&place).await;
    let till = till(&place, &sim.base_url(), &[]);
    let tenant = paid(&sim, &till, "acme").await;
    while till.billing().turn().await.unwrap().count() > 0 {}
    let acme = place.tenancy.tenant(tenant).await.unwrap();
    (place, sim, till, acme)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_is_purged_once_nobody_can_be_charged_for_it() {
    let (place, sim, till, acme) = acme_pays().await;
    assert_eq!(acme.status(), TenantStatus::Active);
    place.delete(&acme).await;
    place.clock.advance(RESTORABLE);
    sim.advance(i64::try_from(RESTORABLE.as_secs()).unwrap()).await;
    let endings = Endings::new(Arc::clone(&place.tenancy), Some(Arc::clone(till.billing())));
    sim.inject(Fault::status(Matcher::new("DELETE", "/v1/subscriptions"), 400).times(1000));
    assert_eq!(endings.round().await.unwrap().ended, 0, "Stripe does not end the subscription");
    assert!(place.tenancy.tenant(acme.id).await.is_ok());
    sim.clear_faults();
    assert_eq!(endings.round().await.unwrap().ended, 1);
    let subscriptions = sim.call(Ask::get("/v1/subscriptions").form("status", "all")).await;
    assert_eq!(subscriptions["data"][0]["status"], "canceled");
    assert!(place.tenancy.left(acme.id).await.unwrap().is_nothing());
}

/// Also where the payment service remembers for a day what went wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_round_ends_what_a_purged_workspace_pays_for_though_a_request_fails() {
    let (place, sim, till, acme) = acme_pays().await;
    place.delete(&acme).await;
    place.clock.advance(RESTORABLE);
    let failure = Failure::Status { status: 500, should_retry: Some(false), moment: Moment::Before, stored: true };
    sim.inject(Fault::new(Matcher::new("DELETE", "/v1/subscriptions/"), failure));
    let endings = Endings::new(Arc::clone(&place.tenancy), Some(Arc::clone(till.billing())));
    assert_eq!(endings.round().await.unwrap().ended, 1);
    assert!(place.tenancy.left(acme.id).await.unwrap().is_nothing());
}

#[tokio::test]
async fn prices_that_are_right_are_checked_once() {
    let place = Place::new().await;
    let sim = stripe(&place).await;
    let till = till(&place, &sim.base_url(), &[]);
    till.check_prices().await.unwrap();
    let asked = sim.calls().len();
    till.recheck_prices().await;
    assert_eq!(sim.calls().len(), asked);
}

#[tokio::test]
async fn prices_that_are_wrong_are_told_by_the_names_of_their_variables() {
    let place = Place::new().await;
    let sim = stripe(&place).await;
    let wrong = [
        ("STRIPE_PRICE_PRO_MONTHLY", "price_py"),
        ("STRIPE_PRICE_PRO_YEARLY", "price_none"),
        ("STRIPE_PRICE_API_REQUESTS", "price_pm"),
    ];
    let told = till(&place, &sim.base_url(), &wrong).check_prices().await.unwrap_err().to_string();
    for problem in [
        "STRIPE_PRICE_PRO_MONTHLY: price_py is billed yearly, and must be monthly",
        "STRIPE_PRICE_PRO_YEARLY: there is no price price_none in test mode",
        "STRIPE_PRICE_API_REQUESTS: price_pm is not metered",
    ] {
        assert!(told.contains(problem), "{problem} is missing in {told}");
    }
}

#[tokio::test]
async fn a_stripe_that_does_not_answer_keeps_nobody_from_starting() {
    let place = Place::new().await;
    // Nobody listens there.
    let till = till(&place, "http://127.0.0.1:9", &[]);
    till.check_prices().await.unwrap();
    assert!(!till.checked.load(Ordering::Relaxed), "it is asked again");
}
