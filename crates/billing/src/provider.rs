//! What is asked of the payment service.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use togglebox_core::Timestamp;

use crate::objects::{Checkout, EventKind, Invoice, Price, ScheduledChange, Subscription};
use crate::order::AsOf;

/// The result of asking.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Why the payment service did not do what it was asked for, told by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// It did not answer, or could not: the call may have been carried out. Repeating it with its key is safe.
    #[error("the payment service does not answer")]
    Unavailable(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// It has no such object.
    #[error("the payment service does not know {0}")]
    Missing(Box<str>),
    /// A payment was declined, or has to be confirmed by whoever pays.
    #[error("the payment did not go through ({code})")]
    Declined {
        /// In its words: `card_declined`, `authentication_required`.
        code: Box<str>,
    },
    /// It will not do this, now or ever.
    #[error("the payment service refused ({code}{at})", at = .param.as_deref().map(|param| format!(", at {param}")).unwrap_or_default())]
    Refused {
        /// In its words: `resource_missing`, `parameter_unknown`.
        code: Box<str>,
        /// Which parameter.
        param: Option<Box<str>>,
    },
    /// The key that we show is not good, or may not do this.
    #[error("the payment service does not accept the key")]
    Unauthorized,
    /// It answered what cannot be understood.
    #[error("the payment service's answer cannot be understood")]
    NotUnderstood(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ProviderError {
    /// Whether the same call may go through later.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Something that was read, and how recent it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched<T> {
    /// It.
    pub value: T,
    /// By the payment service's clock.
    pub as_of: AsOf,
}

/// A page to pay on.
#[derive(Clone, PartialEq, Eq)]
pub struct NewCheckout {
    /// The key of this wish: the same key gives the same page.
    pub key: String,
    /// What we call it: goes onto the page and comes back with it.
    pub reference: Box<str>,
    /// What is bought: one of the first price; of each metered one as much as is used.
    pub price: Box<str>,
    /// By which usage is billed.
    pub usage_price: Option<Box<str>>,
    /// Who pays, when known; otherwise `email` is filled in.
    pub customer: Option<Box<str>>,
    /// Of who pays.
    pub email: Box<str>,
    /// Written on the page and on the subscription.
    pub metadata: BTreeMap<Box<str>, Box<str>>,
    /// How long to try before paying.
    pub trial_days: Option<u32>,
    /// Until when it can be paid: half an hour to a day ahead.
    pub expires_at: Timestamp,
    /// Where it leads to afterwards; `{CHECKOUT_SESSION_ID}` in it is replaced.
    pub success_url: Box<str>,
    /// Where it leads to when it is left.
    pub cancel_url: Box<str>,
    /// What else the operator wants of it.
    pub options: CheckoutOptions,
}

impl Debug for NewCheckout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewCheckout").field("key", &self.key).field("price", &self.price).finish_non_exhaustive()
    }
}

/// What an operator can choose of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckoutOptions {
    /// Whether codes of promotions are taken.
    pub promotion_codes: bool,
    /// Whether tax is worked out.
    pub automatic_tax: bool,
}

/// What the customer portal opens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalFlow {
    /// Its first page.
    Overview,
    /// Another means of payment.
    PaymentMethod,
}

/// An address that opens the customer portal for whoever has it: not to be shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PortalUrl(pub Box<str>);

impl Debug for PortalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortalUrl(…)")
    }
}

/// Another price for the plan of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `sub_…`.
    pub subscription: Box<str>,
    /// `cus_…`.
    pub customer: Box<str>,
    /// Which of its items.
    pub item: Box<str>,
    /// To which price.
    pub price: Box<str>,
    /// From which moment on it is counted: the same for preview and change, so that what was shown is what is billed. Whole seconds.
    pub proration_date: Timestamp,
}

/// When a change begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once; what it costs more is billed now, and it holds once that is paid.
    Now,
    /// With the next period.
    PeriodEnd,
}

/// How a subscription is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its period.
    PeriodEnd,
    /// Now; usage so far is billed.
    Now,
    /// Now, and nothing more is billed: nobody should have had it.
    Undone,
    /// Not after all.
    NotAtAll,
}

/// What was used in an hour beyond what is included: all of it, not what was added. The last one told counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageReport {
    /// `cus_…`.
    pub customer: Box<str>,
    /// Unique to this figure of this hour.
    pub identifier: String,
    /// A moment in the hour.
    pub at: Timestamp,
    /// How much.
    pub value: u64,
}

/// What the payment service has of an hour or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageSummary {
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// How much.
    pub value: u64,
}

/// Which events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuery {
    /// Made then or later.
    pub since: Timestamp,
    /// Of which kinds.
    pub kinds: &'static [EventKind],
    /// Those before this one, for the next page.
    pub before: Option<Box<str>>,
}

/// Some of a list, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// Some of it.
    pub items: Vec<T>,
    /// What the next page is asked for with; `None` at the end.
    pub next: Option<Box<str>>,
}

/// What counts usage over there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// `mtr_…`.
    pub id: Box<str>,
    /// What reports of usage name.
    pub event_name: Box<str>,
    /// Whether it takes usage in.
    pub active: bool,
    /// How reports are put together: `sum`, `count`, `last`.
    pub formula: Box<str>,
    /// In which span the last report counts alone: `hour`, `day`; `None` when all are added.
    pub window: Option<Box<str>>,
}

/// Where webhooks are sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEndpoint {
    /// `we_…`.
    pub id: Box<str>,
    /// Where.
    pub url: Box<str>,
    /// Whether it is on.
    pub enabled: bool,
    /// Which events; `*` for all.
    pub events: Vec<Box<str>>,
    /// In which shape.
    pub api_version: Option<Box<str>>,
}

/// The payment service. Calls that change something name what they are about with a key: repeated with the same key they are carried out
/// once, however often they are sent.
#[async_trait]
pub trait BillingProvider: Send + Sync + Debug + 'static {
    /// Whether it is about real money.
    fn livemode(&self) -> bool;

    /// Makes a page to pay on.
    async fn create_checkout(&self, new: &NewCheckout) -> ProviderResult<Checkout>;

    /// A page.
    async fn checkout(&self, id: &str) -> ProviderResult<Checkout>;

    /// Closes a page that is open; the answer is the page as it is then. Asked of one that is not open any more it is `Refused`.
    async fn expire_checkout(&self, id: &str) -> ProviderResult<Checkout>;

    /// Opens the portal in which a customer sees bills and changes cards.
    async fn create_portal(&self, customer: &str, flow: PortalFlow, return_url: &str) -> ProviderResult<PortalUrl>;

    /// A subscription.
    async fn subscription(&self, id: &str) -> ProviderResult<Fetched<Subscription>>;

    /// What a schedule changes about its subscription next, if anything.
    async fn scheduled(&self, schedule: &str) -> ProviderResult<Option<ScheduledChange>>;

    /// What a change costs now, as a bill that was not made.
    async fn preview_change(&self, change: &Change) -> ProviderResult<Invoice>;

    /// The next bill; `None` when there will be none.
    async fn upcoming(&self, customer: &str, subscription: &str) -> ProviderResult<Option<Invoice>>;

    /// Changes the plan of a subscription; what it is afterwards. With [`When::PeriodEnd`] a schedule does so (the one that it has, if it has
    /// one); with [`When::Now`] it must have none.
    async fn change_plan(&self, key: &str, change: &Change, when: When) -> ProviderResult<Fetched<Subscription>>;

    /// Takes a schedule away from its subscription, which goes on as it is. One that is not active any more is fine.
    async fn release_schedule(&self, key: &str, schedule: &str) -> ProviderResult<()>;

    /// Ends a subscription, or not after all; what it is afterwards.
    async fn end(&self, key: &str, subscription: &str, ending: Ending) -> ProviderResult<Fetched<Subscription>>;

    /// Pays everything back that was paid for a bill; says whether anything was.
    async fn refund(&self, key: &str, invoice: &str) -> ProviderResult<bool>;

    /// Makes a bill void that is open, so that nobody pays it any more. One that is not open any more is `Refused`.
    async fn void(&self, key: &str, invoice: &str) -> ProviderResult<()>;

    /// A customer's bills, the newest first; at most `limit` (1 to 100).
    async fn invoices(&self, customer: &str, limit: usize, before: Option<&str>) -> ProviderResult<Listed<Invoice>>;

    /// Tells what was used.
    async fn send_usage(&self, report: &UsageReport) -> ProviderResult<()>;

    /// What it has of a customer's usage in whole hours; hours without any are left out.
    async fn usage(&self, customer: &str, from: Timestamp, until: Timestamp) -> ProviderResult<Vec<UsageSummary>>;

    /// Events as they are sent to webhooks: whole, as JSON.
    async fn events(&self, query: &EventQuery) -> ProviderResult<Listed<serde_json::Value>>;

    /// A price.
    async fn price(&self, id: &str) -> ProviderResult<Price>;

    /// The meter that usage is told to, by the name that reports have; `None` when there is none.
    async fn meter(&self) -> ProviderResult<Option<Meter>>;

    /// Where webhooks are sent to.
    async fn webhook_endpoints(&self) -> ProviderResult<Vec<WebhookEndpoint>>;
}

/// How long one call to the payment service may take, repeats included.
pub const CALL_TIME: Duration = Duration::from_secs(30);
