//! What whoever runs the server does from its command line.

use togglebox_core::{Actor, TenantId};

use super::{AccountError, Accounts, PASSWORD_CHANGE, Result, SIGN_IN};
use crate::input::{NewPassword, NewUser, Registration};
use crate::store::Ending;
use crate::{Email, Role, User};

impl Accounts {
    /// Makes an admin, such as the first one.
    ///
    /// # Errors
    /// `EmailTaken` when the address has an account, whatever its role; `Busy`, `Store`.
    pub async fn create_admin(&self, tenant: TenantId, account: Registration) -> Result<User> {
        self.create_user(tenant, Actor::system(), NewUser { account, role: Role::Admin }).await
    }

    /// Sets the password of an account, ends all its sessions and lifts a lock.
    ///
    /// # Errors
    /// `UserNotFound`, `Busy`, `Store`.
    pub async fn set_password(&self, tenant: TenantId, email: &Email, password: &NewPassword) -> Result<User> {
        let key = email.key();
        let user = self.ports.users.find_by_email(tenant, &key).await?.ok_or(AccountError::UserNotFound)?;
        let hash = self.passwords.hash(password.secret()).await?;
        let now = self.now();
        let changed = self
            .amend(tenant, user.id, (Actor::system(), "user.password"), Ending::All, |user| {
                user.password = hash.clone();
                user.tokens_valid_from = now;
                user.updated_at = now;
                Ok(())
            })
            .await?;
        self.forgive(tenant, &key, &[SIGN_IN, PASSWORD_CHANGE]).await;
        Ok(changed)
    }
}
