//! What stands in the documents.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use crate::notice::Notice;
use crate::objects::{ScheduledChange, Subscription};
use crate::order::AsOf;
use crate::ports::Entitlement;
use crate::price::Interval;
use crate::store::{Address, Document, MOST_BYTES, Shelf, Write};

/// Lists in which documents stand.
pub mod lists {
    /// Something is to be done about it.
    pub const WAITING: &str = "waiting";
    /// It is done.
    pub const DONE: &str = "done";
    /// It is of no matter here.
    pub const IGNORED: &str = "ignored";
    /// It is of another kind of money than our key.
    pub const QUARANTINED: &str = "quarantined";
    /// It was tried often enough: a person must look.
    pub const DEAD: &str = "dead";
    /// It goes on.
    pub const OPEN: &str = "open";
    /// It is over.
    pub const CLOSED: &str = "closed";
}

/// A document, read.
#[derive(Clone, Debug)]
pub(crate) struct Held<T> {
    pub(crate) document: Document,
    pub(crate) value: T,
}

/// What a document is of.
pub(crate) trait Record: Serialize + DeserializeOwned {
    const SHELF: Shelf;
}

impl<T: Record> Held<T> {
    pub(crate) fn read(document: Document) -> StoreResult<Self> {
        let corrupt = |error: serde_json::Error| {
            let what = format!("{}: {error}", document.address);
            StoreError::new(StoreErrorKind::Corrupt, "billing.read").caused_by(what)
        };
        let value = serde_json::from_str(&document.body).map_err(corrupt)?;
        Ok(Self { document, value })
    }

    /// One that is not there yet.
    pub(crate) fn new(id: &str, list: &str, at: Timestamp, value: T) -> Self {
        let address = Address::new(T::SHELF, id);
        let document = Document { address, tenant: None, version: 0, list: list.into(), at, due: None, body: Box::default() };
        Self { document, value }
    }

    pub(crate) fn of(mut self, tenant: Option<TenantId>) -> Self {
        self.document.tenant = tenant;
        self
    }

    pub(crate) fn due(mut self, due: Option<Timestamp>) -> Self {
        self.document.due = due;
        self
    }

    pub(crate) fn list(mut self, list: &str) -> Self {
        self.document.list = list.into();
        self
    }

    pub(crate) fn id(&self) -> &str {
        &self.document.address.id
    }

    /// The write that leaves it as it is here.
    pub(crate) fn put(&self) -> StoreResult<Write> {
        let body = serde_json::to_string(&self.value)
            .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, "billing.write").caused_by(error))?;
        if body.len() > MOST_BYTES {
            return Err(StoreError::new(StoreErrorKind::TooLarge { limit: MOST_BYTES }, "billing.write"));
        }
        Ok(Write::Put(Document { body: body.into(), ..self.document.clone() }))
    }
}

/// An event, from its arrival until it is forgotten.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventRecord {
    pub(crate) kind: Box<str>,
    pub(crate) created: Timestamp,
    pub(crate) received: Timestamp,
    #[serde(default)]
    pub(crate) subject: Option<Box<str>>,
    #[serde(default)]
    pub(crate) customer: Option<Box<str>>,
    #[serde(default)]
    pub(crate) api_version: Option<Box<str>>,
    pub(crate) livemode: bool,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) trouble: Option<Box<str>>,
    /// `data` of the event; missing when it was too large to be kept, and once the event is long done.
    #[serde(default)]
    pub(crate) data: Option<Value>,
}

impl Record for EventRecord {
    const SHELF: Shelf = Shelf::Event;
}

/// What is to happen outside of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum Effect {
    /// Sends a notice.
    Notify { tenant: TenantId, notice: Notice },
    /// Ends a subscription that nobody should have, and pays its bills back.
    Undo { subscription: Box<str> },
    /// Lets the subscription of a tenant that is being deleted end with its period.
    End { tenant: TenantId, subscription: Box<str> },
    /// Plans a change again that gave way to another one, if that comes to nothing.
    Replan(Replan),
}

/// A change for the end of a period that gave way to one that was to hold at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replan {
    pub(crate) subscription: Box<str>,
    /// The price that there was: another one means that the greater change holds.
    pub(crate) from: Box<str>,
    /// The price that was planned.
    pub(crate) to: Box<str>,
}

impl Effect {
    /// The same without addresses that open something for whoever has them: what is done needs them no more.
    pub(crate) fn without_links(&self) -> Self {
        let mut bare = self.clone();
        if let Self::Notify { notice: Notice::PaymentFailed { url, .. } | Notice::PaymentActionRequired { url, .. }, .. } =
            &mut bare
        {
            *url = None;
        }
        bare
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EffectRecord {
    pub(crate) effect: Effect,
    #[serde(default)]
    pub(crate) attempts: u32,
    #[serde(default)]
    pub(crate) trouble: Option<Box<str>>,
}

impl Record for EffectRecord {
    const SHELF: Shelf = Shelf::Effect;
}

/// Where a sign-up stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(crate) enum SignUpState {
    /// The name is being kept.
    Begun,
    /// The name is kept; a page to pay on is being made.
    Reserved,
    /// The page is there.
    SessionCreated { session: Box<str>, url: Box<str>, expires_at: Timestamp },
    /// The visitor is through; the money is on its way.
    Paying { session: Box<str> },
    /// All is there.
    Active { subscription: Box<str> },
    /// The page was closed, and nothing was paid.
    Expired,
    /// The payment failed in the end.
    Failed,
    /// The name, or what goes with it, cannot be had.
    Refused { taken: bool, why: String },
    /// The payment service makes no page for it; in its words.
    Unsold { code: Box<str> },
    /// It was paid, and cannot be given: see the conflicts.
    Conflict { subscription: Box<str> },
}

/// Somebody who wants to pay: for a new tenant, or for one that is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignUpRecord {
    pub(crate) tenant: TenantId,
    /// Whether the tenant is made by this.
    pub(crate) is_new: bool,
    pub(crate) name: Box<str>,
    pub(crate) subdomain: Box<str>,
    pub(crate) plan: Box<str>,
    pub(crate) interval: Interval,
    pub(crate) price: Box<str>,
    pub(crate) owner: Uuid,
    pub(crate) email: Box<str>,
    pub(crate) customer: Option<Box<str>>,
    /// How often a page was made.
    pub(crate) round: u32,
    pub(crate) created: Timestamp,
    #[serde(flatten)]
    pub(crate) state: SignUpState,
    #[serde(default)]
    pub(crate) attempts: u32,
}

impl Record for SignUpRecord {
    const SHELF: Shelf = Shelf::SignUp;
}

/// What is known of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionRecord {
    pub(crate) state: Subscription,
    pub(crate) as_of: AsOf,
    #[serde(default)]
    pub(crate) past_due_since: Option<Timestamp>,
    #[serde(default)]
    pub(crate) scheduled: Option<ScheduledChange>,
    /// The plans that there were in this period of usage.
    #[serde(default)]
    pub(crate) plans: Vec<Box<str>>,
    /// The period of usage before this one, whose bill may not be finished yet.
    #[serde(default)]
    pub(crate) former: Option<FormerPeriod>,
}

/// A period of usage that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FormerPeriod {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) plans: Vec<Box<str>>,
}

impl Record for SubscriptionRecord {
    const SHELF: Shelf = Shelf::Subscription;
}

/// A tenant that pays, or has paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountRecord {
    pub(crate) customer: Box<str>,
    pub(crate) subscription: Box<str>,
    /// What the tenant was given last.
    #[serde(default)]
    pub(crate) given: Option<Entitlement>,
    /// How often giving it failed.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// Set once the tenant is deleted: it gets nothing more, and its subscription is to end.
    #[serde(default)]
    pub(crate) leaving: bool,
    /// Whether the subscription was told to end because of that, and for no other reason: then it goes on when the tenant comes back.
    #[serde(default)]
    pub(crate) ends_for_leaving: bool,
    /// When the subscription ended, for what was lost in a month.
    #[serde(default)]
    pub(crate) ended: Option<Timestamp>,
}

impl Record for AccountRecord {
    const SHELF: Shelf = Shelf::Account;
}

/// That something belongs to one tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClaimRecord {
    pub(crate) tenant: TenantId,
}

impl Record for ClaimRecord {
    const SHELF: Shelf = Shelf::Claim;
}

/// Something that a person has to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConflictRecord {
    /// `second-subscription`, `late-payment`, `drift`, `unknown-price`.
    pub(crate) kind: Box<str>,
    pub(crate) tenant: Option<TenantId>,
    pub(crate) subscription: Option<Box<str>>,
    pub(crate) customer: Option<Box<str>>,
    /// In words.
    pub(crate) detail: String,
    /// What was done about it.
    #[serde(default)]
    pub(crate) resolution: Option<String>,
}

impl Record for ConflictRecord {
    const SHELF: Shelf = Shelf::Conflict;
}

/// What was told of a day's usage beyond what is included, by hour of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageRecord {
    pub(crate) customer: Box<str>,
    /// What was told last for each hour, and how often something else was.
    pub(crate) told: BTreeMap<u8, Told>,
    /// What is being told: noted before it is sent, so that it is known after a crash.
    #[serde(default)]
    pub(crate) telling: BTreeMap<u8, Told>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) value: u64,
    pub(crate) revision: u32,
    /// When it was told.
    #[serde(default)]
    pub(crate) at: Option<Timestamp>,
}

impl Record for UsageRecord {
    const SHELF: Shelf = Shelf::Usage;
}

/// Where regular work stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskRecord {
    /// Up to when events were asked for.
    #[serde(default)]
    pub(crate) upto: Option<Timestamp>,
    /// When it was done to its end last.
    #[serde(default)]
    pub(crate) done: Option<Timestamp>,
    #[serde(default)]
    pub(crate) failures: u32,
    /// What the last run found, in words.
    #[serde(default)]
    pub(crate) outcome: Option<String>,
    /// Who has it in hand.
    #[serde(default)]
    pub(crate) holder: Option<Uuid>,
}

impl Record for TaskRecord {
    const SHELF: Shelf = Shelf::Task;
}
