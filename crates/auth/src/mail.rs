//! Mail to users, and what sends it.

use std::error::Error;
use std::fmt::Debug;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::Email;

/// One message in plain text.
#[derive(Clone, Debug)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// One line.
    pub subject: String,
    /// Many lines. Secret, because it may carry a link that sets a password.
    pub text: SecretString,
}

/// A message that was not handed over. Sending it again may deliver it twice.
#[derive(Debug, thiserror::Error)]
#[error("the mail could not be handed over")]
pub struct MailError(#[source] Box<dyn Error + Send + Sync + 'static>);

impl MailError {
    /// With the cause, for logs.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        Self(cause.into())
    }
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync + Debug + 'static {
    /// Hands `mail` over to the next server.
    ///
    /// # Errors
    /// [`MailError`].
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}
