#![doc = include_str!("../README.md")]

mod domain;
mod invitation;
pub mod manage;
mod member;
mod plan;
mod standing;
pub mod store;
mod subdomain;
mod tenant;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use domain::{DomainClaim, DomainName, InvalidDomain, LookUpError, TxtResolver};
pub use invitation::{InvalidToken, Invitation, InvitationMailError, InvitationMailer, InvitationToken, TokenHash};
pub use member::{Member, MemberRole, Person};
pub use plan::{InvalidCatalogue, InvalidPlanName, Limit, LimitOverrides, Limited, Limits, Plan, PlanCatalogue, PlanName, Rate};
pub use standing::{
    AccessPolicy, Allowed, Deletion, InvalidReason, Reason, Standing, Step, StepRefused, Suspension, TenantStatus,
};
pub use subdomain::{InvalidReservation, InvalidSubdomain, Subdomain, SubdomainPolicy};
pub use tenant::{Billing, InvalidTenantName, Tenant, TenantName};
