//! What admins do with users.

use togglebox_core::{Actor, TenantId};
use uuid::Uuid;

use super::{AccountError, Accounts, MAX_CONFLICTS, NewAccount, Result, of_user, shown};
use crate::input::{NewUser, RoleChange};
use crate::store::{Ending, UserList};
use crate::{Principal, Role, User};

/// Which users are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserQuery {
    /// Only of this role; an unknown word matches nobody.
    pub role: Option<String>,
    /// From which on.
    pub offset: u64,
    /// How many: 1 to [`UserQuery::MAX_LIMIT`].
    pub limit: u64,
}

impl UserQuery {
    /// The most users of one answer.
    pub const MAX_LIMIT: u64 = 100;
}

impl Default for UserQuery {
    fn default() -> Self {
        Self { role: None, offset: 0, limit: 20 }
    }
}

impl Accounts {
    /// Users, newest first.
    ///
    /// # Errors
    /// `Store`.
    pub async fn users(&self, tenant: TenantId, query: &UserQuery) -> Result<UserList> {
        let role = match query.role.as_deref().map(Role::parse) {
            Some(None) => return Ok(UserList { users: Vec::new(), total: 0 }),
            role => role.flatten(),
        };
        Ok(self.ports.users.list(tenant, role, query.offset, query.limit.clamp(1, UserQuery::MAX_LIMIT)).await?)
    }

    /// A user by id.
    ///
    /// # Errors
    /// `UserNotFound`, `Store`.
    pub async fn user(&self, tenant: TenantId, id: Uuid) -> Result<User> {
        self.find(tenant, id).await
    }

    /// Adds a user with a role.
    ///
    /// # Errors
    /// `EmailTaken`, `Busy`, `Store`.
    pub async fn create_user(&self, tenant: TenantId, actor: Actor, form: NewUser) -> Result<User> {
        let account = form.account;
        if self.ports.users.find_by_email(tenant, &account.email.key()).await?.is_some() {
            return Err(AccountError::EmailTaken);
        }
        let password = self.passwords.hash(account.password.secret()).await?;
        let new = NewAccount { name: account.name, email: account.email, password, role: form.role };
        self.add(tenant, Some(actor), "user.create", new).await
    }

    /// Gives a user another role. It counts from the next request on, for keys of the user too.
    ///
    /// # Errors
    /// `SelfDemotion`, `UserNotFound`, `LastAdmin`, `Store`.
    pub async fn change_role(&self, tenant: TenantId, caller: &Principal, id: Uuid, form: RoleChange) -> Result<User> {
        if caller.user_id() == Some(id) && form.role != Role::Admin {
            return Err(AccountError::SelfDemotion);
        }
        let now = self.now();
        self.amend(tenant, id, (caller.actor(), "user.role"), Ending::None, |user| {
            if user.role != form.role {
                user.tokens_valid_from = now;
            }
            user.role = form.role;
            user.updated_at = now;
            Ok(())
        })
        .await
    }

    /// Deletes a user with sessions, keys and resets.
    ///
    /// # Errors
    /// `SelfDeletion`, `UserNotFound`, `LastAdmin`, `Store`.
    pub async fn delete_user(&self, tenant: TenantId, caller: &Principal, id: Uuid) -> Result<()> {
        if caller.user_id() == Some(id) {
            return Err(AccountError::SelfDeletion);
        }
        self.delete_as(tenant, &caller.actor(), id).await
    }

    pub(super) async fn delete_as(&self, tenant: TenantId, actor: &Actor, id: Uuid) -> Result<()> {
        let mut conflicts = 0;
        loop {
            let user = self.find(tenant, id).await?;
            let record = self.record(actor.clone(), "user.delete", id, Some(shown(&user)), None);
            match self.ports.users.delete(tenant, id, user.revision, &record).await {
                Ok(written) => {
                    self.announce(tenant, written.revision).await;
                    return Ok(());
                }
                Err(error) if error.is_conflict() && conflicts < MAX_CONFLICTS => conflicts += 1,
                Err(error) => return Err(of_user(error)),
            }
        }
    }
}
