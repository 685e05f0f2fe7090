//! Deliveries that no code of ours has made or signed, in shapes of years ago: verified, read, kept and worked on.

mod service;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use togglebox_billing::objects::{Envelope, Invoice, Subscription};
use togglebox_billing::{AccessRules, BadSignature, Interval, Mode, ReceiveError, Reservation};
use togglebox_core::{PageRequest, TenantId, Timestamp};
use togglebox_stripe_sim::Sim;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

use self::service::{Localstripe, Means};
use crate::signature_oracle::interpreter;
use crate::world::{SECRET, Tenant, World, seed};

/// How long a delivery may take: it is sent a second after the fact.
const PATIENCE: Duration = Duration::from_mins(1);

/// What came, as it came.
#[derive(Clone, Debug)]
struct Came {
    signature: String,
    body: Bytes,
}

impl Came {
    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Takes in what comes, and acknowledges it; what becomes of it is for whoever has the other end.
async fn sink() -> (SocketAddr, UnboundedReceiver<Came>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| take(sender.clone(), request));
                // An error is a sender that went away.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (address, receiver)
}

async fn take(sender: UnboundedSender<Came>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let signature = request.headers()["stripe-signature"].to_str().unwrap().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    sender.send(Came { signature, body }).unwrap();
    Ok(Response::new(Full::new(Bytes::new())))
}

/// Service, simulator and localstripe. Nobody has told the simulator of what localstripe has.
struct Ground {
    world: World,
    stripe: Localstripe,
    comes: UnboundedReceiver<Came>,
    came: Vec<Came>,
}

impl Ground {
    /// `None` where the test is to be skipped.
    async fn new() -> Option<Self> {
        let python = interpreter()?;
        let sim = Sim::builder().real_clock().start().await.unwrap();
        seed(&sim);
        let world = World::over(sim, AccessRules::default(), false);
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (address, comes) = sink().await;
        let stripe = Localstripe::start(http, &python, &format!("http://{address}/hook"), SECRET).await;
        stripe.plan("price_pro_m").await;
        Some(Self { world, stripe, comes, came: Vec::new() })
    }

    /// A tenant that pays for nothing.
    fn tenant(&self, number: u128) -> TenantId {
        let tenant = TenantId::from_uuid(Uuid::from_u128(number));
        let reservation = Reservation {
            tenant,
            name: "Acme".into(),
            subdomain: "acme".into(),
            plan: "free".into(),
            owner: Uuid::from_u128(7),
            email: "owner@example.com".into(),
        };
        self.world.rest.tenants.lock().unwrap().insert(tenant, Tenant { reservation, entitlement: None });
        tenant
    }

    /// Waits until all these kinds have come that are about a customer, and takes in what came: each by itself, in the order in which it
    /// happened, whatever the order in which it came.
    async fn hears(&mut self, customer: &str, kinds: &[&str]) {
        let (mut missing, mut heard) = (kinds.to_vec(), Vec::new());
        while !missing.is_empty() {
            let next = tokio::time::timeout(PATIENCE, self.comes.recv()).await;
            let came = next.unwrap_or_else(|_| panic!("{missing:?} do not come")).unwrap();
            let event = came.event();
            if event["data"]["object"]["customer"] == customer {
                missing.retain(|kind| event["type"] != **kind);
            }
            heard.push(came);
        }
        heard.sort_by_key(|came| {
            let event = came.event();
            (event["created"].as_i64(), event["type"] == "customer.subscription.deleted")
        });
        for came in heard {
            self.world.billing.receive(Some(&came.signature), &came.body).await.unwrap();
            self.world.drain().await;
            self.came.push(came);
        }
    }

    /// The ids of events in a state.
    async fn events(&self, state: &str) -> Vec<String> {
        let page = PageRequest::first(1_000);
        self.world.billing.events(state, &page).await.unwrap().items.into_iter().map(|event| event.id.into()).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_localstripe_sends_is_verified_kept_and_worked_on() {
    let Some(mut ground) = Ground::new().await else { return };
    let acme = ground.tenant(1);
    // Paid, and ended.
    let (customer, subscription) = ground.stripe.subscribe("price_pro_m", &acme.to_string(), Means::Card).await;
    ground.hears(&customer, &["invoice.created", "invoice.payment_succeeded", "customer.subscription.created"]).await;
    let given = ground.world.entitlement(acme).unwrap();
    assert_eq!((given.plan.as_deref(), given.mode), (Some("pro"), Mode::Full));
    assert_eq!((given.subscription.as_deref(), given.customer.as_deref()), (Some(&*subscription), Some(&*customer)));
    assert!(given.period_end.is_some(), "it stands on the subscription");
    ground.stripe.delete(&format!("/v1/subscriptions/{subscription}")).await;
    ground.hears(&customer, &["customer.subscription.deleted"]).await;
    assert_eq!(ground.world.entitlement(acme).unwrap().plan, None);
    assert_eq!(ground.world.mails("canceled:").len(), 1);

    // Paid as it seems, and half a second later not.
    let globex = ground.tenant(2);
    let (customer, _) = ground.stripe.subscribe("price_pro_m", &globex.to_string(), Means::FailingDebit).await;
    let kinds = ["customer.subscription.created", "payment_intent.payment_failed", "invoice.payment_failed"];
    ground.hears(&customer, &[kinds.as_slice(), &["customer.subscription.deleted"]].concat()).await;
    assert_eq!(ground.world.entitlement(globex).unwrap().plan, None);
    assert_eq!(ground.world.mails("payment_failed:").len(), 1);

    // Everything is done or nobody's business; and what comes again changes nothing.
    for came in ground.came.clone() {
        ground.world.billing.receive(Some(&came.signature), &came.body).await.unwrap();
    }
    ground.world.drain().await;
    for state in ["waiting", "dead", "quarantined"] {
        assert_eq!(ground.events(state).await, [""; 0], "{state}");
    }
    let mut kept = [ground.events("done").await, ground.events("ignored").await].concat();
    let mut came: Vec<String> = ground.came.iter().map(|came| came.event()["id"].as_str().unwrap().to_owned()).collect();
    kept.sort_unstable();
    came.sort_unstable();
    assert_eq!(kept, came, "each once");
    let mut made = ground.stripe.events().await;
    made.sort_unstable();
    assert_eq!(came, made, "all that was made has come");
    assert!(ground.events("ignored").await.len() >= 6, "customers, products, plans, drafts, payments");
    assert_eq!(ground.world.mails("").len(), 3, "{:?}", ground.world.mails(""));
    assert_no_one_else_can_say_so(&ground).await;
    read(&ground.came);
}

/// A signature is good for the bytes that were signed, and no others.
async fn assert_no_one_else_can_say_so(ground: &Ground) {
    let refused = async |signature: &str, body: &[u8]| {
        let refused = ground.world.billing.receive(Some(signature), body).await.unwrap_err();
        assert!(matches!(refused, ReceiveError::Signature(BadSignature::Mismatch)), "{refused:?}");
    };
    for came in &ground.came {
        let mut changed = came.body.to_vec();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        refused(&came.signature, &changed).await;
        // The text means the same, and is another.
        refused(&came.signature, came.event().to_string().as_bytes()).await;
    }
}

/// Periods stand on the subscription, and there are plans in place of prices; events lack what newer ones have.
fn read(came: &[Came]) {
    let (mut subscriptions, mut invoices) = (0, 0);
    for came in came {
        let event = came.event();
        let read = Envelope::read(&event).unwrap();
        assert_eq!((read.api_version.as_deref(), read.livemode), (Some("2017-08-15"), false));
        assert!(event.get("pending_webhooks").is_none() && event.get("request").is_none(), "{event}");
        let object = &event["data"]["object"];
        assert_eq!(read.subject.id.as_deref(), object["id"].as_str());
        match object["object"].as_str().unwrap() {
            "subscription" => {
                assert!(object["items"]["data"][0].get("price").is_none_or(Value::is_null), "{object}");
                let read = Subscription::read(object).unwrap();
                let item = &read.items[0];
                assert_eq!((&*item.price, item.interval, item.metered), ("price_pro_m", Some(Interval::Monthly), false));
                let moment = |name: &str| object[name].as_i64().map(|at| at * 1_000);
                assert_eq!(item.period_start.map(Timestamp::as_ms), moment("current_period_start"));
                assert_eq!(item.period_end.map(Timestamp::as_ms), moment("current_period_end"));
                subscriptions += 1;
            }
            "invoice" => {
                let read = Invoice::read(object).unwrap();
                assert!(read.subscription.is_some_and(|id| id.starts_with("sub_")), "{object}");
                assert_eq!(read.due.minor, 2_000);
                invoices += 1;
            }
            _ => {}
        }
    }
    assert!(subscriptions >= 4 && invoices >= 4, "{subscriptions} {invoices}");
}
