//! Lost passwords.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use togglebox_core::{EntropyExt, StoreErrorKind, TenantId};

use super::{AccountError, Accounts, MAX_BACKGROUND, PASSWORD_CHANGE, RESET_MAIL, Result, SIGN_IN, subject};
use crate::input::{ResetCompletion, ResetRequest, ResetToken};
use crate::principal::actor;
use crate::{AttemptPolicy, Email, Mail, Mailer, PasswordReset, User};

/// A link template that leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link of password resets must begin with http:// or https:// and contain {{token}}")]
pub struct InvalidResetLink;

/// The address of the page where a new password is set, with `{token}` where the token belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetLink(String);

impl ResetLink {
    const TOKEN: &str = "{token}";

    /// Checks a template.
    ///
    /// # Errors
    /// [`InvalidResetLink`].
    pub fn new(template: impl Into<String>) -> Result<Self, InvalidResetLink> {
        let template = template.into();
        let leads_somewhere = ["http://", "https://"].iter().any(|scheme| template.starts_with(scheme));
        if leads_somewhere && template.contains(Self::TOKEN) { Ok(Self(template)) } else { Err(InvalidResetLink) }
    }

    fn with(&self, token: &SecretString) -> String {
        self.0.replace(Self::TOKEN, token.expose_secret())
    }
}

/// How lost passwords are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetPolicy {
    /// Where the mail leads.
    pub link: ResetLink,
    /// How long it leads there.
    pub lifetime: Duration,
    /// How many mails one address is sent; `failures` are mails here.
    pub mails: AttemptPolicy,
}

impl ResetPolicy {
    /// An hour, and five mails an hour.
    pub const fn new(link: ResetLink) -> Self {
        let hour = Duration::from_hours(1);
        Self { link, lifetime: hour, mails: AttemptPolicy { failures: 5, window: hour, lock: hour } }
    }
}

impl Accounts {
    /// Sends a mail with a reset link, if the address has an account.
    ///
    /// Returns at once and always the same: looking up and sending happen behind, so that neither the answer nor its time tells who
    /// has an account. While too much of it is under way, requests are dropped. To be called on a tokio run time.
    pub fn request_reset(self: &Arc<Self>, tenant: TenantId, form: ResetRequest) {
        let Some(mailer) = self.ports.mailer.clone() else {
            tracing::warn!("a password reset was asked for, but no mail server is configured");
            return;
        };
        let Ok(slot) = Arc::clone(&self.background).try_acquire_owned() else {
            tracing::warn!("too many password resets are under way: one was dropped");
            return;
        };
        let accounts = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = accounts.send_reset(tenant, &form.email, mailer.as_ref()).await {
                tracing::error!(%tenant, error = &error as &dyn std::error::Error, "a password reset was not sent");
            }
            drop(slot);
        });
    }

    /// Waits until the mails that were asked for so far are sent. For an orderly end.
    pub async fn settle(&self) {
        // Never closed: there is nothing to fail.
        drop(self.background.acquire_many(MAX_BACKGROUND).await);
    }

    async fn send_reset(&self, tenant: TenantId, email: &str, mailer: &dyn Mailer) -> Result<()> {
        let email = email.to_ascii_lowercase();
        let Some(user) = self.ports.users.find_by_email(tenant, &email).await? else { return Ok(()) };
        let (now, policy) = (self.now(), &self.settings.resets);
        let asked = subject(RESET_MAIL, &email);
        let counting = self.counting_resets.lock().await;
        if self.ports.attempts.state(tenant, &asked, &policy.mails, now).await?.locked_until.is_some() {
            tracing::warn!(%tenant, user = %user.id, "too many password resets were asked for: no mail is sent for a while");
            return Ok(());
        }
        self.ports.attempts.fail(tenant, &asked, &policy.mails, now).await?;
        drop(counting);

        let token = SecretString::from(self.ports.entropy.hex::<32>());
        let reset =
            PasswordReset { token_hash: hash(&token), user: user.id, expires_at: now.plus(policy.lifetime), created_at: now };
        match self.ports.resets.create(tenant, &reset).await {
            Ok(()) => {}
            // Deleted meanwhile.
            Err(error) if *error.kind() == StoreErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mail = message(user, &policy.link.with(&token), policy.lifetime);
        mailer.send(mail).await.map_err(|error| AccountError::Internal(Box::new(error)))
    }

    /// Whose password the token would set.
    ///
    /// # Errors
    /// `InvalidResetToken`, `Store`.
    pub async fn verify_reset(&self, tenant: TenantId, token: &ResetToken) -> Result<Email> {
        Ok(self.open_reset(tenant, token).await?.email)
    }

    /// Sets a new password, ends all of the user's sessions and resets, and lifts the locks of the address.
    ///
    /// # Errors
    /// `InvalidResetToken`, `Busy`, `Store`.
    pub async fn complete_reset(&self, tenant: TenantId, form: ResetCompletion) -> Result<User> {
        // Before the expensive part: a guessed token costs one look-up.
        let user = self.open_reset(tenant, &form.token).await?;
        let password = self.passwords.hash(form.password.secret()).await?;
        let record = self.record(actor(&user), "user.reset", user.id, None, None);
        let token_hash = hash(form.token.secret());
        let written = self.ports.resets.complete(tenant, &token_hash, &password, self.now(), &record).await.map_err(|error| {
            if *error.kind() == StoreErrorKind::NotFound { AccountError::InvalidResetToken } else { AccountError::Store(error) }
        })?;
        self.announce(tenant, written.revision).await;
        self.forgive(tenant, &user.email.key(), &[SIGN_IN, PASSWORD_CHANGE]).await;
        Ok(written.value)
    }

    async fn open_reset(&self, tenant: TenantId, token: &ResetToken) -> Result<User> {
        let now = self.now();
        let found = self.ports.resets.find(tenant, &hash(token.secret())).await?;
        let open = found.filter(|(reset, _)| now < reset.expires_at);
        open.map(|(_, user)| user).ok_or(AccountError::InvalidResetToken)
    }
}

/// A token has 32 random bytes: a plain hash of it cannot be guessed back, and finds it again.
fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret()).into()
}

fn message(user: User, link: &str, lifetime: Duration) -> Mail {
    let minutes = lifetime.as_secs().div_ceil(60);
    let text = format!(
        "Someone, hopefully you, asked for a new password for the ToggleBox account {}.\n\n\
         To set one, open this link within {minutes} minutes:\n\n{link}\n\n\
         If it was not you, ignore this mail: the password stays as it is.\n",
        user.email
    );
    Mail { to: user.email, subject: "Reset your ToggleBox password".to_owned(), text: SecretString::from(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_needs_a_place_for_its_token() {
        let link = ResetLink::new("https://admin.example.com/password-reset/complete/{token}").unwrap();
        assert_eq!(link.with(&SecretString::from("ab12")), "https://admin.example.com/password-reset/complete/ab12");
        for bad in ["https://admin.example.com/", "/reset/{token}", "javascript:{token}", ""] {
            assert_eq!(ResetLink::new(bad), Err(InvalidResetLink), "{bad}");
        }
    }
}
