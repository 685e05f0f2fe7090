//! The payment service over its HTTP API.
//!
//! [`StripeProvider`] is the port's one implementation for production. A request that was not answered is sent again with the same key, until
//! the time of a call is over; what that leaves open is [`Unavailable`](crate::provider::ProviderError::Unavailable). What a key's first
//! request was answered with is given again for a day, so after a change the state is asked for afresh instead of being taken from the answer:
//! the moment of an answer that is given again is not the moment of what it shows.
//!
//! Written from the documentation and the official client; see `docs/adr/0008-billing-reads-leniently.md` for how answers are read.

mod answer;
mod checkout;
mod form;
mod invoice;
mod list;
mod metrics;
mod options;
mod schedule;
mod subscription;
mod usage;
mod wire;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::{Entropy, Stopwatch, Timestamp};
use tracing::Instrument as _;

use self::metrics::Operation;
pub use self::options::{InvalidStripeOption, StripeOptions};
use self::wire::Wire;
use crate::objects::{Checkout, Invoice, Price, ScheduledChange, Subscription};
use crate::provider::{
    BillingProvider, CALL_TIME, Change, Ending, EventQuery, Fetched, Listed, Meter, NewCheckout, PortalFlow, PortalUrl,
    ProviderError, ProviderResult, UsageReport, UsageSummary, WebhookEndpoint, When,
};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StripeSetupError {
    /// An option cannot be used.
    #[error(transparent)]
    Option(#[from] InvalidStripeOption),
    /// TLS could not be set up: there are no root certificates, for one.
    #[error("the client of Stripe cannot be set up")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

/// Stripe.
pub struct StripeProvider {
    wire: Wire,
    livemode: bool,
    meter_event_name: Box<str>,
    /// The id of the meter that was found last.
    meter: Mutex<Option<Box<str>>>,
}

impl StripeProvider {
    /// A client; nothing is asked yet. `stopwatch` measures how long answers take, from which follows how recent they are; `entropy` spreads
    /// repeats.
    ///
    /// # Errors
    /// [`StripeSetupError`].
    pub fn new(
        options: &StripeOptions,
        stopwatch: Arc<dyn Stopwatch>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StripeSetupError> {
        if let Some(problem) = options.problems().into_iter().next() {
            return Err(problem.into());
        }
        metrics::register();
        Ok(Self {
            wire: Wire::new(options, stopwatch, entropy)?,
            livemode: options.livemode(),
            meter_event_name: options.meter_event_name.as_str().into(),
            meter: Mutex::new(None),
        })
    }

    /// Within the time that a call may take.
    async fn run<T>(&self, operation: Operation, call: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
        let began = self.wire.stopwatch.now_us();
        let span = tracing::debug_span!("stripe", stripe.operation = operation.as_str());
        let result = match tokio::time::timeout(CALL_TIME, call.instrument(span)).await {
            Ok(result) => result,
            Err(late) => Err(ProviderError::Unavailable(Some(late.into()))),
        };
        metrics::called(operation, &result, Duration::from_micros(self.wire.stopwatch.now_us().saturating_sub(began)));
        result
    }
}

impl fmt::Debug for StripeProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StripeProvider");
        shown.field("livemode", &self.livemode).field("meter_event_name", &self.meter_event_name).finish_non_exhaustive()
    }
}

#[async_trait]
impl BillingProvider for StripeProvider {
    fn livemode(&self) -> bool {
        self.livemode
    }

    async fn create_checkout(&self, new: &NewCheckout) -> ProviderResult<Checkout> {
        self.run(Operation::CreateCheckout, self.new_checkout(new)).await
    }

    async fn checkout(&self, id: &str) -> ProviderResult<Checkout> {
        self.run(Operation::Checkout, self.read_checkout(id)).await
    }

    async fn expire_checkout(&self, id: &str) -> ProviderResult<Checkout> {
        self.run(Operation::ExpireCheckout, self.close_checkout(id)).await
    }

    async fn create_portal(&self, customer: &str, flow: PortalFlow, return_url: &str) -> ProviderResult<PortalUrl> {
        self.run(Operation::CreatePortal, self.new_portal(customer, flow, return_url)).await
    }

    async fn subscription(&self, id: &str) -> ProviderResult<Fetched<Subscription>> {
        self.run(Operation::Subscription, self.read_subscription(id)).await
    }

    async fn scheduled(&self, schedule: &str) -> ProviderResult<Option<ScheduledChange>> {
        self.run(Operation::Scheduled, self.next_phase(schedule)).await
    }

    async fn preview_change(&self, change: &Change) -> ProviderResult<Invoice> {
        self.run(Operation::PreviewChange, self.preview(change)).await
    }

    async fn upcoming(&self, customer: &str, subscription: &str) -> ProviderResult<Option<Invoice>> {
        self.run(Operation::Upcoming, self.next_invoice(customer, subscription)).await
    }

    async fn change_plan(&self, key: &str, change: &Change, when: When) -> ProviderResult<Fetched<Subscription>> {
        let call = async {
            match when {
                When::Now => self.change_now(key, change).await,
                When::PeriodEnd => self.change_later(key, change).await,
            }
        };
        self.run(Operation::ChangePlan, call).await
    }

    async fn release_schedule(&self, key: &str, schedule: &str) -> ProviderResult<()> {
        self.run(Operation::ReleaseSchedule, self.release(key, schedule)).await
    }

    async fn end(&self, key: &str, subscription: &str, ending: Ending) -> ProviderResult<Fetched<Subscription>> {
        self.run(Operation::End, self.end_subscription(key, subscription, ending)).await
    }

    async fn refund(&self, key: &str, invoice: &str) -> ProviderResult<bool> {
        self.run(Operation::Refund, self.refund_invoice(key, invoice)).await
    }

    async fn void(&self, key: &str, invoice: &str) -> ProviderResult<()> {
        self.run(Operation::Void, self.void_invoice(key, invoice)).await
    }

    async fn invoices(&self, customer: &str, limit: usize, before: Option<&str>) -> ProviderResult<Listed<Invoice>> {
        self.run(Operation::Invoices, self.list_invoices(customer, limit, before)).await
    }

    async fn send_usage(&self, report: &UsageReport) -> ProviderResult<()> {
        self.run(Operation::SendUsage, self.report(report)).await
    }

    async fn usage(&self, customer: &str, from: Timestamp, until: Timestamp) -> ProviderResult<Vec<UsageSummary>> {
        self.run(Operation::Usage, self.summaries(customer, from, until)).await
    }

    async fn events(&self, query: &EventQuery) -> ProviderResult<Listed<serde_json::Value>> {
        self.run(Operation::Events, self.list_events(query)).await
    }

    async fn price(&self, id: &str) -> ProviderResult<Price> {
        self.run(Operation::Price, self.read_price(id)).await
    }

    async fn meter(&self) -> ProviderResult<Option<Meter>> {
        self.run(Operation::Meter, self.find_meter()).await
    }

    async fn webhook_endpoints(&self) -> ProviderResult<Vec<WebhookEndpoint>> {
        self.run(Operation::WebhookEndpoints, self.list_endpoints()).await
    }
}

#[cfg(test)]
mod tests {
    use togglebox_core::{ManualStopwatch, SeededEntropy};

    use super::*;

    fn new(options: &StripeOptions) -> Result<StripeProvider, StripeSetupError> {
        StripeProvider::new(options, Arc::new(ManualStopwatch::default()), Arc::new(SeededEntropy::new(1)))
    }

    #[test]
    fn nothing_shows_the_key() {
        let mut options = StripeOptions::new("sk_live_verysecret".into(), "requests");
        options.api_base = "http://127.0.0.1:1".to_owned();
        let provider = new(&options).unwrap();
        assert!(provider.livemode());
        let told = format!("{options:?} {provider:?} {:?}", provider.wire);
        assert!(!told.contains("verysecret"), "{told}");
        options.api_base = "https://me:verysecret@api.stripe.com".to_owned();
        let told = format!("{options:?} {0:?} {0}", new(&options).unwrap_err());
        assert!(!told.contains("verysecret") && told.contains("api_base"), "{told}");
        options.secret_key = "verysecret".into();
        let told = format!("{options:?} {0:?} {0}", new(&options).unwrap_err());
        assert!(!told.contains("verysecret") && told.contains("secret_key"), "{told}");
    }

    #[test]
    fn nothing_shows_an_address_that_is_as_good_as_a_key() {
        let page = serde_json::json!({
            "id": "cs_1", "status": "open", "payment_status": "unpaid", "url": "https://pay.example/verysecret",
        });
        let told = format!("{:?} {:?}", Checkout::read(&page).unwrap(), PortalUrl("https://portal.example/verysecret".into()));
        assert!(!told.contains("verysecret"), "{told}");
        let bill = serde_json::json!({"id": "in_1", "currency": "eur", "hosted_invoice_url": "https://x/verysecret", "invoice_pdf": "verysecret"});
        assert!(!format!("{:?}", Invoice::read(&bill).unwrap()).contains("verysecret"));
    }
}
