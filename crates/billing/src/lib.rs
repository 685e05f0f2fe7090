#![doc = include_str!("../README.md")]

mod access;
mod engine;
mod metrics;
mod money;
mod notice;
pub mod objects;
mod order;
mod ports;
mod price;
pub mod provider;
mod records;
mod signature;
pub mod store;
#[cfg(feature = "stripe")]
pub mod stripe;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

pub use self::access::{Access, AccessRules, Ended, Granted, Mode, access};
pub use self::engine::{
    Billing, BillingError, BillingPorts, BillingSettings, ChangePreview, Changed, CheckoutSettings, Chore, ConflictView,
    EffectView, EventView, NewSignUp, Overview, Pending, PlanRevenue, ReceiveError, Received, Result, Revenue, SignUpState,
    SignUpStatus, Subscriber, TaskView, Turn, UsageCost, UsagePrice,
};
pub use self::money::{Currency, InvalidCurrency, Money};
pub use self::notice::Notice;
pub use self::order::{AsOf, Told};
pub use self::ports::{
    Entitlement, Notifier, PortError, PortResult, Profile, QuotaLevel, Reservation, Reserved, Tenants, UsagePeriod, UsageSource,
};
pub use self::price::{Interval, InvalidPrices, InvalidUnitPrice, PlanPrice, PriceList, UnitPrice, overage_by_hour};
pub use self::provider::{
    BillingProvider, CALL_TIME, Change, CheckoutOptions, Ending, EventQuery, Fetched, Listed, Meter, NewCheckout, PortalFlow,
    PortalUrl, ProviderError, ProviderResult, UsageReport, UsageSummary, WebhookEndpoint, When,
};
pub use self::records::lists;
pub use self::signature::{BadSignature, InvalidVerifier, Verifier, WebhookSecret};
pub use self::store::{Address, BillingStore, Committed, Document, Shelf, Write};
