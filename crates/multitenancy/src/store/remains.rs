//! What is left of a tenant, wherever it stands.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Cursor, StoreResult, TenantId};

/// How far a removal has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many records went.
    pub removed: usize,
    /// Where it goes on; absent when it has come to its end.
    pub next: Option<Cursor>,
}

/// What is left of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Whether the register has its record.
    pub is_known: bool,
    /// How many records there are of each kind, in the engine's own words: tables, or what keys begin with. The register's record of the
    /// tenant is not among them, and a kind of which there is none is left out.
    pub counts: BTreeMap<String, u64>,
}

impl Remains {
    /// Nothing of the tenant is there at all.
    pub fn is_nothing(&self) -> bool {
        !self.is_known && self.counts.is_empty()
    }

    /// How many records there are, the register's own aside.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Where the end of a tenant reaches everything that it had: toggles, figures, accounts, keys, audit records, and whatever else a store
/// keeps by tenant.
#[async_trait]
pub trait RemainsStore: Send + Sync + Debug + 'static {
    /// Removes some of what a purged tenant has outside of the register, at most `limit` (1 to 1000) records, with a bounded amount of
    /// work: none may have been removed where there is a `next`. It begins without `after` and goes on with the `next` of the call before,
    /// on any node; whoever has lost that begins anew. At its end, everything is gone that was there at its beginning.
    ///
    /// Members and invitations, and what keeps names away from others, are the register's and stay.
    ///
    /// Of a tenant that the register does not have, only usage goes: what a node has counted may come long after a tenant was forgotten.
    /// Everything else may be somebody's who was never in the register, as the operator's is.
    ///
    /// # Errors
    /// `Refused(NOT_PURGED)`, `InvalidCursor`. After `Unavailable` some may have
    /// been removed; repeating is safe.
    async fn clear(&self, tenant: TenantId, after: Option<&Cursor>, limit: usize) -> StoreResult<Cleared>;

    /// Counts what there is of a tenant, in whatever standing, by another way than it is removed by: what [`clear`](Self::clear) forgets is
    /// counted here. Left out is what is meant to outlive a tenant: the changes of the register, which are pruned by age, and who has
    /// given a subdomain up. May read a lot; not for the way of a request.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn left(&self, tenant: TenantId) -> StoreResult<Remains>;

    /// Appends a record to a tenant's audit log that comes with no change there. Repeated with the same id, it is done once.
    ///
    /// # Errors
    /// `Unavailable`: repeating is safe.
    async fn note(&self, tenant: TenantId, audit: &AuditRecord) -> StoreResult<()>;
}
