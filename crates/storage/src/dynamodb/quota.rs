//! What is created under a quota of the tenant.
//!
//! An environment's item says how many records of each kind there are in it, and the directory's partition holds all of them: what a tenant
//! has is read with one query. Whoever creates a record under a quota raises a number of the tenant's as well, provided that it is as it was
//! before that query: so of two that count the same, one has to count again. What is deleted meanwhile makes room that is seen with the next
//! try. Platforms and environments need no such number, for the directory's own revision is one.

use togglebox_core::{Limit, Revision, StoreErrorKind, StoreResult, TenantId};

use super::action::{Action, Condition};
use super::item::Attributes;
use super::key::{self, Kind};
use super::write::Write;

impl Write<'_> {
    /// What has to be done together with making a record of this kind; nothing where there is no quota.
    pub(super) async fn claim(&mut self, tenant: TenantId, kind: Kind, quota: Limit) -> StoreResult<Option<Action>> {
        if quota == Limit::Unlimited {
            return Ok(None);
        }
        let key = key::quota(tenant);
        let item = self.get(&key).await?;
        let created = match &item {
            Some(item) => Attributes::new(item, self.operation()).get("rev")?,
            None => Revision::ZERO,
        };
        let (store, operation) = (self.store(), self.operation());
        let usage = store.listing(operation, self.patience(), tenant).await?.counts.of(kind);
        self.expect_room(quota, usage)?;
        let set = vec![("rev", created.next().into())];
        Ok(Some(Action::Update { key, set, remove: Vec::new(), when: Condition::counted("rev", created) }))
    }

    /// Refuses one more beside those that there are.
    pub(super) fn expect_room(&self, quota: Limit, usage: u64) -> StoreResult<()> {
        match quota.get() {
            Some(limit) if usage >= limit => Err(self.error(StoreErrorKind::QuotaReached { usage, limit })),
            _ => Ok(()),
        }
    }
}
