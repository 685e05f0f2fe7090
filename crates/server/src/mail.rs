//! Sends mail by SMTP.

mod page;

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::ExposeSecret as _;
use togglebox_auth::{Email, Mail, MailError, Mailer};

pub(crate) use self::page::Page;
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

/// A mail with all that can be said of it.
pub(crate) struct Letter {
    pub(crate) to: Email,
    /// One line.
    pub(crate) subject: String,
    /// What stands in it.
    pub(crate) page: Page,
    /// What makes it the same mail when it is sent again: letters and digits. `None`: each is another.
    pub(crate) id: Option<String>,
    /// What it belongs to, for whoever sorts mail: a name below a domain.
    pub(crate) list: Option<String>,
}

impl SmtpMailer {
    /// Hands a mail over to the next server.
    pub(crate) async fn deliver(&self, letter: Letter) -> Result<(), MailError> {
        let message = self.message(letter)?;
        self.transport.send(message).await.map(drop).map_err(MailError::new)
    }

    fn message(&self, letter: Letter) -> Result<Message, MailError> {
        let Letter { to, subject, page, id, list } = letter;
        let to: Mailbox = to.as_str().parse().map_err(MailError::new)?;
        // One line: what comes after it would be another header.
        let subject: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut message = Message::builder().from(self.from.clone()).to(to).subject(&subject);
        // Nobody's answering machine answers it (RFC 3834).
        message = message.raw_header(raw("Auto-Submitted", "auto-generated".to_owned()));
        if let Some(id) = id {
            message = message.message_id(Some(format!("<{id}@{}>", self.from.email.domain())));
        }
        if let Some(list) = list {
            message = message.raw_header(raw("List-Id", format!("<{list}>")));
        }
        let body = MultiPart::alternative_plain_html(page.text(), page.html(&subject));
        message.multipart(body).map_err(MailError::new)
    }
}

fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let page = Page::of_text(mail.text.expose_secret());
        self.deliver(Letter { to: mail.to, subject: mail.subject, page, id: None, list: None }).await
    }
}

/// Whether the next server will never take a mail to this address: the mailbox does not exist, or is closed to us.
#[cfg(feature = "cloud")]
pub(crate) fn is_for_nobody(error: &MailError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<lettre::transport::smtp::Error>());
    let status = cause.and_then(lettre::transport::smtp::Error::status).map(u16::from);
    matches!(status, Some(550 | 551 | 553))
}

#[cfg(test)]
mod tests;
