//! API keys.

use std::fmt;

use togglebox_core::Timestamp;
use uuid::Uuid;

/// What a key is found by: a keyed hash of the key, or the plain SHA-256 that the original system stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyHash(pub [u8; 32]);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(redacted)")
    }
}

/// A key that a program signs in with. The key itself is shown once, when it is made, and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// Its owner. A key never may more than its owner may at the moment of use.
    pub user: Uuid,
    /// For people; 1 to 100 UTF-16 units.
    pub name: String,
    /// What it is found by.
    pub hash: KeyHash,
    /// The first characters of the key, for people.
    pub prefix: String,
    /// The last four characters of the key, for people.
    pub last4: String,
    /// Words of permissions as they were granted. Unknown words (of imported keys) are kept and grant nothing.
    pub permissions: Vec<String>,
    /// Void from this moment on.
    pub expires_at: Option<Timestamp>,
    /// The last use, to the minute or so: it is written behind.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}
