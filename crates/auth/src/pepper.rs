//! How API keys are made, and turned into what they are found by.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use togglebox_core::{Entropy, EntropyExt};

use crate::KeyHash;
use crate::secret::{WeakSecret, sound};

/// How every issued key begins.
const ISSUED: &str = "tbx_live_";

/// How every key begins that may be looked up.
const KNOWN: &str = "tbx_";

/// Longer texts are no keys of ours.
const MAX_BYTES: usize = 128;

/// The first characters that are shown of a key. All keys share them: the contract has them so.
const SHOWN_PREFIX: usize = 8;

/// The secret that keys are hashed with: whoever reads the store alone can neither use nor guess a key.
///
/// Replacing it voids every key that was issued with it.
pub struct Pepper(SecretString);

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(redacted)")
    }
}

impl Pepper {
    /// From a configured secret.
    ///
    /// # Errors
    /// [`WeakSecret`].
    pub fn new(secret: SecretString) -> Result<Self, WeakSecret> {
        sound(&secret)?;
        Ok(Self(secret))
    }

    /// HMAC-SHA256 of the whole key: what issued keys are stored as.
    pub(crate) fn hash(&self, key: &str) -> KeyHash {
        // A secret of any length is accepted (RFC 2104), so there is always a value.
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes());
        KeyHash(mac.map_or([0; 32], |mac| mac.chain_update(key).finalize().into_bytes().into()))
    }

    /// A text that tells this secret from others without telling it: keys that were hashed with a secret of another fingerprint are not
    /// recognised here.
    pub fn fingerprint(&self) -> String {
        // No key begins like this.
        let hash = self.hash("fingerprint");
        hash.0[..8].iter().fold(String::with_capacity(16), |mut text, byte| {
            let _ = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
            text
        })
    }

    /// All that a key may be stored as: see [`hash`](Self::hash), and the plain SHA-256 of the original system. `None` when the text
    /// cannot be a key.
    pub(crate) fn candidates(&self, key: &str) -> Option<[KeyHash; 2]> {
        Some([self.first_candidate(key)?, KeyHash(Sha256::digest(key.as_bytes()).into())])
    }

    /// The first of [`candidates`](Self::candidates).
    pub(crate) fn first_candidate(&self, key: &str) -> Option<KeyHash> {
        (key.starts_with(KNOWN) && key.len() <= MAX_BYTES).then(|| self.hash(key))
    }
}

/// Whether `found` is one of `candidates`, in a time that does not depend on how alike they are.
pub(crate) fn is_one_of(found: &KeyHash, candidates: &[KeyHash]) -> bool {
    candidates.iter().fold(subtle::Choice::from(0), |any, candidate| any | candidate.0.ct_eq(&found.0)).into()
}

/// A new key: `tbx_live_` and 16 random bytes in hexadecimal.
pub(crate) fn generate(entropy: &dyn Entropy) -> SecretString {
    SecretString::from(format!("{ISSUED}{}", entropy.hex::<16>()))
}

/// What is kept of a key for people: its first eight and its last four characters.
pub(crate) fn shown(key: &SecretString) -> (String, String) {
    let key = key.expose_secret();
    (key.chars().take(SHOWN_PREFIX).collect(), key.get(key.len().saturating_sub(4)..).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use togglebox_core::SeededEntropy;

    fn pepper(secret: &str) -> Pepper {
        Pepper::new(SecretString::from(secret)).unwrap()
    }

    #[test]
    fn a_new_key_has_the_contracts_form() {
        let key = generate(&SeededEntropy::new(7));
        let text = key.expose_secret();
        assert_eq!(text.len(), 41);
        assert!(text.strip_prefix("tbx_live_").unwrap().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        let (prefix, last4) = shown(&key);
        assert_eq!(prefix, "tbx_live");
        assert!(last4.len() == 4 && text.ends_with(&last4));
    }

    #[test]
    fn the_hash_is_hmac_sha256() {
        // RFC 4231 has no key of printable text this long; computed with `openssl dgst -sha256 -hmac`.
        let hash = pepper("0f9c2b7a5d8e4613a7b9c0d1e2f345a6").hash("tbx_live_274923b68220888494846cf40975cf9b");
        assert_eq!(hash.0[..4], [0x0e, 0xf2, 0x19, 0x4a]);
        assert_ne!(hash, pepper("b7a5d8e4613a7b9c0d1e2f345a60f9c2").hash("tbx_live_274923b68220888494846cf40975cf9b"));
    }

    #[test]
    fn imported_keys_are_found_by_their_plain_hash() {
        let key = "tbx_live_274923b68220888494846cf40975cf9b";
        let candidates = pepper("0f9c2b7a5d8e4613a7b9c0d1e2f345a6").candidates(key).unwrap();
        let plain = KeyHash(Sha256::digest(key).into());
        assert!(is_one_of(&plain, &candidates) && is_one_of(&candidates[0], &candidates));
        assert!(!is_one_of(&KeyHash([0; 32]), &candidates));
    }

    #[test]
    fn what_cannot_be_a_key_is_not_looked_up() {
        let pepper = pepper("0f9c2b7a5d8e4613a7b9c0d1e2f345a6");
        assert!(pepper.candidates("").is_none());
        assert!(pepper.candidates("secret").is_none());
        assert!(pepper.candidates(&format!("tbx_live_{}", "0".repeat(200))).is_none());
    }
}
