//! API keys.

use std::collections::HashMap;

use async_trait::async_trait;
use togglebox_auth::store::ApiKeyStore;
use togglebox_auth::{ApiKey, KeyHash, User};
use togglebox_core::{AuditRecord, StoreErrorKind, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item, json};
use super::super::key::Key;
use super::super::patience::Patience;
use super::super::store::Range;
use super::head::Head;
use super::key;
use super::owner::Owner;

#[async_trait]
impl ApiKeyStore for DynamoDb {
    async fn create(&self, tenant: TenantId, key: &ApiKey, limit: usize, audit: &AuditRecord) -> StoreResult<Written<ApiKey>> {
        const OPERATION: &str = "api_keys.create";
        let mut write = self.write(OPERATION, tenant, key::head(tenant), audit).await?;
        let (own, id, user) = (key::api_key(tenant, &key.hash), key::api_key_id(tenant, key.id), key::user(tenant, key.user));
        loop {
            let stage = write.read([key::head(tenant), user.clone(), own.clone(), id.clone()]).await?;
            if let Some(revision) = stage.earlier {
                let stands = self.key(OPERATION, write.patience(), tenant, key.id).await?;
                return write.repeated(stands.map(|(_, key)| key), revision);
            }
            let owner = stage.items.get(&user).map(|item| Owner::read(item, OPERATION)).transpose()?;
            let owner = owner.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let mut taken = [Condition::absent(), Condition::absent()];
            for (place, taken) in [&own, &id].into_iter().zip(&mut taken) {
                *taken = match stage.items.get(place) {
                    None => Condition::absent(),
                    // Left behind by a user who is gone, and not swept away yet.
                    Some(item) if self.owner_of(OPERATION, write.patience(), tenant, item).await?.is_none() => {
                        Condition::is("owner", Attributes::new(item, OPERATION).get::<Uuid>("owner")?)
                    }
                    Some(_) => return Err(write.error(StoreErrorKind::AlreadyExists)),
                };
            }
            if owner.keys >= limit as u64 {
                return Err(write.error(StoreErrorKind::LimitReached { limit }));
            }
            let head = Head::of(&stage.items, tenant, OPERATION)?;
            let next = head.next();
            let mut actions = vec![head.advance(tenant, next), owner.hold(tenant, owner.keys.saturating_add(1))];
            actions.extend(create_actions(OPERATION, tenant, key, &owner, taken)?);
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: key.clone(), revision: next.revision });
            }
        }
    }

    async fn list(&self, tenant: TenantId, user: Uuid) -> StoreResult<Vec<ApiKey>> {
        const OPERATION: &str = "api_keys.list";
        let mut patience = self.patience();
        let Some(owner) = self.owner(OPERATION, &mut patience, tenant, user).await? else { return Ok(Vec::new()) };
        let entries = self.query(OPERATION, &mut patience, Range::all(key::api_keys(tenant, owner.incarnation))).await?;
        let keys = entries.iter().map(|entry| Ok(key::api_key(tenant, &hash_of(entry, OPERATION)?)));
        let keys = keys.collect::<StoreResult<Vec<Key>>>()?;
        let mut items = self.get_all(OPERATION, &mut patience, keys.iter().cloned()).await?;
        keys.iter().filter_map(|key| items.remove(key)).map(|item| read(&item, OPERATION)).collect()
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<ApiKey>> {
        Ok(self.key("api_keys.find", &mut self.patience(), tenant, id).await?.map(|(_, key)| key))
    }

    async fn find_by_hash(&self, tenant: TenantId, hashes: &[KeyHash]) -> StoreResult<Option<(ApiKey, User)>> {
        const OPERATION: &str = "api_keys.find_by_hash";
        let mut patience = self.patience();
        let keys: Vec<Key> = hashes.iter().map(|hash| key::api_key(tenant, hash)).collect();
        let items = match &keys[..] {
            [] => return Ok(None),
            [key] => self.get(OPERATION, &mut patience, key).await?.map(|item| (key.clone(), item)).into_iter().collect(),
            _ => self.get_all(OPERATION, &mut patience, distinct(&keys)).await?,
        };
        for item in keys.iter().filter_map(|key| items.get(key)) {
            if let Some(owner) = self.owner_of(OPERATION, &mut patience, tenant, item).await? {
                return Ok(Some((read(item, OPERATION)?, owner.user)));
            }
        }
        Ok(None)
    }

    async fn delete(&self, tenant: TenantId, user: Uuid, id: Uuid, audit: &AuditRecord) -> StoreResult<Written<()>> {
        const OPERATION: &str = "api_keys.delete";
        let mut write = self.write(OPERATION, tenant, key::head(tenant), audit).await?;
        loop {
            let stage = write.read([key::head(tenant)]).await?;
            if let Some(revision) = stage.earlier {
                return Ok(Written { value: (), revision });
            }
            let found = self.key(OPERATION, write.patience(), tenant, id).await?;
            let found = found.filter(|(_, key)| key.user == user);
            let (owner, key) = found.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            let head = Head::of(&stage.items, tenant, OPERATION)?;
            let next = head.next();
            let is_owners = || Condition::is("owner", owner.incarnation).and("id", id);
            let actions = vec![
                head.advance(tenant, next),
                owner.hold(tenant, owner.keys.saturating_sub(1)),
                Action::Delete { key: key::api_key(tenant, &key.hash), when: is_owners() },
                Action::Delete { key: key::api_key_id(tenant, id), when: is_owners() },
                Action::Delete { key: entry(tenant, &key, owner.incarnation), when: Condition::none() },
            ];
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: (), revision: next.revision });
            }
        }
    }

    async fn touch(&self, tenant: TenantId, uses: &[(Uuid, Timestamp)]) -> StoreResult<()> {
        const OPERATION: &str = "api_keys.touch";
        let mut patience = self.patience();
        // A key that was used twice is moved to the later use.
        let mut latest = HashMap::<Uuid, Timestamp>::new();
        for (id, at) in uses {
            let known = latest.entry(*id).or_insert(*at);
            *known = (*known).max(*at);
        }
        let mut left = latest;
        while !left.is_empty() {
            let pointers = left.keys().map(|id| key::api_key_id(tenant, *id));
            let pointers = self.get_all(OPERATION, &mut patience, pointers).await?;
            let hashes = pointers.values().map(|item| Ok(key::api_key(tenant, &hash_of(item, OPERATION)?)));
            let hashes = hashes.collect::<StoreResult<Vec<Key>>>()?;
            let items = self.get_all(OPERATION, &mut patience, hashes).await?;
            let mut again = HashMap::new();
            for (place, item) in items {
                let attributes = Attributes::new(&item, OPERATION);
                let id: Uuid = attributes.get("id")?;
                let Some(at) = left.get(&id) else { continue };
                if attributes.maybe("last_used_at")?.is_some_and(|known: Timestamp| known >= *at) {
                    continue;
                }
                // The id sees to it that no key that is gone comes back.
                let when = Condition::below("last_used_at", *at).and("id", id);
                let set = vec![("last_used_at", (*at).into())];
                let action = Action::Update { key: place, set, remove: Vec::new(), when };
                if !self.commit(OPERATION, &mut patience, vec![action]).await? {
                    again.insert(id, *at);
                }
            }
            left = again;
        }
        Ok(())
    }
}

/// Where a list of keys names a key.
fn entry(tenant: TenantId, key: &ApiKey, owner: Uuid) -> Key {
    Key::new(key::api_keys(tenant, owner), key::newest_first(key.created_at, key.id))
}

/// A request must not name an item twice.
fn distinct(keys: &[Key]) -> impl Iterator<Item = Key> {
    keys.iter().enumerate().filter(|(n, key)| !keys[..*n].contains(key)).map(|(_, key)| key.clone())
}

/// What makes a key, and what leads to it: the places of its hash and of its id as `taken` says.
pub(super) fn create_actions(
    operation: &'static str,
    tenant: TenantId,
    key: &ApiKey,
    owner: &Owner,
    taken: [Condition; 2],
) -> StoreResult<Vec<Action>> {
    let items = [whole(operation, tenant, key, owner)?, pointer(operation, tenant, key, owner)?];
    let entry = Draft::new(&entry(tenant, key, owner.incarnation)).with("id", key.id).with("hash", key.hash.0.to_vec());
    let entry = Action::Put { item: entry.finish(operation)?, when: Condition::none() };
    Ok(items.into_iter().zip(taken).map(|(item, when)| Action::Put { item, when }).chain([entry]).collect())
}

fn whole(operation: &'static str, tenant: TenantId, key: &ApiKey, owner: &Owner) -> StoreResult<Item> {
    Draft::new(&key::api_key(tenant, &key.hash))
        .with("id", key.id)
        .with("user", key.user)
        .with("owner", owner.incarnation)
        .with("name", key.name.as_str())
        .with("hash", key.hash.0.to_vec())
        .with("prefix", key.prefix.as_str())
        .with("last4", key.last4.as_str())
        .with("permissions", json(operation, &key.permissions)?)
        .maybe("ends_at", key.expires_at)
        .maybe("last_used_at", key.last_used_at)
        .with("created_at", key.created_at)
        .finish(operation)
}

fn pointer(operation: &'static str, tenant: TenantId, key: &ApiKey, owner: &Owner) -> StoreResult<Item> {
    let draft = Draft::new(&key::api_key_id(tenant, key.id)).with("id", key.id).with("hash", key.hash.0.to_vec());
    draft.with("user", key.user).with("owner", owner.incarnation).finish(operation)
}

/// The hash that an item names.
pub(super) fn hash_of(item: &Item, operation: &'static str) -> StoreResult<KeyHash> {
    let attributes = Attributes::new(item, operation);
    let bytes: Vec<u8> = attributes.get("hash")?;
    let hash = <[u8; 32]>::try_from(bytes).map_err(|_| attributes.unreadable("hash", "it has not 32 bytes"))?;
    Ok(KeyHash(hash))
}

pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<ApiKey> {
    let attributes = Attributes::new(item, operation);
    Ok(ApiKey {
        id: attributes.get("id")?,
        user: attributes.get("user")?,
        name: attributes.get("name")?,
        hash: hash_of(item, operation)?,
        prefix: attributes.get("prefix")?,
        last4: attributes.get("last4")?,
        permissions: attributes.json("permissions")?,
        expires_at: attributes.maybe("ends_at")?,
        last_used_at: attributes.maybe("last_used_at")?,
        created_at: attributes.get("created_at")?,
    })
}

impl DynamoDb {
    /// A key by id, with its owner.
    async fn key(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        id: Uuid,
    ) -> StoreResult<Option<(Owner, ApiKey)>> {
        let Some(pointer) = self.get(operation, patience, &key::api_key_id(tenant, id)).await? else { return Ok(None) };
        let place = key::api_key(tenant, &hash_of(&pointer, operation)?);
        let Some(item) = self.get(operation, patience, &place).await? else { return Ok(None) };
        let Some(owner) = self.owner_of(operation, patience, tenant, &item).await? else { return Ok(None) };
        let key = read(&item, operation)?;
        // The hash of a key that is gone may belong to another key by now.
        Ok((key.id == id).then_some((owner, key)))
    }
}
