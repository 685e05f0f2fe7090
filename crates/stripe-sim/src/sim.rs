//! The simulator as tests hold it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{Answer, Ask};
use crate::calls::Call;
use crate::clock::{Clock, DEFAULT_NOW};
use crate::delivery::{Chaos, Delivery};
use crate::engine::Outcome;
use crate::error::ApiError;
use crate::faults::{Effect, Fault, Hold, Matcher, Moment};
use crate::model::customer::Card;
use crate::model::meter::Window;
use crate::seed::SeedPrice;
use crate::server::Server;
use crate::shared::Shared;
use crate::version::{Shape, Version};
use crate::world::{Dunning, Thing, World};

/// What was asked of the control plane is not possible as things are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ControlError {
    message: String,
}

impl From<ApiError> for ControlError {
    fn from(error: ApiError) -> Self {
        Self { message: error.message().to_owned() }
    }
}

/// A simulator that cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No port can be bound.
    #[error("cannot listen")]
    Listen(#[from] std::io::Error),
    /// Not a version.
    #[error("not an API version: {0}")]
    Version(String),
}

/// A simulator that is being set up.
#[derive(Debug, Clone)]
pub struct Builder {
    clock: Clock,
    seed: u64,
    port: u16,
    version: Option<String>,
    endpoints: Vec<(Option<String>, String)>,
}

impl Builder {
    /// Where its own clock begins.
    #[must_use]
    pub fn now(self, now: i64) -> Self {
        Self { clock: Clock::Own(now), ..self }
    }

    /// The machine's clock; advancing adds an offset.
    #[must_use]
    pub fn real_clock(self) -> Self {
        Self { clock: Clock::Real { ahead: 0 }, ..self }
    }

    /// The same, so many seconds behind: advancing catches up, and goes beyond.
    #[must_use]
    pub fn real_clock_behind(self, seconds: i64) -> Self {
        Self { clock: Clock::Real { ahead: -seconds }, ..self }
    }

    /// Ids differ by seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// A fixed port of the loopback address.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// What the account is pinned to, and with it the list of events.
    #[must_use]
    pub fn api_version(self, version: &str) -> Self {
        Self { version: Some(version.to_owned()), ..self }
    }

    /// An endpoint that gets everything, over plain HTTP.
    #[must_use]
    pub fn endpoint(mut self, url: &str, secret: &str) -> Self {
        self.endpoints.push((Some(url.to_owned()), secret.to_owned()));
        self
    }

    /// An endpoint that gets everything when its deliveries are [taken](Sim::take_deliveries).
    #[must_use]
    pub fn manual_endpoint(mut self, secret: &str) -> Self {
        self.endpoints.push((None, secret.to_owned()));
        self
    }

    /// Listens and serves, within the current run time of tokio.
    ///
    /// # Errors
    /// When no port can be bound, or the version is none.
    pub async fn start(self) -> Result<Sim, StartError> {
        let version = match self.version {
            None => Version::default(),
            Some(text) => Version::parse(&text).ok_or(StartError::Version(text))?,
        };
        let mut world = World::new(self.clock, self.seed, version);
        for (url, secret) in self.endpoints {
            world.add_endpoint(url, Some(secret), vec!["*".to_owned()], None);
        }
        let shared = Arc::new(Shared::new(world));
        let server = Server::start(Arc::clone(&shared), self.port).await?;
        Ok(Sim { shared, server: Arc::new(server) })
    }
}

/// A running simulator; it stops when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Sim {
    shared: Arc<Shared>,
    server: Arc<Server>,
}

impl Sim {
    /// With its own clock at [`DEFAULT_NOW`] and no endpoints.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start() -> Self {
        Self::builder().start().await.expect("a port of the loopback address")
    }

    /// Sets one up.
    pub fn builder() -> Builder {
        Builder { clock: Clock::Own(DEFAULT_NOW), seed: 0, port: 0, version: None, endpoints: Vec::new() }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What takes the place of `https://api.stripe.com`.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A request without a network. The status is zero when a fault drops the connection.
    pub async fn call(&self, ask: Ask) -> Answer {
        let dropped = Answer { status: 0, headers: Vec::new(), body: Value::Null };
        Arc::clone(&self.shared).handle(ask).await.unwrap_or(dropped)
    }

    /// The time on its clock.
    pub fn now(&self) -> i64 {
        self.shared.world().now()
    }

    /// Goes forward by so many seconds, through everything that is due on the way.
    pub async fn advance(&self, seconds: i64) {
        self.advance_to(self.now() + seconds).await;
    }

    /// Goes forward to a moment, through everything that is due on the way; does nothing for one that has passed.
    pub async fn advance_to(&self, moment: i64) {
        self.shared.advance_to(moment).await;
    }

    /// Until every delivery that is due over the network has been tried.
    pub async fn settle(&self) {
        self.shared.deliver().await;
    }

    /// A price under an id of your choice.
    ///
    /// # Errors
    /// When the price contradicts itself, or its meter is not there.
    pub fn seed_price(&self, price: SeedPrice) -> Result<(), ControlError> {
        Ok(self.shared.world().seed_price(price)?)
    }

    /// A meter under an id of your choice: sums, pre-aggregated by the hour.
    pub fn seed_meter(&self, id: &str, event_name: &str) {
        self.shared.world().seed_meter(id, event_name, Some(Window::Hour));
    }

    /// What the visitor does on the checkout page. Answers the session.
    ///
    /// # Errors
    /// When the session is not open, or asks for a payment method that is not given.
    pub fn complete_checkout(&self, session: &str, outcome: Outcome) -> Result<Value, ControlError> {
        self.act(Thing::Session(session), |world| world.complete_checkout(session, outcome, None))
    }

    /// What the bank says about a delayed payment. Answers the session.
    ///
    /// # Errors
    /// When no payment of the session is under way.
    pub fn finish_delayed(&self, session: &str, succeeded: bool) -> Result<Value, ControlError> {
        self.act(Thing::Session(session), |world| world.finish_delayed(session, succeeded))
    }

    /// The visitor went away and the session has run out. Answers the session.
    ///
    /// # Errors
    /// When there is no such session, or it is not open.
    pub fn expire_checkout(&self, session: &str) -> Result<Value, ControlError> {
        self.act(Thing::Session(session), |world| world.abandon(session))
    }

    /// Gives the customer a card. Answers the customer.
    ///
    /// # Errors
    /// When there is no such customer.
    pub fn set_card(&self, customer: &str, card: Card) -> Result<Value, ControlError> {
        self.act(Thing::Customer(customer), |world| {
            world.customer(customer)?;
            world.set_card(customer, card);
            Ok(())
        })
    }

    /// The next `times` charges of the customer are declined.
    ///
    /// # Errors
    /// When there is no such customer.
    pub fn fail_next_payments(&self, customer: &str, times: u32) -> Result<Value, ControlError> {
        self.act(Thing::Customer(customer), |world| {
            world.customer(customer)?.failures = times;
            Ok(())
        })
    }

    /// The customer pays an open invoice. Answers the invoice.
    ///
    /// # Errors
    /// When the invoice is not open.
    pub fn pay_invoice(&self, invoice: &str) -> Result<Value, ControlError> {
        self.act(Thing::Invoice(invoice), |world| world.pay_invoice(invoice))
    }

    /// The customer chooses another plan in the portal; it is billed at once. Answers the subscription.
    ///
    /// # Errors
    /// When the subscription has ended, or the price is not there.
    pub fn portal_change_plan(&self, subscription: &str, price: &str) -> Result<Value, ControlError> {
        self.act(Thing::Subscription(subscription), |world| world.portal_change_plan(subscription, price))
    }

    /// The customer cancels in the portal. Answers the subscription.
    ///
    /// # Errors
    /// When the subscription has ended.
    pub fn portal_cancel(&self, subscription: &str, at_period_end: bool) -> Result<Value, ControlError> {
        self.act(Thing::Subscription(subscription), |world| world.portal_cancel(subscription, at_period_end))
    }

    /// The customer takes a planned cancellation back in the portal, or ends a pause. Answers the subscription.
    ///
    /// # Errors
    /// When the subscription has ended.
    pub fn portal_resume(&self, subscription: &str) -> Result<Value, ControlError> {
        self.act(Thing::Subscription(subscription), |world| world.portal_resume(subscription))
    }

    /// How failed payments are retried from now on.
    pub fn set_dunning(&self, dunning: Dunning) {
        self.shared.world().dunning = dunning;
    }

    /// What is due at manual endpoints, signed now. Taken counts as accepted.
    pub fn take_deliveries(&self) -> Vec<Delivery> {
        let mut world = self.shared.world();
        let world = &mut *world;
        world.outbox.take(&world.events, world.clock)
    }

    /// A delivery that was taken is not accepted after all: it comes again when its time has come.
    ///
    /// # Errors
    /// When there is no such delivery.
    pub fn refuse_delivery(&self, delivery: &Delivery) -> Result<(), ControlError> {
        let mut world = self.shared.world();
        let now = world.now();
        let known = world.outbox.settle(&delivery.id, false, now);
        if known { Ok(()) } else { Err(ApiError::missing("delivery", &delivery.id).into()) }
    }

    /// The ids of all webhook endpoints, oldest first.
    pub fn endpoints(&self) -> Vec<String> {
        self.shared.world().outbox.endpoints.keys().cloned().collect()
    }

    /// Whether deliveries of an endpoint wait until they are taken.
    ///
    /// # Errors
    /// When there is no such endpoint.
    pub fn set_manual(&self, endpoint: &str, manual: bool) -> Result<(), ControlError> {
        self.shared.world().endpoint(endpoint)?.manual = manual;
        Ok(())
    }

    /// What goes wrong on the way to an endpoint from now on.
    ///
    /// # Errors
    /// When there is no such endpoint.
    pub fn set_chaos(&self, endpoint: &str, chaos: Chaos) -> Result<(), ControlError> {
        self.shared.world().set_chaos(endpoint, chaos)?;
        Ok(())
    }

    /// A new signing secret; the old one signs too for so many seconds.
    ///
    /// # Errors
    /// When there is no such endpoint.
    pub fn roll_secret(&self, endpoint: &str, overlap_seconds: i64) -> Result<String, ControlError> {
        Ok(self.shared.world().roll_secret(endpoint, overlap_seconds)?)
    }

    /// Puts a fault in the way of requests.
    pub fn inject(&self, fault: Fault) {
        self.shared.world().faults.arm(fault);
    }

    /// Lets the next request that matches wait.
    pub fn hold(&self, matcher: Matcher, moment: Moment) -> Hold {
        let hold = Hold::new("");
        self.inject(Fault::new(matcher, Effect::Hold(hold.clone(), moment)));
        hold
    }

    /// Ends all faults, and lets go whoever waits.
    pub fn clear_faults(&self) {
        self.shared.world().faults.clear();
    }

    /// All there is, by id: `customers`, `subscriptions`, `schedules`, `invoices`, `sessions`, `payments`, `refunds`, `meters`, `calls`.
    pub fn truth(&self) -> Value {
        self.shared.world().truth()
    }

    /// The requests made, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.world().calls.clone()
    }

    /// All events, oldest first, in the account's version.
    pub fn events(&self) -> Vec<Value> {
        self.shared.world().all_events()
    }

    /// Forgets everything but prices, meters and endpoints.
    pub fn reset(&self) {
        self.shared.world().reset();
    }

    fn act(&self, thing: Thing<'_>, action: impl FnOnce(&mut World) -> Result<(), ApiError>) -> Result<Value, ControlError> {
        let rendered = {
            let mut world = self.shared.world();
            action(&mut world)?;
            world.render(thing, Shape::Basil)
        };
        // Within a run time only; without one there is nobody to deliver.
        if tokio::runtime::Handle::try_current().is_ok() {
            self.shared.deliver_soon();
        }
        Ok(rendered)
    }
}

impl World {
    pub(crate) fn abandon(&mut self, session: &str) -> Result<(), ApiError> {
        if self.session(session)?.status != crate::model::checkout::SessionStatus::Open {
            return Err(ApiError::invalid("This Session is not open."));
        }
        self.expire_session(session);
        Ok(())
    }

    pub(crate) fn set_chaos(&mut self, endpoint: &str, chaos: Chaos) -> Result<(), ApiError> {
        let endpoint = self.endpoint(endpoint)?;
        endpoint.dice = crate::ids::Dice::new(chaos.seed);
        endpoint.chaos = chaos;
        Ok(())
    }

    pub(crate) fn roll_secret(&mut self, endpoint: &str, overlap_seconds: i64) -> Result<String, ApiError> {
        let now = self.now();
        let value = self.ids.next("whsec");
        let endpoint = self.endpoint(endpoint)?;
        for secret in &mut endpoint.secrets {
            secret.until.get_or_insert(now + overlap_seconds);
        }
        endpoint.secrets.insert(0, crate::delivery::Secret { value: value.clone(), until: None });
        Ok(value)
    }

    pub(crate) fn all_events(&self) -> Vec<Value> {
        self.events.values().map(|event| event.render(&event.version, self.outbox.pending(&event.id))).collect()
    }

    pub(crate) fn describe_endpoints(&self) -> Value {
        let now = self.now();
        let one = |endpoint: &crate::delivery::Endpoint| {
            json!({
                "id": endpoint.id,
                "url": endpoint.url,
                "manual": endpoint.manual,
                "secrets": endpoint.active_secrets(now).collect::<Vec<_>>(),
                "waiting": self.outbox.waiting(&endpoint.id),
                "chaos": endpoint.chaos,
            })
        };
        self.outbox.endpoints.values().map(one).collect()
    }
}
