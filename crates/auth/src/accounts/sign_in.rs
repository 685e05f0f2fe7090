//! Registering, signing in, staying signed in, signing out.

use secrecy::SecretString;
use togglebox_core::{EntropyExt, StoreErrorKind, TenantId, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::{AccountError, Accounts, NewAccount, Result, SIGN_IN, subject};
use crate::input::{Login, Registration};
use crate::password::Turn;
use crate::session::Standing;
use crate::store::{Ending, Rotation};
use crate::token::{Grant, TenantMark};
use crate::{PasswordHasher, Role, Session, SignedInUser, TokenSession, User};

/// A user with a new token.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// As the store has the user now.
    pub user: User,
    /// The access token.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl Accounts {
    /// Makes an account for a stranger; always a viewer.
    ///
    /// # Errors
    /// `RegistrationClosed`, `EmailTaken`, `Busy`, `Store`.
    pub async fn register(&self, tenant: TenantId, form: Registration) -> Result<User> {
        if !self.settings.registration {
            return Err(AccountError::RegistrationClosed);
        }
        self.register_invited(tenant, form).await
    }

    /// The same for somebody who was invited, whether strangers may register or not.
    ///
    /// # Errors
    /// `EmailTaken`, `Busy`, `Store`.
    pub async fn register_invited(&self, tenant: TenantId, form: Registration) -> Result<User> {
        if self.ports.users.find_by_email(tenant, &form.email.key()).await?.is_some() {
            return Err(AccountError::EmailTaken);
        }
        let password = self.passwords.hash(form.password.secret()).await?;
        let new = NewAccount { name: form.name, email: form.email, password, role: Role::Viewer };
        self.add(tenant, None, "user.register", new).await
    }

    /// Signs in. Addresses with and without an account take the same steps, and are locked alike. Without an account a password is
    /// verified against a hash of nobody's, which costs as much as one of ours. One of an imported account costs about three times that (until
    /// its first sign-in, which replaces it), so a failure is not answered before `failure_takes` is over, counted from when its turn
    /// came. What this does not hide is load: where a verification takes longer than that, the difference shows again.
    ///
    /// To be called on a tokio run time with timers.
    ///
    /// # Errors
    /// `InvalidCredentials`, `Locked`, `Busy`, `Store`.
    pub async fn login(&self, tenant: TenantId, form: Login) -> Result<SignedIn> {
        let user = self.verified(tenant, form).await?;
        self.open_session(tenant, &user, None).await?.ok_or(AccountError::InvalidCredentials)
    }

    /// Whose password this is.
    pub(super) async fn verified(&self, tenant: TenantId, form: Login) -> Result<User> {
        let email = form.email.to_ascii_lowercase();
        let subject = subject(SIGN_IN, &email);
        // A locked address does not queue for the processor.
        self.unlocked(tenant, &subject).await?;
        let turn = self.passwords.turn().await?;
        let began = Instant::now();
        // Asked again in turn: of many guesses that waited, only as many as there are slots get past a lock that was set meanwhile.
        let state = self.unlocked(tenant, &subject).await?;
        let found = self.ports.users.find_by_email(tenant, &email).await?;
        let matches = turn.verify(&form.password, found.as_ref().map(|user| &user.password)).await?;
        let Some(user) = found.filter(|_| matches) else {
            drop(turn);
            self.count_failure(tenant, &subject).await?;
            sleep_until(began + self.settings.failure_takes).await;
            return Err(AccountError::InvalidCredentials);
        };
        if PasswordHasher::needs_rehash(&user.password) {
            self.rehash(tenant, &user, &form.password, &turn).await;
        }
        drop(turn);
        if state.failures > 0 {
            self.ports.attempts.clear(tenant, &subject).await?;
        }
        Ok(user)
    }

    /// Replaces the caller's token with a new one. The old one stays good for the grace of the policy, so that several windows may do
    /// this one after the other: until it is over, all of them get the same new token. A token of the original system gets a session.
    /// `mark` is what the new token is to say of its tenant.
    ///
    /// # Errors
    /// `SessionEnded`, `Store`.
    pub async fn refresh(&self, tenant: TenantId, caller: &SignedInUser, mark: Option<&TenantMark>) -> Result<SignedIn> {
        let Some(held) = caller.session else {
            return self.open_session(tenant, &caller.user, mark).await?.ok_or(AccountError::SessionEnded);
        };
        let now = self.now();
        let is_good = |session: &Session| matches!(session.standing(held.token, now, &self.settings.sessions), Standing::Good(_));
        let session = self.ports.sessions.find(tenant, held.id).await?.filter(is_good).ok_or(AccountError::SessionEnded)?;
        let session = if session.rests(now, &self.settings.sessions) {
            session
        } else {
            let (next, expires_at) = (self.ports.entropy.uuid(), self.settings.sessions.expiry(session.created_at, now));
            match self.ports.sessions.rotate(tenant, held.id, held.token, next, now, expires_at).await? {
                Rotation::Done(session) => session,
                Rotation::Superseded(session) if is_good(&session) => session,
                Rotation::Superseded(_) | Rotation::Ended => return Err(AccountError::SessionEnded),
            }
        };
        let user = self.ports.users.find(tenant, session.user).await?.ok_or(AccountError::SessionEnded)?;
        self.sign(tenant, user, &session, now, mark)
    }

    /// Ends the caller's session. A token of the original system has none: all such tokens of the user end.
    ///
    /// # Errors
    /// `Store`.
    pub async fn logout(&self, tenant: TenantId, caller: &SignedInUser) -> Result<()> {
        let now = self.now();
        if let Some(held) = caller.session {
            let revision = self.ports.sessions.revoke(tenant, held.id, now).await?;
            self.announce(tenant, revision).await;
            return Ok(());
        }
        let ended = self
            .amend(tenant, caller.user.id, (caller.actor(), "user.logout"), Ending::None, |user| {
                user.tokens_valid_from = now;
                Ok(())
            })
            .await;
        match ended {
            Ok(_) | Err(AccountError::UserNotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A session for a user whose password, or token, was good a moment ago; `None` when it no longer is.
    pub(super) async fn open_session(
        &self,
        tenant: TenantId,
        user: &User,
        mark: Option<&TenantMark>,
    ) -> Result<Option<SignedIn>> {
        let now = self.now();
        let session = Session {
            id: self.ports.entropy.uuid(),
            user: user.id,
            current: self.ports.entropy.uuid(),
            previous: None,
            rotated_at: now,
            created_at: now,
            expires_at: self.settings.sessions.expiry(now, now),
            revoked_at: None,
        };
        match self.ports.sessions.create(tenant, &session, self.settings.sessions.most).await {
            Ok(None) => {}
            Ok(Some(revision)) => self.announce(tenant, revision).await,
            Err(error) if *error.kind() == StoreErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // A change of password ends the sessions that it finds. One that was written between our check and the line above did not find
        // this one; it shows in the user instead.
        match self.ports.users.find(tenant, user.id).await? {
            Some(stands) if stands.tokens_valid_from == user.tokens_valid_from => {
                self.sign(tenant, stands, &session, now, mark).map(Some)
            }
            _ => {
                self.ports.sessions.revoke(tenant, session.id, now).await?;
                Ok(None)
            }
        }
    }

    fn sign(
        &self,
        tenant: TenantId,
        user: User,
        session: &Session,
        now: Timestamp,
        mark: Option<&TenantMark>,
    ) -> Result<SignedIn> {
        let grant = Grant {
            tenant,
            user: &user,
            session: TokenSession { id: session.id, token: session.current },
            issued_at: now,
            expires_at: session.expires_at,
            mark,
        };
        let token = self.settings.tokens.sign(grant).map_err(|error| AccountError::Internal(Box::new(error)))?;
        Ok(SignedIn { token: SecretString::from(token), expires_at: session.expires_at, user })
    }

    /// Replaces a hash of another algorithm or strength. The sign-in goes on whatever becomes of it: the next one tries again.
    async fn rehash(&self, tenant: TenantId, user: &User, password: &SecretString, turn: &Turn<'_>) {
        let hash = match turn.hash(password).await {
            Ok(hash) => hash,
            Err(error) => return tracing::warn!(%error, "a password was not hashed anew"),
        };
        let mut renewed = user.clone();
        renewed.password = hash;
        let record = self.record(togglebox_core::Actor::system(), "user.rehash", user.id, None, None);
        match self.ports.users.replace(tenant, &renewed, user.revision, Ending::None, &record).await {
            // Nobody lost a right: nothing to announce.
            Ok(_) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => tracing::warn!(%error, "a password hash was not replaced"),
        }
    }
}
