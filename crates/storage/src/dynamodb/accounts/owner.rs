//! A user's item: the user, and what decides which sessions, keys and resets are the user's.

use togglebox_auth::{Email, PasswordHash, Role, User};
use togglebox_core::{Revision, StoreResult, TenantId, Timestamp};
use uuid::Uuid;

use super::super::DynamoDb;
use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Draft, Item, Value};
use super::super::patience::Patience;
use super::key;

/// A user who is there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) user: User,
    /// Tells this user from others that had or will have the id: the id of the audit record of the creation.
    pub(super) incarnation: Uuid,
    /// How many API keys the user holds.
    pub(super) keys: u64,
    /// How often all sessions were ended. Sessions of an earlier epoch are over.
    pub(super) epoch: u64,
    /// When that was last.
    pub(super) ended_at: Option<Timestamp>,
    /// How often a reset was used. Earlier resets are void.
    pub(super) resets: u64,
}

impl Owner {
    pub(super) const fn new(user: User, incarnation: Uuid) -> Self {
        Self { user, incarnation, keys: 0, epoch: 0, ended_at: None, resets: 0 }
    }

    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        let email = Email::new(&attributes.get::<String>("email")?).map_err(|error| attributes.unreadable("email", error))?;
        let role: String = attributes.get("role")?;
        let role = Role::parse(&role).ok_or_else(|| attributes.unreadable("role", format!("the word {role:?} is not known")))?;
        let user = User {
            id: attributes.get("id")?,
            name: attributes.maybe("name")?,
            email,
            password: PasswordHash::new(attributes.get::<String>("password")?),
            role,
            created_at: attributes.get("created_at")?,
            updated_at: attributes.get("updated_at")?,
            tokens_valid_from: attributes.get("tokens_valid_from")?,
            revision: attributes.get("rev")?,
        };
        Ok(Self {
            user,
            incarnation: attributes.get("incarnation")?,
            keys: attributes.get("keys")?,
            epoch: attributes.get("epoch")?,
            ended_at: attributes.maybe("ended_at")?,
            resets: attributes.get("resets")?,
        })
    }

    /// What makes the user.
    pub(super) fn create(&self, operation: &'static str, tenant: TenantId) -> StoreResult<Action> {
        let mut draft = Draft::new(&key::user(tenant, self.user.id))
            .with("id", self.user.id)
            .with("created_at", self.user.created_at)
            .with("incarnation", self.incarnation)
            .with("keys", self.keys)
            .with("epoch", self.epoch)
            .with("resets", self.resets)
            .maybe("name", self.user.name.as_deref());
        for (name, value) in self.changeable() {
            draft = draft.with(name, value);
        }
        Ok(Action::Put { item: draft.finish(operation)?, when: Condition::absent() })
    }

    /// What puts this in the place of the same user at revision `stood`.
    pub(super) fn replace(&self, tenant: TenantId, stood: Revision) -> Action {
        let mut set = self.changeable();
        set.extend([("epoch", self.epoch.into()), ("resets", self.resets.into())]);
        set.extend(self.ended_at.map(|at| ("ended_at", at.into())));
        let mut remove = Vec::new();
        match &self.user.name {
            Some(name) => set.push(("name", name.as_str().into())),
            None => remove.push("name"),
        }
        Action::Update { key: key::user(tenant, self.user.id), set, remove, when: self.stands_at(stood) }
    }

    /// What counts a key more or less, as long as the user holds as many as were read.
    pub(super) fn hold(&self, tenant: TenantId, keys: u64) -> Action {
        Action::Update {
            key: key::user(tenant, self.user.id),
            set: vec![("keys", keys.into())],
            remove: Vec::new(),
            when: Condition::is("incarnation", self.incarnation).and("keys", self.keys),
        }
    }

    /// The condition that this is still the same user, unchanged since revision `revision`.
    pub(super) fn stands_at(&self, revision: Revision) -> Condition {
        Condition::is("rev", revision).and("incarnation", self.incarnation)
    }

    /// After all sessions were ended.
    pub(super) const fn ended(mut self, at: Timestamp) -> Self {
        self.epoch = self.epoch.saturating_add(1);
        self.ended_at = Some(at);
        self
    }

    fn changeable(&self) -> Vec<(&'static str, Value)> {
        let user = &self.user;
        vec![
            ("email", user.email.as_str().into()),
            ("password", user.password.expose().into()),
            ("role", user.role.as_str().into()),
            ("updated_at", user.updated_at.into()),
            ("tokens_valid_from", user.tokens_valid_from.into()),
            ("rev", user.revision.into()),
        ]
    }
}

impl DynamoDb {
    /// The user with this id, if there is one.
    pub(super) async fn owner(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        id: Uuid,
    ) -> StoreResult<Option<Owner>> {
        let item = self.get(operation, patience, &key::user(tenant, id)).await?;
        item.map(|item| Owner::read(&item, operation)).transpose()
    }

    /// The user with this id, if it is the one that an item names as its owner.
    pub(super) async fn owner_of(
        &self,
        operation: &'static str,
        patience: &mut Patience,
        tenant: TenantId,
        item: &Item,
    ) -> StoreResult<Option<Owner>> {
        let attributes = Attributes::new(item, operation);
        let (user, incarnation): (Uuid, Uuid) = (attributes.get("user")?, attributes.get("owner")?);
        let owner = self.owner(operation, patience, tenant, user).await?;
        Ok(owner.filter(|owner| owner.incarnation == incarnation))
    }
}
