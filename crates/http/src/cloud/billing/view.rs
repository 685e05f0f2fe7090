//! What clients see of money.

use serde::Serialize;
use togglebox_billing::objects::{Invoice, Line};
use togglebox_billing::{
    ChangePreview, Changed, Chore, ConflictView as Conflict, EffectView as Effect, EventView as Event, Interval, Money, Overview,
    Pending, PlanRevenue, Revenue, SignUpState, SignUpStatus, TaskView as Task, UsageCost, When,
};
use togglebox_core::{TenantId, Timestamp};
use utoipa::ToSchema;
use uuid::Uuid;

/// So much of a currency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
pub(in crate::cloud) struct MoneyView {
    /// In the smallest unit of the currency, as cents; less than nothing for a credit.
    amount: i64,
    /// By its three letters of ISO 4217, in lower case.
    currency: String,
    /// As people read it: `12.50 EUR`.
    formatted: String,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.minor, currency: money.currency.as_str().to_owned(), formatted: money.to_string() }
    }
}

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
struct LineView<'a> {
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

/// A page to pay on.
#[derive(Serialize, ToSchema)]
#[schema(as = CheckoutPage)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct CheckoutView<'a> {
    /// Where to go now. Whoever has it can pay there.
    url: &'a str,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    /// What it is asked after with at `/api/v1/onboarding/signup/{id}` on the central host.
    sign_up_id: Uuid,
}

impl<'a> From<&'a Pending> for CheckoutView<'a> {
    fn from(pending: &'a Pending) -> Self {
        Self { url: &pending.url, expires_at: pending.expires_at, sign_up_id: pending.id }
    }
}

/// What a change of plan would cost.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanChangePreview)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct ChangePreviewView<'a> {
    plan: &'a str,
    /// `monthly` or `yearly`.
    interval: &'static str,
    /// To be sent along with the change within an hour: then what is billed is what is shown here.
    #[schema(value_type = String, format = DateTime)]
    proration_date: Timestamp,
    /// `now`, or `period_end` for a lesser plan.
    when: &'static str,
    #[schema(value_type = String, format = DateTime)]
    effective_at: Timestamp,
    /// What is to be paid at once; `null` for a change at the end of the period.
    #[schema(required)]
    due: Option<MoneyView>,
    lines: Vec<LineView<'a>>,
}

impl<'a> From<&'a ChangePreview> for ChangePreviewView<'a> {
    fn from(preview: &'a ChangePreview) -> Self {
        Self {
            plan: &preview.plan,
            interval: preview.interval.as_str(),
            proration_date: preview.proration_date,
            when: match preview.when {
                When::Now => "now",
                When::PeriodEnd => "period_end",
            },
            effective_at: preview.effective_at,
            due: preview.due.map(Into::into),
            lines: preview.lines.iter().map(Into::into).collect(),
        }
    }
}

/// What became of a change of plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedPlan)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct ChangedView {
    /// `changed`, `scheduled` (for `effectiveAt`), or `payment_pending`: it holds once its bill is paid, in the customer portal.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false)]
    effective_at: Option<Timestamp>,
}

impl From<Changed> for ChangedView {
    fn from(changed: Changed) -> Self {
        match changed {
            Changed::Now => Self { outcome: "changed", effective_at: None },
            Changed::At(at) => Self { outcome: "scheduled", effective_at: Some(at) },
            Changed::Unpaid => Self { outcome: "payment_pending", effective_at: None },
        }
    }
}

/// When a subscription ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionEnding)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct EndingView {
    /// `null` where the payment service does not say.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub(in crate::cloud) cancel_at: Option<Timestamp>,
}

/// Where the customer portal is.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerPortal)]
pub(in crate::cloud) struct PortalView<'a> {
    /// To be opened at once. Whoever has it is let in: it is not to be kept or logged.
    pub(in crate::cloud) url: &'a str,
}

/// A bill.
#[derive(Serialize, ToSchema)]
#[schema(as = Invoice)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct InvoiceView<'a> {
    #[schema(required)]
    id: Option<&'a str>,
    /// What people call it.
    #[schema(required)]
    number: Option<&'a str>,
    /// `draft`, `open`, `paid`, `void` or `uncollectible`.
    #[schema(required)]
    status: Option<&'a str>,
    total: MoneyView,
    due: MoneyView,
    paid: MoneyView,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    period_start: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    period_end: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime, required)]
    created_at: Option<Timestamp>,
    /// Where it is seen and paid. Whoever has it can do so.
    #[schema(required)]
    url: Option<&'a str>,
    /// The same as a document.
    #[schema(required)]
    pdf: Option<&'a str>,
}

impl<'a> From<&'a Invoice> for InvoiceView<'a> {
    fn from(invoice: &'a Invoice) -> Self {
        Self {
            id: invoice.id.as_deref(),
            number: invoice.number.as_deref(),
            status: invoice.status.as_deref(),
            total: invoice.total.into(),
            due: invoice.due.into(),
            paid: invoice.paid.into(),
            period_start: invoice.period_start,
            period_end: invoice.period_end,
            created_at: invoice.created,
            url: invoice.url.as_deref(),
            pdf: invoice.pdf.as_deref(),
        }
    }
}

/// A sign-up that waits for its payment.
#[derive(Serialize, ToSchema)]
#[schema(as = PendingSignUp)]
#[serde(rename_all = "camelCase")]
pub(in crate::cloud) struct PendingView<'a> {
    sign_up: SignUpRef,
    /// Where to go now. Whoever has it can pay there.
    checkout_url: &'a str,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// A sign-up.
#[derive(Serialize, ToSchema)]
struct SignUpRef {
    /// Cannot be guessed; whoever has it can ask after the sign-up.
    id: Uuid,
    /// As of the sign-up's own.
    state: &'static str,
}

impl<'a> From<&'a Pending> for PendingView<'a> {
    fn from(pending: &'a Pending) -> Self {
        Self {
            sign_up: SignUpRef { id: pending.id, state: state(SignUpState::Open) },
            checkout_url: &pending.url,
            expires_at: pending.expires_at,
        }
    }
}

/// Where a sign-up stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignUpStatus)]
pub(in crate::cloud) struct SignUpStatusView<'a> {
    id: Uuid,
    /// `preparing`, `open` (it can be paid), `processing` (the payment is on its way, which may take days), `active` (all is there),
    /// `expired`, `failed`, or `conflict` (it was paid, and the operator looks at it).
    state: &'static str,
    plan: &'a str,
    /// `monthly` or `yearly`.
    interval: &'static str,
    /// The workspace that it is for.
    workspace: SignedUpView<'a>,
}

/// The workspace that a sign-up is for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignedUpWorkspace)]
struct SignedUpView<'a> {
    subdomain: &'a str,
    /// Where it is reached, once the sign-up is `active`.
    url: String,
}

impl<'a> SignUpStatusView<'a> {
    pub(in crate::cloud) fn of(status: &'a SignUpStatus, url: String) -> Self {
        Self {
            id: status.id,
            state: state(status.state),
            plan: &status.plan,
            interval: status.interval.as_str(),
            workspace: SignedUpView { subdomain: &status.subdomain, url },
        }
    }
}

const fn state(state: SignUpState) -> &'static str {
    match state {
        SignUpState::Preparing => "preparing",
        SignUpState::Open => "open",
        SignUpState::Processing => "processing",
        SignUpState::Active => "active",
        SignUpState::Expired => "expired",
        SignUpState::Failed => "failed",
        SignUpState::Conflict => "conflict",
    }
}

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

fn amounts(amounts: &[Money]) -> Vec<MoneyView> {
    amounts.iter().copied().map(Into::into).collect()
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
