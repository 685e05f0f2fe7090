//! What a deleted user leaves behind.

use togglebox_core::{StoreResult, TenantId};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Item};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::store::Range;
use super::api_keys::hash_of;
use super::key;

impl DynamoDb {
    /// Removes up to `limit` API keys of a user who is gone, and after the last one the list of the sessions. Says how many keys, and
    /// whether none is left.
    pub(in super::super) async fn sweep_keys(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        owner: Uuid,
        limit: usize,
    ) -> StoreResult<(usize, bool)> {
        let range = Range { limit: Some(limit.saturating_add(1)), ..Range::all(key::api_keys(tenant, owner)) };
        let entries = self.query(operation, patience, range).await?;
        let mut removed = 0;
        for entry in entries.iter().take(limit) {
            if !self.sweep_key(operation, patience, tenant, owner, entry).await? {
                return Ok((removed, false));
            }
            removed += 1;
        }
        let is_last = entries.len() <= limit;
        if is_last {
            // The sessions themselves are over, and end by their time.
            self.remove(operation, patience, [key::session_list(tenant, owner)]).await?;
        }
        Ok((removed, is_last))
    }

    /// Removes a key. Hash and id may belong to a living user's key by now, which stays.
    async fn sweep_key(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        owner: Uuid,
        entry: &Item,
    ) -> StoreResult<bool> {
        let attributes = Attributes::new(entry, operation);
        let place = Key::of(entry).ok_or_else(|| attributes.unreadable("SK", "the item has no key"))?;
        let keys = [key::api_key(tenant, &hash_of(entry, operation)?), key::api_key_id(tenant, attributes.get("id")?)];
        let items = self.get_all(operation, patience, keys).await?;
        let mut actions = vec![Action::Delete { key: place, when: Condition::none() }];
        for (key, item) in items {
            if Attributes::new(&item, operation).get::<Uuid>("owner")? == owner {
                actions.push(Action::Delete { key, when: Condition::is("owner", owner) });
            }
        }
        self.commit(operation, patience, actions).await
    }
}
