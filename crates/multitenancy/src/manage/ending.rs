//! The end of a tenant, one part after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use togglebox_core::{Actor, AuditRecord, Cursor, Page, PageRequest, TenantId};
use uuid::{Builder, Uuid};

use super::{Result, Tenancy, TenancyError, twice};
use crate::store::{Remains, TenantFilter};
use crate::{Step, TenantStatus};

/// What the operator's audit log calls it when nothing is left.
const FORGET: &str = "tenant.forget";

/// How far the end of a tenant has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is more to remove: from here on.
    GoesOn(Cursor),
    /// Something is left after all was removed: it came late, or the store does not know that it is the tenant's. Begin anew, later.
    Left(Remains),
    /// Nothing is left.
    Over,
}

impl Tenancy {
    /// Does a part of the end of a tenant whose grace period is over: at most `limit` (1 to 1000) records go. Called again with the
    /// [`GoesOn`](Ending::GoesOn) of the call before, or from the start, by one node or by many, it ends with nothing of the tenant left.
    ///
    /// First its names are given up ([`purge`](Self::purge)), from when on it cannot come back; then all its contents go, then its people,
    /// then, once a count has found nothing else, its record. Two records stay in the audit log of `operator`: that it was purged, with a
    /// count of what it had, and that nothing was left.
    ///
    /// # Errors
    /// `Step` when it is not deleted or can still be restored, `Conflict`, `Store`: repeating is safe.
    pub async fn end(&self, tenant: TenantId, operator: TenantId, after: Option<&Cursor>, limit: usize) -> Result<Ending> {
        match self.part(tenant, operator, after, limit).await {
            // Somebody else has come to the end meanwhile.
            Err(TenancyError::TenantNotFound) => Ok(Ending::Over),
            outcome => outcome,
        }
    }

    async fn part(&self, tenant: TenantId, operator: TenantId, after: Option<&Cursor>, limit: usize) -> Result<Ending> {
        let (actor, remains) = (Actor::system(), &self.ports.remains);
        let purged = self.purge(tenant, &actor).await?;
        let record = |action, before, after| {
            let record = self.record(&actor, action, &tenant);
            AuditRecord { id: once(action, tenant), before: Some(before), after, ..record }
        };
        if after.is_none() {
            // Whoever comes first has counted before anybody removed anything; what others note afterwards is that record again.
            let had = remains.left(tenant).await?.counts;
            let before = json!({ "name": purged.name.as_str(), "subdomain": purged.subdomain.as_str(), "contents": had });
            let note = record(Step::Purge.as_str(), before, None);
            twice(|| remains.note(operator, &note)).await?;
        }
        let cleared = remains.clear(tenant, after, limit).await;
        let cleared = cleared.map_err(|error| TenancyError::or_absent(error, TenancyError::TenantNotFound))?;
        if let Some(next) = cleared.next {
            return Ok(Ending::GoesOn(next));
        }
        while self.sweep(tenant, limit).await? {}
        let left = remains.left(tenant).await?;
        if !left.counts.is_empty() {
            return Ok(Ending::Left(left));
        }
        let before = json!({ "subdomain": purged.subdomain.as_str() });
        let note = record(FORGET, before, Some(json!({ "contents": left.counts })));
        twice(|| remains.note(operator, &note)).await?;
        self.forget(tenant).await?;
        Ok(Ending::Over)
    }

    /// Removes what is older than `age` from the sequence of changes, at most `limit` entries (1 to 1000); says how many. A node that has
    /// not asked for so long forgets what it remembers, and begins anew.
    ///
    /// # Errors
    /// `Store`: repeating is safe.
    pub async fn prune_changes(&self, age: Duration, limit: usize) -> Result<usize> {
        Ok(self.ports.directory.prune_changes(self.now().minus(age), limit).await?)
    }

    /// The tenants whose end has come: deleted, and past their grace period; those whose end has begun among them. A page may hold
    /// fewer than asked for, and others after it more.
    ///
    /// # Errors
    /// `Store`.
    pub async fn ending(&self, page: &PageRequest) -> Result<Page<TenantId>> {
        let filter = TenantFilter { status: Some(TenantStatus::Deleted), ..TenantFilter::default() };
        let (deleted, now) = (self.list(&filter, page).await?, self.now());
        let over = deleted.items.iter().filter(|tenant| tenant.standing.is_over(now));
        Ok(Page { items: over.map(|tenant| tenant.id).collect(), next: deleted.next })
    }

    /// Which of these tenants, at most 1000, have [ended](crate::store::TenantDirectory::ended).
    ///
    /// # Errors
    /// `Store`.
    pub async fn ended(&self, tenants: &[TenantId]) -> Result<BTreeSet<TenantId>> {
        if tenants.is_empty() {
            return Ok(BTreeSet::new());
        }
        Ok(self.ports.directory.ended(tenants).await?)
    }

    /// Removes some of the usage that has come of a tenant since it ended, at most `limit` (1 to 1000) records; gives where it goes on, as
    /// [`clear`](crate::store::RemainsStore::clear).
    ///
    /// # Errors
    /// `Store`, also when it has not ended: repeating is safe.
    pub async fn clear_late(&self, tenant: TenantId, after: Option<&Cursor>, limit: usize) -> Result<Option<Cursor>> {
        Ok(self.ports.remains.clear(tenant, after, limit).await?.next)
    }

    /// Counts what there is of a tenant, whether the register knows it or not. May read a lot.
    ///
    /// # Errors
    /// `Store`.
    pub async fn left(&self, tenant: TenantId) -> Result<Remains> {
        Ok(self.ports.remains.left(tenant).await?)
    }
}

/// The id of the record of what happens to a tenant once: the same on every node that does it.
fn once(action: &str, tenant: TenantId) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(action);
    hash.update(tenant.as_uuid().as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_random_bytes(bytes).into_uuid()
}
