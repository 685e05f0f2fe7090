//! The ports of [`store`](crate::store) where calls go wrong as planned.

use std::sync::Arc;

use togglebox_core::faulty_port;
use togglebox_core::testkit::{Faults, Faulty};
use togglebox_core::{AuditRecord, Revision, TenantId, Timestamp, Written};
use uuid::Uuid;

use super::AuthStores;
use crate::store::{ApiKeyStore, AttemptStore, Ending, PasswordResetStore, Rotation, SessionStore, UserList, UserStore};
use crate::{ApiKey, AttemptPolicy, AttemptState, KeyHash, PasswordHash, PasswordReset, Role, Session, User};

faulty_port! {
    UserStore as "users", USERS {
        read revision() -> Revision;
        write create(user: &User, audit: &AuditRecord) -> Written<User>;
        read find(id: Uuid) -> Option<User>;
        read find_by_email(email_key: &str) -> Option<User>;
        read list(role: Option<Role>, offset: u64, limit: u64) -> UserList;
        write replace(user: &User, expected: Revision, ending: Ending, audit: &AuditRecord) -> Written<User>;
        write delete(id: Uuid, expected: Revision, audit: &AuditRecord) -> Written<()>;
    } across {
        read revision_of_each(tenants: &[TenantId]) -> Vec<Revision>;
    }
}

faulty_port! {
    ApiKeyStore as "api_keys", API_KEYS {
        write create(key: &ApiKey, limit: usize, audit: &AuditRecord) -> Written<ApiKey>;
        read list(user: Uuid) -> Vec<ApiKey>;
        read find(id: Uuid) -> Option<ApiKey>;
        read find_by_hash(hashes: &[KeyHash]) -> Option<(ApiKey, User)>;
        write delete(user: Uuid, id: Uuid, audit: &AuditRecord) -> Written<()>;
        write touch(uses: &[(Uuid, Timestamp)]) -> ();
    }
}

faulty_port! {
    SessionStore as "sessions", SESSIONS {
        write create(session: &Session, limit: usize) -> Option<Revision>;
        read find(id: Uuid) -> Option<Session>;
        write rotate(id: Uuid, current: Uuid, next: Uuid, at: Timestamp, expires_at: Timestamp) -> Rotation;
        write revoke(id: Uuid, at: Timestamp) -> Revision;
    }
}

faulty_port! {
    PasswordResetStore as "password_resets", PASSWORD_RESETS {
        write create(reset: &PasswordReset) -> ();
        read find(token_hash: &[u8; 32]) -> Option<(PasswordReset, User)>;
        write complete(token_hash: &[u8; 32], password: &PasswordHash, now: Timestamp, audit: &AuditRecord) -> Written<User>;
    }
}

faulty_port! {
    AttemptStore as "attempts", ATTEMPTS {
        read state(subject: &str, policy: &AttemptPolicy, now: Timestamp) -> AttemptState;
        write fail(subject: &str, policy: &AttemptPolicy, now: Timestamp) -> AttemptState;
        write clear(subject: &str) -> ();
    }
}

impl AuthStores {
    /// The same store, to which things happen as `faults` say.
    #[must_use]
    pub fn with_faults(&self, faults: &Arc<Faults>) -> Self {
        Self {
            users: Arc::new(Faulty::new(Arc::clone(&self.users), Arc::clone(faults))),
            keys: Arc::new(Faulty::new(Arc::clone(&self.keys), Arc::clone(faults))),
            sessions: Arc::new(Faulty::new(Arc::clone(&self.sessions), Arc::clone(faults))),
            resets: Arc::new(Faulty::new(Arc::clone(&self.resets), Arc::clone(faults))),
            attempts: Arc::new(Faulty::new(Arc::clone(&self.attempts), Arc::clone(faults))),
            audit: Arc::new(Faulty::new(Arc::clone(&self.audit), Arc::clone(faults))),
        }
    }
}
