//! A subscription.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use togglebox_core::Timestamp;

use super::look::{self, NotUnderstood};
use crate::price::Interval;

/// Where a subscription stands, in the payment service's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubscriptionStatus {
    /// In its trial.
    Trialing,
    /// Paid for.
    Active,
    /// The first payment is not done; it has 23 hours.
    Incomplete,
    /// The first payment was never done. Final.
    IncompleteExpired,
    /// A renewal could not be charged; it is tried again.
    PastDue,
    /// It is not tried any more; bills are made and not charged.
    Unpaid,
    /// It is over. Final.
    Canceled,
    /// The trial ended without a means of payment. Can go on.
    Paused,
}

impl SubscriptionStatus {
    /// All there are.
    pub const ALL: [Self; 8] = [
        Self::Trialing,
        Self::Active,
        Self::Incomplete,
        Self::IncompleteExpired,
        Self::PastDue,
        Self::Unpaid,
        Self::Canceled,
        Self::Paused,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::PastDue => "past_due",
            Self::Unpaid => "unpaid",
            Self::Canceled => "canceled",
            Self::Paused => "paused",
        }
    }

    /// The status that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing comes after it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::IncompleteExpired | Self::Canceled)
    }
}

/// One of the prices of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// `si_…`.
    pub id: Box<str>,
    /// `price_…`.
    pub price: Box<str>,
    /// How often it is billed, when that is told and known.
    pub interval: Option<Interval>,
    /// Whether it is billed by what is used.
    pub metered: bool,
    /// How many.
    pub quantity: Option<u64>,
    /// The period that it is in.
    pub period_start: Option<Timestamp>,
    /// Where that ends.
    pub period_end: Option<Timestamp>,
}

/// A change that the payment service makes by itself at a later time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduledChange {
    /// To which price.
    pub price: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// `sub_…`.
    pub id: Box<str>,
    /// `cus_…`.
    pub customer: Box<str>,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Its prices.
    pub items: Vec<Item>,
    /// Whether it ends with the period.
    pub cancel_at_period_end: bool,
    /// When it is to end.
    pub cancel_at: Option<Timestamp>,
    /// When somebody ended it, or decided to.
    pub canceled_at: Option<Timestamp>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// When the trial ends, or ended.
    pub trial_end: Option<Timestamp>,
    /// What was written on it: ours are `tenant_id` and `signup_id`.
    pub metadata: BTreeMap<Box<str>, Box<str>>,
    /// `in_…`.
    pub latest_invoice: Option<Box<str>>,
    /// Whether a change waits for its payment.
    pub pending_update: bool,
    /// `sub_sched_…`, when a schedule changes it.
    pub schedule: Option<Box<str>>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

const OBJECT: &str = "a subscription";

impl Subscription {
    /// Reads one.
    ///
    /// # Errors
    /// Without an id, a customer or a known status.
    pub fn read(value: &Value) -> Result<Self, NotUnderstood> {
        let missing = |field| NotUnderstood { object: OBJECT, field };
        let status = value.get("status").and_then(Value::as_str).and_then(SubscriptionStatus::parse);
        let old_period = [look::moment(value, "current_period_start"), look::moment(value, "current_period_end")];
        Ok(Self {
            id: look::text(value, "id").ok_or(missing("id"))?,
            customer: look::id(value, "customer").ok_or(missing("customer"))?,
            status: status.ok_or(missing("status"))?,
            items: look::list(value, "items").iter().filter_map(|item| Item::read(item, old_period)).collect(),
            cancel_at_period_end: look::flag(value, "cancel_at_period_end"),
            cancel_at: look::moment(value, "cancel_at"),
            canceled_at: look::moment(value, "canceled_at"),
            ended_at: look::moment(value, "ended_at"),
            trial_end: look::moment(value, "trial_end"),
            metadata: look::metadata(value),
            latest_invoice: look::id(value, "latest_invoice"),
            pending_update: value.get("pending_update").is_some_and(Value::is_object),
            schedule: look::id(value, "schedule"),
            created: look::moment(value, "created"),
        })
    }

    /// Whether it will end by itself, or is to end.
    pub const fn ends(&self) -> bool {
        self.cancel_at_period_end || self.cancel_at.is_some()
    }
}

impl Item {
    /// Reads one; before `2025-03-31.basil` the period stood on the subscription, and a price could be called a plan.
    fn read(value: &Value, old_period: [Option<Timestamp>; 2]) -> Option<Self> {
        let price = [value.get("price"), value.get("plan")].into_iter().flatten().find(|price| look::id_of(price).is_some())?;
        let recurring = price.get("recurring").filter(|recurring| recurring.is_object()).unwrap_or(price);
        let interval = recurring.get("interval").and_then(Value::as_str).and_then(Interval::of_stripe);
        Some(Self {
            id: look::text(value, "id")?,
            price: look::id_of(price)?,
            interval,
            metered: recurring.get("usage_type").and_then(Value::as_str) == Some("metered"),
            quantity: value.get("quantity").and_then(Value::as_u64),
            period_start: look::moment(value, "current_period_start").or(old_period[0]),
            period_end: look::moment(value, "current_period_end").or(old_period[1]),
        })
    }

    /// Reads the items that an event says were there before.
    pub(crate) fn previous(attributes: &Value) -> Vec<Self> {
        look::list(attributes, "items").iter().filter_map(|item| Self::read(item, [None; 2])).collect()
    }
}
