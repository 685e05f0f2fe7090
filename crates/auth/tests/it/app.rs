//! One node over a [`MemoryStore`], with a clock that stands still and a letter box.

use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use togglebox_auth::input::{Login, NewApiKey, NewUser, RoleChange};
use togglebox_auth::{
    AccountError, AccountPorts, AccountSettings, Accounts, AttemptPolicy, Authenticator, AuthenticatorPorts,
    AuthenticatorSettings, CachePolicy, CreatedKey, Denied, Mail, MailError, Mailer, PasswordHasher, Pepper, Presented,
    Principal, ResetLink, ResetPolicy, Role, SessionPolicy, SignedIn, SignedInUser, SignedKeys, TokenKeys, TokenParties, User,
};
use togglebox_core::{Actor, ChangeBus, Clock, LocalBus, ManualClock, SeededEntropy, TenantId, Timestamp};

use crate::memory::MemoryStore;

pub(crate) const T: TenantId = TenantId::DEFAULT;
pub(crate) const SECRET: &str = "0f9c2b7a5d8e4613a7b9c0d1e2f345a6";
pub(crate) const KEY_SECRET: &str = "b7a5d8e4613a7b9c0d1e2f345a60f9c2";
pub(crate) const PASSWORD: &str = "Parola123!";

/// Mail that was sent; can be told to lose it.
#[derive(Debug, Default)]
pub(crate) struct LetterBox {
    pub(crate) mails: Mutex<Vec<Mail>>,
    pub(crate) broken: Mutex<bool>,
}

#[async_trait]
impl Mailer for LetterBox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        if *self.broken.lock().unwrap() {
            return Err(MailError::new("connection refused"));
        }
        self.mails.lock().unwrap().push(mail);
        Ok(())
    }
}

pub(crate) struct App {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) letters: Arc<LetterBox>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) authenticator: Arc<Authenticator>,
}

/// What differs between tests.
pub(crate) struct Rules {
    pub(crate) registration: bool,
    pub(crate) keys_per_user: usize,
    pub(crate) sessions: SessionPolicy,
    pub(crate) failure_takes: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self { registration: true, keys_per_user: 3, sessions: SessionPolicy::default(), failure_takes: Duration::ZERO }
    }
}

impl App {
    pub(crate) fn start() -> Self {
        Self::with(&Rules::default())
    }

    pub(crate) fn with(rules: &Rules) -> Self {
        Self::node(Arc::new(MemoryStore::default()), rules, 1)
    }

    /// A node over a store that others use too, with a bus of its own: nobody tells it of changes.
    pub(crate) fn beside(store: Arc<MemoryStore>, rules: &Rules) -> Self {
        Self::node(store, rules, 2)
    }

    fn node(store: Arc<MemoryStore>, rules: &Rules, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_ms(1_760_000_000_250)));
        let entropy = Arc::new(SeededEntropy::new(seed));
        let letters = Arc::new(LetterBox::default());
        let bus = Arc::new(LocalBus::default());
        let tokens = Arc::new(TokenKeys::new(&SecretString::from(SECRET), &[], TokenParties::default()).unwrap());
        let pepper = Arc::new(Pepper::new(SecretString::from(KEY_SECRET)).unwrap());
        let stores = store.stores();
        let accounts = Accounts::new(
            AccountPorts {
                users: Arc::clone(&stores.users),
                keys: Arc::clone(&stores.keys),
                sessions: Arc::clone(&stores.sessions),
                resets: stores.resets,
                attempts: stores.attempts,
                bus: Arc::<LocalBus>::clone(&bus),
                mailer: Some(Arc::<LetterBox>::clone(&letters)),
                clock: Arc::<ManualClock>::clone(&clock),
                entropy: Arc::<SeededEntropy>::clone(&entropy),
            },
            AccountSettings {
                tokens: Arc::clone(&tokens),
                pepper: Arc::clone(&pepper),
                sessions: rules.sessions,
                registration: rules.registration,
                attempts: AttemptPolicy { failures: 3, ..AttemptPolicy::default() },
                keys_per_user: rules.keys_per_user,
                resets: ResetPolicy::new(ResetLink::new("https://admin.example.com/password-reset/complete/{token}").unwrap()),
                failure_takes: rules.failure_takes,
            },
            Arc::new(PasswordHasher::new(NonZero::new(2).unwrap(), entropy).unwrap()),
        );
        let authenticator = Arc::new(Authenticator::new(
            AuthenticatorPorts {
                users: stores.users,
                keys: stores.keys,
                sessions: stores.sessions,
                bus: Arc::<LocalBus>::clone(&bus),
                clock: Arc::<ManualClock>::clone(&clock),
            },
            AuthenticatorSettings {
                tokens,
                pepper,
                signed_keys: Some(Arc::new(SignedKeys::new(&SecretString::from(KEY_SECRET), TokenParties::default()).unwrap())),
                sessions: SessionPolicy::default(),
                cache: CachePolicy::default(),
            },
        ));
        bus.subscribe(Arc::<Authenticator>::clone(&authenticator));
        Self { store, clock, letters, accounts: Arc::new(accounts), authenticator }
    }

    pub(crate) async fn user(&self, name: &str, role: Role) -> User {
        self.user_of(T, name, role).await
    }

    pub(crate) async fn user_of(&self, tenant: TenantId, name: &str, role: Role) -> User {
        let body = json!({ "name": name, "email": address(name), "password": PASSWORD, "role": role });
        let form = NewUser::read(Some(&body)).unwrap();
        self.accounts.create_user(tenant, Actor::system(), form).await.unwrap()
    }

    pub(crate) async fn login(&self, name: &str, password: &str) -> Result<SignedIn, AccountError> {
        self.accounts.login(T, login(&address(name), password)).await
    }

    /// Signs in with the password that every test user has.
    pub(crate) async fn sign_in(&self, name: &str) -> SignedIn {
        self.login(name, PASSWORD).await.unwrap()
    }

    pub(crate) async fn by_token(&self, token: &SecretString) -> Result<Arc<Principal>, Denied> {
        let presented = Presented { bearer: Some(token.expose_secret()), api_key: None };
        self.authenticator.authenticate(T, presented).await
    }

    pub(crate) async fn by_key(&self, key: &SecretString) -> Result<Arc<Principal>, Denied> {
        let presented = Presented { bearer: None, api_key: Some(key.expose_secret()) };
        self.authenticator.authenticate(T, presented).await
    }

    /// Signs in and authenticates with what that gave.
    pub(crate) async fn caller(&self, name: &str) -> SignedInUser {
        let token = self.sign_in(name).await.token;
        self.by_token(&token).await.unwrap().signed_in().unwrap().clone()
    }

    pub(crate) async fn key(&self, caller: &SignedInUser, permissions: &[&str]) -> CreatedKey {
        self.accounts.create_key(T, caller, key_form(permissions, None)).await.unwrap()
    }

    /// The token of the latest mail.
    pub(crate) fn mailed_token(&self) -> String {
        let mails = self.letters.mails.lock().unwrap();
        let text = mails.last().unwrap().text.expose_secret().to_owned();
        let (_, rest) = text.split_once("/complete/").unwrap();
        rest.lines().next().unwrap().to_owned()
    }

    /// A token as the original system signs it.
    pub(crate) fn original_token(&self, user: &User, age: Duration) -> SecretString {
        let issued_at = self.clock.now().minus(age).as_ms().div_euclid(1000);
        signed(
            SECRET,
            &json!({
                "id": user.id, "email": user.email.as_str(), "role": "admin", "iat": issued_at, "exp": issued_at + 86_400,
                "aud": "config-service-api", "iss": "config-service",
            }),
        )
    }
}

pub(crate) fn signed(secret: &str, claims: &Value) -> SecretString {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    SecretString::from(jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap())
}

pub(crate) fn address(name: &str) -> String {
    format!("{name}@Example.com")
}

pub(crate) fn login(email: &str, password: &str) -> Login {
    Login::read(Some(&json!({ "email": email, "password": password }))).unwrap()
}

pub(crate) fn key_form(permissions: &[&str], expires_at: Option<Timestamp>) -> NewApiKey {
    let permissions = permissions.iter().map(ToString::to_string).collect();
    NewApiKey { name: "ci".to_owned(), permissions, expires_at }
}

pub(crate) fn role(role: Role) -> RoleChange {
    RoleChange { role }
}
