//! Users.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use togglebox_auth::store::{Ending, LAST_ADMIN, UserList, UserStore};
use togglebox_auth::{Role, User};
use togglebox_core::{AuditRecord, Revision, StoreErrorKind, StoreResult, TenantId, Written};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::gone::Gone;
use super::super::item::{Attributes, Draft};
use super::super::key::Key;
use super::super::store::Range;
use super::super::transfer::AT_ONCE;
use super::super::write::Write;
use super::head::Head;
use super::key;
use super::owner::Owner;

/// How often an address is looked up that moves from one user to another meanwhile.
const MOVES: usize = 5;

#[async_trait]
impl UserStore for DynamoDb {
    async fn revision(&self, tenant: TenantId) -> StoreResult<Revision> {
        const OPERATION: &str = "users.revision";
        let item = self.get(OPERATION, &mut self.patience(), &key::head(tenant)).await?;
        item.map_or(Ok(Revision::ZERO), |item| Ok(Head::read(&item, OPERATION)?.revision))
    }

    /// Each for itself, a few at once.
    async fn revision_of_each(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revision>> {
        stream::iter(tenants.iter().copied()).map(|tenant| self.revision(tenant)).buffered(AT_ONCE).try_collect().await
    }

    async fn create(&self, tenant: TenantId, user: &User, audit: &AuditRecord) -> StoreResult<Written<User>> {
        const OPERATION: &str = "users.create";
        let mut write = self.write(OPERATION, tenant, key::head(tenant), audit).await?;
        let (own, email) = (key::user(tenant, user.id), key::email(tenant, &user.email.key()));
        loop {
            let stage = write.read([key::head(tenant), own.clone(), email.clone()]).await?;
            if let Some(revision) = stage.earlier {
                let stands = stage.items.get(&own).map(|item| Owner::read(item, OPERATION)).transpose()?;
                return write.repeated(stands.map(|owner| owner.user), revision);
            }
            if stage.items.contains_key(&own) || stage.items.contains_key(&email) {
                return Err(write.error(StoreErrorKind::AlreadyExists));
            }
            let head = Head::of(&stage.items, tenant, OPERATION)?;
            let next = head.moved(None, Some(user.role));
            let owner = Owner::new(User { revision: next.revision, ..user.clone() }, audit.id);
            let mut actions = vec![head.advance(tenant, next)];
            actions.extend(create_actions(OPERATION, tenant, &owner)?);
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: owner.user, revision: next.revision });
            }
        }
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<User>> {
        Ok(self.owner("users.find", &mut self.patience(), tenant, id).await?.map(|owner| owner.user))
    }

    async fn find_by_email(&self, tenant: TenantId, email_key: &str) -> StoreResult<Option<User>> {
        const OPERATION: &str = "users.find_by_email";
        let mut patience = self.patience();
        for _ in 0..MOVES {
            let Some(item) = self.get(OPERATION, &mut patience, &key::email(tenant, email_key)).await? else { return Ok(None) };
            let id = Attributes::new(&item, OPERATION).get("id")?;
            // Since the address was looked up, its user may have got another one or be gone.
            match self.owner(OPERATION, &mut patience, tenant, id).await? {
                Some(owner) if owner.user.email.key() == email_key => return Ok(Some(owner.user)),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn list(&self, tenant: TenantId, role: Option<Role>, offset: u64, limit: u64) -> StoreResult<UserList> {
        const OPERATION: &str = "users.list";
        let mut patience = self.patience();
        let head = self.get(OPERATION, &mut patience, &key::head(tenant)).await?;
        let total = head.map_or(Ok(0), |item| Ok(Head::read(&item, OPERATION)?.users(role)))?;
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = offset.saturating_add(usize::try_from(limit.clamp(1, 1000)).unwrap_or(1000));
        let range = Range { limit: Some(end), ..Range::all(key::users(tenant, role)) };
        let entries = self.query(OPERATION, &mut patience, range).await?;
        let ids = entries.iter().skip(offset).map(|item| Attributes::new(item, OPERATION).get("id"));
        let keys = ids.map(|id| Ok(key::user(tenant, id?))).collect::<StoreResult<Vec<Key>>>()?;
        let mut items = self.get_all(OPERATION, &mut patience, keys.iter().cloned()).await?;
        let found = keys.iter().filter_map(|key| items.remove(key));
        let users = found.map(|item| Ok(Owner::read(&item, OPERATION)?.user)).collect::<StoreResult<Vec<_>>>()?;
        // Since the list was read, a user may have got another role.
        let users = users.into_iter().filter(|user| role.is_none_or(|role| user.role == role)).collect();
        Ok(UserList { users, total })
    }

    async fn replace(
        &self,
        tenant: TenantId,
        user: &User,
        expected: Revision,
        ending: Ending,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        const OPERATION: &str = "users.replace";
        let mut write = self.write(OPERATION, tenant, key::head(tenant), audit).await?;
        let (own, email) = (key::user(tenant, user.id), key::email(tenant, &user.email.key()));
        loop {
            let stage = write.read([key::head(tenant), own.clone(), email.clone()]).await?;
            let stands = stage.items.get(&own).map(|item| Owner::read(item, OPERATION)).transpose()?;
            if let Some(revision) = stage.earlier {
                return write.repeated(stands.map(|owner| owner.user), revision);
            }
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.user.revision, expected)?;
            let head = Head::of(&stage.items, tenant, OPERATION)?;
            if user.role != Role::Admin {
                keep_an_admin(&write, &head, &stands.user)?;
            }
            let next = head.moved(Some(stands.user.role), Some(user.role));
            let mut actions = vec![head.advance(tenant, next)];
            if stands.user.email.key() != user.email.key() {
                if stage.items.contains_key(&email) {
                    return Err(write.error(StoreErrorKind::AlreadyExists));
                }
                actions.extend([take_email(OPERATION, tenant, user)?, free_email(tenant, &stands.user)]);
            }
            let user = User { created_at: stands.user.created_at, revision: next.revision, ..user.clone() };
            if stands.user.role != user.role {
                let (old, new) = (Some(stands.user.role), Some(user.role));
                actions.extend([delist(tenant, &user, old), enlist(OPERATION, tenant, &user, new)?]);
            }
            let mut owner = Owner { user, ..stands.clone() };
            if ending != Ending::None {
                owner = owner.ended(audit.at);
            }
            if let Ending::AllBut(kept) = ending {
                actions.extend(write.carry_over(tenant, kept, &stands, owner.epoch).await?);
            }
            actions.push(owner.replace(tenant, expected));
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: owner.user, revision: next.revision });
            }
        }
    }

    async fn delete(&self, tenant: TenantId, id: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        const OPERATION: &str = "users.delete";
        let mut write = self.write(OPERATION, tenant, key::head(tenant), audit).await?;
        let own = key::user(tenant, id);
        loop {
            let stage = write.read([key::head(tenant), own.clone()]).await?;
            if let Some(revision) = stage.earlier {
                return Ok(Written { value: (), revision });
            }
            let stands = stage.items.get(&own).map(|item| Owner::read(item, OPERATION)).transpose()?;
            let stands = stands.ok_or_else(|| write.error(StoreErrorKind::NotFound))?;
            write.expect(stands.user.revision, expected)?;
            let head = Head::of(&stage.items, tenant, OPERATION)?;
            keep_an_admin(&write, &head, &stands.user)?;
            let next = head.moved(Some(stands.user.role), None);
            let mut actions = vec![
                head.advance(tenant, next),
                Action::Delete { key: own.clone(), when: stands.stands_at(expected) },
                free_email(tenant, &stands.user),
                delist(tenant, &stands.user, None),
                delist(tenant, &stands.user, Some(stands.user.role)),
            ];
            // A key that is made at the same moment leaves a note nowhere: its transaction needs the revision that this one takes.
            if stands.keys > 0 {
                actions.push(Gone::User { incarnation: stands.incarnation }.note(OPERATION, tenant, audit.at)?);
            }
            if write.commit(actions, next.revision).await? {
                return Ok(Written { value: (), revision: next.revision });
            }
        }
    }
}

/// Refuses to take the last admin away. The transaction fails if another write moves the head on, so that two of them cannot each take
/// one of the last two.
fn keep_an_admin(write: &Write<'_>, head: &Head, losing: &User) -> StoreResult<()> {
    if losing.role != Role::Admin || head.users(Some(Role::Admin)) > 1 {
        return Ok(());
    }
    Err(write.error(StoreErrorKind::Refused(LAST_ADMIN)))
}

/// What makes a user, with the address and the entries in the lists.
pub(super) fn create_actions(operation: &'static str, tenant: TenantId, owner: &Owner) -> StoreResult<Vec<Action>> {
    let user = &owner.user;
    let mut actions = vec![owner.create(operation, tenant)?, take_email(operation, tenant, user)?];
    for role in [None, Some(user.role)] {
        actions.push(enlist(operation, tenant, user, role)?);
    }
    Ok(actions)
}

fn take_email(operation: &'static str, tenant: TenantId, user: &User) -> StoreResult<Action> {
    let item = Draft::new(&key::email(tenant, &user.email.key())).with("id", user.id).finish(operation)?;
    Ok(Action::Put { item, when: Condition::absent() })
}

fn free_email(tenant: TenantId, user: &User) -> Action {
    Action::Delete { key: key::email(tenant, &user.email.key()), when: Condition::is("id", user.id) }
}

/// Adds a user to a list.
fn enlist(operation: &'static str, tenant: TenantId, user: &User, role: Option<Role>) -> StoreResult<Action> {
    let item = Draft::new(&entry(tenant, user, role)).with("id", user.id).finish(operation)?;
    Ok(Action::Put { item, when: Condition::none() })
}

fn delist(tenant: TenantId, user: &User, role: Option<Role>) -> Action {
    Action::Delete { key: entry(tenant, user, role), when: Condition::none() }
}

fn entry(tenant: TenantId, user: &User, role: Option<Role>) -> Key {
    Key::new(key::users(tenant, role), key::newest_first(user.created_at, user.id))
}
