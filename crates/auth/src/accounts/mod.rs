//! Accounts: signing in, users, keys and lost passwords.
//!
//! What callers may do is checked before: these methods do what they are told, within the rules that hold for everyone. A write that
//! withdraws a right is announced on the [`ChangeBus`].

mod error;
mod guest;
mod key;
mod operator;
mod profile;
mod reset;
mod sign_in;
mod user;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use togglebox_core::{
    Actor, AuditRecord, Change, ChangeBus, Clock, Entropy, EntropyExt, Revision, StoreError, StoreErrorKind, TenantId, Timestamp,
    Written,
};
use tokio::sync::{Mutex, Semaphore};
use uuid::Uuid;

pub use self::error::AccountError;
pub use self::key::CreatedKey;
pub use self::reset::{InvalidResetLink, ResetLink, ResetPolicy};
pub use self::sign_in::SignedIn;
pub use self::user::UserQuery;
use crate::store::{ApiKeyStore, AttemptStore, Ending, PasswordResetStore, SessionStore, UserStore};
use crate::{
    AttemptPolicy, AttemptState, Email, Mailer, PasswordHash, PasswordHasher, Pepper, Role, SessionPolicy, TokenKeys, User,
};

type Result<T, E = AccountError> = std::result::Result<T, E>;

/// How often a write is tried again when someone else wrote first.
const MAX_CONFLICTS: usize = 64;

/// Answers are given before the work of a reset request is done; so much of it may be under way.
const MAX_BACKGROUND: u32 = 64;

/// What [`Accounts`] works with.
#[derive(Clone, Debug)]
pub struct AccountPorts {
    /// Users.
    pub users: Arc<dyn UserStore>,
    /// API keys.
    pub keys: Arc<dyn ApiKeyStore>,
    /// Sessions.
    pub sessions: Arc<dyn SessionStore>,
    /// Password resets.
    pub resets: Arc<dyn PasswordResetStore>,
    /// Failed sign-ins.
    pub attempts: Arc<dyn AttemptStore>,
    /// Where changes are announced.
    pub bus: Arc<dyn ChangeBus>,
    /// What sends mail; `None` sends none, and a reset cannot be asked for.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Ids, keys and tokens.
    pub entropy: Arc<dyn Entropy>,
}

/// The rules of [`Accounts`].
#[derive(Clone, Debug)]
pub struct AccountSettings {
    /// Signs tokens.
    pub tokens: Arc<TokenKeys>,
    /// Hashes keys.
    pub pepper: Arc<Pepper>,
    /// How long tokens are good.
    pub sessions: SessionPolicy,
    /// Whether strangers may register.
    pub registration: bool,
    /// How many wrong passwords an account stands.
    pub attempts: AttemptPolicy,
    /// The most keys of one user.
    pub keys_per_user: usize,
    /// How lost passwords are replaced.
    pub resets: ResetPolicy,
    /// The least time after which a failed sign-in is answered. Hashes of imported accounts cost another time to verify than ours: an
    /// answer that is given earlier tells which kind an address has. Zero in tests that are not about this.
    pub failure_takes: Duration,
}

/// Signing in, users, keys and lost passwords.
#[derive(Debug)]
pub struct Accounts {
    ports: AccountPorts,
    settings: AccountSettings,
    passwords: Arc<PasswordHasher>,
    background: Arc<Semaphore>,
    /// Held while a reset is looked at and counted, so that many at once are not all let through.
    counting_resets: Mutex<()>,
}

impl Accounts {
    /// Over these ports, by these rules.
    pub fn new(ports: AccountPorts, settings: AccountSettings, passwords: Arc<PasswordHasher>) -> Self {
        let background = Arc::new(Semaphore::new(MAX_BACKGROUND as usize));
        Self { ports, settings, passwords, background, counting_resets: Mutex::default() }
    }

    fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    fn record(&self, actor: Actor, action: &str, target: Uuid, before: Option<Value>, after: Option<Value>) -> AuditRecord {
        AuditRecord {
            id: self.ports.entropy.uuid(),
            at: self.now(),
            actor,
            action: action.to_owned(),
            platform: None,
            environment: None,
            target: target.to_string(),
            before,
            after,
        }
    }

    /// Tells all nodes that what they know of the tenant's accounts may be out of date. They also poll, so a lost notice is no error.
    async fn announce(&self, tenant: TenantId, revision: Revision) {
        if let Err(error) = self.ports.bus.publish(Change::Accounts { tenant, revision }).await {
            tracing::warn!(%tenant, %revision, %error, "a change of accounts was not announced");
        }
    }

    async fn find(&self, tenant: TenantId, user: Uuid) -> Result<User> {
        self.ports.users.find(tenant, user).await?.ok_or(AccountError::UserNotFound)
    }

    /// Adds a user who has been checked.
    async fn add(&self, tenant: TenantId, actor: Option<Actor>, action: &str, new: NewAccount) -> Result<User> {
        let now = self.now();
        let user = User {
            id: self.ports.entropy.uuid(),
            name: Some(new.name),
            email: new.email,
            password: new.password,
            role: new.role,
            created_at: now,
            updated_at: now,
            tokens_valid_from: now,
            revision: Revision::ZERO,
        };
        let actor = actor.unwrap_or_else(|| crate::principal::actor(&user));
        let record = self.record(actor, action, user.id, None, Some(shown(&user)));
        // A new user withdraws no right from anyone: nothing to announce.
        Ok(self.ports.users.create(tenant, &user, &record).await.map_err(of_user)?.value)
    }

    /// Changes a user as `change` says, again if someone else wrote meanwhile, and announces it.
    async fn amend(
        &self,
        tenant: TenantId,
        id: Uuid,
        (actor, action): (Actor, &str),
        ending: Ending,
        change: impl Fn(&mut User) -> Result<()> + Send + Sync,
    ) -> Result<User> {
        let mut conflicts = 0;
        loop {
            let old = self.find(tenant, id).await?;
            let mut new = old.clone();
            change(&mut new)?;
            let record = self.record(actor.clone(), action, id, Some(shown(&old)), Some(shown(&new)));
            match self.ports.users.replace(tenant, &new, old.revision, ending, &record).await {
                Ok(Written { value, revision }) => {
                    self.announce(tenant, revision).await;
                    return Ok(value);
                }
                Err(error) if error.is_conflict() && conflicts < MAX_CONFLICTS => conflicts += 1,
                Err(error) => return Err(of_user(error)),
            }
        }
    }

    /// How an address stands, unless it is locked. The same for addresses without an account.
    async fn unlocked(&self, tenant: TenantId, subject: &str) -> Result<AttemptState> {
        let now = self.now();
        let state = self.ports.attempts.state(tenant, subject, &self.settings.attempts, now).await?;
        match state.locked_until {
            Some(until) if now < until => Err(AccountError::Locked { retry_after: until.since(now) }),
            _ => Ok(state),
        }
    }

    /// Forgets the failures of an address. What it was done for is done: a store that fails now costs no more than the wait for a
    /// lock's end, so it is told to the log, not to the caller.
    async fn forgive(&self, tenant: TenantId, email_key: &str, purposes: &[&str]) {
        for purpose in purposes {
            if let Err(error) = self.ports.attempts.clear(tenant, &subject(purpose, email_key)).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%tenant, error, "failures of an address were not forgotten; a lock stays until its end");
            }
        }
    }

    async fn count_failure(&self, tenant: TenantId, subject: &str) -> Result<()> {
        let state = self.ports.attempts.fail(tenant, subject, &self.settings.attempts, self.now()).await?;
        if state.locked_until.is_some() {
            tracing::warn!(%tenant, "too many wrong passwords: an address is locked for a while");
        }
        Ok(())
    }
}

/// What a new user is made of.
struct NewAccount {
    name: String,
    email: Email,
    password: PasswordHash,
    role: Role,
}

/// What is counted for an address, each apart from the others: failed sign-ins, wrong passwords in a change of the password, mails.
const SIGN_IN: &str = "login";
const PASSWORD_CHANGE: &str = "password";
const RESET_MAIL: &str = "reset";

/// What failures of an address are counted under. Its address is not to be read from it.
fn subject(purpose: &str, email_key: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(format!("{purpose}:{email_key}"));
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A user as audit records show it: never the hash of the password.
fn shown(user: &User) -> Value {
    json!({ "id": user.id, "name": user.name, "email": user.email.as_str(), "role": user.role })
}

fn of_user(error: StoreError) -> AccountError {
    match error.kind() {
        StoreErrorKind::AlreadyExists => AccountError::EmailTaken,
        StoreErrorKind::NotFound => AccountError::UserNotFound,
        StoreErrorKind::Refused(crate::store::LAST_ADMIN) => AccountError::LastAdmin,
        _ => AccountError::Store(error),
    }
}
