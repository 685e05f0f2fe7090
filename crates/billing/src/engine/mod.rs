//! Billing at work: what comes in is kept before it is acknowledged, what changes together is committed together, and what has to happen
//! elsewhere is written down first.
//!
//! Nothing here depends on which node does it. Whoever takes a piece of work in hand moves the time at which it is due; if that one dies,
//! it is due again. So every step may be done twice, and is written so that this does no harm.

mod account;
mod change;
mod checkout;
mod effect;
mod error;
mod event;
mod export;
mod failure;
mod inbox;
mod leaving;
mod observe;
mod operator;
mod overview;
mod period;
mod poll;
mod prune;
mod quota;
mod reconcile;
mod replan;
mod saga;
mod task;
mod turn;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{Clock, Entropy, PageRequest, StoreErrorKind, StoreResult, TenantId, Timestamp};
use tokio::sync::OnceCell;

use self::event::readable;

pub use self::change::{ChangePreview, Changed};
pub use self::checkout::{NewSignUp, Pending, SignUpState, SignUpStatus, Subscriber};
pub use self::error::{BillingError, ReceiveError, Result};
pub use self::inbox::Received;
pub use self::operator::{ConflictView, EffectView, EventView, PlanRevenue, Revenue, TaskView};
pub use self::overview::{Overview, UsageCost};
pub use self::task::Chore;
pub use self::turn::Turn;
use crate::access::AccessRules;
use crate::money::Money;
use crate::ports::{Notifier, Tenants, UsageSource};
use crate::price::{PriceList, UnitPrice};
use crate::provider::{BillingProvider, CheckoutOptions};
use crate::records::{Held, Record};
use crate::signature::Verifier;
use crate::store::{Address, BillingStore, Committed, Write};

/// How often something is decided anew when others write at the same time. Each failure means that another got through.
const TRIES: usize = 32;
/// How many things are done at a time.
const AT_ONCE: usize = 8;

/// What [`Billing`] works with.
#[derive(Clone, Debug)]
pub struct BillingPorts {
    /// Documents.
    pub store: Arc<dyn BillingStore>,
    /// The payment service.
    pub provider: Arc<dyn BillingProvider>,
    /// Tenants.
    pub tenants: Arc<dyn Tenants>,
    /// What they use.
    pub usage: Arc<dyn UsageSource>,
    /// What sends mails.
    pub notifier: Arc<dyn Notifier>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub entropy: Arc<dyn Entropy>,
}

/// Where people are led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutSettings {
    /// After a payment; `{CHECKOUT_SESSION_ID}` in it is replaced by the payment service.
    pub success_url: Box<str>,
    /// When they leave without one.
    pub cancel_url: Box<str>,
    /// From the customer portal.
    pub portal_return_url: Box<str>,
    /// How long to try before paying.
    pub trial_days: Option<u32>,
    /// How long a page can be paid: half an hour to a day.
    pub lifetime: Duration,
    /// What else.
    pub options: CheckoutOptions,
}

/// The rules of [`Billing`].
#[derive(Clone, Debug)]
pub struct BillingSettings {
    /// What plans cost.
    pub prices: PriceList,
    /// What a subscription gives.
    pub access: AccessRules,
    /// Which webhooks are real.
    pub verifier: Verifier,
    /// Where people are led to.
    pub checkout: CheckoutSettings,
    /// Whether a second subscription of a tenant is ended and paid back without anybody being asked.
    pub undo_second: bool,
    /// For how long whoever takes work in hand has it.
    pub lease: Duration,
    /// How often something is tried before a person has to look.
    pub attempts: u32,
}

impl BillingSettings {
    /// A minute: long enough for a call that is repeated, short enough that what a node leaves is done by another at once.
    pub const LEASE: Duration = Duration::from_mins(1);
    /// With pauses of up to an hour, three to six hours; three days for what does not answer.
    pub const ATTEMPTS: u32 = 16;
}

/// Billing.
#[derive(Debug)]
pub struct Billing {
    ports: BillingPorts,
    settings: BillingSettings,
    /// What one request beyond the included ones costs; asked for once.
    usage_price: OnceCell<Option<UsagePrice>>,
}

/// What usage beyond a plan costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsagePrice {
    /// Of one.
    pub unit: UnitPrice,
    /// In what.
    pub currency: crate::money::Currency,
}

impl UsagePrice {
    /// What so much costs.
    pub fn of(&self, quantity: u64) -> Money {
        Money { minor: self.unit.times(quantity), currency: self.currency }
    }
}

impl Billing {
    /// Over these ports, by these rules.
    pub fn new(ports: BillingPorts, settings: BillingSettings) -> Self {
        Self { ports, settings, usage_price: OnceCell::new() }
    }

    /// What plans cost.
    pub const fn prices(&self) -> &PriceList {
        &self.settings.prices
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// What one request beyond the included ones costs; `None` when it costs nothing.
    async fn usage_price(&self) -> Result<Option<UsagePrice>> {
        let price = self.usage_price.get_or_try_init(|| async {
            let Some(id) = self.settings.prices.usage() else { return Ok(None) };
            let price = self.ports.provider.price(id).await?;
            Ok::<_, BillingError>(price.unit.map(|unit| UsagePrice { unit, currency: price.currency }))
        });
        price.await.copied()
    }

    async fn held<T: Record>(&self, id: &str) -> StoreResult<Option<Held<T>>> {
        let found = self.ports.store.get(&[Address::new(T::SHELF, id)]).await?;
        found.into_iter().flatten().next().map(Held::read).transpose()
    }

    /// All that a tenant has of a kind: sign-ups, subscriptions, days of usage. Few, since what is over is pruned.
    async fn of_tenant<T: Record>(&self, tenant: TenantId) -> StoreResult<Vec<Held<T>>> {
        let (mut all, mut page) = (Vec::new(), PageRequest::first(100));
        loop {
            let found = self.ports.store.of(tenant, T::SHELF, &page).await?;
            all.extend(found.items.into_iter().filter_map(readable));
            match found.next {
                Some(next) => page = PageRequest::first(100).after(Some(next)),
                None => return Ok(all),
            }
        }
    }

    async fn account(&self, tenant: TenantId) -> StoreResult<Option<Held<crate::records::AccountRecord>>> {
        self.held(&tenant.to_string()).await
    }

    /// Whether all of it was done; `false` means that something has changed meanwhile, and nothing was. When the outcome is unknown it is
    /// asked once more: done already is then told as stale, and whoever decides anew sees that.
    async fn commit(&self, writes: &[Write]) -> StoreResult<bool> {
        let outcome = match self.ports.store.commit(writes).await {
            Err(error) if *error.kind() == StoreErrorKind::Unavailable => self.ports.store.commit(writes).await,
            outcome => outcome,
        };
        Ok(outcome? == Committed::Done)
    }

    /// Takes something in hand: nobody else does for as long as a lease. `None` when somebody else has it.
    async fn claim<T: Record>(&self, held: Held<T>) -> StoreResult<Option<Held<T>>> {
        let until = self.now().plus(self.settings.lease);
        let mut claimed = held.due(Some(until));
        if !self.commit(&[claimed.put()?]).await? {
            return Ok(None);
        }
        claimed.document.version += 1;
        Ok(Some(claimed))
    }
}

/// A moment without parts of a second: what the payment service can be told.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_ms(at.as_ms().div_euclid(1000) * 1000)
}

/// An error and its causes, for records that operators read. Drivers' words are in logs only.
fn trouble(error: &BillingError) -> Box<str> {
    error.to_string().into()
}
