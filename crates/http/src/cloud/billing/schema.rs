//! Bodies about money, for the description.
#![expect(dead_code, reason = "these are read as documents; the types only describe them")]

use togglebox_core::Timestamp;
use utoipa::ToSchema;

/// How something is billed.
#[derive(ToSchema)]
#[schema(as = BillingInterval, rename_all = "lowercase")]
pub(in crate::cloud) enum IntervalWord {
    Monthly,
    Yearly,
}

/// A plan to be paid for.
#[derive(ToSchema)]
pub(in crate::cloud) struct CheckoutBody {
    /// Not the first one, which costs nothing.
    plan: String,
    /// `monthly` without.
    #[schema(nullable = false)]
    interval: Option<IntervalWord>,
}

/// A plan to change to.
#[derive(ToSchema)]
pub(in crate::cloud) struct ChangePreviewBody {
    plan: String,
    /// `monthly` without.
    #[schema(nullable = false)]
    interval: Option<IntervalWord>,
}

/// A plan to change to.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(in crate::cloud) struct ChangeBody {
    plan: String,
    /// `monthly` without.
    #[schema(nullable = false)]
    interval: Option<IntervalWord>,
    /// Of the preview: then what is billed is what that has shown. Now without.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    proration_date: Option<Timestamp>,
}

/// What the customer portal opens with.
#[derive(ToSchema)]
pub(in crate::cloud) struct PortalBody {
    /// `overview` without.
    #[schema(nullable = false)]
    flow: Option<PortalFlowWord>,
}

/// A page of the customer portal.
#[derive(ToSchema)]
#[schema(as = PortalFlow, rename_all = "snake_case")]
pub(in crate::cloud) enum PortalFlowWord {
    Overview,
    PaymentMethod,
}

/// What was decided about a conflict.
#[derive(ToSchema)]
pub(in crate::cloud) struct ResolutionBody {
    /// 1 to 500 characters.
    resolution: String,
    /// Whether the subscription that nobody should have is ended now and paid back; `false` without.
    #[schema(nullable = false)]
    undo: Option<bool>,
}

/// An event of the payment service, in its own words.
#[derive(ToSchema)]
pub(in crate::cloud) struct StripeEvent {
    /// `evt_…`.
    id: String,
    #[schema(rename = "type")]
    kind: String,
}
