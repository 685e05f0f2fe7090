//! Users and API keys, out and in.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt as _;
use togglebox_auth::Role;
use togglebox_core::{Revision, StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Item};
use super::super::key::Key;
use super::super::store::Range;
use super::super::transfer::{DUMP, Group, RESTORE, Restoring, Tally, Teller, incarnation, pages, refusal};
use super::head::Head;
use super::owner::Owner;
use super::{api_keys, key, users};
use crate::transfer::record::{ApiKey, User};

/// How far the accounts have counted, if they ever have.
pub(in super::super) async fn revision(
    store: &DynamoDb,
    operation: &'static str,
    tenant: TenantId,
) -> StoreResult<Option<Revision>> {
    let item = store.get(operation, &mut store.long_patience(), &key::head(tenant)).await?;
    item.map(|item| Ok(Head::read(&item, operation)?.revision)).transpose()
}

/// What makes the head of accounts of which there are none yet.
pub(in super::super) fn new_head(tenant: TenantId, revision: Revision) -> Action {
    let set = Role::WORDS.into_iter().map(|(word, _)| (word, 0_u64.into())).chain([("rev", revision.into())]);
    Action::Update { key: key::head(tenant), set: set.collect(), remove: Vec::new(), when: Condition::absent() }
}

/// The users that the entries of a list name, in its order.
async fn owners(teller: &Teller, entries: &[Item]) -> StoreResult<Vec<Owner>> {
    let key = |entry: &Item| Ok(key::user(teller.tenant, Attributes::new(entry, DUMP).get("id")?));
    let keys = entries.iter().map(key).collect::<StoreResult<Vec<Key>>>()?;
    let items = teller.store.get_all(DUMP, &mut teller.store.long_patience(), keys.iter().cloned()).await?;
    keys.iter().filter_map(|key| items.get(key)).map(|item| Owner::read(item, DUMP)).collect()
}

pub(in super::super) async fn tell_users(teller: &Teller) -> StoreResult<()> {
    let mut lists = pages(&teller.store, vec![((), Range::all(key::users(teller.tenant, None)))]);
    while let Some(((), entries)) = lists.try_next().await? {
        let record = |Owner { user, .. }: Owner| {
            let record = User {
                id: user.id,
                name: user.name,
                email: user.email,
                password: user.password,
                role: user.role,
                created_at: user.created_at,
                updated_at: user.updated_at,
                tokens_valid_from: user.tokens_valid_from,
                revision: user.revision,
            };
            record.into()
        };
        teller.tell(owners(teller, &entries).await?.into_iter().map(record).collect()).await?;
    }
    Ok(())
}

pub(in super::super) async fn tell_keys(teller: &Teller) -> StoreResult<()> {
    let mut lists = pages(&teller.store, vec![((), Range::all(key::users(teller.tenant, None)))]);
    while let Some(((), entries)) = lists.try_next().await? {
        let holders = owners(teller, &entries).await?.into_iter().filter(|owner| owner.keys > 0);
        let ranges = holders.map(|owner| ((), Range::all(key::api_keys(teller.tenant, owner.incarnation))));
        let mut keys = pages(&teller.store, ranges.collect());
        while let Some(((), entries)) = keys.try_next().await? {
            let place = |entry: &Item| Ok(key::api_key(teller.tenant, &api_keys::hash_of(entry, DUMP)?));
            let places = entries.iter().map(place).collect::<StoreResult<Vec<Key>>>()?;
            let items = teller.store.get_all(DUMP, &mut teller.store.long_patience(), places).await?;
            let record = |item: &Item| {
                let key = api_keys::read(item, DUMP)?;
                let record = ApiKey {
                    id: key.id,
                    user: key.user,
                    name: key.name,
                    hash: key.hash,
                    prefix: key.prefix,
                    last4: key.last4,
                    permissions: key.permissions,
                    expires_at: key.expires_at,
                    last_used_at: key.last_used_at,
                    created_at: key.created_at,
                };
                Ok(record.into())
            };
            teller.tell(items.values().map(record).collect::<StoreResult<_>>()?).await?;
        }
    }
    Ok(())
}

impl Restoring<'_> {
    /// A user with address and entries, counted by role, in one transaction.
    pub(in super::super) async fn users(&mut self, records: &[&User]) -> StoreResult<usize> {
        let tenant = self.tenant;
        self.accounts_are_there().await?;
        let mut keys = HashSet::new();
        for record in records {
            keys.extend([key::user(tenant, record.id), key::email(tenant, &record.email.key())]);
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        self.settle(&keys, |standing| {
            let (mut ids, mut addresses, mut groups) = (HashSet::new(), HashSet::new(), Vec::new());
            for record in records {
                if standing.contains_key(&key::user(tenant, record.id)) || !ids.insert(record.id) {
                    continue;
                }
                let address = record.email.key();
                if standing.contains_key(&key::email(tenant, &address)) || !addresses.insert(address) {
                    return Err(refusal(StoreErrorKind::AlreadyExists));
                }
                let user = togglebox_auth::User {
                    id: record.id,
                    name: record.name.clone(),
                    email: record.email.clone(),
                    password: record.password.clone(),
                    role: record.role,
                    created_at: record.created_at,
                    updated_at: record.updated_at,
                    tokens_valid_from: record.tokens_valid_from,
                    revision: record.revision,
                };
                let actions = users::create_actions(RESTORE, tenant, &Owner::new(user, incarnation()))?;
                let tally = Tally { key: key::head(tenant), counter: record.role.as_str(), when: Condition::none() };
                groups.push(Group { actions, tally: Some(tally) });
            }
            Ok(groups)
        })
        .await
    }

    /// The tenant must be there; its accounts then have a head, too.
    async fn accounts_are_there(&self) -> StoreResult<()> {
        let (directory, accounts) = (super::super::key::directory_head(self.tenant), key::head(self.tenant));
        let keys = [directory.clone(), accounts.clone()];
        let missing = self.settle(&keys, |standing| {
            if standing.contains_key(&accounts) {
                return Ok(Vec::new());
            }
            if !standing.contains_key(&directory) {
                return Err(refusal(StoreErrorKind::NotFound));
            }
            Ok(vec![new_head(self.tenant, Revision::ZERO).into()])
        });
        missing.await.map(|_| ())
    }

    /// A key with what leads to it, counted at its user, in one transaction.
    pub(in super::super) async fn api_keys(&mut self, records: &[&ApiKey]) -> StoreResult<usize> {
        let tenant = self.tenant;
        let mut keys = HashSet::new();
        for record in records {
            let (own, id) = (key::api_key(tenant, &record.hash), key::api_key_id(tenant, record.id));
            keys.extend([own, id, key::user(tenant, record.user)]);
        }
        // Those that hold the place of a key may be gone, and their users with them.
        let holders = self.standing(keys.iter().cloned()).await?;
        for item in holders.values().filter(|item| item.contains_key("hash")) {
            keys.insert(key::user(tenant, Attributes::new(item, RESTORE).get("user")?));
        }
        let keys: Vec<Key> = keys.into_iter().collect();
        self.settle(&keys, |standing| {
            let mut owners = HashMap::new();
            for item in standing.values().filter(|item| !item.contains_key("hash")) {
                let owner = Owner::read(item, RESTORE)?;
                owners.insert(owner.user.id, owner);
            }
            let (mut ids, mut hashes, mut groups) = (HashSet::new(), HashSet::new(), Vec::new());
            for record in records {
                let own = taken(standing, &owners, &key::api_key(tenant, &record.hash))?;
                let id = taken(standing, &owners, &key::api_key_id(tenant, record.id))?;
                if matches!(id, Taken::ByOne) || !ids.insert(record.id) {
                    continue;
                }
                let (Taken::Free(own), Taken::Free(id)) = (own, id) else {
                    return Err(refusal(StoreErrorKind::AlreadyExists));
                };
                if !hashes.insert(record.hash.0) {
                    return Err(refusal(StoreErrorKind::AlreadyExists));
                }
                let owner = owners.get(&record.user).ok_or_else(|| refusal(StoreErrorKind::NotFound))?;
                let key = togglebox_auth::ApiKey {
                    id: record.id,
                    user: record.user,
                    name: record.name.clone(),
                    hash: record.hash,
                    prefix: record.prefix.clone(),
                    last4: record.last4.clone(),
                    permissions: record.permissions.clone(),
                    expires_at: record.expires_at,
                    last_used_at: record.last_used_at,
                    created_at: record.created_at,
                };
                let when = Condition::is("incarnation", owner.incarnation);
                let tally = Tally { key: key::user(tenant, record.user), counter: "keys", when };
                groups.push(Group {
                    actions: api_keys::create_actions(RESTORE, tenant, &key, owner, [own, id])?,
                    tally: Some(tally),
                });
            }
            Ok(groups)
        })
        .await
    }
}

/// Whether a place is free, and what must then be true of it.
enum Taken {
    Free(Condition),
    ByOne,
}

/// What a user who is gone has left behind makes room.
fn taken(standing: &HashMap<Key, Item>, owners: &HashMap<Uuid, Owner>, place: &Key) -> StoreResult<Taken> {
    let Some(item) = standing.get(place) else { return Ok(Taken::Free(Condition::absent())) };
    let attributes = Attributes::new(item, RESTORE);
    let (user, owner): (Uuid, Uuid) = (attributes.get("user")?, attributes.get("owner")?);
    let lives = owners.get(&user).is_some_and(|known| known.incarnation == owner);
    Ok(if lives { Taken::ByOne } else { Taken::Free(Condition::is("owner", owner)) })
}
