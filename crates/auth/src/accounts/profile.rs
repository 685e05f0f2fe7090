//! What users do with their own account.

use togglebox_core::TenantId;

use super::{AccountError, Accounts, PASSWORD_CHANGE, Result, subject};
use crate::input::{PasswordChange, ProfileUpdate};
use crate::store::Ending;
use crate::{SignedInUser, User};

impl Accounts {
    /// The caller as the store has it now.
    ///
    /// # Errors
    /// `UserNotFound`, `Store`.
    pub async fn profile(&self, tenant: TenantId, caller: &SignedInUser) -> Result<User> {
        self.find(tenant, caller.user.id).await
    }

    /// Changes the caller's name. Without one, only the time of the change moves.
    ///
    /// # Errors
    /// `UserNotFound`, `Store`.
    pub async fn update_profile(&self, tenant: TenantId, caller: &SignedInUser, form: ProfileUpdate) -> Result<User> {
        let now = self.now();
        self.amend(tenant, caller.user.id, (caller.actor(), "user.update"), Ending::None, |user| {
            if let Some(name) = &form.name {
                user.name = Some(name.clone());
            }
            user.updated_at = now;
            Ok(())
        })
        .await
    }

    /// Changes the caller's password and ends all sessions but the caller's: who changes the password keeps working, whoever else
    /// came in with the old one does not. Tokens of the original system end all.
    ///
    /// Wrong passwords are counted like failed sign-ins, so a stolen session is no way to guess; and apart from them, so that it is no
    /// way to keep its owner from signing in either.
    ///
    /// # Errors
    /// `WrongPassword`, `Locked`, `Busy`, `UserNotFound`, `Store`.
    pub async fn change_password(&self, tenant: TenantId, caller: &SignedInUser, form: PasswordChange) -> Result<User> {
        let turn = self.passwords.turn().await?;
        let found = self.find(tenant, caller.user.id).await?;
        let email = found.email.key();
        let subject = subject(PASSWORD_CHANGE, &email);
        let state = self.unlocked(tenant, &subject).await?;
        if !turn.verify(&form.current, Some(&found.password)).await? {
            self.count_failure(tenant, &subject).await?;
            return Err(AccountError::WrongPassword);
        }
        let password = turn.hash(form.new.secret()).await?;
        drop(turn);
        let now = self.now();
        let ending = caller.session.map_or(Ending::All, |session| Ending::AllBut(session.id));
        let changed = self
            .amend(tenant, found.id, (caller.actor(), "user.password"), ending, |user| {
                // Someone else's change came first: what was verified is no longer the current password.
                if user.tokens_valid_from != found.tokens_valid_from && user.password != found.password {
                    return Err(AccountError::WrongPassword);
                }
                user.password = password.clone();
                user.tokens_valid_from = now;
                user.updated_at = now;
                Ok(())
            })
            .await?;
        if state.failures > 0 {
            self.forgive(tenant, &email, &[PASSWORD_CHANGE]).await;
        }
        Ok(changed)
    }
}
