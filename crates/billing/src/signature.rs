//! Whether a webhook comes from the payment service.
//!
//! `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`, where each `v1` is HMAC-SHA256 of `<seconds>.<body>` under a secret of the endpoint,
//! the whole text of it, `whsec_` included. While a secret is exchanged there are two of them.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use togglebox_core::Timestamp;

/// Why a webhook is not taken in. Tells nothing of secrets or bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSignature {
    /// There is no usable `t`, or there are two.
    #[error("the header has no single time")]
    NoTime,
    /// There is no `v1`.
    #[error("the header has no signature of a known scheme")]
    NoSignature,
    /// None of them fits.
    #[error("no signature fits")]
    Mismatch,
    /// It was made too long ago, or by a clock that is ahead.
    #[error("the time is too far from now")]
    TooFar,
}

/// A secret of a webhook endpoint.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

impl WebhookSecret {
    /// The whole text, with `whsec_`; `None` when it is empty.
    pub fn new(secret: &str) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret.as_bytes()).ok().map(Self)
    }

    fn sign(&self, seconds: u64, body: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(seconds.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Tells which webhooks come from the payment service.
#[derive(Clone, Debug)]
pub struct Verifier {
    secrets: Vec<WebhookSecret>,
    tolerance: Duration,
}

/// What a verifier cannot be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidVerifier {
    /// There is no secret.
    #[error("at least one secret is needed")]
    NoSecret,
    /// A tolerance under a second would refuse everything, one over a day nothing.
    #[error("the tolerance must be between a second and a day")]
    Tolerance,
}

impl Verifier {
    /// Five minutes, as the payment service's own libraries have it.
    pub const TOLERANCE: Duration = Duration::from_mins(5);
    /// The most `v1` that are looked at: more than there can be secrets.
    const MOST_SIGNATURES: usize = 16;

    /// Takes what one of these secrets signed, at most so long ago.
    ///
    /// # Errors
    /// [`InvalidVerifier`].
    pub fn new(secrets: Vec<WebhookSecret>, tolerance: Duration) -> Result<Self, InvalidVerifier> {
        if secrets.is_empty() {
            return Err(InvalidVerifier::NoSecret);
        }
        if !(Duration::from_secs(1)..=Duration::from_hours(24)).contains(&tolerance) {
            return Err(InvalidVerifier::Tolerance);
        }
        Ok(Self { secrets, tolerance })
    }

    /// Whether `header` is a signature of `body`, made around `now`. Of the official library it differs in this: a time in the future is as
    /// bad as one in the past, and two times are refused.
    ///
    /// # Errors
    /// [`BadSignature`].
    pub fn verify(&self, header: &str, body: &[u8], now: Timestamp) -> Result<(), BadSignature> {
        let Parts { seconds, signatures } = Parts::read(header)?;
        let fits = self.secrets.iter().fold(false, |fits, secret| {
            let expected = hex(&secret.sign(seconds, body));
            // Every one of them is compared, so that the time tells nothing.
            signatures.iter().fold(fits, |fits, signature| bool::from(signature.as_bytes().ct_eq(&expected)) || fits)
        });
        if !fits {
            return Err(BadSignature::Mismatch);
        }
        let now_seconds = now.as_ms().div_euclid(1000);
        let apart = i64::try_from(seconds).map_err(|_| BadSignature::TooFar)?.abs_diff(now_seconds);
        if apart > self.tolerance.as_secs() { Err(BadSignature::TooFar) } else { Ok(()) }
    }
}

struct Parts<'a> {
    seconds: u64,
    signatures: Vec<&'a str>,
}

impl<'a> Parts<'a> {
    fn read(header: &'a str) -> Result<Self, BadSignature> {
        let (mut seconds, mut signatures) = (None, Vec::new());
        for (name, value) in header.split(',').filter_map(|part| part.split_once('=')) {
            match name {
                "t" if seconds.is_none() => seconds = Some(decimal(value).ok_or(BadSignature::NoTime)?),
                "t" => return Err(BadSignature::NoTime),
                "v1" if signatures.len() < Verifier::MOST_SIGNATURES => signatures.push(value),
                _ => {}
            }
        }
        let seconds = seconds.ok_or(BadSignature::NoTime)?;
        if signatures.is_empty() { Err(BadSignature::NoSignature) } else { Ok(Self { seconds, signatures }) }
    }
}

/// Digits only: no sign, no space.
fn decimal(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn hex(bytes: &[u8; 32]) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

#[cfg(test)]
mod tests;
