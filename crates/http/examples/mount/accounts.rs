//! Who may manage the flags.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use togglebox_auth::{
    AccountPorts, AccountSettings, Accounts, AttemptPolicy, Authenticator, AuthenticatorPorts, AuthenticatorSettings,
    CachePolicy, PasswordHasher, Pepper, ResetLink, ResetPolicy, SessionPolicy, TokenKeys, TokenParties,
};
use togglebox_core::{ChangeBus, Clock, Entropy, EntropyExt as _};
use togglebox_storage::Sqlite;

type People = (Arc<Authenticator>, Arc<Accounts>);

/// Over one store, and with a secret that is gone with the process: one that is to be kept comes from the app's configuration.
pub(crate) fn open(
    store: &Sqlite,
    clock: &Arc<dyn Clock>,
    changes: &Arc<dyn ChangeBus>,
    entropy: &Arc<dyn Entropy>,
) -> Result<People, Box<dyn std::error::Error>> {
    let port = || Arc::new(store.clone());
    let secret = SecretString::from(entropy.hex::<32>());
    let tokens = Arc::new(TokenKeys::new(&secret, &[], TokenParties::default())?);
    let pepper = Arc::new(Pepper::new(secret)?);
    let sessions = SessionPolicy::default();
    let authenticator = Arc::new(Authenticator::new(
        AuthenticatorPorts { users: port(), keys: port(), sessions: port(), bus: Arc::clone(changes), clock: Arc::clone(clock) },
        AuthenticatorSettings {
            tokens: Arc::clone(&tokens),
            pepper: Arc::clone(&pepper),
            signed_keys: None,
            sessions,
            cache: CachePolicy::default(),
        },
    ));
    // Who is removed is out at once.
    let listener: Arc<Authenticator> = Arc::clone(&authenticator);
    changes.subscribe(listener);
    let ports = AccountPorts {
        users: port(),
        keys: port(),
        sessions: port(),
        resets: port(),
        attempts: port(),
        bus: Arc::clone(changes),
        mailer: None,
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
    };
    let settings = AccountSettings {
        tokens,
        pepper,
        sessions,
        registration: false,
        attempts: AttemptPolicy::default(),
        keys_per_user: 100,
        failure_takes: Duration::from_millis(250),
        resets: ResetPolicy::new(ResetLink::new("http://localhost:3005/reset/{token}")?),
    };
    let hasher = PasswordHasher::new(NonZero::<usize>::MIN, Arc::clone(entropy))?;
    Ok((authenticator, Arc::new(Accounts::new(ports, settings, Arc::new(hasher)))))
}
