//! What a caller may rely on when a call or its answer gets lost, for every operation that there is.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use togglebox_core::testkit::{At, Fault, Faults, Operation};
use togglebox_core::{AuditFilter, AuditRecord, PageRequest, Revision, StoreErrorKind, StoreResult, TenantId};
use uuid::Uuid;

use super::faulty::{API_KEYS, ATTEMPTS, PASSWORD_RESETS, SESSIONS, USERS};
use super::{AuthStores, at, audit, id, key, reset, session, user};
use crate::store::{Ending, Rotation, UserList};
use crate::{ApiKey, AttemptPolicy, AttemptState, PasswordHash, PasswordReset, Role, Session, User};

/// What a call gave, in a form in which all answers can be compared.
type Answer = Result<String, StoreErrorKind>;

/// Who signs in, and fails at it once.
const SUBJECT: &str = "ann";

/// What the same call again may do, when the first was made.
#[derive(Debug, PartialEq, Eq)]
enum Again {
    /// It answers as the first, and changes nothing.
    Same,
    /// It changes nothing, and either succeeds or says that it is there already.
    DoneOrThere,
    /// It changes nothing, and shows what the first made: the caller finds its own token in it.
    Superseded,
    /// It counts once more.
    Counts,
}

/// What the ports promise. Where there is an audit record, a repeat is known by it; the others promise less.
fn promise(operation: &str) -> Again {
    match operation {
        "sessions.create" | "password_resets.create" => Again::DoneOrThere,
        "sessions.rotate" => Again::Superseded,
        "attempts.fail" => Again::Counts,
        _ => Again::Same,
    }
}

fn is_audited(operation: &str) -> bool {
    const AUDITED: [&str; 6] =
        ["users.create", "users.replace", "users.delete", "api_keys.create", "api_keys.delete", "password_resets.complete"];
    AUDITED.contains(&operation)
}

/// Things of a tenant: an admin and a viewer, who has a key, a session, a reset and a failed sign-in.
struct Scene {
    stores: AuthStores,
    tenant: TenantId,
    viewer: User,
    key: ApiKey,
    session: Session,
    reset: PasswordReset,
}

/// All that can be seen of a scene.
#[derive(Debug, PartialEq)]
struct View {
    revision: Revision,
    users: UserList,
    keys: Vec<ApiKey>,
    sessions: [Option<Session>; 2],
    resets: [Option<(PasswordReset, User)>; 2],
    attempts: AttemptState,
    records: Vec<AuditRecord>,
}

/// One that has nothing yet.
fn next_tenant() -> TenantId {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let n = LAST.fetch_add(1, Ordering::Relaxed);
    TenantId::from_uuid(Uuid::from_u128((0xface << 64) | u128::from(n)))
}

impl Scene {
    async fn set(stores: &AuthStores) -> Self {
        let tenant = next_tenant();
        stores.with_user(tenant, 1, Role::Admin).await;
        let viewer = stores.with_user(tenant, 2, Role::Viewer).await;
        let key = stores.with_key(tenant, 1, viewer.id).await;
        let session = stores.with_session(tenant, 1, viewer.id).await;
        let reset = stores.with_reset(tenant, 1, viewer.id).await;
        stores.attempts.fail(tenant, SUBJECT, &AttemptPolicy::default(), at(0)).await.unwrap();
        Self { stores: stores.clone(), tenant, viewer, key, session, reset }
    }

    /// The same calls with the same arguments, by a tenant that has nothing.
    fn asked_by_another(&self) -> Self {
        Self {
            stores: self.stores.clone(),
            tenant: next_tenant(),
            viewer: self.viewer.clone(),
            key: self.key.clone(),
            session: self.session.clone(),
            reset: self.reset.clone(),
        }
    }

    /// The same calls, about what nobody has.
    fn about_nothing(self) -> Self {
        let viewer = user(50, Role::Viewer);
        Self { key: key(50, viewer.id), session: session(50, viewer.id), reset: reset(50, viewer.id), viewer, ..self }
    }

    async fn view(&self) -> View {
        let (stores, tenant) = (&self.stores, self.tenant);
        let (sessions, resets) = (&stores.sessions, &stores.resets);
        View {
            revision: stores.revision(tenant).await,
            users: stores.users.list(tenant, None, 0, 100).await.unwrap(),
            keys: stores.keys.list(tenant, self.viewer.id).await.unwrap(),
            sessions: [
                sessions.find(tenant, self.session.id).await.unwrap().filter(|session| session.revoked_at.is_none()),
                sessions.find(tenant, session(2, self.viewer.id).id).await.unwrap(),
            ],
            resets: [
                resets.find(tenant, &self.reset.token_hash).await.unwrap(),
                resets.find(tenant, &reset(2, self.viewer.id).token_hash).await.unwrap(),
            ],
            attempts: stores.attempts.state(tenant, SUBJECT, &AttemptPolicy::default(), at(1)).await.unwrap(),
            records: stores.audit.list(tenant, &AuditFilter::default(), &PageRequest::first(1000)).await.unwrap().items,
        }
    }

    /// Calls an operation, with the same arguments each time.
    async fn call(&self, stores: &AuthStores, operation: &str) -> Answer {
        let (port, _) = operation.split_once('.').unwrap();
        match port {
            "users" => self.users(stores, operation).await,
            "api_keys" => self.keys(stores, operation).await,
            "sessions" => self.sessions(stores, operation).await,
            "password_resets" => self.resets(stores, operation).await,
            _ => self.attempts(stores, operation).await,
        }
    }

    async fn users(&self, stores: &AuthStores, operation: &str) -> Answer {
        let (store, tenant, viewer) = (&stores.users, self.tenant, &self.viewer);
        let record = audit(1, "any", viewer.id);
        match operation {
            "users.revision" => told(store.revision(tenant).await),
            "users.revision_of_each" => told(store.revision_of_each(&[tenant]).await),
            "users.create" => told(store.create(tenant, &user(3, Role::Developer), &record).await),
            "users.find" => told(store.find(tenant, viewer.id).await),
            "users.find_by_email" => told(store.find_by_email(tenant, &viewer.email.key()).await),
            "users.list" => told(store.list(tenant, None, 0, 10).await),
            "users.replace" => {
                let next = User { name: Some("Bob".to_owned()), ..viewer.clone() };
                told(store.replace(tenant, &next, viewer.revision, Ending::All, &record).await)
            }
            "users.delete" => told(store.delete(tenant, viewer.id, viewer.revision, &record).await),
            other => untried(other),
        }
    }

    async fn keys(&self, stores: &AuthStores, operation: &str) -> Answer {
        let (store, tenant, owner) = (&stores.keys, self.tenant, self.viewer.id);
        let record = audit(1, "any", self.key.id);
        match operation {
            // A repeat does not run into the limit that the first call filled.
            "api_keys.create" => told(store.create(tenant, &key(2, owner), 2, &record).await),
            "api_keys.list" => told(store.list(tenant, owner).await),
            "api_keys.find" => told(store.find(tenant, self.key.id).await),
            "api_keys.find_by_hash" => told(store.find_by_hash(tenant, &[self.key.hash]).await),
            "api_keys.delete" => told(store.delete(tenant, owner, self.key.id, &record).await),
            "api_keys.touch" => told(store.touch(tenant, &[(self.key.id, at(900))]).await),
            other => untried(other),
        }
    }

    async fn sessions(&self, stores: &AuthStores, operation: &str) -> Answer {
        let (store, tenant, given) = (&stores.sessions, self.tenant, &self.session);
        match operation {
            "sessions.create" => told(store.create(tenant, &session(2, self.viewer.id), 10).await),
            "sessions.find" => told(store.find(tenant, given.id).await),
            "sessions.rotate" => told(store.rotate(tenant, given.id, given.current, id(7), at(300), at(9_000)).await),
            "sessions.revoke" => told(store.revoke(tenant, given.id, at(250)).await),
            other => untried(other),
        }
    }

    async fn resets(&self, stores: &AuthStores, operation: &str) -> Answer {
        let (store, tenant, hash) = (&stores.resets, self.tenant, &self.reset.token_hash);
        let record = audit(1, "any", self.viewer.id);
        match operation {
            "password_resets.create" => told(store.create(tenant, &reset(2, self.viewer.id)).await),
            "password_resets.find" => told(store.find(tenant, hash).await),
            "password_resets.complete" => {
                told(store.complete(tenant, hash, &PasswordHash::new("$argon2id$new"), at(500), &record).await)
            }
            other => untried(other),
        }
    }

    async fn attempts(&self, stores: &AuthStores, operation: &str) -> Answer {
        let (store, tenant, policy) = (&stores.attempts, self.tenant, AttemptPolicy::default());
        match operation {
            "attempts.state" => told(store.state(tenant, SUBJECT, &policy, at(1)).await),
            "attempts.fail" => told(store.fail(tenant, SUBJECT, &policy, at(1)).await),
            "attempts.clear" => told(store.clear(tenant, SUBJECT).await),
            other => untried(other),
        }
    }
}

fn told<T: Debug>(outcome: StoreResult<T>) -> Answer {
    outcome.map(|answer| format!("{answer:?}")).map_err(|error| error.kind().clone())
}

/// A port has got a method that nobody tries yet: a promise that nobody checks.
fn untried(operation: &str) -> Answer {
    panic!("{operation} is not tried: say in the testkit how it is called")
}

/// Whatever another tenant asks for by the id, the hash and the revision that somebody's thing has, it is answered as if nobody had it;
/// and nothing becomes of that thing. Of every operation of every port: one that is not listed does not compile.
pub async fn no_call_reaches_another_tenant(stores: &AuthStores) {
    let scene = Scene::set(stores).await;
    let before = scene.view().await;
    let ports = [USERS, API_KEYS, SESSIONS, PASSWORD_RESETS, ATTEMPTS];
    for Operation { name, .. } in ports.into_iter().flatten() {
        let answer = scene.asked_by_another().call(stores, name).await;
        let nothing = scene.asked_by_another().about_nothing().call(stores, name).await;
        assert_eq!(answer, nothing, "{name}");
        assert_eq!(scene.view().await, before, "{name}: what it did to another tenant's");
    }
}

async fn bear_faults(stores: &AuthStores, operations: &[Operation]) {
    for operation in operations {
        bears_faults(stores, operation).await;
    }
}

async fn bears_faults(stores: &AuthStores, operation: &Operation) {
    let (name, promise) = (operation.name, promise(operation.name));
    // How it is when nothing goes wrong: called once, and called again.
    let scene = Scene::set(stores).await;
    let before = scene.view().await;
    let answer = scene.call(stores, name).await;
    let once = scene.view().await;
    assert!(answer.is_ok(), "{name}: {answer:?}");
    assert_eq!(before != once, operation.writes, "{name} changes what it must, and nothing else");
    let audited = u64::from(is_audited(name));
    let raised = u64::from(is_audited(name) || name == "sessions.revoke");
    assert_eq!(once.revision.get() - before.revision.get(), raised, "{name}: the revision");
    assert_eq!((once.records.len() - before.records.len()) as u64, audited, "{name}: the audit records");
    let again = scene.call(stores, name).await;
    let twice = scene.view().await;
    match promise {
        Again::Same => assert_eq!(again, answer, "{name}"),
        Again::DoneOrThere => {
            assert!(again == answer || again == Err(StoreErrorKind::AlreadyExists), "{name}: {again:?}");
        }
        Again::Superseded => {
            let stands = stores.sessions.find(scene.tenant, scene.session.id).await.unwrap().unwrap();
            assert_eq!(again, told(Ok(Rotation::Superseded(stands))), "{name}");
        }
        Again::Counts => {
            let failures = [&before, &once, &twice].map(|view| view.attempts.failures);
            assert_eq!(failures, [1, 2, 3], "{name}: each call is a failure");
        }
    }
    assert_eq!(twice != once, promise == Again::Counts, "{name}: what the same call again left");

    let unavailable = Err(StoreErrorKind::Unavailable);
    let cases = [
        (Fault::Before, &unavailable, [&before, &once], &answer),
        (Fault::Throttled, &unavailable, [&before, &once], &answer),
        (Fault::After, &unavailable, [&once, &twice], &again),
    ];
    for (fault, given, [left, then], retried) in cases {
        let (faults, what) = (Arc::new(Faults::none()), format!("{name}, {fault:?}"));
        faults.inject(At::operation(name), fault);
        let (scene, faulty) = (Scene::set(stores).await, stores.with_faults(&faults));
        assert_eq!(&scene.call(&faulty, name).await, given, "{what}");
        assert_eq!(&scene.view().await, left, "{what}: what it left");
        assert_eq!(faults.counts().injected(), 1, "{what}: tried");
        assert_eq!(&scene.call(&faulty, name).await, retried, "{what}: the same call again");
        assert_eq!(&scene.view().await, then, "{what}: what the same call again left");
    }
    let faults = Arc::new(Faults::none());
    faults.inject(At::operation(name), Fault::Twice);
    let scene = Scene::set(stores).await;
    assert_eq!(scene.call(&stores.with_faults(&faults), name).await, answer, "{name}, twice: the first answer");
    assert_eq!(scene.view().await, twice, "{name}, twice: what it left");
    assert_eq!(faults.counts().twice, 1, "{name}: tried twice");
}

/// A call that failed before it was made has left nothing; one whose answer was lost has been made. The same call again answers as it
/// would have answered, and everything is as if nothing had gone wrong: one step of the revision, one audit record.
pub async fn user_calls_bear_faults(stores: &AuthStores) {
    bear_faults(stores, USERS).await;
}

/// The same of API keys; a last-used time is the same however often it is told.
pub async fn key_calls_bear_faults(stores: &AuthStores) {
    bear_faults(stores, API_KEYS).await;
}

/// A session that is made again is the same one, or there already; a rotation that is repeated finds its own token in place; an end
/// that is repeated is the first end.
pub async fn session_calls_bear_faults(stores: &AuthStores) {
    bear_faults(stores, SESSIONS).await;
}

/// A reset that is made again is the same one, or there already; a completion is known by its audit record.
pub async fn reset_calls_bear_faults(stores: &AuthStores) {
    bear_faults(stores, PASSWORD_RESETS).await;
}

/// A failure counts each time that the store hears of it: never less than once, so that lost answers help nobody who guesses.
pub async fn attempt_calls_bear_faults(stores: &AuthStores) {
    bear_faults(stores, ATTEMPTS).await;
}
