//! What becomes of a subscription, and where it is paid for.

use serde::Serialize;
use togglebox_billing::objects::Invoice;
use togglebox_billing::{ChangePreview, Changed, Pending, When};
use togglebox_core::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

use super::money::MoneyView;
use super::subscription::LineView;

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
