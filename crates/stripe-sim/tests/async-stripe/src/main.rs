//! Reads everything that the simulator renders, and Stripe's published fixtures of the same objects, with the types of `async-stripe`.
//!
//! Ends with 1 where something cannot be read that is not named in [`EXPECTED`], and where something that is named there can be read.

#[path = "../../it/everything.rs"]
mod everything;
#[expect(dead_code, reason = "the rest is for the simulator's own tests")]
#[path = "../../it/support.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use serde_json::Value;
use stripe_shared::ApiErrors;
use stripe_types::List;
use togglebox_stripe_sim::{Ask, Card};

use crate::everything::everything;
use crate::support::{session, sim, subscribed};

/// What it is known not to read: whose, which object, what it says, and why that is no fault of the simulator's.
const EXPECTED: &[(&str, &str, &str, &str)] = &[];

/// Stripe's fixtures.
const FIXTURES: &str = include_str!("../../data/fixtures3.json");

#[tokio::main]
async fn main() -> ExitCode {
    let mut found = Found::default();
    let fixtures: BTreeMap<String, Value> = serde_json::from_str(FIXTURES).expect("fixtures are JSON");
    for (name, value) in &fixtures {
        found.check("Stripe's fixture", name, value);
    }
    let sim = sim().await;
    for value in everything(&sim).await {
        found.all("the simulator's", &value);
    }
    // Lists as lists, and what is refused.
    for (path, read) in LISTS {
        let answer = sim.call(Ask::get(path)).await;
        found.note("the simulator's", path, read(&answer.body));
    }
    let (id, customer) = subscribed(&sim, &["price_pro"]).await;
    sim.set_card(&customer, Card::Declining).expect("a customer");
    let change = Ask::post(&format!("/v1/subscriptions/{id}")).form("items[0][price]", "price_enterprise");
    for (status, ask) in [
        (400, Ask::post("/v1/checkout/sessions")),
        (400, session(&["price_none"])),
        (401, Ask::get("/v1/prices").bearer("")),
        (402, change.form("payment_behavior", "error_if_incomplete").form("proration_behavior", "always_invoice")),
        (404, Ask::get("/v1/subscriptions/sub_none")),
    ] {
        let answer = sim.call(ask).await;
        assert_eq!(answer.status, status, "{:#}", answer.body);
        found.note("the simulator's", "error", read::<ApiErrors>(&answer.body["error"]));
    }
    found.report()
}

const LISTS: [(&str, Reader); 5] = [
    ("/v1/subscriptions?status=all", read::<List<stripe_shared::Subscription>>),
    ("/v1/invoices", read::<List<stripe_shared::Invoice>>),
    ("/v1/events", read::<List<stripe_shared::Event>>),
    ("/v1/prices", read::<List<stripe_shared::Price>>),
    ("/v1/billing/meters", read::<List<stripe_billing::BillingMeter>>),
];

type Reader = fn(&Value) -> Result<(), String>;

/// Whether a value can be read as this; where it cannot, and why.
fn read<T: DeserializeOwned>(value: &Value) -> Result<(), String> {
    let text = value.to_string();
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text));
    read.map(drop).map_err(|error| format!("{}: {}", error.path(), error.inner()))
}

/// How objects of this name are read.
fn reader(object: &str) -> Option<Reader> {
    Some(match object {
        "account" => read::<stripe_shared::Account>,
        "billing.meter" => read::<stripe_billing::BillingMeter>,
        "billing.meter_event" => read::<stripe_billing::BillingMeterEvent>,
        "billing.meter_event_adjustment" => read::<stripe_billing::BillingMeterEventAdjustment>,
        "billing.meter_event_summary" => read::<stripe_billing::BillingMeterEventSummary>,
        "billing_portal.session" => read::<stripe_billing::BillingPortalSession>,
        "charge" => read::<stripe_shared::Charge>,
        "checkout.session" => read::<stripe_shared::CheckoutSession>,
        "customer" => read::<stripe_shared::Customer>,
        "deleted_customer" => read::<stripe_shared::DeletedCustomer>,
        "deleted_webhook_endpoint" => read::<stripe_misc::DeletedWebhookEndpoint>,
        "event" => read::<stripe_shared::Event>,
        "invoice" => read::<stripe_shared::Invoice>,
        "invoice_payment" => read::<stripe_shared::InvoicePayment>,
        "invoiceitem" => read::<stripe_billing::InvoiceItem>,
        "item" => read::<stripe_shared::CheckoutSessionItem>,
        "line_item" => read::<stripe_shared::InvoiceLineItem>,
        "payment_intent" => read::<stripe_shared::PaymentIntent>,
        "plan" => read::<stripe_shared::Plan>,
        "price" => read::<stripe_shared::Price>,
        "product" => read::<stripe_shared::Product>,
        "refund" => read::<stripe_shared::Refund>,
        "subscription" => read::<stripe_shared::Subscription>,
        "subscription_item" => read::<stripe_shared::SubscriptionItem>,
        "subscription_schedule" => read::<stripe_shared::SubscriptionSchedule>,
        "test_helpers.test_clock" => read::<stripe_shared::TestHelpersTestClock>,
        "webhook_endpoint" => read::<stripe_misc::WebhookEndpoint>,
        _ => return None,
    })
}

/// What was read, and what could not be.
#[derive(Debug, Default)]
struct Found {
    /// How many of each object.
    read: BTreeMap<(&'static str, String), usize>,
    /// Whose, which object, and what it says.
    odd: BTreeSet<(&'static str, String, String)>,
}

impl Found {
    /// An object, and every object within it that has a name.
    fn all(&mut self, whose: &'static str, value: &Value) {
        if let Some(name) = value["object"].as_str().filter(|name| *name != "list") {
            let name = if value["deleted"] == true { format!("deleted_{name}") } else { name.to_owned() };
            self.check(whose, &name, value);
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|value| self.all(whose, value)),
            Value::Array(values) => values.iter().for_each(|value| self.all(whose, value)),
            _ => {}
        }
    }

    fn check(&mut self, whose: &'static str, name: &str, value: &Value) {
        let outcome = reader(name).map_or_else(|| Err("there is no type for it".to_owned()), |read| read(value));
        self.note(whose, name, outcome);
    }

    fn note(&mut self, whose: &'static str, name: &str, outcome: Result<(), String>) {
        *self.read.entry((whose, name.to_owned())).or_default() += 1;
        if let Err(why) = outcome {
            self.odd.insert((whose, name.to_owned(), why));
        }
    }

    fn report(&self) -> ExitCode {
        for ((whose, name), count) in &self.read {
            println!("{count:>5} × {whose} {name}");
        }
        let mut good = true;
        for (whose, name, why) in &self.odd {
            let known = EXPECTED.iter().find(|(w, n, says, _)| w == whose && n == name && why.contains(says));
            println!("{whose} {name} is not read: {why} ({})", known.map_or("not expected", |known| known.3));
            good &= known.is_some();
        }
        for (whose, name, says, _) in EXPECTED {
            if !self.odd.iter().any(|(w, n, why)| w == whose && n == name && why.contains(says)) {
                println!("{whose} {name} is read, though it was not to be: {says}");
                good = false;
            }
        }
        let total: usize = self.read.values().sum();
        println!("{total} objects of {} kinds, {} kinds of trouble", self.read.len(), self.odd.len());
        if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
