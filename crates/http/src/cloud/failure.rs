//! What clients are told when something is wrong with workspaces.

use std::error::Error as StdError;

use togglebox_multitenancy::manage::TenancyError;
use togglebox_multitenancy::{RenamedTooOften, TenantStatus};

use crate::error::{ApiError, Code};
use crate::failure;

/// When to look a domain up again whose name servers do not answer.
const LOOK_UP_AGAIN_S: u64 = 60;

/// An error of workspaces, their people, names and standing.
pub(super) fn tenancy(error: TenancyError) -> ApiError {
    let text = error.to_string();
    let said = |code| ApiError::new(code, capital(&text));
    match error {
        TenancyError::TenantNotFound => ApiError::not_found("Workspace not found"),
        TenancyError::MemberNotFound => ApiError::not_found("Member not found"),
        TenancyError::InvitationNotFound => ApiError::not_found("Invitation not found"),
        TenancyError::DomainNotFound => ApiError::not_found("Domain not found"),
        TenancyError::Conflict { current } => failure::conflict(current.get()),
        TenancyError::Subdomain(error) => ApiError::validation(&[issue("subdomain", &error)]),
        TenancyError::SubdomainTaken(_) | TenancyError::SubdomainQuarantined(_) | TenancyError::IdTaken => {
            said(Code::AlreadyExists)
        }
        TenancyError::RenamedTooOften(RenamedTooOften { most, within, again_at }) => said(Code::RenameLimitReached)
            .with_meta("limit", most)
            .with_meta("days", within.as_secs().div_ceil(24 * 60 * 60))
            .with_meta("possibleFrom", again_at.to_string()),
        TenancyError::UnknownPlan(_) => ApiError::validation(&[issue("plan", &text)]),
        TenancyError::Step(error) => said(Code::InvalidStatus).with_meta("allowed", error.to_string()),
        TenancyError::NotAllowed(TenantStatus::PastDue) => {
            let text = "The workspace has to be paid for first: an admin of it can pay what is open";
            ApiError::new(Code::PaymentRequired, text).with_meta("status", TenantStatus::PastDue.as_str())
        }
        TenancyError::NotAllowed(status) => said(Code::WorkspaceClosed).with_meta("status", status.as_str()),
        TenancyError::OwnerStays => {
            ApiError::new(Code::LastAdmin, "The owner stays an admin: hand the workspace over to another admin first")
        }
        TenancyError::NotTheOwner => ApiError::new(Code::Forbidden, "Only the owner can do this"),
        TenancyError::NotAnAdmin => ApiError::validation(&[issue("userId", &"must be an admin of the workspace")]),
        TenancyError::AlreadyInvited => {
            ApiError::new(Code::AlreadyExists, "The address is invited already: send that invitation again, or revoke it")
        }
        TenancyError::AlreadyMember => ApiError::new(Code::AlreadyExists, "The account is a member already"),
        TenancyError::TooManyInvitations { limit } | TenancyError::TooManyDomains { limit } => {
            said(Code::LimitExceeded).with_meta("limit", limit)
        }
        TenancyError::MemberLimit { usage, limit } => {
            said(Code::PlanLimitReached).with_meta("resource", "members").with_meta("usage", usage).with_meta("limit", limit)
        }
        TenancyError::InvalidInvitation => {
            ApiError::new(Code::InvalidInvitation, "The invitation is unknown, used, replaced or expired: ask for another one")
        }
        TenancyError::OtherAddress => ApiError::new(
            Code::Forbidden,
            "The invitation is for another e-mail address: sign in with the account that has that address",
        ),
        TenancyError::Domain(error) => ApiError::validation(&[issue("domain", &error)]),
        TenancyError::NoCustomDomains => ApiError::new(Code::Forbidden, "Workspaces have no domains of their own here"),
        TenancyError::AlreadyClaimed => ApiError::new(Code::AlreadyExists, "The workspace claims the domain already"),
        TenancyError::DomainTaken => ApiError::new(Code::AlreadyExists, "Another workspace has the domain"),
        TenancyError::NotShown { name, value } => {
            ApiError::new(Code::DomainNotVerified, "The TXT record is not there yet; what the DNS says may be some hours old")
                .with_meta("recordName", name)
                .with_meta("recordValue", value)
        }
        TenancyError::LookUp(error) => {
            tracing::warn!(error = &error as &(dyn StdError + 'static), "A domain could not be looked up");
            let text = "The name servers of the domain do not say whether the record is there: try again in a minute";
            ApiError::new(Code::Unavailable, text).retry_after(LOOK_UP_AGAIN_S)
        }
        TenancyError::NotYet(_) | TenancyError::NotReserved => said(Code::InvalidStatus),
        TenancyError::Store(error) => failure::store(error),
        // A kind of error that this version does not know is one that nobody thought of a status for.
        other => {
            tracing::error!(error = &other as &(dyn StdError + 'static), "An operation on workspaces failed");
            ApiError::internal()
        }
    }
}

fn issue(path: &str, message: &impl ToString) -> togglebox_core::input::Issue {
    togglebox_core::input::Issue::new(path, message.to_string())
}

/// A sentence begins with a capital.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
