//! People whose account is kept in another tenant.
//!
//! A service of many workspaces keeps everybody's account once, in a tenant of its own: the *home*. In each workspace that somebody
//! belongs to stands a *guest* for them: a user with the same id, name and address, with the role that counts there, and without a
//! password. Sessions and API keys hang on the guest, so they end with it, and none of them is good anywhere else. Who is to be a guest
//! where is for the caller to know.

use togglebox_core::{Actor, Revision, StoreErrorKind, TenantId};
use uuid::Uuid;

use super::{AccountError, Accounts, MAX_CONFLICTS, Result, of_user, shown};
use crate::input::Login;
use crate::store::Ending;
use crate::{PasswordHash, Role, SignedIn, SignedInUser, TenantMark, User};

impl Accounts {
    /// Whose password this is; opens no session. Otherwise as [`login`](Self::login).
    ///
    /// # Errors
    /// `InvalidCredentials`, `Locked`, `Busy`, `Store`.
    pub async fn check_password(&self, home: TenantId, form: Login) -> Result<User> {
        self.verified(home, form).await
    }

    /// Lets somebody in as a guest, or brings the guest up to date with the account: name, address, role. What the account's password
    /// had opened before it was changed ends here too.
    ///
    /// # Errors
    /// `EmailTaken` when another guest has the address, which then has to be brought up to date first; `LastAdmin`, `Store`.
    pub async fn admit(&self, tenant: TenantId, account: &User, role: Role, actor: &Actor) -> Result<User> {
        self.admitted(tenant, account, role, actor, None).await
    }

    /// The same for somebody who does not belong there, with the reason for the audit log. Begins anew if there is such a guest, so that
    /// each time leaves its record.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub async fn admit_because(&self, tenant: TenantId, account: &User, role: Role, actor: &Actor, reason: &str) -> Result<User> {
        self.turn_out(tenant, account.id, actor).await?;
        self.admitted(tenant, account, role, actor, Some(reason)).await
    }

    async fn admitted(&self, tenant: TenantId, account: &User, role: Role, actor: &Actor, reason: Option<&str>) -> Result<User> {
        let told = |guest: &User| {
            let mut told = shown(guest);
            if let Some(reason) = reason {
                told["reason"] = reason.into();
            }
            Some(told)
        };
        let mut conflicts = 0;
        loop {
            let now = self.now();
            let Some(stands) = self.ports.users.find(tenant, account.id).await? else {
                let guest = User {
                    password: PasswordHash::none(),
                    role,
                    created_at: now,
                    updated_at: now,
                    revision: Revision::ZERO,
                    ..account.clone()
                };
                let record = self.record(actor.clone(), "user.admit", guest.id, None, told(&guest));
                match self.ports.users.create(tenant, &guest, &record).await {
                    Ok(written) => return Ok(written.value),
                    // By somebody else at the same moment, or the address is another guest's.
                    Err(error) if *error.kind() == StoreErrorKind::AlreadyExists && conflicts < MAX_CONFLICTS => {
                        if self.ports.users.find(tenant, account.id).await?.is_none() {
                            return Err(AccountError::EmailTaken);
                        }
                        conflicts += 1;
                        continue;
                    }
                    Err(error) => return Err(of_user(error)),
                }
            };
            let guest = User {
                name: account.name.clone(),
                email: account.email.clone(),
                role,
                tokens_valid_from: account.tokens_valid_from,
                updated_at: now,
                ..stands.clone()
            };
            if (User { updated_at: stands.updated_at, ..guest.clone() }) == stands {
                return Ok(stands);
            }
            let ending = if guest.tokens_valid_from == stands.tokens_valid_from { Ending::None } else { Ending::All };
            let record = self.record(actor.clone(), "user.admit", guest.id, Some(shown(&stands)), told(&guest));
            match self.ports.users.replace(tenant, &guest, stands.revision, ending, &record).await {
                Ok(written) => {
                    self.announce(tenant, written.revision).await;
                    return Ok(written.value);
                }
                Err(error) if error.is_conflict() && conflicts < MAX_CONFLICTS => conflicts += 1,
                Err(error) => return Err(of_user(error)),
            }
        }
    }

    /// The revision of a tenant's accounts: what the authenticator is to be told where a change may have been missed.
    ///
    /// # Errors
    /// `Store`.
    pub async fn revision(&self, tenant: TenantId) -> Result<Revision> {
        Ok(self.ports.users.revision(tenant).await?)
    }

    /// Turns a guest out, with sessions and keys. One who is not there is out already.
    ///
    /// # Errors
    /// `LastAdmin` when no other guest is an admin: let the owner in first. `Store`.
    pub async fn turn_out(&self, tenant: TenantId, guest: Uuid, actor: &Actor) -> Result<()> {
        match self.delete_as(tenant, actor, guest).await {
            Err(AccountError::UserNotFound) => Ok(()),
            outcome => outcome,
        }
    }

    /// Opens a session for a guest whose account's password, or token, was good a moment ago. `mark` is what its token is to say of the
    /// tenant.
    ///
    /// # Errors
    /// `InvalidCredentials` when the guest was turned out or the password changed meanwhile, `Store`.
    pub async fn enter(&self, tenant: TenantId, guest: &User, mark: Option<&TenantMark>) -> Result<SignedIn> {
        self.open_session(tenant, guest, mark).await?.ok_or(AccountError::InvalidCredentials)
    }

    /// Whether a guest's session still is one that the account's present password, or a later token, has opened.
    ///
    /// # Errors
    /// `Store`.
    pub async fn stands_for(&self, home: TenantId, guest: &SignedInUser) -> Result<bool> {
        let account = self.ports.users.find(home, guest.user.id).await?;
        Ok(account.is_some_and(|account| account.tokens_valid_from == guest.user.tokens_valid_from))
    }
}
