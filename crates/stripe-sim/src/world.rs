//! Everything that the simulator knows, behind one lock.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::calls::Call;
use crate::clock::Clock;
use crate::delivery::Outbox;
use crate::error::{ApiError, ApiResult};
use crate::faults::Faults;
use crate::idempotency::Keys;
use crate::ids::Ids;
use crate::model::catalog::{Price, Product};
use crate::model::checkout::Session;
use crate::model::customer::Customer;
use crate::model::event::{Cause, Event, Snapshot, previous_attributes};
use crate::model::invoice::{Invoice, InvoiceItem};
use crate::model::meter::Meter;
use crate::model::payment::{Payment, Refund};
use crate::model::schedule::Schedule;
use crate::model::subscription::Subscription;
use crate::version::{Shape, Version};

/// What follows when the last retry has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalAction {
    /// The subscription ends.
    #[serde(alias = "canceled")]
    Cancel,
    /// It goes on; invoices stay drafts.
    Unpaid,
    /// It stays as it is.
    PastDue,
}

/// How failed payments of renewals are retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dunning {
    /// Days after the previous attempt, one for each retry.
    pub retry_days: Vec<u32>,
    /// What follows the last one.
    pub last: FinalAction,
}

impl Default for Dunning {
    fn default() -> Self {
        Self { retry_days: vec![3, 5, 7], last: FinalAction::Cancel }
    }
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) livemode: bool,
    pub(crate) version: Version,
    pub(crate) cause: Cause,
    pub(crate) dunning: Dunning,
    pub(crate) customers: IndexMap<String, Customer>,
    pub(crate) products: IndexMap<String, Product>,
    pub(crate) prices: IndexMap<String, Price>,
    pub(crate) subscriptions: IndexMap<String, Subscription>,
    pub(crate) schedules: IndexMap<String, Schedule>,
    pub(crate) invoices: IndexMap<String, Invoice>,
    pub(crate) invoice_items: IndexMap<String, InvoiceItem>,
    pub(crate) payments: IndexMap<String, Payment>,
    pub(crate) refunds: IndexMap<String, Refund>,
    pub(crate) sessions: IndexMap<String, Session>,
    pub(crate) meters: IndexMap<String, Meter>,
    pub(crate) test_clocks: IndexMap<String, TestClock>,
    pub(crate) events: IndexMap<String, Event>,
    pub(crate) outbox: Outbox,
    pub(crate) keys: Keys,
    pub(crate) calls: Vec<Call>,
    pub(crate) faults: Faults,
}

/// A test clock: a name for the simulator's own.
#[derive(Debug, Clone)]
pub(crate) struct TestClock {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) name: Option<String>,
}

/// What an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Thing<'a> {
    Customer(&'a str),
    Product(&'a str),
    Price(&'a str),
    Subscription(&'a str),
    Schedule(&'a str),
    Invoice(&'a str),
    InvoiceItem(&'a str),
    Intent(&'a str),
    Charge(&'a str),
    Refund(&'a str),
    Session(&'a str),
    Meter(&'a str),
}

impl World {
    pub(crate) fn new(clock: Clock, seed: u64, version: Version) -> Self {
        Self {
            clock,
            ids: Ids::new(seed),
            livemode: false,
            version,
            cause: Cause::default(),
            dunning: Dunning::default(),
            customers: IndexMap::new(),
            products: IndexMap::new(),
            prices: IndexMap::new(),
            subscriptions: IndexMap::new(),
            schedules: IndexMap::new(),
            invoices: IndexMap::new(),
            invoice_items: IndexMap::new(),
            payments: IndexMap::new(),
            refunds: IndexMap::new(),
            sessions: IndexMap::new(),
            meters: IndexMap::new(),
            test_clocks: IndexMap::new(),
            events: IndexMap::new(),
            outbox: Outbox::default(),
            keys: Keys::default(),
            calls: Vec::new(),
            faults: Faults::default(),
        }
    }

    /// Forgets everything but prices, meters and endpoints; ids go on, so that nothing new is taken for something old.
    pub(crate) fn reset(&mut self) {
        self.dunning = Dunning::default();
        self.customers.clear();
        self.subscriptions.clear();
        self.schedules.clear();
        self.invoices.clear();
        self.invoice_items.clear();
        self.payments.clear();
        self.refunds.clear();
        self.sessions.clear();
        self.meters.values_mut().for_each(|meter| meter.events.clear());
        self.test_clocks.clear();
        self.events.clear();
        self.outbox.forget_deliveries();
        self.keys = Keys::default();
        self.calls.clear();
        self.faults.clear();
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn customer(&mut self, id: &str) -> ApiResult<&mut Customer> {
        self.customers.get_mut(id).ok_or_else(|| ApiError::missing("customer", id))
    }

    pub(crate) fn subscription(&self, id: &str) -> ApiResult<&Subscription> {
        self.subscriptions.get(id).ok_or_else(|| ApiError::missing("subscription", id))
    }

    pub(crate) fn subscription_mut(&mut self, id: &str) -> ApiResult<&mut Subscription> {
        self.subscriptions.get_mut(id).ok_or_else(|| ApiError::missing("subscription", id))
    }

    pub(crate) fn invoice(&self, id: &str) -> ApiResult<&Invoice> {
        self.invoices.get(id).ok_or_else(|| ApiError::missing("invoice", id))
    }

    pub(crate) fn invoice_mut(&mut self, id: &str) -> ApiResult<&mut Invoice> {
        self.invoices.get_mut(id).ok_or_else(|| ApiError::missing("invoice", id))
    }

    pub(crate) fn session(&mut self, id: &str) -> ApiResult<&mut Session> {
        self.sessions.get_mut(id).ok_or_else(|| ApiError::missing("checkout.session", id))
    }

    /// The thing as it is now.
    pub(crate) fn render(&self, thing: Thing<'_>, shape: Shape) -> Value {
        let livemode = self.livemode;
        let rendered = match thing {
            Thing::Customer(id) => self.customers.get(id).map(|customer| customer.render(livemode)),
            Thing::Product(id) => self.products.get(id).map(|product| product.render(livemode)),
            Thing::Price(id) => self.prices.get(id).map(|price| price.render(livemode)),
            Thing::Subscription(id) => self.subscriptions.get(id).map(|subscription| subscription.render(self, shape)),
            Thing::Schedule(id) => self.schedules.get(id).map(|schedule| schedule.render(self)),
            Thing::Invoice(id) => self.invoices.get(id).map(|invoice| invoice.render(self, shape)),
            Thing::InvoiceItem(id) => self.invoice_items.get(id).map(|item| item.render(self, shape)),
            Thing::Intent(id) => self.payments.get(id).map(|payment| payment.render_intent(livemode)),
            Thing::Charge(id) => self.payments.get(id).map(|payment| payment.render_charge(livemode)),
            Thing::Refund(id) => self.refunds.get(id).map(Refund::render),
            Thing::Session(id) => self.sessions.get(id).map(|session| session.render(self)),
            Thing::Meter(id) => self.meters.get(id).map(|meter| meter.render(livemode)),
        };
        rendered.unwrap_or(Value::Null)
    }

    pub(crate) fn snapshot(&self, thing: Thing<'_>) -> Snapshot {
        Snapshot { basil: self.render(thing, Shape::Basil), before: self.render(thing, Shape::Before) }
    }

    /// Makes an event of the thing as it is now.
    pub(crate) fn emit(&mut self, kind: &str, thing: Thing<'_>) {
        let object = self.snapshot(thing);
        self.push(kind, object, None);
    }

    /// Makes an event of what differs from `old`; none if nothing does.
    pub(crate) fn emit_update(&mut self, kind: &str, thing: Thing<'_>, old: &Snapshot) {
        let object = self.snapshot(thing);
        if object == *old {
            return;
        }
        let previous = Snapshot {
            basil: previous_attributes(&old.basil, &object.basil),
            before: previous_attributes(&old.before, &object.before),
        };
        self.push(kind, object, Some(previous));
    }

    pub(crate) fn push(&mut self, kind: &str, object: Snapshot, previous: Option<Snapshot>) {
        let event = Event {
            id: self.ids.next("evt"),
            kind: kind.to_owned(),
            created: self.now(),
            livemode: self.livemode,
            object,
            previous,
            cause: self.cause.clone(),
            version: self.version.clone(),
        };
        self.outbox.enqueue(&event, &mut self.ids);
        self.events.insert(event.id.clone(), event);
    }
}
