//! Bodies about workspaces, for the description.
#![expect(dead_code, reason = "these are read as documents; the types only describe them")]

use std::collections::HashMap;

use utoipa::ToSchema;
use uuid::Uuid;

use super::billing::schema::IntervalWord;
use crate::schema::{AccountAddress, NewPassword, PersonName, Role};

/// A workspace to be made.
#[derive(ToSchema)]
pub(super) struct NewWorkspaceBody {
    /// What people call it: 1 to 100 characters.
    name: String,
    /// Where it is to be reached: 3 to 63 lower-case letters, digits and hyphens.
    subdomain: String,
    /// The first plan without, which costs nothing. Any other one is to be paid for before the workspace is there.
    #[schema(nullable = false)]
    plan: Option<String>,
    /// How the plan is billed; `monthly` without.
    #[schema(nullable = false)]
    interval: Option<IntervalWord>,
}

/// An account and its first workspace.
#[derive(ToSchema)]
pub(super) struct SignUpBody {
    name: PersonName,
    email: AccountAddress,
    password: NewPassword,
    workspace: NewWorkspaceBody,
}

/// A change of a workspace. What is absent stays.
#[derive(ToSchema)]
pub(super) struct WorkspacePatchBody {
    #[schema(nullable = false)]
    name: Option<String>,
    /// The address before it leads nowhere from then on.
    #[schema(nullable = false)]
    subdomain: Option<String>,
}

/// Somebody to be invited.
#[derive(ToSchema)]
pub(super) struct InviteBody {
    email: AccountAddress,
    /// `viewer` without.
    #[schema(nullable = false)]
    role: Option<Role>,
}

/// Whom a workspace is handed over to.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(super) struct TransferBody {
    /// An admin of the workspace.
    user_id: Uuid,
}

/// The token of an invitation.
#[derive(ToSchema)]
pub(super) struct InvitationBody {
    token: String,
}

/// An invitation and an account to be made for it.
#[derive(ToSchema)]
pub(super) struct JoiningBody {
    token: String,
    name: PersonName,
    password: NewPassword,
}

/// A domain to be claimed.
#[derive(ToSchema)]
pub(super) struct DomainBody {
    domain: String,
}

/// Why a workspace is suspended, in words that its people may read.
#[derive(ToSchema)]
pub(super) struct SuspensionBody {
    /// 1 to 500 characters.
    reason: String,
}

/// Why an operator enters a workspace.
#[derive(ToSchema)]
pub(super) struct EntryReasonBody {
    /// 1 to 500 characters, for the audit log.
    reason: String,
}

/// Another plan.
#[derive(ToSchema)]
pub(super) struct PlanChangeBody {
    plan: String,
    /// Where the workspace's limits are to differ from the plan's; `null` is no limit. Those that it has stay without.
    #[schema(nullable = false)]
    limits: Option<HashMap<String, Option<u64>>>,
}
