//! From what a request carries to who is asking.

mod cache;
mod uses;

use std::sync::Arc;
use std::time::Duration;

use togglebox_core::{
    Change, ChangeBus, ChangeListener, Clock, Revision, StoreError, StoreErrorKind, StoreResult, TenantId, Timestamp,
};
use tokio::time::timeout;
use uuid::Uuid;

pub use self::cache::CachePolicy;
use self::cache::{Entry, PrincipalCache, Remembered, Subject};
use self::uses::KeyUses;
use crate::pepper::is_one_of;
use crate::session::Standing;
use crate::store::{ApiKeyStore, SessionStore, UserStore};
use crate::{KeyHash, KeyHolder, Marked, Pepper, Principal, SessionPolicy, SignedInUser, SignedKeys, TokenKeys, TokenSession};

/// A key's last use is noted once in this time on each node. Each one is a write: with ten thousand keys in use, a minute would cost the
/// store more than all reads do.
const USE_INTERVAL: Duration = Duration::from_mins(5);

/// How long the store is waited for when the caller was known a while ago.
const WAIT: Duration = Duration::from_millis(500);

/// For how long a store that did not answer is not asked about the same caller again.
const RETRY: Duration = Duration::from_secs(5);

/// How many tenants the store is asked about in one call.
const TENANTS_PER_CALL: usize = 100;

/// How long such a call may take.
const ASK: Duration = Duration::from_secs(2);

/// The most uses that one call to the store writes.
const USES_PER_CALL: usize = 500;

/// What a request carries.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// The text after `Bearer ` in `Authorization`.
    pub bearer: Option<&'a str>,
    /// The value of `X-API-Key`.
    pub api_key: Option<&'a str>,
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given = |value: Option<&str>| value.map(|_| "redacted");
        f.debug_struct("Presented").field("bearer", &given(self.bearer)).field("api_key", &given(self.api_key)).finish()
    }
}

/// Why a caller is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The request carries neither a token nor a key.
    #[error("no credential was given")]
    Missing,
    /// It carries a token only, and that is not valid, expired or revoked.
    #[error("the token is not valid")]
    InvalidToken,
    /// It carries a key, and that is not known, expired or revoked; so is the token, if there is one.
    #[error("the API key is not valid")]
    InvalidKey,
    /// The store could not say.
    #[error("the caller could not be looked up")]
    Store(#[source] StoreError),
}

/// What an [`Authenticator`] works with.
#[derive(Clone, Debug)]
pub struct AuthenticatorPorts {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// API keys.
    pub keys: Arc<dyn ApiKeyStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Where the end of a session is announced.
    pub bus: Arc<dyn ChangeBus>,
    /// Now.
    pub clock: Arc<dyn Clock>,
}

/// How an [`Authenticator`] checks credentials.
#[derive(Clone, Debug)]
pub struct AuthenticatorSettings {
    /// Checks tokens.
    pub tokens: Arc<TokenKeys>,
    /// Hashes keys.
    pub pepper: Arc<Pepper>,
    /// Checks keys of the original system's second kind; `None` takes none.
    pub signed_keys: Option<Arc<SignedKeys>>,
    /// How long tokens are good.
    pub sessions: SessionPolicy,
    /// How callers are remembered.
    pub cache: CachePolicy,
}

/// Finds out who is asking.
///
/// Callers are remembered for a short time. Subscribed to the [`ChangeBus`], and told by [`observe`](Self::observe) of each polled
/// revision, it forgets a tenant's callers as soon as a right was withdrawn anywhere.
#[derive(Debug)]
pub struct Authenticator {
    ports: AuthenticatorPorts,
    settings: AuthenticatorSettings,
    cache: PrincipalCache,
    uses: KeyUses,
}

impl Authenticator {
    /// Remembers nobody yet.
    pub fn new(ports: AuthenticatorPorts, settings: AuthenticatorSettings) -> Self {
        Self { cache: PrincipalCache::new(settings.cache), uses: KeyUses::default(), ports, settings }
    }

    /// Who is asking. The token is tried first; when it fails, the key is.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn authenticate(&self, tenant: TenantId, presented: Presented<'_>) -> Result<Arc<Principal>, Denied> {
        let by_token = match presented.bearer {
            Some(token) => self.by_token(tenant, token).await,
            None => Err(Denied::Missing),
        };
        match (by_token, presented.api_key) {
            (Err(Denied::Missing | Denied::InvalidToken), Some(key)) => self.by_key(tenant, key).await,
            (answer, _) => answer,
        }
    }

    /// The same, if it is remembered; `None` where the store has to be asked, or somebody turned away. Waits for nothing.
    pub fn remembered(&self, tenant: TenantId, presented: Presented<'_>) -> Option<Arc<Principal>> {
        let now = self.ports.clock.now();
        // A token that is not good does not spoil a key, and finding that out is not for here.
        match (presented.bearer, presented.api_key) {
            (Some(token), _) => self.token_at_hand(tenant, token, now),
            (None, Some(key)) => self.key_at_hand(tenant, key, now),
            (None, None) => None,
        }
    }

    /// What a valid token says of its tenant; `None` of one that is not valid or says nothing. Asks no store: the session may be over.
    pub fn marked(&self, token: &str) -> Option<Marked> {
        self.settings.tokens.marked(token, self.ports.clock.now())
    }

    /// The accounts of `tenant` are at `revision`: what was known before is forgotten.
    pub fn observe(&self, tenant: TenantId, revision: Revision) {
        self.cache.raise(tenant, revision);
    }

    /// Asks the store how far the accounts of these tenants are, which [`observe`](Self::observe)s them; and as long as nothing has
    /// changed, their keys need not be looked up again. To be called now and then, of the tenants whose requests come here.
    ///
    /// # Errors
    /// The first one of the store, which is not asked about the others then.
    pub async fn poll(&self, tenants: &[TenantId]) -> StoreResult<()> {
        for part in tenants.chunks(TENANTS_PER_CALL) {
            let asked_at = self.ports.clock.now();
            let late = |elapsed| Err(StoreError::new(StoreErrorKind::Unavailable, "authenticator.poll").caused_by(elapsed));
            let revisions = timeout(ASK, self.ports.users.revision_of_each(part)).await.unwrap_or_else(late)?;
            for (tenant, revision) in part.iter().zip(revisions) {
                self.cache.confirm(*tenant, revision, asked_at);
            }
        }
        Ok(())
    }

    /// Writes when keys were last used; says how many. To be called now and then, and before the process ends. Dropping the future
    /// loses what it had taken.
    ///
    /// # Errors
    /// The first error of the store. What could not be written waits for the next call.
    pub async fn flush_uses(&self) -> StoreResult<usize> {
        let (mut written, mut failed) = (0, None);
        for (tenant, uses) in self.uses.take() {
            for part in uses.chunks(USES_PER_CALL) {
                match self.ports.keys.touch(tenant, part).await {
                    Ok(()) => written += part.len(),
                    Err(error) => {
                        for (key, at) in part {
                            self.uses.note(tenant, *key, *at);
                        }
                        failed.get_or_insert(error);
                    }
                }
            }
        }
        failed.map_or(Ok(written), Err)
    }

    async fn by_token(&self, tenant: TenantId, token: &str) -> Result<Arc<Principal>, Denied> {
        let now = self.ports.clock.now();
        let claims = self.claims(tenant, token, now)?;
        let entry = match claims.session {
            Some(session) => {
                let load = self.load_session(tenant, claims.user, session, now);
                self.entry(tenant, claims.subject(), now, load).await?
            }
            None => self.entry(tenant, claims.subject(), now, self.load_user(tenant, claims.user)).await?,
        };
        claims.caller(&entry).ok_or(Denied::InvalidToken)
    }

    fn token_at_hand(&self, tenant: TenantId, token: &str, now: Timestamp) -> Option<Arc<Principal>> {
        let claims = self.claims(tenant, token, now).ok()?;
        self.cache.with_fresh(tenant, claims.subject(), now, |entry| claims.caller(entry))?
    }

    /// What a token that is valid for `tenant` says.
    fn claims(&self, tenant: TenantId, token: &str, now: Timestamp) -> Result<Bearer, Denied> {
        let claims = self.settings.tokens.verify(token, now).map_err(|_| Denied::InvalidToken)?;
        let (bound_to, session) = claims.binding().map_err(|_| Denied::InvalidToken)?;
        if bound_to != tenant {
            return Err(Denied::InvalidToken);
        }
        Ok(Bearer { user: claims.id, session, issued_at: claims.issued_at() })
    }

    async fn by_key(&self, tenant: TenantId, text: &str) -> Result<Arc<Principal>, Denied> {
        let now = self.ports.clock.now();
        let Some(hashes) = self.settings.pepper.candidates(text) else { return self.by_signed_key(tenant, text, now) };
        let entry = self.entry(tenant, Subject::Key(hashes[0]), now, self.load_key(tenant, hashes, now)).await?;
        self.note_use(tenant, &entry, now);
        Ok(Arc::clone(&entry.principal))
    }

    fn key_at_hand(&self, tenant: TenantId, text: &str, now: Timestamp) -> Option<Arc<Principal>> {
        let subject = Subject::Key(self.settings.pepper.first_candidate(text)?);
        self.cache.with_fresh(tenant, subject, now, |entry| {
            self.note_use(tenant, entry, now);
            Arc::clone(&entry.principal)
        })
    }

    fn note_use(&self, tenant: TenantId, entry: &Entry, now: Timestamp) {
        if let Principal::ApiKey(caller) = &*entry.principal
            && entry.notes(now, USE_INTERVAL)
        {
            self.uses.note(tenant, caller.key().id, now);
        }
    }

    /// Such a key names no tenant: it is one of the only tenant that the original system knew.
    fn by_signed_key(&self, tenant: TenantId, text: &str, now: Timestamp) -> Result<Arc<Principal>, Denied> {
        let checked = self.settings.signed_keys.as_ref().filter(|_| tenant == TenantId::DEFAULT);
        let key = checked.and_then(|keys| keys.verify(text, now).ok()).ok_or(Denied::InvalidKey)?;
        Ok(Arc::new(Principal::SignedKey(key)))
    }

    /// The remembered caller, or what `load` finds. While the store does not answer, a caller who was known a while ago still is; and
    /// waits for it now and then only, and not for long, so that reads from memory go on.
    async fn entry(
        &self,
        tenant: TenantId,
        subject: Subject,
        now: Timestamp,
        load: impl Future<Output = Result<(Principal, Option<Timestamp>), Denied>>,
    ) -> Result<Arc<Entry>, Denied> {
        let stale = match self.cache.get(tenant, subject, now) {
            Remembered::Fresh(entry) => return Ok(entry),
            Remembered::Stale(entry) if entry.rests(now, RETRY) => return Ok(entry),
            Remembered::Stale(entry) => Some(entry),
            Remembered::Nothing => None,
        };
        let loading = self.cache.begin(tenant, subject, now);
        let late = |elapsed| Err(Denied::Store(StoreError::new(StoreErrorKind::Unavailable, "caller.load").caused_by(elapsed)));
        let loaded = match &stale {
            Some(_) => timeout(WAIT, load).await.unwrap_or_else(late),
            None => load.await,
        };
        match (loaded, stale) {
            (Ok((principal, void_from)), _) => Ok(self.cache.put(loading, principal, void_from)),
            (Err(Denied::Store(error)), Some(entry)) if *error.kind() == StoreErrorKind::Unavailable => {
                tracing::warn!(%tenant, %error, "the store does not answer: a caller is let in as last known");
                entry.failed(now);
                Ok(entry)
            }
            (Err(denied), _) => Err(denied),
        }
    }

    async fn load_session(
        &self,
        tenant: TenantId,
        user: Uuid,
        session: TokenSession,
        now: Timestamp,
    ) -> Result<(Principal, Option<Timestamp>), Denied> {
        let stored = self.ports.sessions.find(tenant, session.id).await.map_err(Denied::Store)?;
        let stored = stored.filter(|stored| stored.user == user).ok_or(Denied::InvalidToken)?;
        let good_until = match stored.standing(session.token, now, &self.settings.sessions) {
            Standing::Good(until) => until,
            Standing::Over => return Err(Denied::InvalidToken),
            Standing::Reused => {
                self.end_copied_session(tenant, session.id, now).await;
                return Err(Denied::InvalidToken);
            }
        };
        let user = self.ports.users.find(tenant, user).await.map_err(Denied::Store)?.ok_or(Denied::InvalidToken)?;
        Ok((Principal::User(SignedInUser { user, session: Some(session) }), Some(good_until)))
    }

    async fn load_user(&self, tenant: TenantId, user: Uuid) -> Result<(Principal, Option<Timestamp>), Denied> {
        let user = self.ports.users.find(tenant, user).await.map_err(Denied::Store)?.ok_or(Denied::InvalidToken)?;
        Ok((Principal::User(SignedInUser { user, session: None }), None))
    }

    async fn load_key(
        &self,
        tenant: TenantId,
        hashes: [KeyHash; 2],
        now: Timestamp,
    ) -> Result<(Principal, Option<Timestamp>), Denied> {
        let found = self.ports.keys.find_by_hash(tenant, &hashes).await.map_err(Denied::Store)?;
        let (key, owner) = found
            .filter(|(key, owner)| is_one_of(&key.hash, &hashes) && key.user == owner.id)
            .filter(|(key, _)| key.expires_at.is_none_or(|end| now < end))
            .ok_or(Denied::InvalidKey)?;
        let void_from = key.expires_at;
        Ok((Principal::ApiKey(KeyHolder::new(key, owner)), void_from))
    }

    /// A token came back after it was replaced: either it or its successor is in the wrong hands, so neither is good any more.
    async fn end_copied_session(&self, tenant: TenantId, session: Uuid, now: Timestamp) {
        tracing::warn!(%tenant, %session, "a replaced token was used again: its session is ended");
        match self.ports.sessions.revoke(tenant, session, now).await {
            Ok(revision) => {
                self.observe(tenant, revision);
                if let Err(error) = self.ports.bus.publish(Change::Accounts { tenant, revision }).await {
                    tracing::warn!(%error, "the end of a session was not announced");
                }
            }
            // The caller is denied all the same, and the next use of the token tries again.
            Err(error) => tracing::error!(%error, "a session could not be ended"),
        }
    }
}

/// Whom a valid token names.
struct Bearer {
    user: Uuid,
    session: Option<TokenSession>,
    issued_at: Timestamp,
}

impl Bearer {
    fn subject(&self) -> Subject {
        self.session.map_or(Subject::User(self.user), |session| Subject::Token(session.token))
    }

    /// The caller that is remembered, if the token still counts.
    fn caller(&self, entry: &Entry) -> Option<Arc<Principal>> {
        let signed_in = entry.principal.signed_in()?;
        let counts = self.session.is_some() || self.issued_at >= signed_in.user.tokens_valid_from;
        counts.then(|| Arc::clone(&entry.principal))
    }
}

impl ChangeListener for Authenticator {
    fn changed(&self, change: &Change) {
        if let Change::Accounts { tenant, revision } = change {
            self.observe(*tenant, *revision);
        }
    }
}
