#![doc = include_str!("../README.md")]

mod domain;
pub mod host;
mod invitation;
mod key;
pub mod locate;
pub mod manage;
mod member;
mod plan;
mod recheck;
mod rename;
pub mod resolve;
mod standing;
pub mod store;
mod subdomain;
mod tenant;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use domain::{DomainClaim, DomainName, InvalidDomain, LookUpError, TxtResolver};
pub use host::{Host, HostError, HostRules};
pub use invitation::{InvalidToken, Invitation, InvitationMailError, InvitationMailer, InvitationToken, TokenHash};
pub use key::{HostKey, HostRef};
pub use locate::{LocateError, Located, Locating, Named};
pub use member::{Member, MemberRole, Person};
pub use plan::{
    Allowance, Beyond, InvalidCatalogue, InvalidPlanName, Limit, LimitOverrides, Limited, Limits, Plan, PlanCatalogue, PlanName,
    QuotaPolicy, Rate, Requests,
};
pub use recheck::RecheckPolicy;
pub use rename::{RenamePolicy, RenamedTooOften};
pub use resolve::{
    Changes, Claims, Held, Notice, Preloaded, Preloading, ResolveError, ResolveOptions, Resolved, Resolver, Source,
    TenantChanges, TenantNames, TenantSource, Versioned,
};
pub use standing::{
    AccessPolicy, Allowed, Deletion, InvalidReason, Reason, Standing, Step, StepRefused, Suspension, TenantStatus, Unpaid,
};
pub use subdomain::{InvalidReservation, InvalidSubdomain, Subdomain, SubdomainPolicy};
pub use tenant::{Billing, InvalidTenantName, Tenant, TenantName, UsagePeriod};
