//! What a token says of its tenant, and what that is worth.
//!
//! Whoever makes a token reads where the list of all tenants' changes ends, and *then* the tenant. So the token tells a fact that stays
//! true: *as of that place in the list, the tenant was at this version and had this name*. Two things follow from it.
//!
//! - What is remembered of the tenant with a lower version, or under that name, is out of date, and so is that nobody is there: the name
//!   is looked up again. What the store says then is the answer, whatever the token says: a token never shuts anybody out.
//! - If a node has read the list *from that place or an earlier one to its end*, a moment ago, and it says nothing newer of the tenant,
//!   the tenant is still what it was: there is nothing to look up. What is true of a tenant that tokens vouch for is for
//!   [`Versioned::vouched`](super::Versioned::vouched) to say; whoever makes tokens gives a place only to those that it is true of.
//!
//! A token alone is worth nothing: a node that does not know what changed since then takes no token's word.

use togglebox_core::TenantId;

use crate::HostRef;

/// What a token says of its tenant. Only for tokens whose signature and end were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<'c> {
    /// `tid`: whose it is.
    pub tenant: TenantId,
    /// `tver`: the tenant's version when it was made.
    pub version: u64,
    /// `tsub`: a name that led to the tenant at that version.
    pub name: Option<HostRef<'c>>,
    /// `trev`: the place in the list of changes up to which each one of this tenant's is in that version: where the list ended before the
    /// tenant was read. `None` of a tenant that no token vouches for.
    pub as_of: Option<u64>,
}

impl Claims<'_> {
    /// Whether they are later than what is remembered of `tenant` at `version` under `key`.
    pub(super) fn outdate(&self, key: HostRef<'_>, tenant: TenantId, version: u64) -> bool {
        version < self.version && (tenant == self.tenant || self.names(key))
    }

    /// Whether `key` led to the tenant.
    pub(super) fn names(&self, key: HostRef<'_>) -> bool {
        self.name == Some(key)
    }
}
