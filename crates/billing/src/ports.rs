//! What billing needs of the rest of the service.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use togglebox_core::{Cursor, Page, TenantId, Timestamp};
use uuid::Uuid;

use crate::access::Mode;
use crate::notice::Notice;

/// The result of one of these ports.
pub type PortResult<T> = Result<T, PortError>;

/// Why the rest of the service did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// Not now: repeating is safe.
    #[error("not now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Never: a person must look.
    #[error("not possible")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Who signs up, and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The id that the tenant is to have.
    pub tenant: TenantId,
    /// What people call it.
    pub name: Box<str>,
    /// Where it is to be reached.
    pub subdomain: Box<str>,
    /// Its plan once it is paid for.
    pub plan: Box<str>,
    /// Whose it is.
    pub owner: Uuid,
    /// Where that one reads mail.
    pub email: Box<str>,
}

/// What became of a reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reserved {
    /// The name is kept for this tenant, which cannot do anything yet. Also when it was already.
    Kept,
    /// Somebody has it, or had it a short time ago.
    Taken,
    /// Nobody can have it, or not under such a plan; why, for whoever signs up.
    Refused(String),
}

/// What a tenant is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entitlement {
    /// The plan's name; `None` is the one that costs nothing.
    pub plan: Option<Box<str>>,
    /// How much of it.
    pub mode: Mode,
    /// Since when something is owed.
    pub past_due_since: Option<Timestamp>,
    /// Since when it has been restricted ([`Mode::ReadOnly`], [`Mode::Closed`], [`Mode::NotYet`]); one that was read-only before it was
    /// closed, since it was that.
    pub restricted_since: Option<Timestamp>,
    /// `cus_…`.
    pub customer: Option<Box<str>>,
    /// `sub_…`.
    pub subscription: Option<Box<str>>,
    /// Until when it is paid for.
    pub period_end: Option<Timestamp>,
    /// By what its usage is counted, and billed; `None`: by months of the calendar (UTC).
    #[serde(default)]
    pub usage: Option<UsagePeriod>,
}

/// A period by which the usage of a tenant is counted, in whole hours: what is included in it is what is refused beyond, shown and billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsagePeriod {
    /// From when.
    pub from: Timestamp,
    /// Until when, that moment not in it.
    pub until: Timestamp,
    /// The plans that there were in it: of them, the one that includes the most counts.
    pub plans: Vec<Box<str>>,
}

/// The tenants. Every call may be repeated, and then changes nothing more.
#[async_trait]
pub trait Tenants: Send + Sync + Debug + 'static {
    /// Keeps a name for a tenant that cannot do anything until it is [entitled](Self::entitle).
    async fn reserve(&self, reservation: &Reservation) -> PortResult<Reserved>;

    /// Gives a tenant what it is to have. One that is not there any more is fine: `false`.
    async fn entitle(&self, tenant: TenantId, entitlement: &Entitlement) -> PortResult<bool>;

    /// Gives the name of a tenant up that was reserved and never entitled. One that was entitled, or that is gone, stays as it is.
    async fn discard(&self, tenant: TenantId) -> PortResult<()>;

    /// The plan of a tenant by its record, and its name: `None` when it is gone.
    async fn profile(&self, tenant: TenantId) -> PortResult<Option<Profile>>;
}

/// What is known of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What people call it.
    pub name: Box<str>,
    /// Where it is reached.
    pub subdomain: Box<str>,
    /// The name of its plan.
    pub plan: Box<str>,
}

/// What was used. `billing` owns this port, `metering` has the figures, and the server connects the two.
#[async_trait]
pub trait UsageSource: Send + Sync + Debug + 'static {
    /// What a tenant used in each hour from `from` to `until` (whole hours, the last one not among them): a figure for each, in order.
    async fn hours(&self, tenant: TenantId, from: Timestamp, until: Timestamp) -> PortResult<Vec<u64>>;

    /// Until when all usage has arrived: hours that end then or before do not become more.
    async fn complete_until(&self, now: Timestamp) -> PortResult<Timestamp>;

    /// How much is included in a period in which there were these plans, of which it is the most; `None` when nothing is billed beyond it: there
    /// is no bound, or all that is beyond is refused.
    fn included(&self, plans: &[Box<str>]) -> Option<u64>;

    /// How much tenants have used in the period of `now` ([`Entitlement::usage`]), of those that have a bound: some of them at a time, in any
    /// order.
    async fn levels(&self, now: Timestamp, after: Option<Cursor>) -> PortResult<Page<QuotaLevel>>;
}

/// How much a tenant has used of what it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaLevel {
    /// Whose.
    pub tenant: TenantId,
    /// In which period, as no other one is called: `2026-11`, or `2026-11-15T11Z` of one that begins with that hour.
    pub period: Box<str>,
    /// How much.
    pub used: u64,
    /// Of how much.
    pub included: u64,
}

impl QuotaLevel {
    /// Of what people are told, in hundredths of what is included: the greatest that is reached.
    pub fn reached(&self) -> Option<u8> {
        let hundredths = u128::from(self.used) * 100;
        [100_u8, 80].into_iter().find(|percent| hundredths >= u128::from(self.included) * u128::from(*percent))
    }
}

/// Sends notices to the people of a tenant.
#[async_trait]
pub trait Notifier: Send + Sync + Debug + 'static {
    /// Sends one. `key` is unique to what it is about: the same again is the same message.
    async fn notify(&self, tenant: TenantId, key: &str, notice: &Notice) -> PortResult<()>;
}
