//! Who is who on a node of a test: an authenticator and accounts over one store, which anybody may register with.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use togglebox_auth::{
    AccountPorts, AccountSettings, Accounts, AttemptPolicy, Authenticator, AuthenticatorPorts, AuthenticatorSettings,
    CachePolicy, PasswordHasher, Pepper, ResetLink, ResetPolicy, SessionPolicy, TokenKeys, TokenParties,
};
use togglebox_core::{ChangeBus, Clock, Entropy};
use togglebox_storage::Sqlite;

const SECRET: &str = "0f9c2b7a5d8e4613a7b9c0d1e2f345a6";

/// Nobody tells the authenticator of changes yet.
pub(crate) fn identity(
    store: &Sqlite,
    clock: &Arc<dyn Clock>,
    bus: &Arc<dyn ChangeBus>,
    entropy: &Arc<dyn Entropy>,
) -> (Arc<Authenticator>, Arc<Accounts>) {
    let port = || Arc::new(store.clone());
    let tokens = Arc::new(TokenKeys::new(&SecretString::from(SECRET), &[], TokenParties::default()).unwrap());
    let pepper = Arc::new(Pepper::new(SecretString::from(SECRET)).unwrap());
    let sessions = SessionPolicy::default();
    let authenticator = Authenticator::new(
        AuthenticatorPorts { users: port(), keys: port(), sessions: port(), bus: Arc::clone(bus), clock: Arc::clone(clock) },
        AuthenticatorSettings {
            tokens: Arc::clone(&tokens),
            pepper: Arc::clone(&pepper),
            signed_keys: None,
            sessions,
            cache: CachePolicy::default(),
        },
    );
    let accounts = Accounts::new(
        AccountPorts {
            users: port(),
            keys: port(),
            sessions: port(),
            resets: port(),
            attempts: port(),
            bus: Arc::clone(bus),
            mailer: None,
            clock: Arc::clone(clock),
            entropy: Arc::clone(entropy),
        },
        AccountSettings {
            tokens,
            pepper,
            sessions,
            registration: true,
            attempts: AttemptPolicy::default(),
            keys_per_user: 10,
            failure_takes: Duration::ZERO,
            resets: ResetPolicy::new(ResetLink::new("https://example.com/{token}").unwrap()),
        },
        Arc::new(PasswordHasher::new(NonZero::<usize>::MIN, Arc::clone(entropy)).unwrap()),
    );
    (Arc::new(authenticator), Arc::new(accounts))
}
