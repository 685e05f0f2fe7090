//! What this crate needs of a store.
//!
//! The rules are those of `togglebox_toggles::store`: each call is one atomic act, names the tenant first, names the revision that it
//! read where something is replaced, and appends the given audit record (once, however often it is repeated with the same id). The
//! container whose revision rises is the tenant's *accounts*: it rises with every change that may withdraw a right (users, keys,
//! sessions ended), so that nodes know when to forget what they remember. Signing in does not raise it (unless it ends an older
//! session), nor do refreshing and last-used times.

use std::fmt::Debug;

use async_trait::async_trait;
use togglebox_core::{AuditRecord, Revision, StoreResult, TenantId, Timestamp, Written};
use uuid::Uuid;

use crate::{ApiKey, AttemptPolicy, AttemptState, KeyHash, PasswordHash, PasswordReset, Role, Session, User};

/// The rule that a tenant keeps at least one admin; the name in
/// [`Refused`](togglebox_core::StoreErrorKind::Refused).
pub const LAST_ADMIN: &str = "last-admin";

/// A part of the list of users, and how many there are in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserList {
    /// Newest first, then by id.
    pub users: Vec<User>,
    /// Of all users that match.
    pub total: u64,
}

/// What becomes of a user's sessions when the user is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// They go on.
    None,
    /// All of them end.
    All,
    /// All of them end but this one: the one in which the user changed the password.
    AllBut(Uuid),
}

/// Where users are kept.
#[async_trait]
pub trait UserStore: Send + Sync + Debug + 'static {
    /// The accounts' revision. Cheap: nodes ask every two seconds.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn revision(&self, tenant: TenantId) -> StoreResult<Revision>;

    /// The same of several tenants, one after the other as they are given: each tenant's as if asked for alone, at some time within the
    /// call. A store that can tell them together does: nodes ask for a hundred tenants at once.
    ///
    /// # Errors
    /// The first one, of whichever tenant.
    async fn revision_of_each(&self, tenants: &[TenantId]) -> StoreResult<Vec<Revision>> {
        let mut all = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            all.push(self.revision(*tenant).await?);
        }
        Ok(all)
    }

    /// Adds a user. `user.revision` is given by the store.
    ///
    /// # Errors
    /// `AlreadyExists` when the address (without regard to case) is taken.
    async fn create(&self, tenant: TenantId, user: &User, audit: &AuditRecord) -> StoreResult<Written<User>>;

    /// A user by id.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<User>>;

    /// A user by [`Email::key`](crate::Email::key).
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find_by_email(&self, tenant: TenantId, email_key: &str) -> StoreResult<Option<User>>;

    /// `limit` users (1 to 1000) from the `offset`th on, newest first. An offset is a bounded walk on stores without one.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn list(&self, tenant: TenantId, role: Option<Role>, offset: u64, limit: u64) -> StoreResult<UserList>;

    /// Replaces a user, and ends the user's sessions as `ending` says, in the same act.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `AlreadyExists` (the new address is taken), `Refused(LAST_ADMIN)` when the only admin would lose the
    /// role.
    async fn replace(
        &self,
        tenant: TenantId,
        user: &User,
        expected: Revision,
        ending: Ending,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>>;

    /// Deletes a user with the user's sessions, API keys and password resets.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Refused(LAST_ADMIN)`.
    async fn delete(&self, tenant: TenantId, id: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>>;
}

/// Where API keys are kept.
#[async_trait]
pub trait ApiKeyStore: Send + Sync + Debug + 'static {
    /// Adds a key.
    ///
    /// # Errors
    /// `NotFound` when the owner is not there, `AlreadyExists` when the hash is taken, `LimitReached` when the owner holds `limit`
    /// keys already.
    async fn create(&self, tenant: TenantId, key: &ApiKey, limit: usize, audit: &AuditRecord) -> StoreResult<Written<ApiKey>>;

    /// The keys of a user, newest first.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn list(&self, tenant: TenantId, user: Uuid) -> StoreResult<Vec<ApiKey>>;

    /// A key by id.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<ApiKey>>;

    /// A key by any of these hashes, with its owner.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find_by_hash(&self, tenant: TenantId, hashes: &[KeyHash]) -> StoreResult<Option<(ApiKey, User)>>;

    /// Deletes a key of this user.
    ///
    /// # Errors
    /// `NotFound` when the user has no such key.
    async fn delete(&self, tenant: TenantId, user: Uuid, id: Uuid, audit: &AuditRecord) -> StoreResult<Written<()>>;

    /// Moves last-used times forward. Keys that are gone stay gone; times never move back.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn touch(&self, tenant: TenantId, uses: &[(Uuid, Timestamp)]) -> StoreResult<()>;
}

/// What became of an attempt to replace a session's token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The session now has the new token.
    Done(Session),
    /// Someone else replaced the token meanwhile; this is how the session stands.
    Superseded(Session),
    /// There is no such session, or it has ended.
    Ended,
}

/// Where sessions are kept.
#[async_trait]
pub trait SessionStore: Send + Sync + Debug + 'static {
    /// Adds a session. Where the user then has more than `limit` (at least 1) that have not ended, those end that began first, by
    /// `created_at`, then by id; the new one never does. May remove sessions of the same user that expired before `session.created_at`;
    /// those do not count.
    ///
    /// The accounts' revision when sessions had to end; `None` when none had to.
    ///
    /// # Errors
    /// `NotFound` when the user is not there.
    async fn create(&self, tenant: TenantId, session: &Session, limit: usize) -> StoreResult<Option<Revision>>;

    /// A session by id, ended or not.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Session>>;

    /// Makes `next` the current token, if `current` still is: then `current` becomes `previous`, `rotated_at` is `at`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn rotate(
        &self,
        tenant: TenantId,
        id: Uuid,
        current: Uuid,
        next: Uuid,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> StoreResult<Rotation>;

    /// Ends a session. Ending an ended or unknown one is no error and changes nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn revoke(&self, tenant: TenantId, id: Uuid, at: Timestamp) -> StoreResult<Revision>;
}

/// Where password resets are kept.
#[async_trait]
pub trait PasswordResetStore: Send + Sync + Debug + 'static {
    /// Adds a reset. May remove resets that expired before `reset.created_at`.
    ///
    /// # Errors
    /// `NotFound` when the user is not there.
    async fn create(&self, tenant: TenantId, reset: &PasswordReset) -> StoreResult<()>;

    /// A reset and its user, by the hash of its token.
    ///
    /// # Errors
    /// `Unavailable`, `Corrupt`.
    async fn find(&self, tenant: TenantId, token_hash: &[u8; 32]) -> StoreResult<Option<(PasswordReset, User)>>;

    /// Uses a reset up: if one with this hash is there and has not expired at `now`, sets the password, moves
    /// `tokens_valid_from` and `updated_at` to `now`, and removes all of the user's resets and sessions.
    ///
    /// # Errors
    /// `NotFound` when there is no such reset (any more), it has expired, or its user is gone.
    async fn complete(
        &self,
        tenant: TenantId,
        token_hash: &[u8; 32],
        password: &PasswordHash,
        now: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>>;
}

/// Where failed sign-ins are counted. `subject` is an opaque text of at most 64 characters (a hash of the address).
#[async_trait]
pub trait AttemptStore: Send + Sync + Debug + 'static {
    /// Where a subject stands. A lock or failures whose time is over are not reported.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn state(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState>;

    /// Counts a failure; the one that reaches `policy.failures` within the window that its first failure opened sets the lock and
    /// starts the count anew. May remove subjects whose time is over.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn fail(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState>;

    /// Forgets a subject: it signed in.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn clear(&self, tenant: TenantId, subject: &str) -> StoreResult<()>;
}
