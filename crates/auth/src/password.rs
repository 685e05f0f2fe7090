//! Passwords: the rule for new ones, hashing and verification.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret, SecretString};
use togglebox_core::input::Text;
use togglebox_core::{Entropy, EntropyExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::PasswordHash;

/// Memory of one hash in KiB, passes and lanes: the first choice of the OWASP Password Storage Cheat Sheet for Argon2id
/// (19 MiB, 2, 1).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Longer passwords are wrong without being hashed: the rule allows 128 UTF-16 units, at most 384 bytes.
const MAX_BYTES: usize = 512;

/// For each hash that runs, so many may wait.
const WAITING_PER_SLOT: usize = 64;

/// Adds the rule for new passwords to the checks of a text: 8 to 128 UTF-16 units, with a lower-case letter, an upper-case letter and
/// a digit on the first line. `subject` begins the sentences, as "New password".
pub(crate) fn checked<'r, 'v>(text: Text<'r, 'v>, subject: &str) -> Text<'r, 'v> {
    text.min(8, format!("{subject} must be at least 8 characters"))
        .max(128, format!("{subject} must not exceed 128 characters"))
        .check(
            has_required_kinds,
            format!("{subject} must contain at least one uppercase letter, one lowercase letter, and one number"),
        )
}

/// The contract's expression looks ahead from the start of the text with `.`, which stops at the first line's end.
fn has_required_kinds(text: &str) -> bool {
    let line = text.split(['\n', '\r', '\u{2028}', '\u{2029}']).next().unwrap_or_default();
    let has = |kind: fn(&u8) -> bool| line.as_bytes().iter().any(kind);
    has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
}

/// Why nothing was hashed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HashingError {
    /// So many are waiting that the caller would wait for seconds. Trying again later is right.
    #[error("too many passwords are being checked")]
    Busy,
    /// The hash function or its thread failed.
    #[error("the password could not be hashed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Hashes and verifies passwords on threads of their own, a bounded number at once, so that many sign-ins at once slow down each other
/// and nothing else.
pub struct PasswordHasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    entropy: Arc<dyn Entropy>,
    /// What a password is compared with when there is no account: costs the same, and its password is known to nobody.
    nobody: PasswordHash,
}

impl fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHasher").field("free", &self.running.available_permits()).finish_non_exhaustive()
    }
}

impl PasswordHasher {
    /// Runs at most `slots` hashes at once: the number of processor cores is a good choice. Each takes 19 MiB while it runs.
    ///
    /// Hashes once, on the caller's thread: some 20 ms.
    ///
    /// # Errors
    /// [`HashingError::Failed`].
    pub fn new(slots: NonZero<usize>, entropy: Arc<dyn Entropy>) -> Result<Self, HashingError> {
        let slots = slots.get().min(1024);
        let nobody = hash_now(&entropy.hex::<32>(), &entropy.bytes()).map_err(|error| HashingError::Failed(Box::new(error)))?;
        Ok(Self {
            running: Arc::new(Semaphore::new(slots)),
            waiting: Arc::new(Semaphore::new(slots * (1 + WAITING_PER_SLOT))),
            nobody,
            entropy,
        })
    }

    /// Waits for a slot.
    ///
    /// # Errors
    /// [`HashingError::Busy`] at once when too many wait already.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, HashingError> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_full| HashingError::Busy)?;
        // Never closed; were it, nothing could be hashed any more.
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_closed| HashingError::Busy)?;
        Ok(Turn { hasher: self, slot: Arc::new((waiting, running)) })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// [`HashingError`].
    pub async fn hash(&self, password: &SecretString) -> Result<PasswordHash, HashingError> {
        self.turn().await?.hash(password).await
    }

    /// Whether a sign-in with this hash should replace it: another algorithm or other parameters.
    pub fn needs_rehash(hash: &PasswordHash) -> bool {
        let Ok(parsed) = phc::PasswordHash::new(hash.expose()) else { return true };
        let current = parsed.algorithm == argon2::ARGON2ID_IDENT
            && parsed.version == Some(argon2::Version::V0x13.into())
            && argon2::Params::try_from(&parsed)
                .is_ok_and(|params| (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES));
        !current
    }
}

/// One slot. It is free again when this, and whatever still runs in it, is done: a caller that went away does not make room for more
/// than fit.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    hasher: &'a PasswordHasher,
    slot: Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Turn<'_> {
    /// Hashes a new password.
    pub(crate) async fn hash(&self, password: &SecretString) -> Result<PasswordHash, HashingError> {
        let (password, salt) = (password.clone(), self.hasher.entropy.bytes::<16>());
        self.run(move || hash_now(password.expose_secret(), &salt)).await?.map_err(|error| HashingError::Failed(Box::new(error)))
    }

    /// Whether `password` is the one behind `hash`. Without a hash the answer is no, and takes as long.
    pub(crate) async fn verify(&self, password: &SecretString, hash: Option<&PasswordHash>) -> Result<bool, HashingError> {
        let known = hash.is_some();
        let (password, hash) = (password.clone(), hash.unwrap_or(&self.hasher.nobody).clone());
        let matches = self.run(move || verify_now(password.expose_secret(), &hash)).await?;
        Ok(matches && known)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashingError> {
        let slot = Arc::clone(&self.slot);
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(slot);
            done
        })
        .await
        .map_err(|error| HashingError::Failed(Box::new(error)))
    }
}

fn argon2() -> Argon2<'static> {
    // The constants are within the library's limits; a test hashes with them.
    argon2::Params::new(MEMORY_KIB, PASSES, LANES, None).map(Argon2::from).unwrap_or_default()
}

fn hash_now(password: &str, salt: &[u8; 16]) -> Result<PasswordHash, argon2::password_hash::Error> {
    let hash: phc::PasswordHash = argon2().hash_password_with_salt(password.as_bytes(), salt)?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Takes Argon2id, and the bcrypt of imported accounts: `$2a$`, `$2b$` and `$2y$`, of which only the first 72 bytes count.
fn verify_now(password: &str, hash: &PasswordHash) -> bool {
    let (fits, hash) = (password.len() <= MAX_BYTES, hash.expose());
    let password = if fits { password } else { "" };
    let matches = if hash.starts_with("$argon2id$") {
        phc::PasswordHash::new(hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    } else if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
        bcrypt::verify(password, hash).unwrap_or(false)
    } else {
        false
    };
    matches && fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use togglebox_core::SeededEntropy;
    use togglebox_core::input::Reader;

    fn hasher(slots: usize) -> PasswordHasher {
        PasswordHasher::new(NonZero::new(slots).unwrap(), Arc::new(SeededEntropy::new(1))).unwrap()
    }

    fn problems(password: &str) -> Vec<String> {
        let body = json!(password);
        let reader = Reader::new(Some(&body));
        let _ = checked(reader.text(), "Password").get();
        reader.into_issues().into_iter().map(|issue| issue.message).collect()
    }

    #[test]
    fn the_rule_for_new_passwords() {
        let kinds = "Password must contain at least one uppercase letter, one lowercase letter, and one number";
        assert_eq!(problems("Viewer123"), [""; 0]);
        assert_eq!(problems("Aa1"), ["Password must be at least 8 characters"]);
        assert_eq!(problems("short"), ["Password must be at least 8 characters", kinds]);
        assert_eq!(problems("alllowercase"), [kinds]);
        assert_eq!(problems(&"Aa1".repeat(50)), ["Password must not exceed 128 characters"]);
        assert_eq!(problems("Aa1\u{1F600}\u{1F600}x"), [""; 0], "a character outside the BMP counts twice");
        assert_eq!(problems("Aa1\nlonger"), [""; 0]);
        assert_eq!(problems("Aa\n1longer"), [kinds], "the rule does not look past the first line");
        assert_eq!(problems("Aa\u{2028}1longer"), [kinds]);
        assert_eq!(problems("Äpfel1234"), [kinds], "letters are ASCII");
    }

    #[tokio::test]
    async fn a_new_hash_has_the_recommended_parameters_and_verifies() {
        let hasher = hasher(1);
        let password = SecretString::from("Parola123!");
        let hash = hasher.hash(&password).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert!(!PasswordHasher::needs_rehash(&hash));
        let turn = hasher.turn().await.unwrap();
        assert!(turn.verify(&password, Some(&hash)).await.unwrap());
        assert!(!turn.verify(&SecretString::from("Parola123?"), Some(&hash)).await.unwrap());
        assert_ne!(turn.hash(&password).await.unwrap(), hash, "the salt is new each time");
    }

    #[tokio::test]
    async fn imported_bcrypt_hashes_verify_and_want_replacing() {
        let hasher = hasher(1);
        let turn = hasher.turn().await.unwrap();
        let salt = [7; 16];
        let long = "A1b".repeat(30);
        let parts = bcrypt::hash_with_salt(&long, 4, salt).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let hash = PasswordHash::new(parts.format_for_version(version));
            assert!(PasswordHasher::needs_rehash(&hash));
            assert!(turn.verify(&SecretString::from(long.as_str()), Some(&hash)).await.unwrap());
            assert!(turn.verify(&SecretString::from(&long[..72]), Some(&hash)).await.unwrap(), "72 bytes count");
            assert!(!turn.verify(&SecretString::from(&long[..71]), Some(&hash)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn nothing_matches_nobody() {
        let hasher = hasher(1);
        assert!(!PasswordHasher::needs_rehash(&hasher.nobody), "costs as much as a real one");
        let turn = hasher.turn().await.unwrap();
        assert!(!turn.verify(&SecretString::from(""), None).await.unwrap());
        assert!(!turn.verify(&SecretString::from("x".repeat(MAX_BYTES + 1)), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let hasher = hasher(1);
        let first = hasher.turn().await.unwrap();
        let rest = Arc::clone(&hasher.waiting).acquire_many_owned(u32::try_from(WAITING_PER_SLOT).unwrap()).await.unwrap();
        assert!(matches!(hasher.turn().await, Err(HashingError::Busy)));
        drop((first, rest));
        assert!(hasher.turn().await.is_ok());
    }

    #[test]
    fn other_hashes_match_nothing() {
        let good = hash_now("Parola123!", &[1; 16]).unwrap();
        for hash in ["", "$", "$argon2id$", "$2b$10$short", &good.expose().replace("argon2id", "argon2i"), "$5$plain"] {
            assert!(!verify_now("Parola123!", &PasswordHash::new(hash)), "{hash}");
            assert!(PasswordHasher::needs_rehash(&PasswordHash::new(hash)));
        }
    }

    proptest! {
        #[test]
        fn any_stored_text_is_read_without_panic(text in "\\$?(2b\\$|argon2id\\$)?\\PC{0,20}") {
            prop_assert!(!verify_now("x", &PasswordHash::new(text)));
        }
    }
}
