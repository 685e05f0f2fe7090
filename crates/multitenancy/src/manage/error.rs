//! What can go wrong with tenants.

use togglebox_core::{Revision, StoreError, StoreErrorKind};

use crate::store::{
    DOMAIN_TAKEN, NOT_AN_ADMIN, NOT_DELETED, NOT_EMPTY, NOT_PURGED, NOT_RESERVED, NOT_THE_OWNER, OWNER_STAYS,
    SUBDOMAIN_QUARANTINED, SUBDOMAIN_TAKEN, SUPERSEDED,
};
use crate::{InvalidDomain, InvalidSubdomain, LookUpError, PlanName, RenamedTooOften, StepRefused, Subdomain, TenantStatus};

/// The result of what is done with tenants.
pub type Result<T, E = TenancyError> = std::result::Result<T, E>;

/// Why something was not done, told by what the caller is to be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenancyError {
    /// There is no such tenant, or it is deleted.
    #[error("the tenant was not found")]
    TenantNotFound,
    /// It is no member.
    #[error("the member was not found")]
    MemberNotFound,
    /// There is no such invitation.
    #[error("the invitation was not found")]
    InvitationNotFound,
    /// The tenant does not claim the domain.
    #[error("the domain was not found")]
    DomainNotFound,
    /// It has moved on since the caller read it. Read it again and decide anew.
    #[error("it has changed and is now at version {current}")]
    Conflict {
        /// Where it stands now.
        current: Revision,
    },
    /// Nobody may take the subdomain.
    #[error(transparent)]
    Subdomain(#[from] InvalidSubdomain),
    /// There is something else under the id that the tenant was to have.
    #[error("the id is another tenant's")]
    IdTaken,
    /// Another tenant has the subdomain.
    #[error("subdomain {0} is taken")]
    SubdomainTaken(Subdomain),
    /// Another tenant had the subdomain until a while ago.
    #[error("subdomain {0} was given up a short time ago and is not free yet")]
    SubdomainQuarantined(Subdomain),
    /// The tenant has got another subdomain too often of late.
    #[error(transparent)]
    RenamedTooOften(#[from] RenamedTooOften),
    /// The catalogue has no such plan.
    #[error("there is no plan {0}")]
    UnknownPlan(PlanName),
    /// The tenant's standing does not allow the step.
    #[error(transparent)]
    Step(#[from] StepRefused),
    /// The tenant's status does not allow it.
    #[error("a tenant in status {0} does not allow it")]
    NotAllowed(TenantStatus),
    /// The owner can be neither removed nor less than an admin: hand the tenant over first.
    #[error("the owner stays an admin")]
    OwnerStays,
    /// Only the owner hands a tenant over.
    #[error("only the owner can hand the tenant over")]
    NotTheOwner,
    /// Only an admin is handed a tenant.
    #[error("the new owner must be an admin")]
    NotAnAdmin,
    /// The address has an open invitation: send it again, or revoke it.
    #[error("the address is invited already")]
    AlreadyInvited,
    /// Too many invitations wait.
    #[error("a tenant may have {limit} invitations")]
    TooManyInvitations {
        /// The most.
        limit: usize,
    },
    /// The token is unknown, used, replaced or expired.
    #[error("the invitation is not valid")]
    InvalidInvitation,
    /// The invitation is for somebody else.
    #[error("the invitation is for another address")]
    OtherAddress,
    /// The account belongs to the tenant already.
    #[error("the account is a member already")]
    AlreadyMember,
    /// The plan allows no more members.
    #[error("the plan allows {limit} members, and there are {usage}")]
    MemberLimit {
        /// How many there are; more than the limit when that was lowered since.
        usage: u64,
        /// The most.
        limit: u64,
    },
    /// Nobody may claim the domain.
    #[error(transparent)]
    Domain(#[from] InvalidDomain),
    /// No tenant may have a domain of its own here.
    #[error("tenants have no domains of their own here")]
    NoCustomDomains,
    /// The tenant claims the domain already.
    #[error("the domain is claimed already")]
    AlreadyClaimed,
    /// Too many domains.
    #[error("a tenant may have {limit} domains")]
    TooManyDomains {
        /// The most.
        limit: usize,
    },
    /// Another tenant has verified the domain.
    #[error("another tenant has the domain")]
    DomainTaken,
    /// The record is not there (yet: what the DNS says may be some hours old).
    #[error("there is no TXT record {name} that holds {value}")]
    NotShown {
        /// The record's name.
        name: String,
        /// What it must hold.
        value: String,
    },
    /// The DNS did not answer.
    #[error(transparent)]
    LookUp(#[from] LookUpError),
    /// Only what was never paid for can be discarded.
    #[error("the tenant is not reserved")]
    NotReserved,
    /// The tenant is not where it must be for this part of its end.
    #[error("the tenant is not {0}")]
    NotYet(&'static str),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for TenancyError {
    /// What rules and conflicts mean, which is the same in every call.
    fn from(error: StoreError) -> Self {
        match error.kind() {
            StoreErrorKind::Conflict { current } => Self::Conflict { current: *current },
            StoreErrorKind::Refused(rule) => match *rule {
                OWNER_STAYS => Self::OwnerStays,
                NOT_THE_OWNER => Self::NotTheOwner,
                NOT_AN_ADMIN => Self::NotAnAdmin,
                DOMAIN_TAKEN => Self::DomainTaken,
                SUPERSEDED => Self::InvitationNotFound,
                NOT_RESERVED => Self::NotReserved,
                NOT_DELETED => Self::NotYet("deleted"),
                NOT_PURGED => Self::NotYet("purged"),
                NOT_EMPTY => Self::NotYet("empty"),
                _ => Self::Store(error),
            },
            _ => Self::Store(error),
        }
    }
}

impl TenancyError {
    /// The same, where `NotFound` has a meaning of its own.
    pub(super) fn or_absent(error: StoreError, absent: Self) -> Self {
        if *error.kind() == StoreErrorKind::NotFound { absent } else { error.into() }
    }

    /// The same of a write to a tenant that wanted a subdomain.
    pub(super) fn of_tenant(error: StoreError, subdomain: &Subdomain) -> Self {
        match error.kind() {
            StoreErrorKind::Refused(SUBDOMAIN_TAKEN) => Self::SubdomainTaken(subdomain.clone()),
            StoreErrorKind::Refused(SUBDOMAIN_QUARANTINED) => Self::SubdomainQuarantined(subdomain.clone()),
            _ => Self::or_absent(error, Self::TenantNotFound),
        }
    }
}
