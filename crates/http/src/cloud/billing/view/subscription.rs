//! What a workspace has, and what that costs.

use serde::Serialize;
use togglebox_billing::objects::{Invoice, Line};
use togglebox_billing::{Interval, Overview, UsageCost};
use togglebox_core::Timestamp;
use utoipa::ToSchema;

use super::money::MoneyView;

/// What a workspace's admins see of its subscription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscription)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct SubscriptionView<'a> {
    /// The plan that the subscription is for; the workspace's own where there is none.
    plan: &'a str,
    /// `none` where there never was a subscription; otherwise the payment service's word: `trialing`, `active`, `past_due`, `unpaid`,
    /// `paused`, `incomplete`, `incomplete_expired` or `canceled`.
    status: &'static str,
    /// `monthly` or `yearly`; `null` where there is no subscription.
    #[schema(required)]
    interval: Option<&'static str>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    period_start: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    period_end: Option<Timestamp>,
    /// When it ends, if it is to end; when it ended, if it is over.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    cancel_at: Option<Timestamp>,
    /// Until when it costs nothing.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    trial_end: Option<Timestamp>,
    /// Since when a payment has been overdue.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    past_due_since: Option<Timestamp>,
    /// The plan that it changes to by itself, and when.
    #[schema(required)]
    scheduled: Option<ScheduledView<'a>>,
    /// Whether a change waits for its payment.
    change_waits: bool,
    /// What is used in the period, as it will be billed; `null` where usage costs nothing.
    #[schema(required)]
    usage: Option<UsageCostView>,
    /// The next bill as it stands; `null` where there will be none, or the payment service does not say.
    #[schema(required)]
    next_invoice: Option<NextInvoiceView<'a>>,
}

/// A change of plan that is to come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScheduledPlan)]
struct ScheduledView<'a> {
    plan: &'a str,
    /// `monthly` or `yearly`.
    interval: &'static str,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// What usage costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageCost)]
#[serde(rename_all = "camelCase")]
struct UsageCostView {
    #[schema(value_type = String, format = DateTime)]
    start: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    end: Timestamp,
    /// Requests in whole hours so far.
    used: u64,
    /// How many the plan includes; `null` where it does not say.
    #[schema(required)]
    included: Option<u64>,
    /// How many are beyond that.
    overage: u64,
    /// What one of them costs: a decimal number of the currency's smallest unit.
    unit_price: String,
    /// What all of them cost.
    cost: MoneyView,
}

impl From<&UsageCost> for UsageCostView {
    fn from(usage: &UsageCost) -> Self {
        Self {
            start: usage.start,
            end: usage.end,
            used: usage.used,
            included: usage.included,
            overage: usage.overage,
            unit_price: usage.unit.to_string(),
            cost: usage.cost.into(),
        }
    }
}

/// The next bill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NextInvoice)]
#[serde(rename_all = "camelCase")]
struct NextInvoiceView<'a> {
    /// What is to be paid.
    due: MoneyView,
    /// What it comes to, credits not taken off.
    total: MoneyView,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    period_start: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    period_end: Option<Timestamp>,
    lines: Vec<LineView<'a>>,
}

impl<'a> From<&'a Invoice> for NextInvoiceView<'a> {
    fn from(invoice: &'a Invoice) -> Self {
        Self {
            due: invoice.due.into(),
            total: invoice.total.into(),
            period_start: invoice.period_start,
            period_end: invoice.period_end,
            lines: invoice.lines.iter().map(Into::into).collect(),
        }
    }
}

/// A line of a bill.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InvoiceLine)]
pub(super) struct LineView<'a> {
    description: &'a str,
    amount: MoneyView,
}

impl<'a> From<&'a Line> for LineView<'a> {
    fn from(line: &'a Line) -> Self {
        Self { description: &line.description, amount: line.amount.into() }
    }
}

impl<'a> SubscriptionView<'a> {
    /// Of a workspace that has this plan.
    pub(in crate::cloud) fn of(plan: &'a str, overview: Option<&'a Overview>) -> Self {
        let Some(overview) = overview else {
            return Self {
                plan,
                status: "none",
                interval: None,
                period_start: None,
                period_end: None,
                cancel_at: None,
                trial_end: None,
                past_due_since: None,
                scheduled: None,
                change_waits: false,
                usage: None,
                next_invoice: None,
            };
        };
        let bought = overview.plan.as_deref().filter(|_| !overview.status.is_final());
        Self {
            plan: bought.unwrap_or(plan),
            status: overview.status.as_str(),
            interval: overview.interval.map(Interval::as_str),
            period_start: overview.period_start,
            period_end: overview.period_end,
            cancel_at: overview.cancel_at,
            trial_end: overview.trial_end,
            past_due_since: overview.past_due_since,
            scheduled: overview.scheduled.as_ref().map(|(plan, interval, at)| ScheduledView {
                plan,
                interval: interval.as_str(),
                at: *at,
            }),
            change_waits: overview.change_waits,
            usage: overview.usage.as_ref().map(Into::into),
            next_invoice: overview.next_invoice.as_ref().map(Into::into),
        }
    }
}
