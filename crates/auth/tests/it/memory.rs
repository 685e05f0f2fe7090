//! The auth ports in process memory: every promise kept by one lock. Can be told to fail, and counts how often it is read.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use togglebox_auth::store::{
    ApiKeyStore, AttemptStore, Ending, LAST_ADMIN, PasswordResetStore, Rotation, SessionStore, UserList, UserStore,
};
use togglebox_auth::testkit::AuthStores;
use togglebox_auth::{ApiKey, AttemptPolicy, AttemptState, KeyHash, PasswordHash, PasswordReset, Role, Session, User};
use togglebox_core::{
    AuditFilter, AuditLog, AuditRecord, Page, PageRequest, Revision, StoreError, StoreErrorKind, StoreResult, TenantId,
    Timestamp, Written,
};
use uuid::Uuid;

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct MemoryStore {
    tenants: Mutex<HashMap<TenantId, Tenant>>,
    down: AtomicBool,
    unforgiving: AtomicBool,
    hanging: AtomicBool,
    reads: AtomicUsize,
    after_read: Mutex<Option<Hook>>,
    on_replace: Mutex<Option<Hook>>,
}

#[derive(Default)]
struct Tenant {
    revision: Revision,
    users: BTreeMap<Uuid, User>,
    keys: BTreeMap<Uuid, ApiKey>,
    sessions: BTreeMap<Uuid, Session>,
    resets: BTreeMap<[u8; 32], PasswordReset>,
    attempts: HashMap<String, Attempts>,
    audit: Vec<AuditRecord>,
    done: HashMap<Uuid, (Revision, Option<User>)>,
}

#[derive(Clone, Copy)]
struct Attempts {
    failures: u32,
    since: Timestamp,
    locked_until: Option<Timestamp>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

fn refused<T>(kind: StoreErrorKind) -> StoreResult<T> {
    Err(StoreError::new(kind, "memory"))
}

impl MemoryStore {
    #[expect(clippy::unused_async, reason = "the suite takes stores that must be waited for")]
    pub(crate) async fn fresh() -> AuthStores {
        Arc::new(Self::default()).stores()
    }

    pub(crate) fn stores(self: &Arc<Self>) -> AuthStores {
        AuthStores::over(self)
    }

    /// From now on every call fails, or works again.
    /// Lets look-ups of API keys wait for ever, or no more.
    pub(crate) fn set_hanging(&self, hanging: bool) {
        self.hanging.store(hanging, Ordering::SeqCst);
    }

    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// From now on no failures of an address can be cleared.
    pub(crate) fn forgive_nothing(&self) {
        self.unforgiving.store(true, Ordering::SeqCst);
    }

    /// How often users, keys and sessions were looked up.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// What happens between the next look-up of a user or key and its answer.
    pub(crate) fn after_next_read(&self, hook: impl FnOnce() + Send + 'static) {
        *self.after_read.lock().unwrap() = Some(Box::new(hook));
    }

    /// What happens just before the next replacement of a user.
    pub(crate) fn before_next_replace(&self, hook: impl FnOnce() + Send + 'static) {
        *self.on_replace.lock().unwrap() = Some(Box::new(hook));
    }

    /// Changes a user as another node would.
    pub(crate) fn meddle(&self, tenant: TenantId, id: Uuid, change: impl FnOnce(&mut User)) {
        let mut tenants = self.tenants.lock().unwrap();
        let tenant = tenants.entry(tenant).or_default();
        tenant.revision = tenant.revision.next();
        let user = tenant.users.get_mut(&id).unwrap();
        change(user);
        user.revision = tenant.revision;
    }

    /// The sessions of a user that have not been ended.
    pub(crate) fn open_sessions(&self, tenant: TenantId, user: Uuid) -> usize {
        self.with(tenant, |t| Ok(t.sessions.values().filter(|s| s.user == user && s.revoked_at.is_none()).count())).unwrap()
    }

    /// All audit records, oldest first.
    pub(crate) fn audit(&self, tenant: TenantId) -> Vec<AuditRecord> {
        self.with(tenant, |t| Ok(t.audit.clone())).unwrap()
    }

    fn with<T>(&self, tenant: TenantId, act: impl FnOnce(&mut Tenant) -> StoreResult<T>) -> StoreResult<T> {
        if self.down.load(Ordering::SeqCst) {
            return refused(StoreErrorKind::Unavailable);
        }
        act(self.tenants.lock().unwrap().entry(tenant).or_default())
    }

    fn read<T>(&self, tenant: TenantId, act: impl FnOnce(&mut Tenant) -> StoreResult<T>) -> StoreResult<T> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let answer = self.with(tenant, act);
        if let Some(hook) = self.after_read.lock().unwrap().take() {
            hook();
        }
        answer
    }
}

impl Tenant {
    fn written(&mut self, audit: &AuditRecord, user: Option<User>) -> Revision {
        self.revision = self.revision.next();
        self.audit.push(audit.clone());
        let user = user.map(|user| User { revision: self.revision, ..user });
        if let Some(user) = &user {
            self.users.insert(user.id, user.clone());
        }
        self.done.insert(audit.id, (self.revision, user));
        self.revision
    }

    fn repeated(&self, audit: &AuditRecord) -> Option<Written<User>> {
        let (revision, user) = self.done.get(&audit.id)?.clone();
        Some(Written { value: user?, revision })
    }

    fn is_taken(&self, user: &User) -> bool {
        self.users.values().any(|other| other.id != user.id && other.email.key() == user.email.key())
    }

    fn is_last_admin(&self, id: Uuid) -> bool {
        self.users[&id].role == Role::Admin && self.users.values().filter(|user| user.role == Role::Admin).count() == 1
    }

    fn end_sessions(&mut self, user: Uuid, keep: Option<Uuid>) {
        self.sessions.retain(|id, session| session.user != user || Some(*id) == keep);
    }
}

#[async_trait]
impl UserStore for MemoryStore {
    async fn revision(&self, tenant: TenantId) -> StoreResult<Revision> {
        self.with(tenant, |t| Ok(t.revision))
    }

    async fn create(&self, tenant: TenantId, user: &User, audit: &AuditRecord) -> StoreResult<Written<User>> {
        self.with(tenant, |t| {
            if let Some(done) = t.repeated(audit) {
                return Ok(done);
            }
            if t.is_taken(user) || t.users.contains_key(&user.id) {
                return refused(StoreErrorKind::AlreadyExists);
            }
            let revision = t.written(audit, Some(user.clone()));
            Ok(Written { value: t.users[&user.id].clone(), revision })
        })
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<User>> {
        self.read(tenant, |t| Ok(t.users.get(&id).cloned()))
    }

    async fn find_by_email(&self, tenant: TenantId, email_key: &str) -> StoreResult<Option<User>> {
        self.read(tenant, |t| Ok(t.users.values().find(|user| user.email.key() == email_key).cloned()))
    }

    async fn list(&self, tenant: TenantId, role: Option<Role>, offset: u64, limit: u64) -> StoreResult<UserList> {
        self.with(tenant, |t| {
            let mut users: Vec<User> =
                t.users.values().filter(|user| role.is_none_or(|role| user.role == role)).cloned().collect();
            users.sort_by_key(|user| (std::cmp::Reverse(user.created_at), user.id));
            let total = users.len() as u64;
            let (offset, limit) = (usize::try_from(offset).unwrap(), usize::try_from(limit).unwrap());
            Ok(UserList { users: users.into_iter().skip(offset).take(limit).collect(), total })
        })
    }

    async fn replace(
        &self,
        tenant: TenantId,
        user: &User,
        expected: Revision,
        ending: Ending,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        if let Some(hook) = self.on_replace.lock().unwrap().take() {
            hook();
        }
        self.with(tenant, |t| {
            if let Some(done) = t.repeated(audit) {
                return Ok(done);
            }
            let Some(old) = t.users.get(&user.id) else { return refused(StoreErrorKind::NotFound) };
            if old.revision != expected {
                return refused(StoreErrorKind::Conflict { current: old.revision });
            }
            if user.role != Role::Admin && t.is_last_admin(user.id) {
                return refused(StoreErrorKind::Refused(LAST_ADMIN));
            }
            if t.is_taken(user) {
                return refused(StoreErrorKind::AlreadyExists);
            }
            match ending {
                Ending::None => {}
                Ending::All => t.end_sessions(user.id, None),
                Ending::AllBut(keep) => t.end_sessions(user.id, Some(keep)),
            }
            let revision = t.written(audit, Some(user.clone()));
            Ok(Written { value: t.users[&user.id].clone(), revision })
        })
    }

    async fn delete(&self, tenant: TenantId, id: Uuid, expected: Revision, audit: &AuditRecord) -> StoreResult<Written<()>> {
        self.with(tenant, |t| {
            if let Some((revision, _)) = t.done.get(&audit.id) {
                return Ok(Written { value: (), revision: *revision });
            }
            let Some(old) = t.users.get(&id) else { return refused(StoreErrorKind::NotFound) };
            if old.revision != expected {
                return refused(StoreErrorKind::Conflict { current: old.revision });
            }
            if t.is_last_admin(id) {
                return refused(StoreErrorKind::Refused(LAST_ADMIN));
            }
            t.users.remove(&id);
            t.keys.retain(|_, key| key.user != id);
            t.resets.retain(|_, reset| reset.user != id);
            t.end_sessions(id, None);
            Ok(Written { value: (), revision: t.written(audit, None) })
        })
    }
}

#[async_trait]
impl ApiKeyStore for MemoryStore {
    async fn create(&self, tenant: TenantId, key: &ApiKey, limit: usize, audit: &AuditRecord) -> StoreResult<Written<ApiKey>> {
        self.with(tenant, |t| {
            if let Some((revision, _)) = t.done.get(&audit.id) {
                return Ok(Written { value: t.keys.get(&key.id).unwrap_or(key).clone(), revision: *revision });
            }
            if !t.users.contains_key(&key.user) {
                return refused(StoreErrorKind::NotFound);
            }
            if t.keys.values().any(|other| other.hash == key.hash) {
                return refused(StoreErrorKind::AlreadyExists);
            }
            if t.keys.values().filter(|other| other.user == key.user).count() >= limit {
                return refused(StoreErrorKind::LimitReached { limit });
            }
            t.keys.insert(key.id, key.clone());
            Ok(Written { value: key.clone(), revision: t.written(audit, None) })
        })
    }

    async fn list(&self, tenant: TenantId, user: Uuid) -> StoreResult<Vec<ApiKey>> {
        self.with(tenant, |t| {
            let mut keys: Vec<ApiKey> = t.keys.values().filter(|key| key.user == user).cloned().collect();
            keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
            Ok(keys)
        })
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<ApiKey>> {
        self.read(tenant, |t| Ok(t.keys.get(&id).cloned()))
    }

    async fn find_by_hash(&self, tenant: TenantId, hashes: &[KeyHash]) -> StoreResult<Option<(ApiKey, User)>> {
        if self.hanging.load(Ordering::SeqCst) {
            self.reads.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        self.read(tenant, |t| {
            let key = t.keys.values().find(|key| hashes.contains(&key.hash));
            Ok(key.map(|key| (key.clone(), t.users[&key.user].clone())))
        })
    }

    async fn delete(&self, tenant: TenantId, user: Uuid, id: Uuid, audit: &AuditRecord) -> StoreResult<Written<()>> {
        self.with(tenant, |t| {
            if let Some((revision, _)) = t.done.get(&audit.id) {
                return Ok(Written { value: (), revision: *revision });
            }
            if t.keys.get(&id).is_none_or(|key| key.user != user) {
                return refused(StoreErrorKind::NotFound);
            }
            t.keys.remove(&id);
            Ok(Written { value: (), revision: t.written(audit, None) })
        })
    }

    async fn touch(&self, tenant: TenantId, uses: &[(Uuid, Timestamp)]) -> StoreResult<()> {
        self.with(tenant, |t| {
            for (id, at) in uses {
                if let Some(key) = t.keys.get_mut(id) {
                    key.last_used_at = key.last_used_at.max(Some(*at));
                }
            }
            Ok(())
        })
    }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(&self, tenant: TenantId, session: &Session, limit: usize) -> StoreResult<Option<Revision>> {
        self.with(tenant, |t| {
            if !t.users.contains_key(&session.user) {
                return refused(StoreErrorKind::NotFound);
            }
            t.sessions.retain(|_, other| other.user != session.user || other.expires_at >= session.created_at);
            let goes_on = |other: &&mut Session| other.user == session.user && other.revoked_at.is_none();
            let mut others: Vec<_> = t.sessions.values_mut().filter(goes_on).collect();
            others.sort_by_key(|other| std::cmp::Reverse((other.created_at, other.id)));
            let ended = others.into_iter().skip(limit - 1).map(|other| other.revoked_at = Some(session.created_at)).count();
            t.sessions.insert(session.id, session.clone());
            if ended == 0 {
                return Ok(None);
            }
            t.revision = t.revision.next();
            Ok(Some(t.revision))
        })
    }

    async fn find(&self, tenant: TenantId, id: Uuid) -> StoreResult<Option<Session>> {
        self.read(tenant, |t| Ok(t.sessions.get(&id).cloned()))
    }

    async fn rotate(
        &self,
        tenant: TenantId,
        id: Uuid,
        current: Uuid,
        next: Uuid,
        at: Timestamp,
        expires_at: Timestamp,
    ) -> StoreResult<Rotation> {
        self.with(tenant, |t| {
            let Some(session) = t.sessions.get_mut(&id).filter(|session| session.revoked_at.is_none()) else {
                return Ok(Rotation::Ended);
            };
            if session.current != current {
                return Ok(Rotation::Superseded(session.clone()));
            }
            (session.previous, session.current, session.rotated_at, session.expires_at) = (Some(current), next, at, expires_at);
            Ok(Rotation::Done(session.clone()))
        })
    }

    async fn revoke(&self, tenant: TenantId, id: Uuid, at: Timestamp) -> StoreResult<Revision> {
        self.with(tenant, |t| {
            if let Some(session) = t.sessions.get_mut(&id).filter(|session| session.revoked_at.is_none()) {
                session.revoked_at = Some(at);
                t.revision = t.revision.next();
            }
            Ok(t.revision)
        })
    }
}

#[async_trait]
impl PasswordResetStore for MemoryStore {
    async fn create(&self, tenant: TenantId, reset: &PasswordReset) -> StoreResult<()> {
        self.with(tenant, |t| {
            if !t.users.contains_key(&reset.user) {
                return refused(StoreErrorKind::NotFound);
            }
            t.resets.insert(reset.token_hash, reset.clone());
            Ok(())
        })
    }

    async fn find(&self, tenant: TenantId, token_hash: &[u8; 32]) -> StoreResult<Option<(PasswordReset, User)>> {
        self.read(tenant, |t| Ok(t.resets.get(token_hash).map(|reset| (reset.clone(), t.users[&reset.user].clone()))))
    }

    async fn complete(
        &self,
        tenant: TenantId,
        token_hash: &[u8; 32],
        password: &PasswordHash,
        now: Timestamp,
        audit: &AuditRecord,
    ) -> StoreResult<Written<User>> {
        self.with(tenant, |t| {
            if let Some(done) = t.repeated(audit) {
                return Ok(done);
            }
            let Some(reset) = t.resets.get(token_hash).filter(|reset| now < reset.expires_at).cloned() else {
                return refused(StoreErrorKind::NotFound);
            };
            let mut user = t.users[&reset.user].clone();
            (user.password, user.tokens_valid_from, user.updated_at) = (password.clone(), now, now);
            t.resets.retain(|_, other| other.user != reset.user);
            t.end_sessions(reset.user, None);
            let revision = t.written(audit, Some(user));
            Ok(Written { value: t.users[&reset.user].clone(), revision })
        })
    }
}

impl Attempts {
    fn state(self, policy: &AttemptPolicy, now: Timestamp) -> AttemptState {
        AttemptState {
            failures: if now < self.since.plus(policy.window) { self.failures } else { 0 },
            locked_until: self.locked_until.filter(|until| now < *until),
        }
    }
}

#[async_trait]
impl AttemptStore for MemoryStore {
    async fn state(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState> {
        let state =
            self.with(tenant, |t| Ok(t.attempts.get(subject).map_or_else(AttemptState::default, |kept| kept.state(policy, now))));
        // A store of another process lets others go on before its answer arrives.
        tokio::task::yield_now().await;
        state
    }

    async fn fail(&self, tenant: TenantId, subject: &str, policy: &AttemptPolicy, now: Timestamp) -> StoreResult<AttemptState> {
        self.with(tenant, |t| {
            let fresh = Attempts { failures: 0, since: now, locked_until: None };
            let kept = t.attempts.entry(subject.to_owned()).or_insert(fresh);
            if kept.state(policy, now).failures == 0 {
                (kept.failures, kept.since) = (0, now);
            }
            kept.failures += 1;
            if kept.failures >= policy.failures {
                (kept.failures, kept.locked_until) = (0, Some(now.plus(policy.lock)));
            }
            Ok(kept.state(policy, now))
        })
    }

    async fn clear(&self, tenant: TenantId, subject: &str) -> StoreResult<()> {
        if self.unforgiving.load(Ordering::SeqCst) {
            return refused(StoreErrorKind::Unavailable);
        }
        self.with(tenant, |t| {
            t.attempts.remove(subject);
            Ok(())
        })
    }
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn list(&self, tenant: TenantId, filter: &AuditFilter, page: &PageRequest) -> StoreResult<Page<AuditRecord>> {
        self.with(tenant, |t| {
            let wanted = |record: &&AuditRecord| filter.target.as_ref().is_none_or(|target| record.target == *target);
            let items = t.audit.iter().rev().filter(wanted).take(page.limit()).cloned().collect();
            Ok(Page { items, next: None })
        })
    }

    async fn prune(&self, tenant: TenantId, before: Timestamp, limit: usize) -> StoreResult<usize> {
        self.with(tenant, |t| {
            let mut left = limit;
            t.audit.retain(|record| {
                let kept = record.at >= before || left == 0;
                left -= usize::from(!kept);
                kept
            });
            Ok(limit - left)
        })
    }
}
