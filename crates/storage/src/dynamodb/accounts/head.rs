//! How far the accounts of a tenant have counted.

use std::collections::HashMap;

use togglebox_auth::Role;
use togglebox_core::{Revision, StoreResult, TenantId};

use super::super::action::{Action, Condition};
use super::super::item::{Attributes, Item};
use super::super::key::Key;
use super::key;

/// The accounts' revision, and how many users have each role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: Revision,
    roles: [u64; 3],
}

const fn place(role: Role) -> usize {
    match role {
        Role::Admin => 0,
        Role::Developer => 1,
        Role::Viewer => 2,
    }
}

impl Head {
    /// The head among what was read; a tenant without accounts has none.
    pub(super) fn of(items: &HashMap<Key, Item>, tenant: TenantId, operation: &'static str) -> StoreResult<Self> {
        items.get(&key::head(tenant)).map_or(Ok(Self::default()), |item| Self::read(item, operation))
    }

    pub(super) fn read(item: &Item, operation: &'static str) -> StoreResult<Self> {
        let attributes = Attributes::new(item, operation);
        let mut roles = [0; 3];
        for (word, role) in Role::WORDS {
            roles[place(role)] = attributes.get(word)?;
        }
        Ok(Self { revision: attributes.get("rev")?, roles })
    }

    /// How many users have a role, or how many there are.
    pub(super) fn users(&self, role: Option<Role>) -> u64 {
        role.map_or_else(|| self.roles.iter().sum(), |role| self.roles[place(role)])
    }

    /// After a write that changes no role.
    pub(super) const fn next(self) -> Self {
        Self { revision: self.revision.next(), ..self }
    }

    /// After a write that gives a user another role: from none when the user is made, to none when the user is deleted.
    pub(super) fn moved(self, from: Option<Role>, to: Option<Role>) -> Self {
        let mut next = self.next();
        if let Some(role) = from {
            next.roles[place(role)] = next.roles[place(role)].saturating_sub(1);
        }
        if let Some(role) = to {
            next.roles[place(role)] = next.roles[place(role)].saturating_add(1);
        }
        next
    }

    /// What counts a write, provided that nothing else was written since this head was read.
    pub(super) fn advance(&self, tenant: TenantId, next: Self) -> Action {
        let when = Condition::counted("rev", self.revision);
        let roles = Role::WORDS.into_iter().map(|(word, role)| (word, next.roles[place(role)].into()));
        let set = roles.chain([("rev", next.revision.into())]).collect();
        Action::Update { key: key::head(tenant), set, remove: Vec::new(), when }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_counted() {
        let head = Head::default().moved(None, Some(Role::Admin)).moved(None, Some(Role::Viewer));
        assert_eq!((head.users(Some(Role::Admin)), head.users(None)), (1, 2));
        let head = head.moved(Some(Role::Viewer), Some(Role::Admin)).moved(Some(Role::Admin), None).next();
        assert_eq!((head.users(Some(Role::Admin)), head.users(Some(Role::Viewer)), head.users(None)), (1, 0, 1));
        assert_eq!(head.revision, Revision::new(5));
    }
}
