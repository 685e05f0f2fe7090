//! Who signs up and pays.

use serde::Serialize;
use togglebox_billing::{Pending, SignUpState, SignUpStatus};
use togglebox_core::Timestamp;
use utoipa::ToSchema;
use uuid::Uuid;

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
