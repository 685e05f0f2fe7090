//! News of tenants, and where a node that may have missed some asks for it.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{Change, StoreResult, TenantId};

use crate::HostKey;

/// A tenant has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which.
    pub tenant: TenantId,
    /// Its version now. What is remembered with a lower one, of the tenant or under one of the names, is out of date.
    pub version: u64,
    /// The names that lead to it, or did until now.
    pub names: Vec<HostKey>,
}

impl Notice {
    /// What a change says of a tenant; `None` where it is about something else.
    pub fn of(change: &Change) -> Option<Self> {
        let Change::Tenant { tenant, version, subdomains, domains } = change else { return None };
        let subdomains = subdomains.iter().map(|label| HostKey::Subdomain(label.as_str().into()));
        let domains = domains.iter().map(|host| HostKey::Domain(host.as_str().into()));
        Some(Self { tenant: *tenant, version: version.get(), names: subdomains.chain(domains).collect() })
    }
}

/// A part of the list of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What changed, the oldest first.
    pub notices: Vec<Notice>,
    /// The place that this part begins after, where it is not the one that was asked for: all changes from there to `last` are in
    /// `notices`. `None` where nothing was asked for and nothing is told, or some changes are missing: then it begins at its end.
    pub begins: Option<u64>,
    /// Where this part ends: what to ask from next time.
    pub last: u64,
    /// Whether the list goes on after this.
    pub more: bool,
    /// Whether changes before these are no longer on the list, so that some may have been missed.
    pub gap: bool,
}

/// The list of changes of all tenants, that a store keeps.
#[async_trait]
pub trait TenantChanges: Send + Sync + Debug + 'static {
    /// What changed after the place `after` in the list. `None` asks for the list's end, its last place. What is told with it of the changes
    /// before, with where that begins, is what tokens that were made before this node was there can be compared with.
    ///
    /// A place is never shown while one before it may still be taken: what is committed late has a late place. (A sequence of a
    /// database alone does not promise that.)
    ///
    /// # Errors
    /// As any port. Asking again is safe.
    async fn changes_since(&self, after: Option<u64>) -> StoreResult<Changes>;
}
