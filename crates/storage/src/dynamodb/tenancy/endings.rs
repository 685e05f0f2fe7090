//! The end of a tenant: what is left of a purged one goes, then its record.

use togglebox_core::{StoreError, StoreErrorKind, StoreResult, TenantId};
use togglebox_multitenancy::store::{NOT_EMPTY, NOT_PURGED};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::Action;
use super::super::error::{Crowded, Trouble};
use super::super::item::{Attributes, Item};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::store::Range;
use super::record::{Counts, Record};
use super::{invitation, key, member, name};

/// How many members or invitations one transaction removes: each has four items, and a transaction has room for a hundred actions.
const BATCH: usize = 24;

/// Members or invitations that go together.
struct Batch {
    actions: Vec<Action>,
    left: Counts,
    size: usize,
}

impl DynamoDb {
    /// Removes members and invitations of a purged tenant, `limit` at most: a batch in each transaction, which also counts them out. So it may
    /// stop at any time, and several may do it at once.
    pub(super) async fn sweep_tenant(&self, tenant: TenantId, limit: usize) -> StoreResult<usize> {
        const OPERATION: &str = "tenants.sweep";
        let error = |kind| StoreError::new(kind, OPERATION);
        let (mut removed, mut patience) = (0, self.patience());
        while removed < limit {
            let record = self.tenant_record(OPERATION, &mut patience, tenant).await?;
            let record = record.ok_or_else(|| error(StoreErrorKind::NotFound))?;
            if !record.tenant.standing.is_purged() {
                return Err(error(StoreErrorKind::Refused(NOT_PURGED)));
            }
            let most = BATCH.min(limit - removed);
            let batch = match record.counts {
                Counts { members: 0, invitations: 0, .. } => break,
                Counts { members: 0, .. } => self.ending_invitations(OPERATION, &mut patience, &record, most).await?,
                _ => self.ending_members(OPERATION, &mut patience, &record, most).await?,
            };
            let Some(Batch { mut actions, left, size }) = batch else {
                if patience.pause(Trouble::Contended).await {
                    continue;
                }
                return Err(Trouble::Contended.error(OPERATION, Crowded));
            };
            actions.push(record.count(left));
            if self.commit(OPERATION, &mut patience, actions).await? {
                removed += size;
                // Each batch may take as long as any other call.
                patience = self.patience();
            }
        }
        Ok(removed)
    }

    /// `None` while a transaction under way can be seen in part.
    async fn ending_members(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        record: &Record,
        most: usize,
    ) -> StoreResult<Option<Batch>> {
        let tenant = record.tenant.id;
        let items = self.swept(operation, patience, key::members(tenant), most, |id| key::member(tenant, id)).await?;
        let size = items.len();
        let Some(members) = record.counts.members.checked_sub(size as u64).filter(|_| size > 0) else { return Ok(None) };
        let mut actions = Vec::with_capacity(4 * size);
        for item in &items {
            actions.extend(member::leave(&member::read(item, operation)?));
        }
        Ok(Some(Batch { actions, left: Counts { members, ..record.counts }, size }))
    }

    /// `None` while a transaction under way can be seen in part.
    async fn ending_invitations(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        record: &Record,
        most: usize,
    ) -> StoreResult<Option<Batch>> {
        let tenant = record.tenant.id;
        let items = self.swept(operation, patience, key::invitations(tenant), most, |id| key::invitation(tenant, id)).await?;
        let size = items.len();
        let Some(invitations) = record.counts.invitations.checked_sub(size as u64).filter(|_| size > 0) else { return Ok(None) };
        let mut actions = Vec::with_capacity(4 * size);
        for item in &items {
            let waiting = invitation::read(item, operation)?;
            actions.extend(invitation::remove(tenant, &waiting));
            actions.push(invitation::free(tenant, &waiting));
        }
        Ok(Some(Batch { actions, left: Counts { invitations, ..record.counts }, size }))
    }

    /// The items that the first entries of a list lead to.
    async fn swept(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        partition: String,
        most: usize,
        key: impl Fn(Uuid) -> Key,
    ) -> StoreResult<Vec<Item>> {
        let entries = self.query(operation, patience, Range { limit: Some(most), ..Range::all(partition) }).await?;
        let keys = entries.iter().map(|entry| Ok(key(Attributes::new(entry, operation).get("id")?)));
        let keys = keys.collect::<StoreResult<Vec<_>>>()?;
        Ok(self.get_all(operation, patience, keys).await?.into_values().collect())
    }

    /// Removes the record of a purged tenant that has nothing any more.
    pub(super) async fn forget_tenant(&self, tenant: TenantId) -> StoreResult<()> {
        const OPERATION: &str = "tenants.forget";
        let refused = |rule| StoreError::new(StoreErrorKind::Refused(rule), OPERATION);
        let mut patience = self.patience();
        loop {
            let Some(record) = self.tenant_record(OPERATION, &mut patience, tenant).await? else { return Ok(()) };
            if !record.tenant.standing.is_purged() {
                return Err(refused(NOT_PURGED));
            }
            if record.counts != Counts::default() {
                return Err(refused(NOT_EMPTY));
            }
            let actions = vec![
                Action::Delete { key: key::tenant(tenant), when: record.stands() },
                name::delist(&record.tenant.subdomain, tenant),
            ];
            if self.commit(OPERATION, &mut patience, actions).await? {
                return Ok(());
            }
        }
    }
}
