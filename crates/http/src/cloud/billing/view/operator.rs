//! What the operator's people see.

use serde::Serialize;
use togglebox_billing::{
    Chore, ConflictView as Conflict, EffectView as Effect, EventView as Event, PlanRevenue, Revenue, TaskView as Task,
};
use togglebox_core::{TenantId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

use super::money::{MoneyView, amounts};

/// That a webhook is ours from now on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookReceipt)]
pub(in crate::cloud) struct ReceiptView {
    /// `true`.
    pub(in crate::cloud) received: bool,
}

/// An event of the payment service, without what it is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingEvent)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct EventView<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    state: &'a str,
    /// The id of what it is about.
    #[schema(required)]
    subject: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// How often it was tried in vain.
    attempts: u32,
    /// What the last trouble was.
    #[schema(required)]
    trouble: Option<&'a str>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    due: Option<Timestamp>,
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: &event.id,
            kind: &event.kind,
            state: &event.state,
            subject: event.subject.as_deref(),
            created_at: event.created,
            received_at: event.received,
            attempts: event.attempts,
            trouble: event.trouble.as_deref(),
            due: event.due,
        }
    }
}

/// Something that happens elsewhere: a mail, something that is undone or ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingEffect)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct EffectView<'a> {
    key: &'a str,
    /// `notify`, `undo`, `end` or `replan`.
    kind: &'static str,
    state: &'a str,
    #[schema(required)]
    tenant: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// How often it was tried in vain.
    attempts: u32,
    /// What the last trouble was.
    #[schema(required)]
    trouble: Option<&'a str>,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    due: Option<Timestamp>,
}

fn uuid(tenant: Option<TenantId>) -> Option<Uuid> {
    tenant.map(|tenant| *tenant.as_uuid())
}

impl<'a> From<&'a Effect> for EffectView<'a> {
    fn from(effect: &'a Effect) -> Self {
        Self {
            key: &effect.key,
            kind: effect.kind,
            state: &effect.state,
            tenant: uuid(effect.tenant),
            created_at: effect.at,
            attempts: effect.attempts,
            trouble: effect.trouble.as_deref(),
            due: effect.due,
        }
    }
}

/// Something for a person to decide.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingConflict)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct ConflictView<'a> {
    id: &'a str,
    /// `second-subscription`, `late-payment`, `customer-taken`, `unknown-price` or `drift`.
    kind: &'a str,
    /// Whether it waits for somebody.
    open: bool,
    #[schema(required)]
    tenant: Option<Uuid>,
    #[schema(required)]
    subscription: Option<&'a str>,
    #[schema(required)]
    customer: Option<&'a str>,
    /// In words.
    detail: &'a str,
    /// What was done about it.
    #[schema(required)]
    resolution: Option<&'a str>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl<'a> From<&'a Conflict> for ConflictView<'a> {
    fn from(conflict: &'a Conflict) -> Self {
        Self {
            id: &conflict.id,
            kind: &conflict.kind,
            open: conflict.is_open,
            tenant: uuid(conflict.tenant),
            subscription: conflict.subscription.as_deref(),
            customer: conflict.customer.as_deref(),
            detail: &conflict.detail,
            resolution: conflict.resolution.as_deref(),
            created_at: conflict.at,
        }
    }
}

/// What comes in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revenue)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct RevenueView<'a> {
    plans: Vec<PlanRevenueView<'a>>,
    /// In a month, of all plans, in each currency.
    monthly: Vec<MoneyView>,
    /// How many owe something.
    past_due: u64,
    /// How many will end.
    ending: u64,
    /// How many have ended in the last thirty days.
    ended: u64,
    /// The part of those who were there thirty days ago that has ended since, in parts of 10,000; `null` when nobody was.
    #[schema(required)]
    churn_basis_points: Option<u64>,
}

/// What comes in by a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanRevenue)]
#[serde(rename_all = "camelCase")]
struct PlanRevenueView<'a> {
    plan: &'a str,
    subscriptions: u64,
    /// How many of them try it, and pay nothing yet.
    trialing: u64,
    /// In a month, a yearly price by the twelfth; in each currency.
    monthly: Vec<MoneyView>,
    /// Requests beyond what is included, as far as they were told to the payment service, in the current periods.
    overage: u64,
    /// What they cost; `null` where they cost nothing.
    #[schema(required)]
    overage_cost: Option<MoneyView>,
}

impl<'a> From<&'a PlanRevenue> for PlanRevenueView<'a> {
    fn from(revenue: &'a PlanRevenue) -> Self {
        Self {
            plan: &revenue.plan,
            subscriptions: revenue.subscriptions,
            trialing: revenue.trialing,
            monthly: amounts(&revenue.monthly),
            overage: revenue.overage,
            overage_cost: revenue.overage_cost.map(Into::into),
        }
    }
}

impl<'a> From<&'a Revenue> for RevenueView<'a> {
    fn from(revenue: &'a Revenue) -> Self {
        Self {
            plans: revenue.plans.iter().map(Into::into).collect(),
            monthly: amounts(&revenue.monthly),
            past_due: revenue.past_due,
            ending: revenue.ending,
            ended: revenue.ended,
            churn_basis_points: revenue.churn_basis_points,
        }
    }
}

/// Regular work.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingTask)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct TaskView<'a> {
    /// `poll`, `sweep`, `usage`, `closing`, `reconcile` or `prune`.
    chore: &'static str,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    due: Option<Timestamp>,
    /// When it was done last.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    done_at: Option<Timestamp>,
    /// How often it has failed since.
    failures: u32,
    /// What it found, or what the trouble was.
    #[schema(required)]
    outcome: Option<&'a str>,
}

impl<'a> From<&'a Task> for TaskView<'a> {
    fn from(task: &'a Task) -> Self {
        Self {
            chore: task.chore.as_str(),
            due: task.due,
            done_at: task.done,
            failures: task.failures,
            outcome: task.outcome.as_deref(),
        }
    }
}

/// Regular work that was done at once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingTaskRun)]
pub(in crate::cloud) struct TaskRunView<'a> {
    chore: &'static str,
    /// What it found.
    outcome: &'a str,
}

impl<'a> TaskRunView<'a> {
    pub(in crate::cloud) const fn of(chore: Chore, outcome: &'a str) -> Self {
        Self { chore: chore.as_str(), outcome }
    }
}
