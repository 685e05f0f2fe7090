//! Sends mail by SMTP.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::ExposeSecret as _;
use togglebox_auth::{Mail, MailError, Mailer};

use crate::settings::MailSettings;

/// How long one step of a delivery may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The port on which TLS begins with the first byte (RFC 8314).
const IMPLICIT_TLS: u16 = 465;

/// A mail server.
pub(crate) struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Connects when the first mail is sent.
    pub(crate) fn new(settings: &MailSettings) -> anyhow::Result<Self> {
        let host = settings.host.as_str();
        let builder = match (settings.tls, settings.port) {
            (true, IMPLICIT_TLS) => AsyncSmtpTransport::<Tokio1Executor>::relay(host),
            (true, _) => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host),
            (false, _) => Ok(AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)),
        };
        let mut builder = builder.context("SMTP_HOST cannot be used")?.port(settings.port).timeout(Some(TIMEOUT));
        if let Some((user, password)) = &settings.login {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        let address = settings.from_email.parse().context("FROM_EMAIL cannot be used")?;
        Ok(Self { transport: builder.build(), from: Mailbox::new(Some(settings.from_name.clone()), address) })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let to: Mailbox = mail.to.as_str().parse().map_err(MailError::new)?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.expose_secret().to_owned())
            .map_err(MailError::new)?;
        self.transport.send(message).await.map(drop).map_err(MailError::new)
    }
}
