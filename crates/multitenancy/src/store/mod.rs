//! What this crate needs of a store.
//!
//! Each call is one atomic act with its precondition as an argument, of fewer than a hundred records: SQL and DynamoDB can both promise
//! that. All calls but those of the [`TenantDirectory`] name the tenant first; the directory is what finds out which tenant it is.
//!
//! All tenants together are the *register*. One counter, its revision, rises by one with every write to a tenant, its members or its
//! domains; the revision of a write is the version of the record that it wrote, and the number of its entry in the sequence of changes
//! that nodes poll. So versions never repeat, also not when a subdomain moves from one tenant to another, and whoever follows the
//! sequence misses nothing. (The price: writes to the register come one after the other. They are acts of administration, some per
//! second at most.) Invitations lead nowhere before they are accepted, and do not raise it.
//!
//! Writes append their audit record to those of the tenant. A write that is repeated with the same audit record is done once, and
//! answers what still stands of it, with the revision of then. The moment of a write is its audit record's. A call that fails has
//! written nothing, except for `Unavailable`, after which the outcome is unknown and repeating is safe. Every call may fail with
//! `Unavailable`, every one that reads with `Corrupt`, every list with `InvalidCursor`.
//!
//! Where something must be there: a tenant that is deleted, or only reserved, takes nothing new in (`NotFound`), while what it has can be
//! read and changed.

mod directory;
mod domain;
mod invitation;
mod member;
mod remains;
mod tenant;

pub use self::directory::{Changed, TenantChange, TenantChanges, TenantDirectory, TenantFilter, Workspace};
pub use self::domain::DomainStore;
pub use self::invitation::InvitationStore;
pub use self::member::MemberStore;
pub use self::remains::{Cleared, Remains, RemainsStore};
pub use self::tenant::TenantStore;

/// Another tenant has the subdomain; the name in [`Refused`](togglebox_core::StoreErrorKind::Refused).
pub const SUBDOMAIN_TAKEN: &str = "subdomain-taken";
/// Another tenant gave the subdomain up a while ago, and links to it may still be about.
pub const SUBDOMAIN_QUARANTINED: &str = "subdomain-quarantined";
/// The owner stays a member, and an admin.
pub const OWNER_STAYS: &str = "owner-stays";
/// Only the owner can hand a tenant over.
pub const NOT_THE_OWNER: &str = "not-the-owner";
/// Only an admin can become the owner.
pub const NOT_AN_ADMIN: &str = "not-an-admin";
/// The invitation was sent again meanwhile.
pub const SUPERSEDED: &str = "superseded";
/// Another tenant has verified the domain.
pub const DOMAIN_TAKEN: &str = "domain-taken";
/// Only what is reserved, was never paid for and is not deleted can be discarded.
pub const NOT_RESERVED: &str = "not-reserved";
/// Only what is deleted can be purged.
pub const NOT_DELETED: &str = "not-deleted";
/// Only what is purged can be swept and forgotten.
pub const NOT_PURGED: &str = "not-purged";
/// Something is left of the tenant.
pub const NOT_EMPTY: &str = "not-empty";
