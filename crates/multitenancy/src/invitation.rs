//! Invitations by e-mail, and their tokens.

use std::error::Error;
use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use togglebox_core::{Email, Entropy, EntropyExt as _, TenantId, Timestamp};
use uuid::Uuid;

use crate::{MemberRole, Tenant};

/// A text that is no token of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the invitation's token is not valid")]
pub struct InvalidToken;

/// SHA-256 of a token: all that is kept of one. The token has 256 random bits, so its hash needs no key to withstand guessing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(redacted)")
    }
}

/// What an invited person shows: `tbi_`, the tenant's id and 256 random bits, both hexadecimal. The id says where to look; the rest is
/// secret.
#[derive(Clone, Debug)]
pub struct InvitationToken {
    tenant: TenantId,
    text: SecretString,
}

impl InvitationToken {
    const PREFIX: &str = "tbi_";
    const TENANT_DIGITS: usize = 32;
    const SECRET_DIGITS: usize = 64;

    /// A new one.
    pub fn random(tenant: TenantId, entropy: &dyn Entropy) -> Self {
        let text = format!("{}{}{}", Self::PREFIX, tenant.as_uuid().as_simple(), entropy.hex::<32>());
        Self { tenant, text: text.into() }
    }

    /// Reads one that somebody shows.
    ///
    /// # Errors
    /// [`InvalidToken`] when it cannot be one of ours. Whether it is one, the store says.
    pub fn read(text: &SecretString) -> Result<Self, InvalidToken> {
        let shown = text.expose_secret();
        let digits = shown.strip_prefix(Self::PREFIX).ok_or(InvalidToken)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digits.len() != Self::TENANT_DIGITS + Self::SECRET_DIGITS || !digits.bytes().all(is_digit) {
            return Err(InvalidToken);
        }
        let tenant = Uuid::parse_str(&digits[..Self::TENANT_DIGITS]).map_err(|_| InvalidToken)?;
        Ok(Self { tenant: TenantId::from_uuid(tenant), text: text.clone() })
    }

    /// Whose invitation it is.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What is sent to the invited person, and to nobody else.
    pub const fn secret(&self) -> &SecretString {
        &self.text
    }

    /// What is kept.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.expose_secret()).into())
    }
}

/// One invitation. It is gone when it was accepted or revoked, and worth nothing when it has expired or who invites is no admin any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Random.
    pub id: Uuid,
    /// Who is invited: only an account with this address may accept.
    pub email: Email,
    /// What they are to be.
    pub role: MemberRole,
    /// Of the token that was sent last. A token that was sent before is worth nothing.
    pub token_hash: TokenHash,
    /// The account of who invites, or has sent it last. The invitation is worth nothing unless that is an admin of the tenant, still. Nil, and
    /// so worth nothing until it is sent again, where it is older than that this is kept.
    pub inviter: Uuid,
    /// The address of who that is.
    pub invited_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was sent last.
    pub sent_at: Timestamp,
    /// From this moment on it cannot be accepted.
    pub expires_at: Timestamp,
}

impl Invitation {
    /// Whether it can be accepted at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// The same with the token, the sending time, the end and the inviter of `next`: what sending it again changes.
    #[must_use]
    pub fn sent_again(self, next: &Self) -> Self {
        Self {
            token_hash: next.token_hash,
            inviter: next.inviter,
            invited_by: next.invited_by.clone(),
            sent_at: next.sent_at,
            expires_at: next.expires_at,
            ..self
        }
    }

    /// Whether it is for the account with this address, in whatever case.
    pub fn is_for(&self, email: &Email) -> bool {
        self.email.key() == email.key()
    }
}

/// A message that was not handed over. Sending it again may deliver it twice.
#[derive(Debug, thiserror::Error)]
#[error("the invitation could not be handed over")]
pub struct InvitationMailError(#[source] Box<dyn Error + Send + Sync + 'static>);

impl InvitationMailError {
    /// With the cause, for logs.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync + 'static>>) -> Self {
        Self(cause.into())
    }
}

/// Sends invitations to those who are invited.
#[async_trait]
pub trait InvitationMailer: Send + Sync + Debug + 'static {
    /// Hands a message with the token over to the next server.
    ///
    /// # Errors
    /// [`InvitationMailError`].
    async fn send(&self, tenant: &Tenant, invitation: &Invitation, token: &InvitationToken) -> Result<(), InvitationMailError>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use togglebox_core::SeededEntropy;

    use super::*;

    #[test]
    fn a_token_reads_back_and_is_not_shown() {
        let (tenant, entropy) = (TenantId::from_uuid(Uuid::from_u128(7)), SeededEntropy::new(1));
        let token = InvitationToken::random(tenant, &entropy);
        let other = InvitationToken::random(tenant, &entropy);
        assert_ne!(token.hash(), other.hash());
        let read = InvitationToken::read(token.secret()).unwrap();
        assert_eq!((read.tenant(), read.hash()), (tenant, token.hash()));
        let digits = token.secret().expose_secret()["tbi_".len() + 32..].to_owned();
        assert_eq!(digits.len(), 64);
        for shown in [format!("{token:?}"), format!("{:?}", token.hash())] {
            assert!(!shown.contains(&digits) && shown.contains("edacted") | shown.contains("EDACTED"), "{shown}");
        }
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let good = format!("tbi_{}", "0a".repeat(48));
        assert!(InvitationToken::read(&good.clone().into()).is_ok());
        for bad in [
            String::new(),
            good[..good.len() - 1].to_owned(),
            format!("{good}0"),
            good.to_uppercase(),
            good.replacen("tbi_", "tbx_", 1),
            good.replacen("0a", "0g", 1),
            format!("tbi_{}", "é".repeat(48)),
        ] {
            assert_eq!(InvitationToken::read(&bad.clone().into()).map(|_| ()), Err(InvalidToken), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in prop_oneof!["\\PC{0,120}", "tbi_\\PC{90,100}", "tbi_[0-9a-f]{90,100}"]) {
            let read = InvitationToken::read(&text.clone().into());
            prop_assert!(read.is_err() || text.len() == 100);
        }
    }
}
