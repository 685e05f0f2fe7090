//! Mails invitations.

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use togglebox_auth::{Mail, Mailer as _};
use togglebox_multitenancy::{Invitation, InvitationMailError, InvitationMailer, InvitationToken, Tenant};

use crate::mail::SmtpMailer;

/// Sends invitations by mail.
#[derive(Debug)]
pub(super) struct Invitations {
    mailer: SmtpMailer,
    /// Where somebody accepts; the token stands for `{token}`.
    accept: String,
}

impl Invitations {
    pub(super) const fn new(mailer: SmtpMailer, accept: String) -> Self {
        Self { mailer, accept }
    }
}

#[async_trait]
impl InvitationMailer for Invitations {
    async fn send(&self, tenant: &Tenant, invitation: &Invitation, token: &InvitationToken) -> Result<(), InvitationMailError> {
        let link = self.accept.replace("{token}", token.secret().expose_secret());
        let mail = Mail {
            to: invitation.email.clone(),
            subject: format!("You are invited to {} on ToggleBox", tenant.name),
            text: SecretString::from(text(tenant, invitation, &link)),
        };
        self.mailer.send(mail).await.map_err(InvitationMailError::new)
    }
}

fn text(tenant: &Tenant, invitation: &Invitation, link: &str) -> String {
    format!(
        "{} invites you to the workspace {} ({}) as {}.\n\n\
         To join, open this link before {}:\n\n{link}\n\n\
         If you do not know what this is about, ignore this mail.\n",
        invitation.invited_by, tenant.name, tenant.subdomain, invitation.role, invitation.expires_at,
    )
}
