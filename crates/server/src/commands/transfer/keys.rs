//! The secret that API keys are hashed with: it does not move with them.

use anyhow::Context as _;
use secrecy::SecretString;
use togglebox_auth::Pepper;

use crate::secrets;
use crate::settings::Settings;

/// Tells the secret of these settings from others; `None` when none was made yet.
pub(super) fn fingerprint(settings: &Settings) -> anyhow::Result<Option<String>> {
    let given = settings.tokens.api_key_secret.as_ref().or(settings.tokens.secret.as_ref());
    let secret: Option<SecretString> = match (given, settings.database.file()) {
        (Some(secret), _) => Some(secret.clone()),
        (None, Some(path)) => secrets::find(path)?,
        (None, None) => None,
    };
    let pepper = secret.map(Pepper::new).transpose().context("the secret that API keys are hashed with cannot be used")?;
    Ok(pepper.map(|pepper| pepper.fingerprint()))
}

/// Where the secret of these settings comes from, for people.
pub(super) fn whereabouts(settings: &Settings) -> String {
    if settings.tokens.api_key_secret.is_some() {
        return "API_KEY_SECRET".to_owned();
    }
    match (&settings.tokens.secret, settings.database.file()) {
        (None, Some(path)) => format!("the secret in {}", secrets::file_of(path).display()),
        _ => "JWT_SECRET".to_owned(),
    }
}
